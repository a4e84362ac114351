"""Coconut palms (椰子树): a ringed trunk that leans, fronds that arch, nuts."""

import numpy as np

from recipes.drawing.brushes import ellipse, path
from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.shapes import curve


def palm(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, design: str = "") -> None:
    """A palm of this height in pixels. `design`: 'leaning', 'upright' or 'pair', else chosen."""
    design = design or scene.pick(("leaning", "upright", "pair"))
    side = 1.0 if x < scene.width / 2 else -1.0
    with scene.thing("椰子树", "树"):
        if design == "pair":
            _one(scene, x - side * height * 0.05, y, height * 0.72, -side * 0.25, nearness)
        reach = side * (scene.between(0.04, 0.12) if design == "upright" else scene.between(0.25, 0.45))
        _one(scene, x, y, height, reach, nearness)


def _one(scene: Scene, x: float, y: float, height: float, reach: float, nearness: float) -> None:
    rng, palette = scene.rng, scene.palette
    tall = height * 0.78
    knots = [(0, 0), (reach * 0.18, 0.3), (reach * 0.52, 0.65), (reach, 1.0)]
    trunk = curve(np.array([[x + a * tall, y - b * tall] for a, b in knots]), 8)
    thick = height * np.interp(np.arange(len(trunk) - 1), [0, 2, len(trunk)], [0.058, 0.042, 0.026])
    bark = scene.faded(mix(palette.bark, palette.lit("a88a68"), 0.45), nearness)
    scene.strokes(path(trunk), thick, bark)
    rings = trunk[1:-1:1]
    half = np.array([height * 0.016, height * 0.002])
    across = np.stack([rings - half, rings + half], 1)
    scene.strokes(across, np.full(len(across), max(1.0, height * 0.004)), mix(bark, palette.near, 0.5), 0.7)
    head = trunk[-1]
    green = palette.evergreen if scene.style.chinese else [palette.lit(c) for c in colours("1d4f34 3f8a4a a4c864")]
    green = [scene.faded(ink, nearness) for ink in green]
    angles = np.concatenate([np.linspace(-0.5, 0.5, 5), np.linspace(-1.9, 1.9, 9)]) + rng.normal(0, 0.10, 14)
    for order, angle in enumerate(angles):
        _frond(scene, head, angle, height * rng.uniform(0.34, 0.44), green, 0.15 if order < 5 else 0.5)
    nuts = head + rng.normal(0, height * 0.016, (6, 2)) + [0, height * 0.04]
    nut = max(height * 0.05, 4 * scene.pixel)
    brown = [scene.faded(palette.lit(ink), nearness) for ink in colours("4a3020 8a5c34")]
    scene.dabs(nuts[:, 0], nuts[:, 1], rng.random(6), [ellipse(nut, nut)], brown, 0.95)


def _frond(scene: Scene, head: np.ndarray, angle: float, length: float, green: list[Colour], shade: float) -> None:
    """One frond: a rib that arches over, leaflets on both sides that hang from it. `angle`: 0 is straight up."""
    rng, t = scene.rng, np.linspace(0, 1, 22)
    turn = angle + np.sign(angle) * t * (0.9 + 0.25 * abs(angle))
    step = length / len(t) * np.stack([np.sin(turn), -np.cos(turn)], 1)
    rib = head + np.cumsum(step, 0)
    scene.strokes(path(rib), np.linspace(length * 0.028, length * 0.008, len(t) - 1), green[1])
    size = length * 0.34 * np.sin(np.pi * np.clip(t * 0.92 + 0.06, 0, 1)) ** 0.6
    starts, ends, inks = [], [], []
    for side in (-1.0, 1.0):
        direction = turn + side * (0.62 - 0.15 * t) + rng.normal(0, 0.06, len(t))
        tip = rib + size[:, None] * np.stack([np.sin(direction), -np.cos(direction)], 1)
        tip[:, 1] += size * 0.34
        starts.append(rib)
        ends.append(tip)
        inks.append(side)
    for start, end, side in zip(starts, ends, inks, strict=True):
        lit = shade + (0.3 if side * scene.light > 0 else 0.0)
        ink = mix(green[0], green[1], min(lit * 2, 1)) if lit < 0.5 else mix(green[1], green[2], lit * 2 - 1)
        middle = (start + end) / 2 - [0, length * 0.012]
        scene.strokes(np.stack([start, middle], 1), np.full(len(start), length * 0.036), ink, 0.95)
        scene.strokes(np.stack([middle, end], 1), np.full(len(start), length * 0.014), ink, 0.95)
    if scene.facts.snow:
        scene.strokes(path(rib[:14] - [0, length * 0.02]), np.full(13, length * 0.03), scene.snow_ink(), 0.85)
