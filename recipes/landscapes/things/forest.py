"""Woods (森林) from within: trunks in depth under a canopy; birches; firs."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, colours, mix
from recipes.landscapes.scene import Scene


def trunks(scene: Scene, count: int, nearness: float, foot: float, birch: bool, clear: float = 0.0) -> None:
    """Trunks across the picture that rise out of it.

    `foot`: the row where they stand; `nearness`: 0 far to 1 near; `clear`: half of the share in the middle without any.
    """
    width = (8 + 30 * nearness**1.3) * scene.pixel
    places = (np.arange(count) + scene.rng.uniform(0.12, 0.88, count)) / count * scene.width
    middle = scene.width / 2
    aside = np.where(places < middle, -1, 1)
    places = middle + aside * (clear * scene.width + np.abs(places - middle) * (1 - 2 * clear))
    for x in places:
        row, wide = foot + scene.between(-0.02, 0.03) * scene.side, width * scene.between(0.65, 1.3)
        _trunk(scene, float(x), row, wide, nearness, birch)


def _bark(scene: Scene, nearness: float, birch: bool) -> tuple[Colour, Colour]:
    palette = scene.palette
    if birch:
        dark, light = (palette.lit(ink, 0.2) for ink in colours("8a8680 f8f4ea"))
    else:
        dark, light = mix(palette.bark, palette.near, 0.35), mix(palette.bark, palette.lit("b08a64", 0.1), 0.55)
    return scene.faded(dark, 0.2 + 0.8 * nearness), scene.faded(light, 0.2 + 0.8 * nearness)


def _trunk(scene: Scene, x: float, foot: float, width: float, nearness: float, birch: bool) -> None:
    rows = np.arange(0, int(min(foot, scene.height)) + 1, dtype=np.float32)
    up = np.clip((foot - rows) / scene.height, 0, 1)
    axis = x + scene.between(-0.10, 0.10) * scene.side * up + scene.between(-6, 6) * scene.pixel * np.sin(up * 5)
    flare = 0.55 * np.exp(-(foot - rows) / (width * 0.55))
    half = width / 2 * (1 - 0.28 * up + flare)
    region = scene.region(np.concatenate([axis - half, axis + half]), rows, 2)
    if region is None:
        return
    part = slice(region.top, region.bottom)
    axis, half = axis[part][:, None], half[part][:, None]
    across = (scene.columns[:, region.left : region.right] - axis[: region.height]) / half[: region.height]
    rough = scene.style.roughness
    edge = 1 - np.abs(across)
    cover = np.clip(edge * half[: region.height] * 0.9 + 0.5, 0, 1)
    region_rows = cover.shape[0]
    shade = 0.42 + 0.34 * scene.light * across
    if rough and width > 14 * scene.pixel:
        grain = scene.noise(region_rows, region.width, 3.0, 0.5 if not birch else 2.5)
        shade = shade + (0.07 if birch else 0.16) * grain
    dark, light = _bark(scene, nearness, birch)
    scene.cover(cover.astype(np.float32), dark, light, shade.astype(np.float32), region.top, region.left)
    if birch:
        _marks(scene, axis[:, 0], half[:, 0], rows[part], width, nearness)
    if scene.facts.snow:
        drift = np.clip((across * -scene.light - 0.35) * 3, 0, 1) * cover * 0.85
        scene.tint(drift.astype(np.float32), scene.faded(scene.snow_ink(), nearness), region.top, region.left)


def _marks(scene: Scene, axis: np.ndarray, half: np.ndarray, rows: np.ndarray, width: float, nearness: float) -> None:
    """The dark eyes and lines of birch bark."""
    count = max(4, int(len(rows) / max(width * 1.3, 4)))
    at = scene.rng.integers(0, len(rows), count)
    offset = scene.rng.uniform(-0.65, 0.65, count)
    shapes = [
        ellipse(width * 0.36, max(width * 0.09, 2)),
        ellipse(width * 0.6, max(width * 0.06, 2)),
        ellipse(width * 0.2, width * 0.14),
    ]
    ink = scene.faded(mix(scene.palette.lit("2a2624"), scene.palette.near, 0.2), 0.2 + 0.8 * nearness)
    scene.dabs(axis[at] + offset * half[at] * 0.6, rows[at], scene.rng.random(count), shapes, [ink, ink], 0.85)


def canopy(scene: Scene, low: float, nearness: float) -> None:
    """Leaves from the top of the picture down to about the row `low`, in hanging masses."""
    rng, palette = scene.rng, scene.palette
    if not palette.foliage:
        return
    size = (4.2 + 4.6 * nearness) * scene.pixel
    masses = int(16 * scene.width / scene.side)
    centres = np.stack([rng.uniform(-0.05, 1.05, masses) * scene.width, low * rng.uniform(-0.1, 0.92, masses)], 1)
    count = 72
    around = rng.normal(0, 1, (masses, count, 2)) * [scene.side * 0.085, scene.side * 0.04]
    points = (centres[:, None] + around).reshape(-1, 2)
    light = 0.55 - 0.18 * (around[..., 1] / (scene.side * 0.04)).ravel() + rng.normal(0, 0.16, len(points))
    leaves = [scene.faded(leaf, 0.3 + 0.7 * nearness) for leaf in palette.leaves]
    shaded = [mix(leaves[0], scene.faded(palette.near, nearness), 0.3), leaves[0]]
    big = [ellipse(size * 3.0, size * 2.2, 20), ellipse(size * 2.4, size * 2.4)]
    scene.dabs(points[::2, 0], points[::2, 1] - size * 0.4, light[::2], big, shaded, scene.style.undergrowth)
    small = [ellipse(size * 1.3, size * 0.8, 25), ellipse(size, size), ellipse(size * 1.3, size * 0.7, -30)]
    scene.dabs(points[:, 0], points[:, 1], np.clip(light, 0, 1), small, leaves, 0.93)


def boughs(scene: Scene, count: int, low: float, nearness: float) -> None:
    """Bare boughs from the sides above the row `low`, for winter."""
    rng = scene.rng
    t = np.linspace(0, 1, 7)
    ways, widths = [], []
    for _ in range(count):
        side = 1.0 if rng.random() < 0.5 else -1.0
        start = np.array([rng.uniform(0, scene.width), rng.uniform(0, low)])
        reach = scene.side * rng.uniform(0.12, 0.3)
        xs = start[0] + side * reach * t
        ys = start[1] - reach * 0.5 * t + np.cumsum(rng.normal(0, 0.02, 7)) * reach
        points = np.stack([xs, ys], 1)
        ways.append(np.stack([points[:-1], points[1:]], 1))
        widths.append(np.linspace(6, 1.5, 6) * scene.pixel * (0.3 + 0.7 * nearness))
        for knot in (2, 3, 4, 5):
            tip = points[knot] + reach * np.array([side * rng.uniform(0.1, 0.25), rng.uniform(-0.3, 0.12)])
            ways.append(np.stack([points[knot], tip])[None])
            widths.append(np.array([2.0 * scene.pixel * (0.4 + 0.6 * nearness)]))
    dark, _ = _bark(scene, nearness, False)
    scene.strokes(np.concatenate(ways), np.concatenate(widths), dark, 0.9)
    if scene.facts.snow:
        above = np.concatenate(ways) - np.array([0, 2.5 * scene.pixel])
        scene.strokes(above, np.concatenate(widths) * 0.6, scene.faded(scene.snow_ink(), nearness), 0.85)
