"""Gulls over the sea: white, with dark tips to their wings."""

import numpy as np

from recipes.drawing.colour import mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import blob, curve


def gulls(scene: Scene, x: float, y: float, count: int, size: float) -> None:
    """A few gulls around (x, y), each in another pose; `size`: half the span of the nearest in pixels."""
    with scene.thing("海鸥", "动物"):
        for i in range(count):
            part = size * (1.0 if i == 0 else scene.between(0.45, 0.85))
            at_x = x + (scene.between(-4.5, 4.5) * size if i else 0.0)
            at_y = y + (scene.between(-1.8, 1.8) * size if i else 0.0)
            scene.solid(_gull(scene), at_x, at_y, part, 1.0, 1.0 if scene.chance(0.5) else -1.0)


def gull(scene: Scene, x: float, y: float, size: float) -> None:
    """One gull with its middle at (x, y); `size`: half its span in pixels."""
    with scene.thing("海鸥", "动物"):
        scene.solid(_gull(scene), x, y, size)


def _gull(scene: Scene) -> list[Part]:
    """Wings raised or spread, seen a little from the side."""
    lift = scene.between(0.1, 0.5)
    white = scene.material("white")
    grey = mix(white, scene.material("roof"), 0.35)
    parts: list[Part] = []
    for side, shade in ((-1.0, grey), (1.0, white)):
        upper = curve([(0.0, 0.07), (side * 0.4, 0.12 + lift), (side * 1.0, lift * 0.55)])
        lower = curve([(side * 1.0, lift * 0.55), (side * 0.45, -0.06 + lift * 0.8), (0.0, -0.07)])
        parts.append(Part(np.concatenate([upper, lower]), shade))
        tip = np.array([[0.74, 0.0], [1.0, 0.0], [0.72, -0.07]]) * [side, 1]
        rise = np.array([[0.0, lift * 0.86], [0.0, lift * 0.55], [0.0, lift * 0.74]])
        parts.append(Part(tip + rise, "dark"))
    body = blob((-0.34, 0.02), (-0.1, 0.09), (0.2, 0.1), (0.34, 0.04), (0.2, -0.07), (-0.1, -0.08))
    return [*parts, Part(body, white), Part(np.array([[0.32, 0.06], [0.44, 0.02], [0.32, 0.01]]), "gold")]
