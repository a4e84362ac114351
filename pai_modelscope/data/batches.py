"""Pictures and captions become the batches of the training loop."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
import torch
import torch.nn.functional as F

from pai_modelscope.data.augmentation import CaptionSettings, caption, draw, resample
from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.data.geometry import LATENT, Geometry, Size, cycle
from pai_modelscope.data.loading import Sample, loader
from pai_modelscope.data.views import AnnotatedView, Cut, View, condition_view, mask_view, picture_view
from pai_modelscope.errors import UserError
from pai_modelscope.text import chunk_ids, unknown_characters
from pai_modelscope.text.chunks import BACKTRACK, content_length

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import PreTrainedTokenizerBase

TOGETHER = 8  # pictures that go through the VAE at once: its memory is that of many UNet samples
Batch = dict[str, torch.Tensor]
Scale = Callable[[torch.Tensor], torch.Tensor]  # latents as the VAE gives them, to those that the network sees


class SourceOptions(TypedDict, total=False):
    """How `ExampleSource` makes conditions, and who reads the pictures."""

    annotator: str | None
    annotator_options: Mapping[str, object] | None
    workers: int
    worker_processes: bool


class ExampleSource:
    """What all sources share; they differ in where latents come from.

    Examples of one size and one number of chunks lie in a bucket. A batch of n samples holds

    - `latents` (n, 4, height/8, width/8) float32, scaled to unit variance, drawn anew for each key;
    - `ids` (n, chunks, 32) int64, of one caption of each, drawn by its key. Dropping captions is the method's part;
    - `weight` (n,) float32, of each sample's loss, if any example's is not 1;
    - `mask` (n, 1, height/8, width/8) in [0, 1], if any example of the set has one; 1 for those without;
    - `control` (n, 3, height, width) in [0, 1], if the set has conditions or `annotator` draws them.

    Args:
        tokenizer: of the text encoder.
        annotator: a name in `images.annotators.ANNOTATORS`: conditions are drawn from the cropped pictures, in place of
            those of the set. `annotator_options` go to it.
        workers: threads that read pictures; 0, the default of diffusers' scripts, is one.
        worker_processes: as many processes in their place: see `loading`.

    Raises:
        UserError: no pictures; a caption beyond `max_chunks`; conditions for some of the pictures only; worker
            processes that can't begin.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        geometry: Geometry,
        captions: CaptionSettings,
        tokenizer: "PreTrainedTokenizerBase",
        *,
        annotator: str | None = None,
        annotator_options: Mapping[str, object] | None = None,
        workers: int = 4,
        worker_processes: bool = False,
    ):
        examples = [training_set[place] for place in range(len(training_set))]
        if not examples:
            raise UserError("The training set has no pictures; give at least one.")
        self.geometry, self.captions, self.tokenizer = geometry, captions, tokenizer
        self._weighted = any(example.weight != 1 for example in examples)
        self._masked = any(example.mask is not None for example in examples)
        self._control: View | None = None  # what shows the conditions
        if annotator is not None:
            self._control = AnnotatedView(annotator, dict(annotator_options or {}))
        elif _all_or_none(examples):
            self._control = condition_view
        needed = chunks_needed(tokenizer, examples, captions)
        self.examples: list[list[Example]] = []
        self.shapes: list[tuple[Size, int]] = []  # size and chunks of each bucket
        by_shape: dict[tuple[Size, int], list[Example]] = {}
        for example, chunks in zip(examples, needed, strict=True):
            by_shape.setdefault((geometry.size_for(example.size), chunks), []).append(example)
        for shape in sorted(by_shape):
            self.shapes.append(shape)
            self.examples.append(by_shape[shape])
        self._starts = [sum(self.lengths[:bucket]) for bucket in range(len(self.shapes))]
        self._loader = loader([example for bucket in self.examples for example in bucket], workers, worker_processes)

    @property
    def lengths(self) -> list[int]:
        """Examples in each bucket."""
        return [len(bucket) for bucket in self.examples]

    @property
    def cycle(self) -> list[int]:
        """The bucket of each step, repeated for ever: see `geometry.cycle`."""
        return cycle(self.lengths)

    def names(self, bucket: int, indices: torch.Tensor) -> list[str]:
        """Where samples come from, for messages."""
        return [self.examples[bucket][place].name for place in indices.tolist()]

    def batch(self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor) -> Batch:
        """See the class. Raises `UserError` that names a picture which can't be read."""
        size, chunks = self.shapes[bucket]
        draws = draw(keys, self.geometry)
        samples = [
            self.sample(bucket, place, Cut(size, drawn.across, drawn.down, drawn.flip))
            for place, drawn in zip(indices.tolist(), draws, strict=True)
        ]
        examples = [sample.example for sample in samples]
        texts = [
            caption(example.captions, drawn, self.captions) for example, drawn in zip(examples, draws, strict=True)
        ]
        batch = {"latents": self.latents(samples, keys, device), **self.text(texts, chunks, device)}
        if self._weighted:
            batch["weight"] = moved(torch.tensor([example.weight for example in examples], dtype=torch.float32), device)
        if self._masked:  # how much of each latent's pixels counts
            batch["mask"] = moved(F.avg_pool2d(self.views(mask_view, samples), LATENT), device)
        if self._control is not None:
            batch["control"] = moved(self.views(self._control, samples), device)
        return batch

    def sample(self, bucket: int, place: int, cut: Cut) -> Sample:
        """An example of a bucket as `cut` shows it."""
        return Sample(self._starts[bucket] + place, self.examples[bucket][place], cut)

    def views(self, view: View, samples: Sequence[Sample]) -> torch.Tensor:
        """(n, channels, height, width) float32: `view` of each sample."""
        return torch.from_numpy(np.stack(self._loader.load(view, samples)))

    def latents(self, samples: Sequence[Sample], keys: torch.Tensor, device: torch.device) -> torch.Tensor:
        """(n, 4, height/8, width/8) float32 on `device`, scaled to unit variance."""
        raise NotImplementedError

    def text(self, texts: Sequence[str], chunks: int, device: torch.device) -> Batch:
        """What a batch says of its captions."""
        return {"ids": moved(chunk_ids(self.tokenizer, texts, chunks), device)}


