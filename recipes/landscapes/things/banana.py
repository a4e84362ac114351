"""Banana plants (芭蕉): broad leaves with torn edges that rise from one root and bend over."""

import math

import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import curve, limb


def banana(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0) -> None:
    """A clump of this height in pixels: one or two stems, seven to ten leaves."""
    rng, count = scene.rng, int(scene.rng.integers(7, 11))
    angles = np.linspace(-1.15, 1.15, count) + rng.normal(0, 0.10, count)
    order = np.argsort(np.abs(angles) + rng.uniform(0, 0.5, count))
    codes = "2a5a34 5f9a4c b0cc74" if scene.facts.season != "冬" else "46583a 8a8c58 c8bc84"
    green = scene.palette.evergreen if scene.style.chinese else [scene.palette.lit(ink) for ink in colours(codes)]
    stem = mix(green[1], scene.palette.bark, 0.35)
    with scene.thing("芭蕉", "树"):
        scene.solid(
            [
                Part(limb([(0.03, 0), (0.04, 0.2), (0.02, 0.42)], [0.075, 0.06, 0.045]), stem),
                Part(limb([(-0.05, 0), (-0.06, 0.18), (-0.03, 0.34)], [0.06, 0.05, 0.035]), mix(stem, green[0], 0.4)),
            ],
            x, y, height, nearness,
        )  # fmt: skip
        for place in order:
            root = 0.34 + 0.10 * rng.random()
            parts = _leaf(scene, float(angles[place]), root, rng.uniform(0.50, 0.62), green)
            scene.solid(parts, x, y, height, nearness)


def _leaf(scene: Scene, angle: float, root: float, length: float, green: list[Colour]) -> list[Part]:
    """One leaf in units of the plant's height: both halves of its blade, torn here and there, and the midrib."""
    rng, t = scene.rng, np.linspace(0, 1, 25)
    turn = angle * 0.75 + np.sign(angle) * t**1.5 * (0.5 + 0.8 * abs(angle))
    way = np.array([0.0, root]) + np.cumsum(length / len(t) * np.stack([np.sin(turn), np.cos(turn)], 1), 0)
    normal = np.stack([np.cos(turn), -np.sin(turn)], 1)
    blade = np.clip((t - 0.18) / 0.82, 0, 1)
    width = 0.105 * np.sin(math.pi * blade**0.8) ** 0.7
    parts = []
    for side in (-1.0, 1.0):
        torn = np.ones(len(t))
        torn[rng.choice(np.arange(8, 23), 3, replace=False)] = rng.uniform(0.25, 0.6, 3)
        edge = way + normal * (side * width * torn)[:, None]
        edge[:, 1] -= 0.35 * width
        lit = 0.62 if side * scene.light > 0 else 0.2
        lit += 0.12 * rng.random()
        ink = mix(green[0], green[1], lit * 2) if lit < 0.5 else mix(green[1], green[2], lit * 2 - 1)
        parts.append(Part(np.concatenate([way, edge[::-1]]), ink))
        for place in range(8, 23, 3):
            vein = np.stack([way[place], way[place] + (edge[min(place + 1, 24)] - way[place]) * 0.85])
            parts.append(Part(limb(curve(vein, 2), [0.006, 0.003]), mix(ink, green[2], 0.3)))
    rib = limb(way[::4], list(np.linspace(0.02, 0.006, len(way[::4]))))
    return [*parts, Part(rib, mix(green[1], green[2], 0.75))]
