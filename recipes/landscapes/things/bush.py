"""Bushes: low heaps of leaves, some of them in flower."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.blossoms import dyed
from recipes.landscapes.things.garden_flowers import leaf_inks

_FLOWERS = ("a8204c e85a80 fbc0cc", "b0507c f0a0c0 ffe8f0", "c8c0b8 f8f4ec ffffff", "5a48a0 9080d0 d4ccf4")


def bush(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0) -> None:
    """One to three heaps of this height in pixels. In spring and summer every second one is in flower."""
    rng, snow = scene.rng, scene.facts.snow
    bloom = scene.facts.season in ("春", "夏") and scene.chance(0.5)
    heaps = [(0.0, 1.0)]
    heaps += [(side * scene.between(0.55, 0.85), scene.between(0.5, 0.8)) for side in (-1, 1) if scene.chance(0.7)]
    with scene.thing("灌木", "草"):
        for across, size in heaps[1:] + heaps[:1]:
            _heap(scene, x + across * height, y, height * size, nearness)
        if bloom or snow:
            inks = [scene.snow_ink(0.4), scene.snow_ink()] if snow else dyed(scene, scene.pick(_FLOWERS))
            for across, size in heaps:
                count, radius = 60, height * size
                angle = rng.uniform(0.05, 0.95, count) * np.pi
                out = np.sqrt(rng.uniform(0.35 if snow else 0.1, 1, count)) * 0.92
                xs, ys = (
                    x + across * height + np.cos(angle) * out * radius * 0.62,
                    y - np.sin(angle) * out * radius * 0.98,
                )
                dab = max(height * 0.055, 2.5 * scene.pixel)
                shapes = [ellipse(dab * 1.6, dab * 0.8), ellipse(dab, dab)] if snow else [ellipse(dab, dab)]
                scene.dabs(xs, ys, rng.random(count), shapes, [scene.faded(ink, nearness) for ink in inks], 0.95)


def _heap(scene: Scene, x: float, y: float, height: float, nearness: float) -> None:
    rng, count = scene.rng, 420
    foliage = scene.palette.foliage in ("红", "黄")
    inks = [scene.faded(ink, nearness) for ink in scene.palette.leaves] if foliage else leaf_inks(scene, nearness)
    angle, out = rng.uniform(0, np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    lump = 1 + 0.10 * np.sin(angle * 5 + rng.uniform(0, 6)) + 0.06 * np.sin(angle * 11)
    across, up = np.cos(angle) * out * 0.62 * lump, np.sin(angle) * out * lump
    xs, ys = x + across * height, y - up * height * 0.95
    light = 0.22 + 0.42 * up + 0.28 * scene.light * across + 0.2 * (out - 0.6) + rng.normal(0, 0.14, count)
    size = max(height * 0.05, 2.4 * scene.pixel)
    back = [mix(inks[0], scene.palette.near, 0.35), inks[0]]
    scene.dabs(xs[::2], ys[::2], light[::2], [ellipse(size * 2.6, size * 2.2)], back, scene.style.undergrowth)
    shapes = [ellipse(size * 1.5, size, 20), ellipse(size, size * 1.4, 15), ellipse(size * 1.5, size * 0.9, -35)]
    scene.dabs(xs, ys, np.clip(light, 0, 1), shapes, inks, 0.95)
