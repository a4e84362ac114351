"""What stands about a village: fences, wells, water wheels, windmills."""

import math

import numpy as np

from recipes.drawing.colour import mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import disc, moved, pierced, polygon, rectangle, rotated, stripe


def fence(scene: Scene, left: float, right: float, crest: np.ndarray, height: float, nearness: float = 1.0) -> None:
    """A fence of stakes and two rails along a crest (W,) between two columns; `height` in pixels."""
    step = height * scene.between(0.42, 0.6)
    xs = np.arange(left, right, step)
    if len(xs) < 2:
        return
    xs = xs + scene.rng.normal(0, step * 0.08, len(xs))
    feet = crest[np.clip(xs, 0, scene.width - 1).astype(int)] + height * 0.08
    tops = feet - height * scene.rng.uniform(0.88, 1.1, len(xs))
    stakes = np.stack(
        [np.stack([xs, feet], 1), np.stack([xs + scene.rng.normal(0, height * 0.04, len(xs)), tops], 1)], 1
    )
    ink = scene.faded(mix(scene.material("thatch"), scene.material("wood"), 0.5), nearness)
    with scene.thing("篱笆", "房屋"):
        for share, thick in ((0.35, 0.07), (0.72, 0.06)):
            rail = np.stack([xs, feet - height * share], 1)
            scene.strokes(
                np.stack([rail[:-1], rail[1:]], 1),
                np.full(len(xs) - 1, height * thick),
                mix(ink, scene.material("dark"), 0.25),
            )
        scene.strokes(stakes, np.full(len(xs), max(height * 0.11, 1.5 * scene.pixel)), ink)
        if scene.facts.snow:
            caps = stakes[:, 1:] + np.array([[[-height * 0.05, 0]], [[height * 0.05, 0]]]).reshape(1, 2, 2)
            scene.strokes(caps, np.full(len(xs), height * 0.09), scene.snow_ink())


def well(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A well under a small roof with a windlass and a bucket; `size`: its height in pixels, nearly."""
    dark = mix(scene.material("old stone"), scene.material("dark"), 0.35)
    parts = [Part(rectangle(at - 0.03, 0.2, at + 0.03, 0.86), "wood") for at in (-0.3, 0.3)]
    parts += [Part(rectangle(-0.34, 0.6, 0.42, 0.65), "wood"), Part(rectangle(-0.14, 0.57, 0.14, 0.68), "thatch")]
    parts += [Part(stripe(np.array([[0.42, 0.62], [0.42, 0.5], [0.5, 0.5]]), 0.03), "dark")]
    parts += [
        Part(rectangle(-0.008, 0.42, 0.008, 0.6), "dark"),
        Part(polygon((-0.08, 0.42), (0.08, 0.42), (0.06, 0.26), (-0.06, 0.26)), "wood"),
    ]
    parts += [Part(rectangle(-0.42, -0.04, 0.42, 0.3), "stone"), Part(rectangle(-0.46, 0.27, 0.46, 0.34), "old stone")]
    for row, shift in ((0.04, 0.0), (0.14, 0.09), (0.24, 0.0)):
        parts.append(Part(rectangle(-0.42, row + 0.06, 0.42, row + 0.075), dark))
        parts += [
            Part(rectangle(at + shift, row - 0.03, at + shift + 0.014, row + 0.07), dark)
            for at in (-0.3, -0.1, 0.1, 0.24)
        ]
    parts += [Part(polygon((-0.56, 0.82), (0, 1.14), (0.56, 0.82), (0.5, 0.79), (0, 1.04), (-0.5, 0.79)), "roof")]
    parts += [Part(polygon((-0.52, 0.8), (0, 1.1), (0.52, 0.8)), "thatch")]
    with scene.thing("水井", "石"):
        scene.solid(parts, x, y, size, nearness)


def water_wheel(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A bamboo wheel that lifts water from a stream whose surface is at row y; `size`: its diameter in pixels."""
    turn = scene.between(0, 30)
    dark = mix(scene.material("wood"), scene.material("dark"), 0.4)
    parts = [
        Part(stripe(np.array([[side * 0.36, -0.1], [0.0, 0.5], [side * 0.05, 0.56]]), 0.05), dark) for side in (-1, 1)
    ]
    for i in range(16):
        angle = turn + i * 22.5
        spoke = rotated(rectangle(-0.008, 0.0, 0.008, 0.46), angle)
        paddle = rotated(rectangle(-0.05, 0.4, 0.05, 0.52), angle)
        parts += [Part(moved(spoke, 0, 0.42), "wood"), Part(moved(paddle, 0, 0.42), "thatch")]
    for radius in (0.46, 0.34):
        parts.append(Part(pierced(disc(0, 0.42, radius), disc(0, 0.42, radius - 0.03)), "wood"))
    parts += [Part(disc(0, 0.42, 0.06), dark), Part(disc(0, 0.42, 0.03), "thatch")]
    parts += [
        Part(polygon((0.14, 0.8), (0.14, 0.76), (0.95, 0.66), (0.95, 0.7)), "wood"),
        Part(rectangle(0.74, -0.1, 0.79, 0.7), dark),
    ]
    with scene.thing("水车", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def windmill(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A tower mill with four lattice sails; `size`: its height in pixels, nearly."""
    turn = scene.between(10, 80)
    shade = mix(scene.material("white"), scene.material("roof"), 0.25)
    parts = [
        Part(polygon((-0.27, -0.03), (-0.16, 0.72), (0.16, 0.72), (0.27, -0.03)), "white"),
        Part(polygon((0.06, -0.03), (0.04, 0.72), (0.16, 0.72), (0.27, -0.03)), shade),
        Part(rectangle(-0.08, -0.03, 0.06, 0.2), "wood"),
        Part(rectangle(-0.045, 0.36, 0.045, 0.46), "dark"),
        Part(rectangle(-0.3, 0.2, 0.3, 0.23), "wood"),
        Part(polygon((-0.19, 0.72), (-0.13, 0.86), (0, 0.93), (0.13, 0.86), (0.19, 0.72)), "brick"),
    ]
    for i in range(4):
        angle = turn + 90 * i
        sail = [rectangle(0.02, 0.12, 0.15, 0.58), rectangle(-0.012, 0.0, 0.012, 0.6)]
        bars = [rectangle(0.02, row, 0.15, row + 0.012) for row in np.linspace(0.12, 0.57, 8)]
        parts.append(
            Part(moved(rotated(sail[0], angle), 0, 0.78), mix(scene.material("white"), scene.material("thatch"), 0.25))
        )
        parts += [Part(moved(rotated(bar, angle), 0, 0.78), "wood") for bar in [sail[1], *bars]]
    parts.append(Part(disc(0, 0.78, 0.035), "dark"))
    with scene.thing("风车", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def hay(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A stack of straw; `size`: its height in pixels."""
    straw = scene.material("thatch")
    dark = mix(straw, scene.material("dark"), 0.3)
    body = polygon(
        (-0.42, -0.03), (-0.46, 0.3), (-0.3, 0.7), (-0.06, 0.98), (0.06, 0.98), (0.3, 0.7), (0.46, 0.3), (0.42, -0.03)
    )
    parts = [Part(body, straw)]
    for angle in np.linspace(-1, 1, 9):
        lean = 0.42 * math.sin(angle * 1.2)
        parts.append(
            Part(polygon((lean - 0.012, 0.02), (lean * 0.5, 0.6 + 0.25 * (1 - abs(angle))), (lean + 0.012, 0.02)), dark)
        )
    with scene.thing("草垛", "草"):
        scene.solid(parts, x, y, size, nearness)
