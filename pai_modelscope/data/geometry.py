"""Which size a picture is trained at, and which part of it: pure functions of sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from pai_modelscope.errors import UserError

Size = tuple[int, int]  # width and height in pixels

LATENT = 8  # pixels a latent, each way
_LONGEST_CYCLE = 10_000
_SAME_ASPECT = 1.02  # a condition may differ by rounding from its picture


@dataclass(frozen=True)
class Geometry:
    """How pictures become training pictures: scaled with antialiasing (small ones up), then cropped.

    Args:
        resolution: pixels a side of a square, and the root of the area of other shapes; a multiple of 8.
        buckets: several shapes, so that little is cropped: each picture goes to the nearest. Otherwise squares.
        max_aspect: longer side over shorter of the most oblong bucket.
        step: all sides of buckets are multiples of it; None: 64 from a resolution of 512 on, 32 from 256 on, else 8.
        random_crop: from anywhere, not from the middle.
        random_flip: half of the time as in a mirror. Not for pictures with writing in them.

    Raises:
        UserError: a value that cannot work.
    """

    resolution: int
    buckets: bool = False
    max_aspect: float = 2.0
    step: int | None = None
    random_crop: bool = False
    random_flip: bool = False

    def __post_init__(self) -> None:
        if self.resolution < LATENT or self.resolution % LATENT:
            raise UserError(f"resolution is {self.resolution}; give a multiple of {LATENT}, such as 256 or 512.")
        if not 1 <= self.max_aspect <= 8:
            raise UserError(f"max_aspect is {self.max_aspect}; give 1 to 8.")
        if self.step is not None and (self.step < LATENT or self.step % LATENT or self.step > self.resolution):
            raise UserError(f"step is {self.step}; give a multiple of {LATENT} up to the resolution {self.resolution}.")

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Of all buckets, from upright to lying; none but the square has more pixels than resolution squared."""
        square = self.resolution
        if not self.buckets:
            return ((square, square),)
        step = self.step or (64 if square >= 512 else 32 if square >= 256 else 8)
        shapes = {(square, square)}
        for longer in range(step, int(square * math.sqrt(self.max_aspect)) + step, step):
            shorter = square * square // longer // step * step
            if square < longer <= shorter * self.max_aspect:
                shapes |= {(longer, shorter), (shorter, longer)}
        return tuple(sorted(shapes, key=lambda size: (size[0] / size[1], size)))

    def size_for(self, size: Size) -> Size:
        """The bucket of a picture of `size`: the one whose aspect is nearest."""
        return min(self.sizes, key=lambda candidate: abs(math.log(candidate[0] / candidate[1] * size[1] / size[0])))


def box(size: Size, target: Size, across: float = 0.5, down: float = 0.5) -> tuple[float, float, float, float]:
    """The largest part of a picture of `size` with the aspect of `target`: left, top, right and bottom in pixels.

    `across` and `down` from 0 to 1 say how much of what is left over lies to its left and above.
    """
    width, height = size
    part_width, part_height = min(width, height * target[0] / target[1]), min(height, width * target[1] / target[0])
    left, top = (width - part_width) * across, (height - part_height) * down
    return left, top, min(left + part_width, width), min(top + part_height, height)


def crop(picture: Image.Image, target: Size, across: float = 0.5, down: float = 0.5, flip: bool = False) -> Image.Image:
    """The part of `box` in the size `target`, resampled with antialiasing; `flip` mirrors it left to right."""
    part = picture.resize(target, Image.Resampling.LANCZOS, box=box(picture.size, target, across, down))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else part


def check_same_aspect(picture: Size, other: Size, what: str) -> None:
    """A condition or mask covers the picture, in whatever resolution. Raises `UserError` if it doesn't."""
    ratio = picture[0] / picture[1] * other[1] / other[0]
    if not 1 / _SAME_ASPECT <= ratio <= _SAME_ASPECT:
        raise UserError(
            f"The {what} is {other[0]}x{other[1]} and its picture {picture[0]}x{picture[1]}; give both the same shape."
        )


def cycle(lengths: Sequence[int]) -> list[int]:
    """The bucket of each training step, repeated for ever: each in proportion to its pictures, evenly spread.

    Beyond 10,000 pictures, shares are rounded, and the smallest bucket still has one turn. A bucket of fewer pictures
    than a global batch repeats them within a batch, as often in all as the others.
    """
    total = sum(lengths)
    if total > _LONGEST_CYCLE:
        turns = [max(1, round(length * _LONGEST_CYCLE / total)) for length in lengths]
    else:
        common = math.gcd(*lengths)
        turns = [length // common for length in lengths]
    places = [((turn + 0.5) / count, bucket) for bucket, count in enumerate(turns) for turn in range(count)]
    return [bucket for _, bucket in sorted(places)]
