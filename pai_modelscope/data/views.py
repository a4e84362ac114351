"""What a sample shows of its example's pictures, as arrays. It needs no torch: worker processes begin without it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from pai_modelscope.data.examples import Example
from pai_modelscope.data.geometry import Size, check_same_aspect, crop
from pai_modelscope.errors import UserError
from pai_modelscope.images.annotators import annotate

Pixels = npt.NDArray[np.float32]  # (channels, height, width)


@dataclass(frozen=True)
class Cut:
    """Which part of a picture is shown, at which size: see `geometry.crop`."""

    size: Size
    across: float = 0.5
    down: float = 0.5
    flip: bool = False

    def of(self, picture: Image.Image) -> Image.Image:
        return crop(picture, self.size, self.across, self.down, self.flip)


View = Callable[[Example, Cut], Pixels]  # raises `UserError` that names the example


def picture_view(example: Example, cut: Cut) -> Pixels:
    """The picture as a VAE sees it: RGB in [-1, 1]."""
    pixels = _pixels(cut.of(example.read()))
    pixels *= 2
    pixels -= 1
    return pixels


def unchanged_picture_view(example: Example, cut: Cut) -> Pixels:
    """As `picture_view`, of the very picture whose digest the example has.

    Raises:
        UserError: another one was saved in its place since the training set was opened.
    """
    pixels = picture_view(example, cut)
    if example.picture.digest() != example.digest:
        raise UserError(f"{example.name} has changed since the training set was opened; start again to read it anew.")
    return pixels


def mask_view(example: Example, cut: Cut) -> Pixels:
    """How much each pixel counts, one channel in [0, 1]; 1 everywhere for an example without a mask."""
    mask = example.read_mask()
    if mask is None:
        return np.ones((1, cut.size[1], cut.size[0]), np.float32)
    return _pixels(_covering(example, mask, "mask", cut))


def condition_view(example: Example, cut: Cut) -> Pixels:
    """What a ControlNet is to follow, RGB in [0, 1], of an example that has such a picture."""
    condition = example.read_condition()
    assert condition is not None
    return _pixels(_covering(example, condition, "conditioning picture", cut))


@dataclass(frozen=True)
class AnnotatedView:
    """What an annotator of `images.annotators` draws from the picture as it is cut, RGB in [0, 1]."""

    annotator: str
    options: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, example: Example, cut: Cut) -> Pixels:
        try:
            return _pixels(annotate(self.annotator, cut.of(example.read()), **self.options))
        except UserError as error:
            raise UserError(f"{example.name}: {error}") from None


def _covering(example: Example, picture: Image.Image, what: str, cut: Cut) -> Image.Image:
    """A condition or mask, cut as its picture is."""
    check_same_aspect(example.size, picture.size, f"{what} of {example.name}")
    return cut.of(picture)


def _pixels(picture: Image.Image) -> Pixels:
    """In [0, 1]."""
    pixels = np.array(picture, dtype=np.float32)
    pixels /= 255
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
