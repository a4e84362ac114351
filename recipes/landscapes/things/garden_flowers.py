"""Peonies (牡丹) and chrysanthemums (菊花): plants with leaves, heads and buds."""

import numpy as np

from recipes.drawing.brushes import ellipse, path
from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.blossoms import Ring, dyed, head, hearts
from recipes.landscapes.things.shapes import curve

_PEONY = (
    Ring(9, 0.0, 1.0, 0.36, 0.45, 0.6),
    Ring(9, 0.0, 0.86, 0.34, 0.6, 0.6),
    Ring(8, 0.0, 0.68, 0.30, 0.48, 0.7),
    Ring(7, 0.0, 0.52, 0.24, 0.7, 0.7),
    Ring(6, 0.0, 0.36, 0.20, 0.5, 0.7),
    Ring(5, 0.0, 0.22, 0.14, 0.8, 0.7),
)
_PEONY_INKS = (
    "8c1f4a d85a86 fbd2dc",
    "9a1428 d83a48 f8a8a0",
    "b08aa8 f0d4e0 fffafa",
    "6a2468 a85ca8 e4bce0",
    "c89a3c f4dc8c fff8dc",
)
_MUM = (
    Ring(26, 0.0, 1.0, 0.085, 0.40, 0.0, 0.3),
    Ring(24, 0.0, 0.86, 0.085, 0.55, 0.0, 0.3),
    Ring(20, 0.0, 0.68, 0.08, 0.68, 0.0, 0.3),
    Ring(16, 0.0, 0.48, 0.08, 0.80, 0.0, 0.2),
    Ring(11, 0.0, 0.28, 0.07, 0.62, 0.0, 0.0),
)
_MUM_INKS = (
    "a8640c f0b428 fff0a0",
    "b0a8a0 f0ece0 ffffff",
    "6a2a70 b066b4 ecc8ec",
    "8a2a14 d0542c f8b080",
    "a83a5c e884a4 fcdce4",
)


def peonies(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A bush of peonies of this height in pixels, about as wide."""
    inks = dyed(scene, scene.pick(_PEONY_INKS))
    with scene.thing("牡丹", "花"):
        heads = _places(scene, int(scene.rng.integers(4, 7)), 0.40, 0.34, 0.94)
        _plant(scene, x, y, size, heads, nearness, 0.16)
        for across, up in heads:
            radius = size * scene.between(0.14, 0.19)
            at = x + across * size, y - up * size
            head(scene, *at, radius, _PEONY, inks, scene.between(0.72, 0.92), nearness)
            near = scene.rng.normal(0, radius * 0.09, (14, 2))
            hearts(scene, at[0] + near[:, 0], at[1] + near[:, 1], max(radius * 0.09, 2), "c88a1c ffe070", nearness)


def chrysanthemums(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A clump of chrysanthemums of this height in pixels, about as wide."""
    first, second = (dyed(scene, scene.pick(_MUM_INKS)) for _ in range(2))
    with scene.thing("菊花", "花"):
        heads = _places(scene, int(scene.rng.integers(6, 10)), 0.44, 0.36, 0.95)
        _plant(scene, x, y, size, heads, nearness, 0.09)
        for order, (across, up) in enumerate(heads):
            radius = size * scene.between(0.10, 0.15)
            inks = first if order % 3 else second
            head(scene, x + across * size, y - up * size, radius, _MUM, inks, scene.between(0.7, 0.95), nearness)


def _places(scene: Scene, count: int, half: float, low: float, high: float) -> list[tuple[float, float]]:
    """Places of heads, far from each other, from back (high) to front."""
    chosen: list[tuple[float, float]] = []
    for _ in range(count):
        tries = [(scene.between(-half, half), scene.between(low, high)) for _ in range(8)]
        tries = [(a * (1.15 - 0.5 * abs(b - 0.6)), b) for a, b in tries]
        chosen.append(max(tries, key=lambda at: min([9.0, *(abs(at[0] - c[0]) + abs(at[1] - c[1]) for c in chosen)])))
    return sorted(chosen, key=lambda at: -at[1])


def leaf_inks(scene: Scene, nearness: float) -> list[Colour]:
    """Greens of garden plants, whatever the trees look like."""
    if scene.style.chinese:
        return [scene.faded(ink, nearness) for ink in scene.palette.evergreen]
    codes = "38482f 5f6f4a 98a078" if scene.facts.season == "冬" else "1f4a30 3f7f46 8fb85c"
    return [scene.faded(scene.palette.lit(ink), nearness) for ink in colours(codes)]


def _plant(
    scene: Scene, x: float, y: float, size: float, heads: list[tuple[float, float]], nearness: float, leaf: float
) -> None:
    """Stems from the root to the heads, and leaves along them; `leaf`: the length of one."""
    rng, green = scene.rng, leaf_inks(scene, nearness)
    ways = []
    for across, up in heads:
        foot = (x + across * size * 0.35, y)
        bend = (x + across * size * 0.75, y - up * size * 0.5)
        ways.append(path(curve(np.array([foot, bend, (x + across * size, y - up * size)]), 4)))
    stems = np.concatenate(ways)
    scene.strokes(stems, np.full(len(stems), size * 0.018), mix(green[0], green[1], 0.5))
    count = int(240 * (0.16 / leaf) ** 0.8)
    along = rng.integers(0, len(stems), count)
    spread = leaf * size * 0.75
    xs, ys = (
        stems[along, 1, 0] + rng.normal(0, spread, count),
        stems[along, 1, 1] + rng.normal(spread * 0.4, spread, count),
    )
    ys = np.minimum(ys, y - leaf * size * 0.12)
    light = np.clip(0.30 + 0.5 * (y - ys) / size + rng.normal(0, 0.18, count), 0, 1)
    long = leaf * size
    shapes = [ellipse(long * 0.36, long, turn) for turn in (-75, -40, -12, 25, 52, 84)]
    back = [mix(green[0], scene.palette.near, 0.35), green[0]]
    scene.dabs(xs[::2], np.minimum(ys[::2] + long * 0.2, y), light[::2], shapes[:3], back, scene.style.undergrowth)
    scene.dabs(xs, ys, light, shapes, green, 0.95)
