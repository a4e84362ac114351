"""Batches whose pictures, and if wanted captions, went through their encoders once, before training."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

import torch
from torch import nn

from pai_modelscope.data.augmentation import CaptionSettings, resample
from pai_modelscope.data.batches import (
    TOGETHER,
    Batch,
    ExampleSource,
    Scale,
    SourceOptions,
    channels_last,
    encode,
    moved,
)
from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.data.geometry import Geometry, Size
from pai_modelscope.data.latent_cache import ShardCache, key_of, weights_digest
from pai_modelscope.data.loading import Sample
from pai_modelscope.data.views import Cut, unchanged_picture_view
from pai_modelscope.errors import UserError
from pai_modelscope.text import chunk_ids, encode_ids

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import PreTrainedTokenizerBase

_CAPTIONS_TOGETHER = 64


class _Processes(TypedDict):
    """Which process of a training this is, of how many, and how it waits for the others."""

    process_index: int
    num_processes: int
    wait: Callable[[], None]


class CachedSource(ExampleSource):
    """As `ExampleSource`, with latents from a folder: each picture's mean and deviation, resampled at every step.

    What is missing in the folder is encoded first. An entry is found by the picture's bytes, its size, its mirroring
    and the VAE's weights; so the folder may serve many runs, and old entries in it do no harm.

    With `text_encoder`, the states of all captions are kept too, and a batch holds `states` (n, chunks * 32, width)
    float32 beside its `ids`, for methods that leave the text encoder as it is.

    Args:
        vae: on `device` while it encodes, and on the CPU afterwards.
        scale: makes of its latents those that the network learns from; see `ModelFamily.scale_latents`.
        folder: of the cache.
        process_index, num_processes, wait: of `Accelerator`, so that each process encodes its part of the pictures.
        options: of `ExampleSource`.

    Raises:
        UserError: as `ExampleSource`; random crops, or shuffled tags with a `text_encoder`, which no cache can hold.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        geometry: Geometry,
        captions: CaptionSettings,
        tokenizer: "PreTrainedTokenizerBase",
        *,
        vae: "AutoencoderKL",
        scale: Scale,
        folder: str | os.PathLike[str],
        text_encoder: nn.Module | None = None,
        device: torch.device | str = "cpu",
        process_index: int = 0,
        num_processes: int = 1,
        wait: Callable[[], None] = lambda: None,
        **options: Unpack[SourceOptions],
    ):
        if geometry.random_crop:
            raise UserError("Latents of random crops can't be cached; crop from the centre, or train without a cache.")
        if captions.shuffle_tags and text_encoder is not None:
            raise UserError("States of shuffled tags can't be cached; leave out shuffle_tags or the cache of states.")
        super().__init__(training_set, geometry, captions, tokenizer, **options)
        processes: _Processes = {"process_index": process_index, "num_processes": num_processes, "wait": wait}
        self._scale = scale
        self._cache = ShardCache(folder)
        self._vae = weights_digest(vae)
        self._keys: dict[tuple[str, Size, bool], str] = {}
        self._texts: dict[tuple[str, int], tuple[torch.Tensor, str]] = {}  # ids and key of each caption
        self._encode_pictures(vae.eval().to(device), processes)
        vae.to("cpu")
        self._encoder = None if text_encoder is None else weights_digest(text_encoder)
        if text_encoder is not None:
            self._encode_captions(text_encoder.eval().to(device), processes)

    def latents(self, samples: Sequence[Sample], keys: torch.Tensor, device: torch.device) -> torch.Tensor:
        entries = [self._key(sample.example, sample.cut.size, sample.cut.flip) for sample in samples]
        moments = self._cache.read(entries)
        latents = resample(moved(moments["mean"], device), moved(moments["std"], device), keys)
        return channels_last(self._scale(latents))

    def text(self, texts: Sequence[str], chunks: int, device: torch.device) -> Batch:
        if self._encoder is None:
            return super().text(texts, chunks, device)
        ids = torch.stack([self._text(text, chunks)[0] for text in texts])
        return {"ids": moved(ids, device), "states": self.states(texts, chunks, device)}

    def states(self, texts: Sequence[str], chunks: int, device: torch.device) -> torch.Tensor:
        """(n, chunks * 32, width) float32: the states of captions, or of "", which stands for a dropped caption."""
        return moved(self._cache.read([self._text(text, chunks)[1] for text in texts])["states"], device).float()

    def _key(self, example: Example, size: Size, flip: bool) -> str:
        known = example.digest, size, flip
        if known not in self._keys:
            self._keys[known] = key_of("latents", example.digest, size, "centre", flip, self._vae)
        return self._keys[known]

    def _text(self, text: str, chunks: int) -> tuple[torch.Tensor, str]:
        """The ids (chunks, 32) of a caption, and the key of its states."""
        if (text, chunks) not in self._texts:
            ids = chunk_ids(self.tokenizer, [text], chunks)
            # The ids themselves: another vocabulary, or another way to cut into chunks, gives other ones.
            self._texts[text, chunks] = ids[0], key_of("states", ids.tolist(), self._encoder)
        return self._texts[text, chunks]

    def _encode_pictures(self, vae: "AutoencoderKL", processes: _Processes) -> None:
        samples = [
            self.sample(bucket, place, Cut(size, flip=flip))
            for bucket, (size, _) in enumerate(self.shapes)
            for place in _first_places(self.examples[bucket])
            for flip in ((False, True) if self.geometry.random_flip else (False,))
        ]

        def compute(places: Sequence[int]) -> dict[str, torch.Tensor]:
            parts = []
            for start in range(0, len(places), TOGETHER):  # not all pictures of a shard in memory
                part = [samples[place] for place in places[start : start + TOGETHER]]
                pixels = self.views(unchanged_picture_view, part)
                parts.append([moment.half().cpu() for moment in encode(vae, pixels.to(vae.device))])
            mean, std = map(torch.cat, zip(*parts, strict=True))
            return {"mean": mean, "std": std}

        keys = [self._key(sample.example, sample.cut.size, sample.cut.flip) for sample in samples]
        self._cache.build(keys, [sample.cut.size for sample in samples], compute, desc="latents", **processes)

    def _encode_captions(self, text_encoder: nn.Module, processes: _Processes) -> None:
        wanted = list(
            dict.fromkeys(
                (text, chunks)
                for (_, chunks), bucket in zip(self.shapes, self.examples, strict=True)
                for example in bucket
                for text in (*example.captions, "")
            )
        )

        @torch.no_grad()
        def compute(places: Sequence[int]) -> dict[str, torch.Tensor]:
            ids = torch.stack([self._text(*wanted[place])[0] for place in places])
            device = next(text_encoder.parameters()).device
            states = [encode_ids(text_encoder, part.to(device)) for part in torch.split(ids, _CAPTIONS_TOGETHER)]
            return {"states": torch.cat(states).half()}

        keys = [self._text(text, chunks)[1] for text, chunks in wanted]
        self._cache.build(keys, [chunks for _, chunks in wanted], compute, desc="captions", **processes)


def _first_places(examples: Sequence[Example]) -> list[int]:
    """One place of each picture, of which a set may hold several."""
    places: dict[Example, int] = {}
    for place, example in enumerate(examples):
        places.setdefault(example, place)
    return list(places.values())
