"""Batches whose pictures, and if wanted captions, went through their encoders once, before training."""

import os
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pai_modelscope.data.augmentation import CaptionSettings, Draw, resample
from pai_modelscope.data.batches import TOGETHER, Batch, ExampleSource, encode, moved, pixels_of, scaled, scaling
from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.data.geometry import Geometry, Size
from pai_modelscope.data.latent_cache import ShardCache, key_of, weights_digest
from pai_modelscope.errors import UserError
from pai_modelscope.text import chunk_ids, encode_ids

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

_CAPTIONS_TOGETHER = 64
_MIDDLE = Draw(across=0.5, down=0.5, flip=False, which=0.0, key=0)
_MIRRORED = Draw(across=0.5, down=0.5, flip=True, which=0.0, key=0)


class CachedSource(ExampleSource):
    """As `ExampleSource`, with latents from a folder: each picture's mean and deviation, resampled at every step.

    What is missing in the folder is encoded first. An entry is found by the picture's bytes, its size, its mirroring
    and the VAE's weights; so the folder may serve many runs, and old entries in it do no harm.

    With `text_encoder`, the states of all captions are kept too, and a batch holds `states` (n, chunks * 32, width)
    float32 beside its `ids`, for methods that leave the text encoder as it is.

    Args:
        vae: on `device` while it encodes, and on the CPU afterwards.
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
        tokenizer: Any,
        *,
        vae: "AutoencoderKL",
        folder: str | os.PathLike[str],
        text_encoder: nn.Module | None = None,
        device: torch.device | str = "cpu",
        process_index: int = 0,
        num_processes: int = 1,
        wait: Callable[[], None] = lambda: None,
        **options: Any,
    ):
        if geometry.random_crop:
            raise UserError("Latents of random crops can't be cached; crop from the centre, or train without a cache.")
        if captions.shuffle_tags and text_encoder is not None:
            raise UserError("States of shuffled tags can't be cached; leave out shuffle_tags or the cache of states.")
        super().__init__(training_set, geometry, captions, tokenizer, **options)
        parts = {"process_index": process_index, "num_processes": num_processes, "wait": wait}
        self._scaling = scaling(vae)
        self._cache = ShardCache(folder)
        self._vae = weights_digest(vae)
        self._keys: dict[tuple[str, Size, bool], str] = {}
        self._texts: dict[tuple[str, int], tuple[torch.Tensor, str]] = {}  # ids and key of each caption
        self._encode_pictures(vae.eval().to(device), parts)
        vae.to("cpu")
        self._encoder = None if text_encoder is None else weights_digest(text_encoder)
        if text_encoder is not None:
            self._encode_captions(text_encoder.eval().to(device), parts)

    def latents(
        self, examples: Sequence[Example], size: Size, drawn: Sequence[Draw], keys: torch.Tensor, device: torch.device
    ) -> torch.Tensor:
        names = [self._key(example, size, one.flip) for example, one in zip(examples, drawn, strict=True)]
        moments = self._cache.read(names)
        return scaled(resample(moved(moments["mean"], device), moved(moments["std"], device), keys), *self._scaling)

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

    def _encode_pictures(self, vae: "AutoencoderKL", parts: dict[str, Any]) -> None:
        views = (_MIDDLE, _MIRRORED) if self.geometry.random_flip else (_MIDDLE,)
        wanted = [
            (example, size, one)
            for (size, _), bucket in zip(self.shapes, self.examples, strict=True)
            for example, one in product(dict.fromkeys(bucket), views)
        ]

        def compute(places: Sequence[int]) -> dict[str, torch.Tensor]:
            parts = []
            for start in range(0, len(places), TOGETHER):  # not all pictures of a shard in memory
                pixels = self._map(lambda place: _pixels_of(*wanted[place]), places[start : start + TOGETHER])
                parts.append([moment.half().cpu() for moment in encode(vae, pixels.to(vae.device))])
            mean, std = map(torch.cat, zip(*parts, strict=True))
            return {"mean": mean, "std": std}

        keys = [self._key(example, size, one.flip) for example, size, one in wanted]
        self._cache.build(keys, [size for _, size, _ in wanted], compute, desc="latents", **parts)

    def _encode_captions(self, text_encoder: nn.Module, parts: dict[str, Any]) -> None:
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
            states = [encode_ids(text_encoder, part.to(device)) for part in ids.split(_CAPTIONS_TOGETHER)]
            return {"states": torch.cat(states).half()}

        keys = [self._text(text, chunks)[1] for text, chunks in wanted]
        self._cache.build(keys, [chunks for _, chunks in wanted], compute, desc="captions", **parts)


def _pixels_of(example: Example, size: Size, drawn: Draw) -> torch.Tensor:
    """Of the picture whose digest the cache will find them by; what was saved since it was opened is another one."""
    pixels = pixels_of(example, size, drawn)
    if example.digest_now and example.digest_now() != example.digest:
        raise UserError(f"{example.name} has changed since the training set was opened; start again to read it anew.")
    return pixels
