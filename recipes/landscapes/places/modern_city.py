"""A modern city: towers behind water, with lit windows at night."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import sides, stations
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.bridge import cable_bridge
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.skyline import skyline


def compose(scene: Scene) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    _, tall = sides(scene)
    horizon = height * (scene.between(0.58, 0.68) if tall < 1.5 else scene.between(0.6, 0.66))
    sky.heaven(scene, horizon, disc=0.8)
    if scene.chance(0.5):
        mountains.ranges(scene, horizon, 1, unit * 0.16, ("hill", "range"), 0.08, 0.16, bottom=int(horizon + 3))
    mist.band(scene, horizon - unit * 0.04, unit * 0.08, 0.25 + 0.4 * scene.facts.fog)
    rise = unit * scene.between(0.40, 0.48) if tall < 1.5 else unit * scene.between(0.7, 1.1)
    skyline(scene, horizon, rise)
    _embankment(scene, horizon)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.3, 0.3)
    water(scene, np.full(width, horizon + unit * 0.016, np.float32), scene.between(0.7, 1.2), "河面")
    if scene.facts.night:
        _reflected_lamps(scene, horizon + unit * 0.016)
    below = height - horizon
    x = width * 0.5 - scene.focus * scene.between(0.1, 0.3) * width
    if scene.chance(0.3):
        # from bank to bank: both ends lie outside the picture; a wide one has more spans
        spans = max(1, round(width / unit))
        for span in range(spans):
            x = width * (span + 0.5) / spans
            cable_bridge(scene, x, horizon + min(below * 0.3, unit * 0.14), width / spans * 0.52)
    elif scene.chance(0.7):
        row = horizon + min(below * scene.between(0.35, 0.55), unit * 0.24)
        boat(scene, x, row, unit * scene.between(0.09, 0.14), design=scene.pick(("sloop", "canopy", "junk")))
    if scene.chance(0.6):
        _park(scene)


def _embankment(scene: Scene, horizon: float) -> None:
    """Trees and lamps along the far shore."""
    unit, width, rng = scene.side, scene.width, scene.rng
    count = int(150 * width / unit)
    xs = rng.uniform(0, width, count)
    ys = horizon + unit * 0.012 - np.abs(rng.normal(0, unit * 0.008, count))
    inks = [mix(ink, scene.palette.haze, 0.2) for ink in scene.palette.evergreen]
    shapes = [ellipse(unit * 0.018, unit * 0.016), ellipse(unit * 0.014, unit * 0.018)]
    with scene.thing("行道树", "树"):
        scene.dabs(xs, ys, rng.random(count), shapes, inks, 0.95)
    if scene.facts.night:
        for x in np.arange(unit * 0.03, width, unit * 0.07):
            scene.lamp(float(x), horizon - unit * 0.004, unit * 0.016)


def _reflected_lamps(scene: Scene, row: float) -> None:
    """Streaks of coloured light in the water below the towers."""
    unit, rng = scene.side, scene.rng
    count = int(26 * scene.width / unit)
    xs = rng.uniform(0, scene.width, count)
    lengths = unit * rng.uniform(0.05, 0.2, count)
    codes = ((1.0, 0.8, 0.45), (0.55, 0.85, 1.0), (1.0, 0.5, 0.7), (1.0, 0.9, 0.7))
    for i, (x, length) in enumerate(zip(xs, lengths, strict=True)):
        region = scene.region([x - unit * 0.012, x + unit * 0.012], [row, row + length], 0)
        if region is None:
            continue
        across, down = scene.offsets(region, float(x), row)
        waver = np.sin(down * np.float32(0.5 / scene.pixel) + i) * np.float32(unit * 0.003)
        beam = np.clip(1 - np.abs(across + waver) / np.float32(unit * 0.009), 0, 1) * np.clip(
            1 - down / np.float32(length), 0, 1
        )
        scene.tint((beam * np.float32(0.6)).astype(np.float32), codes[i % len(codes)], region.top, region.left)
    scene.say("灯火")


def _park(scene: Scene) -> None:
    """The near shore: lawn and trees."""
    unit, width, height = scene.side, scene.width, scene.height
    crest = scene.outline(height - unit * 0.06, unit * 0.04, "hill")
    ground.land(scene, crest, 1.0, grass=1.0)
    for x in stations(scene, 0.6, 0.05):
        if abs(x - width / 2) > unit * 0.26 or width > 1.5 * unit:
            near_tree(scene, x, scene.at(crest, x) + unit * 0.03, unit * scene.between(0.24, 0.38))


PLACE = Place("modern city", ("城市", "都市", "现代城市", "高楼林立的城市"), compose)
