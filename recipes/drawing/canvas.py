"""A canvas: colours, and which thing owns which pixel, so that captions name what can be seen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from recipes.drawing.colour import Colour
from recipes.drawing.noise import fractal

cv2.setNumThreads(1)  # painters run one a core

Channel = float | np.ndarray  # a number, or an array of the layer's shape
Ink = Sequence[Channel]  # three channels
OVERSAMPLING = 2  # a picture is painted at twice its size
REFERENCE = 512  # canvas pixels of the shorter side at which sizes in pixels are meant
_OWNS = 0.45  # a layer owns the pixels that it covers by more than this
BACKGROUND = 0


class Region(NamedTuple):
    """A rectangle of the canvas in pixels: columns `left` to `right`, rows `top` to `bottom`, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


@dataclass(frozen=True)
class Thing:
    """Something that was drawn: its name, what a label map calls it, and the number by which it owns pixels."""

    name: str
    label: str
    number: int


class Canvas:
    """A picture that is painted from back to front at twice its size.

    `rgb`: (3, H, W) float32 from 0 to 1; `owner`: (H, W) int16, the number of the thing that is seen there.
    """

    def __init__(self, size: tuple[int, int], rng: np.random.Generator):
        """`size`: width and height of the finished picture in pixels."""
        self.size, self.rng = size, rng
        self.width, self.height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
        self.side = float(min(self.width, self.height))
        self.pixel = self.side / REFERENCE  # canvas pixels for one of a picture whose shorter side is 512
        self.rows = np.arange(self.height, dtype=np.float32)[:, None]
        self.columns = np.arange(self.width, dtype=np.float32)[None]
        self.rgb = np.ones((3, self.height, self.width), np.float32)
        self.owner = np.zeros((self.height, self.width), np.int16)
        self.things: list[Thing] = []
        self._drawing: list[Thing] = []
        self._drawn: dict[int, int] = {}  # pixels that a thing covered when it was done

    # What is drawn

    @contextmanager
    def thing(self, name: str, label: str = "") -> Iterator[Thing]:
        """Within it, what is drawn is one thing. Things within a thing are things of their own."""
        thing = Thing(name, label or name, len(self.things) + 1)
        self.things.append(thing)
        self._drawing.append(thing)
        try:
            yield thing
        finally:
            self._drawing.pop()
            self._drawn[thing.number] = int(np.count_nonzero(self.owner == thing.number))

    def rename(self, thing: Thing, name: str) -> None:
        """Call a thing by another name, once it is known what became of it."""
        self.things[thing.number - 1] = Thing(name, thing.label, thing.number)

    def covered(self, thing: Thing) -> int:
        """How many canvas pixels a thing covered when it was done."""
        return self._drawn.get(thing.number, 0)

    def _own(self, alpha: np.ndarray, y: int, x: int) -> None:
        height, width = alpha.shape
        number = self._drawing[-1].number if self._drawing else BACKGROUND
        np.copyto(self.owner[y : y + height, x : x + width], np.int16(number), where=alpha > _OWNS)

    # Layers

    def blend(self, alpha: np.ndarray, ink: Ink, y: int = 0, x: int = 0) -> None:
        """Lay `ink` over the canvas from row `y` and column `x` on; `alpha`: (h, w), how much it covers, 0 to 1."""
        height, width = alpha.shape
        for channel, value in zip(self.rgb[:, y : y + height, x : x + width], ink, strict=True):
            step = value - channel
            step *= alpha
            channel += step
        self._own(alpha, y, x)

    def tint(self, alpha: np.ndarray, ink: Ink, y: int = 0, x: int = 0) -> None:
        """As `blend`, for light, shade and mist: what is below stays the same thing."""
        height, width = alpha.shape
        for channel, value in zip(self.rgb[:, y : y + height, x : x + width], ink, strict=True):
            step = value - channel
            step *= alpha
            channel += step

    def soak(self, density: np.ndarray, ink: Colour, y: int = 0, x: int = 0) -> None:
        """Darken as ink does, by multiplication; what is below stays the same thing."""
        height, width = density.shape
        for channel, value in zip(self.rgb[:, y : y + height, x : x + width], ink, strict=True):
            channel *= 1 - density * np.float32(1 - value)

    def claim(self, mask: np.ndarray, y: int = 0, x: int = 0) -> None:
        """Give pixels to the thing that is being drawn, without changing them."""
        self._own(mask.astype(np.float32), y, x)

    # Places

    def region(
        self, xs: np.ndarray | Sequence[float], ys: np.ndarray | Sequence[float], margin: float
    ) -> Region | None:
        """The rectangle around points, cut at the canvas; None where nothing of it is inside."""
        left, right = max(0, int(np.min(xs) - margin)), min(self.width, int(np.max(xs) + margin) + 1)
        top, bottom = max(0, int(np.min(ys) - margin)), min(self.height, int(np.max(ys) + margin) + 1)
        return None if right - left < 2 or bottom - top < 2 else Region(left, top, right, bottom)

    def offsets(self, region: Region, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Distances in pixels of the region's columns (1, w) and rows (h, 1) from a point."""
        return (
            self.columns[:, region.left : region.right] - np.float32(x),
            self.rows[region.top : region.bottom] - np.float32(y),
        )

    def noise(self, height: int, width: int, frequency: float = 1.0, vertical: float | None = None) -> np.ndarray:
        """(height, width) fractal noise of deviation 1, of the same look at every size of the picture."""
        scale = 1 / self.pixel
        return fractal(self.rng, height, width, frequency * scale, None if vertical is None else vertical * scale)
