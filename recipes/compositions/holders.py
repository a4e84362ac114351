"""What things stand on, lie under and are in: a table, a crate, a jar, a bubble, a bowl, a box, a frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from recipes.compositions.facts import Group
from recipes.drawing.colour import WHITE, Colour, colour, mix

_FINE = 3  # how much larger than its size a holder is drawn
_WOODS = ("b9803f", "8f5a33", "d8a868", "6f4a34")
_PAINTS = ("d95c4a", "4a86c8", "5aa36a", "e0a83c", "8a68b0")
Layer = tuple[np.ndarray, Colour, float]  # points (n, 2) in a unit square, y down; a colour; its cover


@dataclass(frozen=True)
class Holder:
    """A drawing in a unit square. `back`, `front`: layers behind and before the thing; `room`: left, top, right and
    bottom of where it goes; `stands`: it stands on the room's lower edge; `aspect`: width by height;
    `only`: the words of what goes there, where not everything does."""

    word: str
    measure: str
    relation: str
    back: list[Layer]
    front: list[Layer]
    room: tuple[float, float, float, float]
    stands: bool = True
    aspect: float = 1.0
    only: Sequence[str] = field(default=())

    @property
    def group(self) -> Group:
        return Group(self.word, (self.measure,), 1)


def drawn(layers: list[Layer], width: int, height: int) -> np.ndarray:
    """(height, width, 4) float32: layers from back to front."""
    image = np.zeros((height * _FINE, width * _FINE, 4), np.float32)
    for points, ink, cover in layers:
        pixels = np.rint(points * np.array([width, height]) * _FINE).astype(np.int32)
        (left, top), (right, bottom) = np.maximum(pixels.min(0), 0), pixels.max(0) + 1
        part = image[top:bottom, left:right]
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(mask, [pixels - [left, top]], 255)
        layer = (mask.astype(np.float32) * np.float32(cover / 255))[..., None]
        total = layer + part[..., 3:] * (1 - layer)
        share = layer / np.maximum(total, 1e-4)
        part[..., :3] += (np.array(ink, np.float32) - part[..., :3]) * share
        part[..., 3:] = total
    alpha = image[..., 3:]
    whole = np.concatenate([image[..., :3] * alpha, alpha], -1)
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.concatenate([small[..., :3] / np.maximum(small[..., 3:], 1e-4), small[..., 3:]], -1)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _rounded(left: float, top: float, right: float, bottom: float, radius: float) -> np.ndarray:
    t = np.linspace(0, np.pi / 2, 9)
    corners = ((right, top, -1, 1), (right, bottom, -1, -1), (left, bottom, 1, -1), (left, top, 1, 1))
    points = []
    for i, (x, y, inward, down) in enumerate(corners):
        angle = t + (i - 1) * np.pi / 2
        points.append(
            np.stack([x + inward * radius + radius * np.cos(angle), y + down * radius + radius * np.sin(angle)], 1)
        )
    return np.concatenate(points)


def _oval(x: float, y: float, across: float, down: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + across * np.cos(t), y + down * np.sin(t)], 1)


def _ink(rng: np.random.Generator, codes: Sequence[str]) -> Colour:
    return colour(codes[int(rng.integers(len(codes)))])


def _table(rng: np.random.Generator) -> Holder:
    wood = _ink(rng, _WOODS)
    dark = mix(wood, (0.1, 0.06, 0.05), 0.35)
    back = [(_box(x, 0.62, x + 0.07, 0.98), dark, 1.0) for x in (0.12, 0.81)]
    back += [(_box(0.12, 0.64, 0.88, 0.71), mix(wood, dark, 0.6), 1.0)]
    back += [(_rounded(0.03, 0.56, 0.97, 0.645, 0.03), wood, 1.0)]
    back += [(_rounded(0.03, 0.56, 0.97, 0.59, 0.015), mix(wood, WHITE, 0.22), 1.0)]
    return Holder("桌子", "张", "上面", back, [], (0.2, 0.02, 0.8, 0.575))


def _high_table(rng: np.random.Generator) -> Holder:
    wood = _ink(rng, (*_WOODS, *_PAINTS))
    dark = mix(wood, (0.1, 0.06, 0.05), 0.35)
    back = [(_box(x, 0.2, x + 0.06, 0.98), dark, 1.0) for x in (0.07, 0.87)]
    back += [(_rounded(0.01, 0.12, 0.99, 0.22, 0.03), wood, 1.0)]
    back += [(_rounded(0.01, 0.12, 0.99, 0.16, 0.02), mix(wood, WHITE, 0.22), 1.0)]
    return Holder("桌子", "张", "下面", back, [], (0.2, 0.3, 0.8, 0.98))


def _crate(rng: np.random.Generator) -> Holder:
    wood = _ink(rng, _WOODS)
    dark = mix(wood, (0.1, 0.06, 0.05), 0.4)
    back: list[Layer] = [(_box(0.14, 0.58, 0.86, 0.98), dark, 1.0)]
    back += [(_box(0.17, y, 0.83, y + 0.105), mix(wood, WHITE, 0.1 * i), 1.0) for i, y in enumerate((0.61, 0.73, 0.85))]
    back += [(_box(x, 0.58, x + 0.07, 0.98), mix(wood, dark, 0.3), 1.0) for x in (0.14, 0.79)]
    return Holder("木箱", "个", "上面", back, [], (0.2, 0.02, 0.8, 0.585))


def _stone(rng: np.random.Generator) -> Holder:
    grey = mix(colour("8f9298"), colour("a8927a"), float(rng.uniform(0, 1)))
    t = np.linspace(0, np.pi, 24)
    bump = 1 + 0.03 * np.sin(t * 5 + rng.uniform(0, 6))
    outline = np.stack([0.5 - 0.46 * np.cos(t) * bump, 0.98 - 0.40 * np.sin(t) ** 0.45 * bump], 1)
    light = np.stack([0.47 - 0.34 * np.cos(t), 0.74 - 0.15 * np.sin(t) ** 0.5], 1)
    return Holder(
        "大石头",
        "块",
        "上面",
        [(outline, mix(grey, (0.1, 0.1, 0.14), 0.25), 1.0), (light, mix(grey, WHITE, 0.18), 1.0)],
        [],
        (0.24, 0.02, 0.76, 0.605),
    )


def _umbrella(rng: np.random.Generator) -> Holder:
    paint = _ink(rng, _PAINTS)
    t = np.linspace(np.pi, 2 * np.pi, 32)
    dome = np.stack([0.5 + 0.48 * np.cos(t), 0.36 + 0.32 * np.sin(t)], 1)
    scallops = [_oval(0.5 + 0.48 * (i - 2) * 0.4, 0.36, 0.096, 0.035) for i in range(5)]
    panel = np.stack([0.5 + 0.19 * np.cos(t), 0.36 + 0.32 * np.sin(t)], 1)
    back: list[Layer] = [(_box(0.915, 0.33, 0.94, 0.98), colour("6b5a50"), 1.0)]
    back += [(dome, paint, 1.0), (panel, mix(paint, WHITE, 0.3), 1.0)]
    back += [(scallop, mix(paint, WHITE, 0.3 * (i == 2)), 1.0) for i, scallop in enumerate(scallops)]
    return Holder("遮阳伞", "把", "下面", back, [], (0.14, 0.45, 0.86, 0.98))


def _jar(rng: np.random.Generator) -> Holder:
    glass, rim = colour("bfe2ee"), colour("7fa9bd")
    lid = _ink(rng, (*_PAINTS, *_WOODS))
    body = _rounded(0.1, 0.16, 0.9, 0.98, 0.12)
    inner = _rounded(0.125, 0.185, 0.875, 0.955, 0.1)
    back: list[Layer] = [(body, rim, 0.85), (inner, mix(glass, WHITE, 0.45), 1.0)]
    back += [(_rounded(0.17, 0.06, 0.83, 0.17, 0.03), lid, 1.0)]
    front: list[Layer] = [(_rounded(0.16, 0.26, 0.205, 0.7, 0.02), WHITE, 0.6)]
    return Holder("玻璃罐", "个", "里面", back, front, (0.24, 0.28, 0.76, 0.935), aspect=0.86)


def _bubble(rng: np.random.Generator) -> Holder:
    tone = mix(colour("a8dcf4"), colour("f0c8ee"), float(rng.uniform(0, 1)))
    back: list[Layer] = [
        (_oval(0.5, 0.5, 0.48, 0.48), mix(tone, colour("6a8ec0"), 0.5), 0.9),
        (_oval(0.5, 0.5, 0.455, 0.455), mix(tone, WHITE, 0.5), 1.0),
    ]
    front: list[Layer] = [(_oval(0.25, 0.25, 0.06, 0.045), WHITE, 0.85), (_oval(0.18, 0.37, 0.02, 0.025), WHITE, 0.8)]
    return Holder("泡泡", "个", "里面", back, front, (0.24, 0.24, 0.76, 0.76), stands=False)


def _bowl(rng: np.random.Generator) -> Holder:
    t = np.linspace(-0.28 * np.pi, 1.28 * np.pi, 48)
    glass = np.stack([0.5 + 0.47 * np.cos(t), 0.52 + 0.45 * np.sin(t)], 1)
    low = np.linspace(-0.12 * np.pi, 1.12 * np.pi, 48)
    water = np.stack([0.5 + 0.44 * np.cos(low), 0.52 + 0.42 * np.sin(low)], 1)
    blue = mix(colour("6ec3ec"), colour("7fe0d0"), float(rng.uniform(0, 1)))
    sand = np.linspace(0.25 * np.pi, 0.75 * np.pi, 24)
    back: list[Layer] = [
        (glass, colour("8fb6c8"), 0.9),
        (np.stack([0.5 + 0.445 * np.cos(t), 0.52 + 0.425 * np.sin(t)], 1), colour("eef8fb"), 1.0),
        (water, blue, 1.0),
        (np.stack([0.5 + 0.44 * np.cos(sand), 0.52 + 0.42 * np.sin(sand)], 1), colour("e6cf96"), 1.0),
    ]
    front: list[Layer] = [(_oval(0.2, 0.5, 0.03, 0.09), WHITE, 0.55)]
    fish = ("鱼", "热带鱼", "河豚", "水母", "乌龟", "海豚", "鲸鱼", "鲨鱼")
    return Holder("鱼缸", "个", "里面", back, front, (0.22, 0.42, 0.78, 0.8), stands=False, only=fish)


def _carton(rng: np.random.Generator) -> Holder:
    paper = colour("c99a62")
    dark = mix(paper, (0.15, 0.1, 0.05), 0.35)
    back: list[Layer] = [
        (np.array([[0.1, 0.62], [0.02, 0.5], [0.12, 0.5], [0.18, 0.58]]), mix(paper, WHITE, 0.15), 1.0),
        (np.array([[0.9, 0.62], [0.98, 0.5], [0.88, 0.5], [0.82, 0.58]]), mix(paper, WHITE, 0.15), 1.0),
        (_box(0.1, 0.56, 0.9, 0.8), dark, 1.0),
    ]
    front: list[Layer] = [
        (_box(0.1, 0.66, 0.9, 0.98), paper, 1.0),
        (_box(0.1, 0.66, 0.9, 0.69), mix(paper, WHITE, 0.25), 1.0),
        (_box(0.44, 0.69, 0.56, 0.98), mix(paper, WHITE, 0.12), 1.0),
    ]
    return Holder("纸箱", "个", "里面", back, front, (0.24, 0.04, 0.76, 0.705))


def _frame(rng: np.random.Generator) -> Holder:
    wood = _ink(rng, (*_WOODS, "d8a640"))
    back: list[Layer] = [
        (_box(0.02, 0.02, 0.98, 0.98), wood, 1.0),
        (_box(0.05, 0.05, 0.95, 0.95), mix(wood, WHITE, 0.22), 1.0),
        (_box(0.12, 0.12, 0.88, 0.88), mix(wood, (0.1, 0.06, 0.05), 0.4), 1.0),
        (_box(0.135, 0.135, 0.865, 0.865), mix(_ink(rng, _PAINTS), WHITE, 0.75), 1.0),
    ]
    return Holder("相框", "个", "里面", back, [], (0.2, 0.2, 0.8, 0.8), stands=False)


HOLDERS: dict[str, tuple[Callable[[np.random.Generator], Holder], ...]] = {
    "上面": (_table, _crate, _stone),
    "下面": (_high_table, _umbrella),
    "里面": (_jar, _bubble, _bowl, _carton, _frame),
}
