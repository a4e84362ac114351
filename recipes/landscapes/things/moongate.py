"""Garden walls with a round moon gate, through which one sees what lies behind."""

import numpy as np

from recipes.drawing.colour import mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import arc, mirrored, polygon, rectangle


def moon_gate(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, reach: float = 2.4) -> None:
    """A white wall with a round gate; `size`: half the wall's height in pixels; `reach`: half its length in sizes."""
    black = mix(scene.material("roof"), scene.material("dark"), 0.45)
    t = np.linspace(-1, 1, 33)
    # the wall's crest waves gently, as a dragon's back
    crest = 1.5 + 0.06 * np.cos(t * 9) * (np.abs(t) > 0.3) + 0.18 * np.exp(-((t * reach / 0.9) ** 4))
    # two halves, whose seams the plaque and the step hide: an outline would show the seam of a hole
    gate = arc(0, 0.66, 0.6, 0.6, 90, 270)
    left = np.concatenate([[[-reach, -0.1]], np.stack([t * reach, crest], 1)[:17], gate, [[0, -0.1]]])
    right = np.concatenate([[[reach, -0.1]], np.stack([t * reach, crest], 1)[:15:-1], mirrored(gate), [[0, -0.1]]])
    ring = np.concatenate([gate, arc(0, 0.66, 0.7, 0.7, 270, 90)])
    coping = np.concatenate([np.stack([t * reach, crest + 0.14], 1), np.stack([t * reach, crest - 0.02], 1)[::-1]])
    parts = [
        Part(left, "white"),
        Part(right, "white"),
        Part(ring, "stone"),
        Part(mirrored(ring), "stone"),
        Part(polygon((-0.3, -0.1), (-0.24, 0.1), (0.24, 0.1), (0.3, -0.1)), "stone"),
        Part(coping, black),
        Part(rectangle(-0.4, 1.37, 0.4, 1.66), "wood"),
        Part(rectangle(-0.35, 1.42, 0.35, 1.61), "gold"),
    ]
    for at in np.arange(-reach + 0.06, reach, 0.12):
        level = float(np.interp(at, t * reach, crest))
        parts.append(Part(rectangle(at - 0.03, level - 0.05, at + 0.03, level + 0.0), "roof"))
    for side in (-1, 1):
        for at in np.arange(1.35, reach - 0.2, 0.9):
            parts += _tracery(scene, side * at)
    with scene.thing("月洞门", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def _tracery(scene: Scene, x: float) -> list[Part]:
    """A window of tiles set as a lattice."""
    parts = [Part(rectangle(x - 0.26, 0.66, x + 0.26, 1.18), "roof")]
    inside = mix(scene.palette.grass_dark, scene.material("dark"), 0.2)
    parts.append(Part(rectangle(x - 0.22, 0.70, x + 0.22, 1.14), inside))
    for at in (-0.11, 0.0, 0.11):
        parts.append(Part(rectangle(x + at - 0.012, 0.70, x + at + 0.012, 1.14), "roof"))
        parts.append(Part(rectangle(x - 0.22, 0.92 + at - 0.012, x + 0.22, 0.92 + at + 0.012), "roof"))
    return parts
