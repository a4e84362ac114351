"""What can be seen in a finished picture: how much of it each thing fills, and whether it stands out."""

from dataclasses import dataclass

import cv2
import numpy as np

from recipes.dishes.scene import Scene
from recipes.drawing.canvas import OVERSAMPLING

LEAST_AREA = 0.0022  # of the picture: 144 pixels of 256 x 256
LEAST_CONTRAST = 0.05  # to what surrounds it, mean difference of colour from 0 to 1


@dataclass(frozen=True)
class Sight:
    """`area`: share of the picture; `contrast`: to what surrounds it, 0 to 1."""

    name: str
    area: float
    contrast: float


def sights(scene: Scene, image: np.ndarray) -> dict[str, Sight]:
    """By name, the things of a scene that its finished picture (h, w, 3), 0 to 1, shows."""
    owner = scene.owner[::OVERSAMPLING, ::OVERSAMPLING][: image.shape[0], : image.shape[1]]
    areas = np.bincount(owner.ravel(), minlength=len(scene.things) + 1) / owner.size
    seen = {}
    for thing in scene.things:
        area = float(areas[thing.number])
        if area < LEAST_AREA:
            continue
        contrast = _contrast(owner == thing.number, image)
        if contrast >= LEAST_CONTRAST:
            seen[thing.name] = Sight(thing.name, area, contrast)
    return seen


def _contrast(mask: np.ndarray, image: np.ndarray) -> float:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows, columns = slice(max(0, y - 5), y + height + 5), slice(max(0, x - 5), x + width + 5)
    mask, image = mask[rows, columns], image[rows, columns]
    inside = mask.astype(np.uint8)
    ring = (cv2.dilate(inside, np.ones((9, 9), np.uint8)) > 0) & ~mask
    if not ring.any():
        return 1.0
    return float(np.abs(image[mask] - image[ring].mean(0)).mean())
