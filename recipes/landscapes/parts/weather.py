"""Falling snow and rain."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import WHITE, mix
from recipes.landscapes.scene import Scene


def fall(scene: Scene) -> None:
    """What falls from the sky in this weather; what it falls in front of stays what it is."""
    owner = scene.owner.copy()
    if scene.facts.snow:
        _snow(scene)
    elif scene.facts.rain:
        _rain(scene)
    scene.owner[:] = owner


def _snow(scene: Scene) -> None:
    area = scene.width * scene.height / 262144 / scene.pixel**2
    inks = [scene.snow_ink(0.5), scene.snow_ink()]
    flakes = (
        ((120, 4.0, 0.9), (50, 7.0, 0.95)) if scene.style.flat else ((320, 1.6, 0.6), (130, 3.2, 0.8), (36, 6.0, 0.85))
    )
    for count, size, alpha in flakes:
        number = int(count * area)
        xs, ys = scene.rng.uniform(0, scene.width, number), scene.rng.uniform(0, scene.height, number)
        flake = ellipse(size * scene.pixel, size * scene.pixel)
        scene.dabs(xs, ys, scene.rng.uniform(0.6, 1, number), [flake], inks, alpha)


def _rain(scene: Scene) -> None:
    number = int(330 * scene.width * scene.height / 262144 / scene.pixel**2)
    points = scene.rng.uniform(0, 1, (number, 2)) * [scene.width, scene.height]
    length = scene.rng.uniform(14, 46, number)[:, None] * scene.pixel
    slant = np.array([-0.24 * scene.light, 1.0])
    palette = scene.palette
    ink = mix(palette.paper, palette.ink, 0.45) if scene.style.chinese else mix(palette.sky[3], WHITE, 0.4)
    streaks = np.stack([points, points + length * slant], 1)
    scene.strokes(streaks, np.full(number, 1.2 * scene.pixel), ink, 0.42)
