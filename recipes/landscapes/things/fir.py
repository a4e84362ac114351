"""Firs: tall and narrow, and broad with hanging tiers."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene


def fir(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, design: str = "") -> None:
    """A fir of this height in pixels. `design`: 'narrow' or 'broad', else chosen."""
    broad = (design or scene.pick(("narrow", "broad"))) == "broad"
    with scene.thing("杉树", "树"):
        trunk = np.array([[[x, y], [x, y - height * 0.9]]])
        scene.strokes(
            trunk, np.array([height * (0.034 if broad else 0.024)]), scene.faded(scene.palette.bark, nearness)
        )
        if broad:
            _tiers(scene, x, y, height, nearness, _tiers_for(scene, height, 12), 0.32, 0.88, 64, 0.7)
        else:
            _tiers(scene, x, y, height, nearness, _tiers_for(scene, height, 18), 0.20, 0.90, 40, 0.5)


def _tiers_for(scene: Scene, height: float, most: int) -> int:
    """Small firs have fewer tiers than would be seen of a large one."""
    return int(np.clip(height / (13 * scene.pixel), 6, most))


def _tiers(
    scene: Scene, x: float, y: float, height: float, near: float, tiers: int, half: float, down: float, count: int,
    hang: float,
) -> None:  # fmt: skip
    """Tiers of boughs from the top down, each over the one above it.

    `half`: half the width of the lowest, a share of the height; `down`: where it is; `hang`: how far boughs droop.
    """
    rng = scene.rng
    needles = [scene.faded(ink, near) for ink in scene.palette.evergreen]
    dark = [mix(needles[0], scene.palette.near, 0.35), needles[0], mix(needles[0], needles[1], 0.6)]
    snow = [scene.faded(scene.snow_ink(0.3), near), scene.faded(scene.snow_ink(), near)]
    step = down / tiers
    top = np.array([[[x, y - height * 1.02], [x, y - height * 0.85]]])
    scene.strokes(top, np.array([height * 0.016]), needles[0])
    for share in np.linspace(0, 1, tiers):
        reach = height * half * (0.9 * share**0.85 + 0.02)
        size = height * (0.012 + 0.03 * share) * (1.25 if half > 0.3 else 1.0)
        across = rng.uniform(-1, 1, count) * rng.uniform(0.82, 1)
        lift = rng.uniform(0, 1, count)
        ys = y - height + share * height * down + np.abs(across) ** 1.4 * reach * hang - lift * height * step * 0.9
        xs = x + across * reach * (1 - 0.45 * lift)
        light = 0.40 + 0.30 * scene.light * across + 0.18 * lift + rng.normal(0, 0.14, count)
        tilted = [ellipse(size * 2.2, size * 1.5, 20), ellipse(size * 2.2, size * 1.5, -20)]
        scene.dabs(x + (xs - x) * 0.8, ys, light * 0.4, tilted, dark, 0.95)
        twigs = [ellipse(size * 1.9, size * 0.7, 30), ellipse(size * 1.9, size * 0.7, -30)]
        scene.dabs(xs, ys, light, twigs, needles, 0.95)
        if scene.facts.snow:
            lies = (rng.random(count) < 0.6) & (lift > 0.2)
            flakes = [ellipse(size * 1.7, size * 0.6, 15), ellipse(size * 1.7, size * 0.6, -15)]
            scene.dabs(xs[lies], ys[lies] - height * 0.008, rng.random(int(lies.sum())), flakes, snow, 0.9)
