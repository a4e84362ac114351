"""What can be seen in a finished picture: how much of it each thing fills, where, and whether it stands out."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from recipes.drawing.canvas import OVERSAMPLING
from recipes.landscapes.scene import Scene

LEAST_AREA = 0.0009  # of the picture: 59 pixels of 256 x 256
LEAST_SHARE = 0.35  # of what was drawn of a thing must not be hidden
LEAST_CONTRAST = 0.055  # to what surrounds it, mean difference of colour from 0 to 1
_SPREAD = 0.55  # what is wider than this share of the picture is on no side of it
_WIDE = ("山", "水", "地", "云")  # labels of what has no outline of its own


@dataclass(frozen=True)
class Sight:
    """A kind of thing as the picture shows it.

    `area`: share of the picture; `x`, `y`: the middle of its largest one, 0 to 1; `width`: of its largest, as a share
    of the picture's; `count`: how many are seen; `contrast`: to what surrounds the largest, 0 to 1; `side`: where all
    of them are, 左边, 中间 or 右边; '' where that can't be said.
    """

    name: str
    label: str
    area: float
    x: float
    y: float
    width: float
    count: int
    contrast: float
    side: str


def sights(scene: Scene, image: np.ndarray) -> dict[str, Sight]:
    """By name, the things of a scene that its finished picture (h, w, 3), 0 to 1, shows."""
    owner = scene.owner[::OVERSAMPLING, ::OVERSAMPLING]
    image = image[: owner.shape[0], : owner.shape[1]]
    areas = np.bincount(owner.ravel(), minlength=len(scene.things) + 1)
    seen: dict[str, list[Sight]] = {}
    for thing in scene.things:
        drawn = scene.covered(thing) / OVERSAMPLING**2
        area = int(areas[thing.number])
        if not drawn or area < LEAST_AREA * owner.size or area < LEAST_SHARE * drawn:
            continue
        sight = _sight(thing.name, thing.label, owner == thing.number, image)
        if sight.contrast >= LEAST_CONTRAST or thing.label in _WIDE:
            seen.setdefault(thing.name, []).append(sight)
    return {name: _largest(group) for name, group in seen.items()}


def _sight(name: str, label: str, mask: np.ndarray, image: np.ndarray) -> Sight:
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    area = len(rows) / mask.size
    contrast = 1.0 if label in _WIDE else _contrast(mask, image)
    x, y = float(columns.mean()) / width, float(rows.mean()) / height
    share = float(np.ptp(columns) + 1) / width
    return Sight(name, label, area, x, y, share, 1, contrast, _side(x, share))


def _side(x: float, width: float) -> str:
    if width > _SPREAD:
        return ""
    return "左边" if x < 0.38 else "右边" if x > 0.62 else "中间"


def _contrast(mask: np.ndarray, image: np.ndarray) -> float:
    """The mean difference of a thing's pixels to the mean colour around it, 0 to 1."""
    inside = mask.astype(np.uint8)
    ring = (cv2.dilate(inside, np.ones((9, 9), np.uint8)) > 0) & ~mask
    if not ring.any():
        return 1.0
    around = image[ring].mean(0)
    return float(np.abs(image[mask] - around).mean())


def _largest(group: list[Sight]) -> Sight:
    best = max(group, key=lambda sight: sight.area)
    total = sum(sight.area for sight in group)
    sides = {sight.side for sight in group}
    side = sides.pop() if len(sides) == 1 else ""
    return replace(best, area=total, count=len(group), side=side)
