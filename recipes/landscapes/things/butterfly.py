"""Butterflies (蝴蝶) in the air, and over flowers."""

import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.garden_flowers import chrysanthemums, peonies
from recipes.landscapes.things.shapes import blob, limb, oval, rotated

# Edge, wing, spots.
_WINGS = (
    "2a2018 e08a2c fbe0a0",
    "14203c 3f7fd0 c8e4fc",
    "2c2420 f0d048 fff4c0",
    "302028 f4efe8 e8b060",
    "1c1826 8a4fb8 f0b8e0",
    "181c1c 2fa088 c8f4dc",
)


def butterfly(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """One butterfly in flight; `size`: its span in pixels."""
    inks = [scene.palette.lit(ink, 0.4) for ink in colours(scene.pick(_WINGS))]
    folded = scene.between(0.6, 1.0)
    turn = scene.between(-40, 40)
    parts = []
    for side in (-1.0, 1.0):
        squash = side * (1.0 if side > 0 else folded)
        for part in _half(inks, 0.0 if side > 0 else 0.18):
            parts.append(Part(rotated(part.points * [squash, 1], turn), part.ink))
    dark = mix(inks[0], (0.0, 0.0, 0.0), 0.3)
    body = [limb([(0, 0.20), (0, 0.0), (0, -0.24)], [0.05, 0.07, 0.025]), oval(0, 0.22, 0.04, 0.04)]
    body += [limb([(0, 0.24), (side * 0.07, 0.36), (side * 0.13, 0.42)], [0.012, 0.012, 0.02]) for side in (-1, 1)]
    parts += [Part(rotated(points, turn), dark) for points in body]
    with scene.thing("蝴蝶", "动物"):
        scene.solid(parts, x, y, size, nearness)


def butterflies_over_flowers(scene: Scene, x: float, y: float, size: float) -> None:
    """One near butterfly and one or two others over a clump of flowers that stands at (x, y), `size` pixels in all."""
    plant = chrysanthemums if scene.facts.season == "秋" else peonies
    plant(scene, x + scene.between(-0.1, 0.1) * size, y, size * 0.48)
    side = 1.0 if scene.chance(0.5) else -1.0
    butterfly(scene, x + side * size * 0.10, y - size * 0.78, size * scene.between(0.50, 0.58))
    for across, up in ((-0.42, 0.62), (0.46, 0.52))[: int(scene.rng.integers(1, 3))]:
        butterfly(scene, x + side * across * size, y - up * size, size * scene.between(0.18, 0.24))


def _half(inks: list[Colour], shade: float) -> list[Part]:
    """The wings of the right side in units of the span: edge, field, spots."""
    edge, wing, spot = (mix(ink, (0.0, 0.0, 0.0), shade) for ink in inks)
    upper = blob((0.02, 0.02), (0.05, 0.18), (0.28, 0.40), (0.48, 0.38), (0.50, 0.24), (0.38, 0.02), (0.16, -0.04))
    lower = blob((0.02, 0.0), (0.20, -0.02), (0.38, -0.06), (0.40, -0.22), (0.26, -0.38), (0.14, -0.30), (0.04, -0.14))
    parts = []
    for outline, centre in ((lower, (0.20, -0.16)), (upper, (0.25, 0.16))):
        middle = np.array(centre)
        parts.append(Part(outline, edge))
        parts.append(Part(middle + (outline - middle) * 0.80 - [0.02, 0], wing))
        parts.append(Part(middle + (outline - middle) * 0.42 - [0.06, 0], mix(wing, spot, 0.45)))
    parts += [
        Part(oval(a, b, 0.022, 0.018), spot)
        for a, b in ((0.44, 0.33), (0.46, 0.25), (0.42, 0.15), (0.36, -0.20), (0.28, -0.31))
    ]
    vein = mix(edge, wing, 0.25)
    parts += [
        Part(limb([(0.04, 0.04), tip], [0.014, 0.006]), vein) for tip in ((0.40, 0.32), (0.42, 0.18), (0.30, -0.26))
    ]
    return parts
