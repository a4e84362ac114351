"""Seals: a small red stamp in a corner of a Chinese painting, with abstract strokes that write nothing."""

import cv2
import numpy as np

from recipes.drawing.colour import Colour, colour
from recipes.landscapes.scene import Scene

_INK = colour("c23c2e")
_GRID = 6  # cells of a seal's side, on whose lines the strokes run


def seal(scene: Scene, ink: Colour = _INK) -> None:
    """A seal in the plainest corner, where it hides nothing."""
    side = int(scene.side * scene.between(0.058, 0.075))
    margin = int(scene.side * 0.045)
    rows, columns = (margin, scene.height - margin - side), (margin, scene.width - margin - side)
    corners = [(y, x) for y in rows for x in columns]
    scene.rng.shuffle(corners)
    y, x = min(corners, key=lambda corner: _unrest(scene, corner[0], corner[1], side))
    with scene.thing("印章"):
        scene.glaze(_stamp(scene, side) * np.float32(0.92), ink, y, x)
        scene.claim(np.ones((side, side), np.float32), y, x)


def _unrest(scene: Scene, y: int, x: int, side: int) -> float:
    """How much colours differ around a corner, and how dark it is: a seal shows on light, calm paper."""
    around = scene.rgb[:, max(0, y - side // 2) : y + side * 3 // 2, max(0, x - side // 2) : x + side * 3 // 2]
    return float(around.std(axis=(1, 2)).sum() + 0.3 * (1 - around.mean()))


def _stamp(scene: Scene, side: int) -> np.ndarray:
    """(side, side) cover from 0 to 1: strokes left bare in red, or red strokes in a frame."""
    stamp = np.zeros((side, side), np.uint8)
    unit, rng = side / _GRID, scene.rng
    width = max(2, round(side / 12))
    bare = scene.chance(0.5)
    cv2.rectangle(stamp, (1, 1), (side - 2, side - 2), 255, -1 if bare else width)
    ink = 0 if bare else 255
    for column in (1.5, 3.0, 4.5):
        for _ in range(2):
            top, bottom = np.sort(rng.uniform(0.9, _GRID - 0.9, 2))
            cv2.line(stamp, _pixel(column, top, unit), _pixel(column, max(bottom, top + 1.5), unit), ink, width)
        row = rng.uniform(1.2, _GRID - 1.2)
        ends = (column - rng.uniform(0.3, 0.9), column + rng.uniform(0.3, 0.9))
        cv2.line(stamp, _pixel(ends[0], row, unit), _pixel(ends[1], row, unit), ink, width)
    cv2.rectangle(stamp, (1, 1), (side - 2, side - 2), 255, width)
    return cv2.blur(stamp, (3, 3)).astype(np.float32) * np.float32(1 / 255)


def _pixel(column: float, row: float, unit: float) -> tuple[int, int]:
    return round(column * unit), round(min(row, _GRID - 0.9) * unit)