class PictureSource(ExampleSource):
    """Reads and encodes every picture anew whenever it is shown: any crop, nothing on disk, slow."""

    def __init__(
        self,
        training_set: TrainingSet,
        geometry: Geometry,
        captions: CaptionSettings,
        tokenizer: "PreTrainedTokenizerBase",
        *,
        vae: "AutoencoderKL",
        scale: Scale,
        **options: Unpack[SourceOptions],
    ):
        """As `ExampleSource`, and `vae`, which moves to the device of the first batch; `scale`: of its latents."""
        super().__init__(training_set, geometry, captions, tokenizer, **options)
        self.vae, self.scale = vae.eval(), scale

    def latents(self, samples: Sequence[Sample], keys: torch.Tensor, device: torch.device) -> torch.Tensor:
        mean, std = encode(self.vae.to(device), moved(self.views(picture_view, samples), device))
        return channels_last(self.scale(resample(mean, std, keys)))


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`tensor` on `device`; a GPU copies while this process goes on."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@torch.no_grad()
def encode(vae: "AutoencoderKL", pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (n, 4, height/8, width/8) of the latents of `pixels` (n, 3, height, width)."""
    parts = [vae.encode(part.to(vae.dtype)).latent_dist for part in torch.split(pixels, TOGETHER)]
    return torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts])


def channels_last(latents: torch.Tensor) -> torch.Tensor:
    """`latents` (n, 4, h, w) as convolutions are fastest with."""
    return latents.contiguous(memory_format=torch.channels_last)


def chunks_needed(
    tokenizer: "PreTrainedTokenizerBase", examples: Sequence[Example], settings: CaptionSettings
) -> list[int]:
    """How many chunks each example's batches have: what the longest of its captions needs in any order of its tags."""
    counts: dict[str, int] = {}
    unknown: list[str] = []
    for text in dict.fromkeys(text for example in examples for text in example.captions):
        chunks = chunk_ids(tokenizer, [text])
        counts[text] = chunks.shape[1]
        if (chunks == tokenizer.unk_token_id).any() and unknown_characters(tokenizer, text):
            unknown.append(text)
        if settings.shuffle_tags and counts[text] > 1:
            # A full chunk may end up to BACKTRACK tokens early, as the commas fall.
            room = content_length(tokenizer)
            tokens = int((chunks != tokenizer.pad_token_id).sum()) - 2 * counts[text]
            counts[text] = 1 - (room - tokens) // (room - BACKTRACK)
    if unknown:
        lost = " ".join(unknown_characters(tokenizer, unknown[0]))
        warnings.warn(
            f"Captions with characters that the model's vocabulary lacks: {len(unknown)} of {len(counts)}, such as "
            f"{lost} in {unknown[0]!r:.60}; these teach nothing, so write other words, or mend the files' encoding.",
            stacklevel=2,
        )
    needed = [max(counts[text] for text in example.captions) for example in examples]
    most = settings.chunks or settings.max_chunks
    for example, count in zip(examples, needed, strict=True):
        if count > most:
            raise UserError(
                f"{example.name}: the caption needs {count} chunks of {content_length(tokenizer)} tokens and {most} "
                "are allowed; shorten it."
            )
    return [settings.chunks or count for count in needed]


def _all_or_none(examples: Sequence[Example]) -> bool:
    without = [example.name for example in examples if example.condition is None]
    if without and len(without) < len(examples):
        raise UserError(
            f"{len(without)} of {len(examples)} pictures have no condition, the first {without[0]}; add it."
        )
    return not without
