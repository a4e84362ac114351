"""Lanterns: red ones on strings, paper ones that rise into the night, of stone beside a path."""

import numpy as np

from recipes.drawing.colour import colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn
from recipes.landscapes.things.shapes import curved_roof, disc, polygon, rectangle, stripe


def lantern(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A red lantern that hangs from (x, y); `size`: its width in pixels."""
    with scene.thing("灯笼", "房屋"):
        _hang(scene, x, y, size, nearness, lamps_burn(scene))


def lantern_string(scene: Scene, start: tuple[float, float], end: tuple[float, float], size: float, count: int) -> None:
    """Lanterns along a rope that sags between two points; `size`: a lantern's width in pixels."""
    t = np.linspace(0, 1, 25)
    sag = abs(end[0] - start[0]) * 0.12
    rope = np.stack([start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t + sag * 4 * t * (1 - t)], 1)
    burning = lamps_burn(scene)
    with scene.thing("灯笼", "房屋"):
        scene.strokes(np.stack([rope[:-1], rope[1:]], 1), np.full(24, 1.4 * scene.pixel), scene.material("dark"))
        for share in (np.arange(count) + 0.5) / count:
            x, y = (float(np.interp(share, t, rope[:, i])) for i in range(2))
            _hang(scene, x, y, size * scene.between(0.88, 1.1), 1.0, burning)


def _hang(scene: Scene, x: float, y: float, size: float, nearness: float, burning: bool) -> None:
    red = mix(scene.material("red"), colour("ff5a28"), 0.75) if burning else scene.material("red")
    pale = mix(red, colour("ffd080"), 0.65 if burning else 0.2)
    parts = [
        Part(rectangle(-0.02, -0.2, 0.02, 0.0), "dark"),
        Part(disc(0, -0.58, 0.5, 0.4), red),
        Part(disc(0, -0.58, 0.3, 0.4), mix(red, pale, 0.5)),
        Part(disc(0, -0.58, 0.12, 0.4), pale),
        Part(rectangle(-0.22, -0.22, 0.22, -0.14), "gold"),
        Part(rectangle(-0.22, -1.02, 0.22, -0.94), "gold"),
        Part(polygon((-0.1, -1.02), (-0.14, -1.5), (0.14, -1.5), (0.1, -1.02)), red),
        Part(rectangle(-0.02, -1.5, 0.02, -1.02), pale),
    ]
    if burning:
        scene.lamp(x, y + 0.58 * size, size * 1.5, "ff7a38")
    scene.solid(parts, x, y, size, nearness)


def sky_lanterns(scene: Scene, horizon: float, count: int) -> None:
    """Paper lanterns that rise, smaller towards the horizon."""
    with scene.thing("孔明灯", "日月"):
        for height in np.sort(scene.rng.uniform(0.06, 0.92, count))[::-1]:
            x = scene.between(0.04, 0.96) * scene.width
            size = scene.side * (0.012 + 0.022 * (1 - height)) * scene.between(0.8, 1.2)
            sky_lantern(scene, x, horizon * height, size)


def sky_lantern(scene: Scene, x: float, y: float, size: float) -> None:
    """One paper lantern with its flame; `size`: half its width in pixels."""
    body = polygon((-0.6, 0), (-0.85, 1.2), (-0.7, 1.7), (-0.3, 1.95), (0.3, 1.95), (0.7, 1.7), (0.85, 1.2), (0.6, 0))
    parts = [
        Part(body, colour("f08a3c")),
        Part(body * [0.72, 0.72], colour("ffc060")),
        Part(body * [0.42, 0.4], colour("ffeaa8")),
    ]
    parts.append(Part(stripe(np.array([[-0.6, 0.02], [0.6, 0.02]]), 0.12), colour("a84e20")))
    scene.solid(parts, x, y, size)
    scene.lamp(x, y - size * 0.6, size * 2.6, "ff9a40")


def stone_lantern(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A lantern of stone on a post; `size`: its height in pixels."""
    burning = lamps_burn(scene)
    fire = colour("ffd070") if burning else scene.material("dark")
    dark = mix(scene.material("old stone"), scene.material("dark"), 0.3)
    parts = [
        Part(rectangle(-0.26, -0.03, 0.26, 0.08), "old stone"),
        Part(rectangle(-0.2, 0.08, 0.2, 0.14), "stone"),
        Part(rectangle(-0.09, 0.14, 0.09, 0.46, 0.015), "stone"),
        Part(rectangle(0.02, 0.14, 0.09, 0.46, 0.015), dark),
        Part(polygon((-0.12, 0.44), (-0.26, 0.54), (0.26, 0.54), (0.12, 0.44)), "stone"),
        Part(rectangle(-0.18, 0.54, 0.18, 0.74), "old stone"),
        Part(rectangle(-0.09, 0.57, 0.09, 0.72), fire),
        Part(rectangle(-0.01, 0.57, 0.01, 0.72), "old stone"),
        Part(curved_roof(0, 0.75, 0.36, 0.17, 0.06, 0.35), "stone"),
        Part(disc(0, 0.96, 0.05, 0.06), "old stone"),
    ]
    if burning:
        scene.lamp(x, y - 0.64 * size, size * 0.45)
    with scene.thing("石灯", "石"):
        scene.solid(parts, x, y, size, nearness)


def hanging_lantern(scene: Scene, x: float, y: float, size: float) -> None:
    """A lantern on a bent pole that stands at (x, y); `size`: the height of both in pixels."""
    pole = np.array([[0.3, -0.02], [0.3, 0.8], [0.24, 0.94], [0.1, 1.0], [-0.04, 0.96]])
    with scene.thing("灯笼", "房屋"):
        scene.solid([Part(stripe(pole, 0.03), "wood")], x, y, size)
        _hang(scene, x - 0.04 * size, y - 0.95 * size, size * 0.42, 1.0, lamps_burn(scene))


def lanterns_in_the_sky(scene: Scene, x: float, y: float, size: float) -> None:
    """Three paper lanterns close together around (x, y), one near; `size`: the near one's height in pixels."""
    with scene.thing("孔明灯", "日月"):
        for across, up, share in ((-0.62, 0.42, 0.34), (0.66, 0.16, 0.45), (0.0, -0.5, 1.0)):
            sky_lantern(scene, x + across * size, y - up * size, size * share * 0.5)
