"""Reeds (芦苇): bent stems with plumes, at the edge of water."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Scene


def reeds(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, spread: float = 0.32) -> None:
    """A bed of reeds of this height in pixels; `spread`: half its width, for its height."""
    rng, pixel, palette = scene.rng, scene.pixel, scene.palette
    count = int(np.clip(60 * spread / 0.32, 24, 160))
    feet = x + np.clip(rng.normal(0, 0.5, count), -1, 1) * height * spread
    long = height * rng.uniform(0.55, 1.0, count) * (1 - 0.25 * np.abs(feet - x) / (height * spread))
    bend = (rng.normal(0.18, 0.12, count) * -scene.light)[:, None]
    q = np.linspace(0, 1, 7)
    xs = feet[:, None] + bend * long[:, None] * q**2
    ys = y + rng.uniform(-0.03, 0.07, count)[:, None] * height - long[:, None] * q * (1 - 0.12 * q * np.abs(bend))
    points = np.stack([xs, ys], -1)
    segments = np.stack([points[:, :-1], points[:, 1:]], 2)
    dry = scene.facts.season in ("秋", "冬")
    codes = "5a4a2c b89a58" if dry else "2f5a34 8aa850"
    green = [mix(palette.lit(ink), palette.near, 0.1) for ink in colours(codes)]
    if scene.style.chinese:
        green = [palette.evergreen[0], palette.evergreen[-1]]
    green = [scene.faded(ink, nearness) for ink in green]
    thick = max(height * 0.010, 1.6 * pixel)
    with scene.thing("芦苇", "草"):
        for part, ink in ((slice(0, count // 2), green[0]), (slice(count // 2, count), mix(green[0], green[1], 0.6))):
            rows = segments[part]
            scene.strokes(rows.reshape(-1, 2, 2), np.tile(np.linspace(thick, thick * 0.4, 6), len(rows)), ink, 0.9)
        _blades(scene, points, height, green)
        _plumes(scene, points, bend, height, nearness)


def _blades(scene: Scene, points: np.ndarray, height: float, green: list[Colour]) -> None:
    """Long leaves that leave the stems and droop."""
    rng, t = scene.rng, np.linspace(0, 1, 5)
    nodes = points[:, 2:4].reshape(-1, 2)
    side = rng.choice([-1.0, 1.0], len(nodes))[:, None]
    long = height * rng.uniform(0.12, 0.26, len(nodes))[:, None]
    xs = nodes[:, :1] + side * long * t * 0.8
    ys = nodes[:, 1:] - long * (0.9 * t - 0.75 * t**2.2)
    way = np.stack([xs, ys], -1)
    segments = np.stack([way[:, :-1], way[:, 1:]], 2).reshape(-1, 2, 2)
    widths = np.tile(np.array([0.010, 0.012, 0.009, 0.005]) * height, len(nodes))
    scene.strokes(segments, np.maximum(widths, 1), mix(green[0], green[1], 0.8), 0.9)


def _plumes(scene: Scene, points: np.ndarray, bend: np.ndarray, height: float, nearness: float) -> None:
    rng, palette, pixel = scene.rng, scene.palette, scene.pixel
    chosen = rng.random(len(points)) < 0.6
    tips, count = points[chosen, -1], 18
    down = np.abs(rng.normal(0, 1, (len(tips), count)))
    side = max(height * 0.010, 1.8 * pixel)
    xs = tips[:, :1] - bend[chosen] * down * height * 0.06 + rng.normal(0, side, down.shape)
    ys = tips[:, 1:] + down * height * 0.055
    codes = "a88a5c d8bf90 f6ead0" if scene.facts.season in ("秋", "冬") else "7a5a4c b08a78 dcc8b4"
    inks = [scene.faded(palette.lit(ink, 0.15), nearness) for ink in colours(codes)]
    if scene.style.chinese:
        inks = [mix(palette.ink, palette.paper, share) for share in (0.35, 0.5, 0.8)]
    elif scene.facts.time == "黄昏":
        inks[2] = mix(inks[2], palette.sun, 0.5)
    shapes = [ellipse(side, side * 3.5, 15), ellipse(side, side * 3.2, -20)]
    scene.dabs(xs.ravel(), ys.ravel(), rng.random(xs.size), shapes, inks, 0.88)
