"""Drawings on a picture: where each one is, what of it can be seen, and whether it stands out."""

from dataclasses import dataclass

import cv2
import numpy as np

MOST_COVERED = 0.15  # of a thing, by what is before it
LEAST_CONTRAST = 0.10  # of a thing's edge to its ground, mean difference of colour from 0 to 1
_OWNS = 0.45


@dataclass(frozen=True)
class Placed:
    """A drawing (h, w, 4) whose upper left corner is at column `x` and row `y`; `group`: its number, -1 for what is
    drawn around the things."""

    drawing: np.ndarray
    x: int
    y: int
    group: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels."""
        height, width = self.drawing.shape[:2]
        return self.x, self.y, self.x + width, self.y + height

    @property
    def middle(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


def paste(image: np.ndarray, placed: Placed) -> None:
    """Lay a drawing over a picture (H, W, 3) float32."""
    left, top, right, bottom = placed.box
    part = image[top:bottom, left:right]
    alpha = placed.drawing[..., 3:]
    part += (placed.drawing[..., :3] - part) * alpha


def inside(placed: Placed, size: tuple[int, int], margin: int = 2) -> bool:
    """Whether a drawing is whole in a picture of this width and height."""
    left, top, right, bottom = placed.box
    return left >= margin and top >= margin and right <= size[0] - margin and bottom <= size[1] - margin


def owners(things: list[Placed], size: tuple[int, int]) -> np.ndarray:
    """(H, W) the number from 1 on of the thing that is seen at a pixel, 0 for the ground."""
    owner = np.zeros((size[1], size[0]), np.int16)
    for number, placed in enumerate(things, 1):
        left, top, right, bottom = placed.box
        owner[top:bottom, left:right][placed.drawing[..., 3] > _OWNS] = number
    return owner


def covered(things: list[Placed], size: tuple[int, int]) -> list[float]:
    """Of each thing, the share that what is before it hides, 0 to 1."""
    areas = np.bincount(owners(things, size).ravel(), minlength=len(things) + 1)[1:]
    drawn = [max(1, int(np.count_nonzero(placed.drawing[..., 3] > _OWNS))) for placed in things]
    return [float(1 - area / whole) for area, whole in zip(areas, drawn, strict=True)]


def stands_out(placed: Placed, ground: np.ndarray) -> bool:
    """Whether a drawing's edge and most of its area differ from the ground (H, W, 3) behind it."""
    left, top, right, bottom = placed.box
    solid = placed.drawing[..., 3] > 0.7
    if np.count_nonzero(solid) < 30:
        return False
    padded = np.pad(solid, 1).astype(np.uint8)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=3)[1:-1, 1:-1] > 0
    rim = solid & ~inner
    difference = np.abs(placed.drawing[..., :3] - ground[top:bottom, left:right]).max(-1)
    return bool(difference[rim].mean() > LEAST_CONTRAST + 0.06 and (difference[solid] > LEAST_CONTRAST).mean() > 0.45)


@dataclass(frozen=True)
class Seen:
    """A thing of a finished picture. `group`: its number, -1 for what is around the things; `box`: left, top, right and
    bottom in pixels; `covered`: the share of it that is hidden, 0 to 1."""

    group: int
    box: tuple[int, int, int, int]
    covered: float
