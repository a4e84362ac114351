"""What places share: how many things fit along a picture, shores with houses on them, paths."""

from collections.abc import Sequence

import numpy as np

from recipes.drawing.brushes import fill
from recipes.drawing.colour import mix
from recipes.landscapes.parts import ground
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.bridge import bridge
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.reflection import mirror_image
from recipes.landscapes.things.shapes import rectangle
from recipes.landscapes.things.willow import willow


def sides(scene: Scene) -> tuple[float, float]:
    """The picture's width and height as multiples of its shorter side: (3, 1) for a scroll that lies."""
    return scene.width / scene.side, scene.height / scene.side


def stations(scene: Scene, spacing: float, margin: float = 0.12) -> list[float]:
    """Columns about `spacing` sides apart over the whole width, none within `margin` sides of an edge."""
    across, _ = sides(scene)
    count = max(1, round((across - 2 * margin) / spacing))
    step = (across - 2 * margin) / count
    places = margin + step * (np.arange(count) + 0.5 + scene.rng.uniform(-0.22, 0.22, count))
    return [float(place * scene.side) for place in places]


def apart(scene: Scene, columns: Sequence[float], distance: float, low: float, high: float) -> float | None:
    """A column between two shares of the width that is `distance` pixels from all others; None where none is free."""
    for _ in range(12):
        x = scene.width * scene.between(low, high)
        if all(abs(x - other) >= distance for other in columns):
            return x
    return None


def trail(scene: Scene, points: np.ndarray, wide: float, narrow: float) -> None:
    """A path through points (n, 2), nearest first; widths in pixels at its near and its far end."""
    t = np.linspace(0, len(points) - 1, 12 * len(points))
    way = np.stack([np.interp(t, np.arange(len(points)), points[:, i]) for i in range(2)], 1)
    kernel = np.ones(13) / 13
    padded = np.concatenate([np.repeat(way[:1], 6, 0), way, np.repeat(way[-1:], 6, 0)])
    way = np.stack([np.convolve(padded[:, i], kernel, "valid") for i in range(2)], 1)
    width = np.linspace(wide, narrow, len(way))
    sand = scene.snow_ink(0.7) if scene.facts.snow else mix(scene.material("sand"), scene.palette.grass_light, 0.2)
    # seen from the side a path is flat: a band of polygons, not round strokes
    offset = np.stack([width, np.zeros_like(width)], 1) / 2
    outline = np.concatenate([way - offset, (way + offset)[::-1]])
    region = scene.region(outline[:, 0], outline[:, 1], 3)
    if region is None:
        return
    cover, _ = fill(scene, [(outline, sand)], region)
    noise = scene.noise(region.height, region.width, 2.0, 3.0) * np.float32(0.2 * scene.style.roughness)
    with scene.thing("小路", "路"):
        shade = np.float32(0.7) + noise
        scene.cover(cover * np.float32(0.9), mix(sand, scene.palette.near, 0.25), sand, shade, region.top, region.left)


def far_lights(scene: Scene, row: float, count: int) -> None:
    """Lamps along a far shore, at night."""
    if not scene.facts.night:
        return
    xs = scene.rng.uniform(0, scene.width, count)
    xs = xs[scene.noise(1, scene.width, 1.2)[0][xs.astype(int)] > -0.3]
    ys = row - scene.rng.exponential(5 * scene.pixel, len(xs)) - 2 * scene.pixel
    for x, y in zip(xs, ys, strict=True):
        scene.lamp(float(x), float(y), scene.between(7, 13) * scene.pixel)
    if len(xs) > 3:
        scene.say("灯火")


def shore(scene: Scene, side: float, reach: float, drop: float, rise: float) -> tuple[np.ndarray, np.ndarray]:
    """As `ground.spit`, with `reach` in pixels, so that it looks alike in wide pictures."""
    return ground.spit(scene, scene.horizon, side, min(reach / scene.width, 0.9), drop, rise)


def causeway(scene: Scene, x: float, y: float, size: float) -> None:
    """A low bank of stone across the water at row y, trees on it, with an arched bridge at x; `size`: of the bridge."""
    unit = scene.side
    grass = mix(scene.palette.grass_light, scene.palette.grass_dark, 0.4)
    grass = scene.snow_ink(0.8) if scene.facts.snow else grass
    parts: list[Part] = []
    for left, right in ((-4.0, x - size * 1.12), (x + size * 1.12, scene.width + 4.0)):
        start, end = (left - x) / unit, (right - x) / unit
        parts += [
            Part(rectangle(start, -0.012, end, 0.018), "old stone"),
            Part(rectangle(start, 0.016, end, 0.028), grass),
        ]
    mirror_image(scene, parts, x, y, unit, line=-0.024)
    with scene.thing("长堤", "地"):
        scene.solid(parts, x, y, unit)
    trees = np.arange(unit * 0.1, scene.width, unit * 0.17)
    trees = trees + scene.rng.uniform(-0.05, 0.05, len(trees)) * unit
    trees = trees[(np.abs(trees - x) > size * 1.6) & (scene.rng.random(len(trees)) < 0.7)]
    for column in trees:
        willow_or_tree = willow if scene.facts.season != "冬" else near_tree
        willow_or_tree(scene, float(column), y - unit * 0.022, unit * scene.between(0.13, 0.2))
    bridge(scene, x, y, size, 1.0, "arch", reflected=True)
