"""What is random about a sample, all of it from the sample's key: crop, flip, caption, order of tags, latent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pai_modelscope.data.geometry import Geometry
from pai_modelscope.diffusion.randomness import normal, uniform
from pai_modelscope.errors import UserError

# Streams of a sample's key. The methods have the numbers below 16.
STREAMS = POSTERIOR, CROP, FLIP, WHICH, TAGS = tuple(range(16, 21))
_COMMA = re.compile(r"\s*[,，、]\s*")


@dataclass(frozen=True)
class CaptionSettings:
    """How captions become ids.

    Args:
        shuffle_tags: put what stands between commas into random order.
        keep_tags: the first so many stay in their places, such as a trigger word.
        chunks: pad every caption to so many chunks of 32 tokens; None: a bucket for each number that is needed, and no
            padding beyond it, because empty chunks are not what a short prompt is sampled with.
        max_chunks: a caption that needs more is an error; nothing is cut off.

    Raises:
        UserError: a value that cannot work.
    """

    shuffle_tags: bool = False
    keep_tags: int = 0
    chunks: int | None = None
    max_chunks: int = 8

    def __post_init__(self) -> None:
        if self.keep_tags < 0:
            raise UserError(f"keep_tags is {self.keep_tags}; give 0 or more.")
        if self.max_chunks < 1 or (self.chunks is not None and not 1 <= self.chunks <= self.max_chunks):
            raise UserError(
                f"chunks is {self.chunks} and max_chunks {self.max_chunks}; give 1 or more, max the larger."
            )


@dataclass(frozen=True)
class Draw:
    """The choices of one sample."""

    across: float  # where the crop lies, 0 to 1
    down: float
    flip: bool
    which: float  # of several captions, 0 to below 1
    key: int


def draw(keys: torch.Tensor, geometry: Geometry) -> list[Draw]:
    """The choices for `keys` (n,) int64; what `geometry` leaves fixed is the middle, and not mirrored."""
    keys = keys.cpu()
    crops = uniform(keys, CROP, 2) if geometry.random_crop else torch.full((len(keys), 2), 0.5)
    flips = uniform(keys, FLIP)[:, 0] < (0.5 if geometry.random_flip else 0.0)
    which = uniform(keys, WHICH)[:, 0]
    columns = (*crops.unbind(1), flips, which, keys)
    return [Draw(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def caption(captions: Sequence[str], drawn: Draw, settings: CaptionSettings) -> str:
    """The caption of a sample: one of `captions`, its tags in the order of its key."""
    text = captions[int(drawn.which * len(captions))]
    return shuffled(text, drawn.key, settings.keep_tags) if settings.shuffle_tags else text


def shuffled(text: str, key: int, keep: int) -> str:
    """The tags of `text` in an order that follows from `key`, but the first `keep`, joined by its own first comma."""
    commas: list[str] = _COMMA.findall(text)
    tags = [tag for tag in _COMMA.split(text.strip()) if tag]
    rest = tags[keep:]
    if len(rest) < 2:
        return text
    order = uniform(torch.tensor([key]), TAGS, len(rest))[0].argsort(stable=True).tolist()
    return commas[0].join([*tags[:keep], *(rest[place] for place in order)])


def resample(mean: torch.Tensor, std: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """A draw (n, 4, h, w) float32 from each encoded picture's distribution: a picture has many latents."""
    return mean.float() + std.float() * normal(keys.to(mean.device), POSTERIOR, mean.shape[1:])
