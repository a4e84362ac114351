"""The sea: a beach with breakers, cliffs with a lighthouse, open water with ships; in storms its waves are high."""

import numpy as np

from recipes.drawing.noise import smoothstep
from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import mist, mountains, sky, surf
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import apart, sides
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.gull import gulls
from recipes.landscapes.things.lighthouse import lighthouse
from recipes.landscapes.things.palm import palm
from recipes.landscapes.things.rock import rocks


def compose(scene: Scene) -> None:
    {"beach": _beach, "cliffs": _cliffs, "open": _open}[scene.pick(("beach", "cliffs", "open"))](scene)


def _horizon(scene: Scene, low: float, high: float) -> float:
    _, tall = sides(scene)
    horizon = scene.height * scene.between(low, high)
    sky.heaven(scene, horizon if tall < 1.5 else scene.height * 0.58, disc=0.9)
    return horizon if tall < 1.5 else scene.height * 0.58


def _waves(scene: Scene) -> float:
    return {"雨": 1.7, "雪": 1.3, "雾": 1.0, "晴": 1.3}[scene.facts.weather]


def _far_land(scene: Scene, horizon: float) -> None:
    if scene.chance(0.5):
        mountains.ranges(scene, horizon, 1, scene.side * 0.10, ("hill", "range"), 0.12, 0.2, bottom=int(horizon + 2))


def _ships(scene: Scene, top: float, bottom: float, count: int) -> None:
    """Sails from far to near, each of another size, in different parts of the width."""
    unit = scene.side
    order = scene.rng.permutation(count)
    for i in range(count):
        share = (i + 0.5) / count
        x = scene.width * (order[i] + scene.between(0.25, 0.75)) / count
        y = top + (bottom - top) * share
        boat(
            scene,
            x,
            y,
            unit * (0.05 + 0.10 * share) * scene.between(0.9, 1.15),
            design=scene.pick(("sloop", "junk", "junk")),
        )


def _gulls(scene: Scene, horizon: float) -> None:
    """Gulls near, or a flock far away."""
    if scene.facts.night or not scene.chance(0.75):
        return
    unit, x = scene.side, scene.width * scene.between(0.2, 0.8)
    if scene.chance(0.65):
        y = horizon - unit * scene.between(0.1, 0.26)
        gulls(scene, x, y, int(scene.rng.integers(3, 7)), unit * scene.between(0.035, 0.055))
    else:
        sky.birds(scene, x, horizon * scene.between(0.45, 0.8), int(scene.rng.integers(3, 8)), unit * 0.024)


def _beach(scene: Scene) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    horizon = _horizon(scene, 0.44, 0.54)
    _far_land(scene, horizon)
    water(scene, np.full(width, horizon, np.float32), _waves(scene), "大海")
    count = max(1, round(scene.between(0.6, 1.6) * width / unit))
    beach = height * scene.between(0.78, 0.86) if height < 1.5 * unit else height - unit * 0.36
    _ships(scene, horizon + (beach - horizon) * 0.12, horizon + (beach - horizon) * 0.45, count)
    surf.breakers(scene, horizon, beach)
    _gulls(scene, horizon)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.4, 0.4)
    side = -scene.focus
    edge = width * 0.5 + side * width * 0.5
    if scene.facts.season != "冬" and scene.chance(0.55):
        palm(
            scene, edge - side * unit * scene.between(0.1, 0.16), height - unit * 0.04, unit * scene.between(0.6, 0.78)
        )
    else:
        for step in (0.08, 0.2, 0.3):
            rocks(
                scene,
                edge - side * unit * step,
                height - unit * scene.between(0.05, 0.1),
                unit * scene.between(0.05, 0.09),
            )


def _cliffs(scene: Scene) -> None:
    """A rocky cape with a lighthouse; surf at its foot."""
    width, unit = scene.width, scene.side
    horizon = _horizon(scene, 0.5, 0.6)
    _far_land(scene, horizon)
    columns = np.arange(width)
    x = width * 0.5 + scene.focus * (width * 0.5 - unit * scene.between(0.2, 0.28))
    outside = (columns - x) * scene.focus
    cape = np.clip(1.25 - np.where(outside > 0, outside * 0.35, -outside) / (unit * 0.34), 0, 1) ** 0.7
    line = (horizon + unit * 0.07 * smoothstep(cape.astype(np.float32), 0, 0.3)).astype(np.float32)
    rise = unit * scene.between(0.16, 0.26)
    crest = (
        line - rise * cape + scene.outline(0, unit * 0.05, "range") * np.minimum(cape, 1) + unit * 0.02 * (cape < 0.02)
    ).astype(np.float32)
    with scene.thing("石头", "石"):
        mountains.ridge(scene, crest, 0.92, unit * 1.1, int(line.max() + unit * 0.02), kind="rock", forest=0.15)
    top = scene.at(crest, x)
    lighthouse(scene, x, top + unit * 0.025, min(unit * scene.between(0.17, 0.22), top / 1.95))
    water(scene, line, _waves(scene), "大海")
    count = max(1, round(scene.between(0.3, 1.4) * width / unit))
    far = horizon + (scene.height - horizon) * 0.14
    _ships_beside(scene, x, far, count)
    rows = 3 if scene.facts.rain else 2
    surf.swells(
        scene,
        horizon + (scene.height - horizon) * 0.34,
        scene.height * 0.95,
        unit * (0.13 if scene.facts.rain else 0.07),
        rows,
    )
    _gulls(scene, horizon)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.4, 0.4)


def _ships_beside(scene: Scene, x: float, row: float, count: int) -> None:
    """Ships on the side where there is no cape."""
    unit = scene.side
    free = (0.0, x - unit * 0.5) if scene.focus > 0 else (x + unit * 0.5, float(scene.width))
    for i in range(count):
        low = free[0] + (free[1] - free[0]) * i / count
        high = free[0] + (free[1] - free[0]) * (i + 1) / count
        at = float(np.clip(scene.between(low, max(high, low + 1)), unit * 0.12, scene.width - unit * 0.12))
        boat(
            scene, at, row + i % 2 * unit * 0.05, unit * scene.between(0.06, 0.1), design=scene.pick(("sloop", "junk"))
        )


def _open(scene: Scene) -> None:
    """Nothing but water to the horizon, and ships."""
    width, height, unit = scene.width, scene.height, scene.side
    horizon = _horizon(scene, 0.42, 0.56)
    water(scene, np.full(width, horizon, np.float32), _waves(scene), "大海")
    storm = scene.facts.rain
    count = max(1, round(scene.between(0.8, 2.2) * width / unit))
    below = height - horizon
    x = width * 0.5 + scene.focus * unit * scene.between(0.0, 0.22)
    used = [x]
    for i in range(count):
        at = apart(scene, used, unit * 0.36, 0.06, 0.94)
        if at is not None:
            row = horizon + below * (0.06 + 0.12 * i / count)
            boat(scene, at, row, unit * (0.05 + 0.05 * i / count), 0.85, scene.pick(("sloop", "junk")))
            used.append(at)
    surf.swells(scene, horizon + below * 0.16, horizon + below * 0.4, unit * (0.08 if storm else 0.04), 2)
    boat(
        scene,
        x,
        horizon + below * 0.46 if height < 1.5 * unit else horizon + unit * 0.3,
        unit * scene.between(0.17, 0.23),
        design=scene.pick(("sloop", "junk")),
    )
    surf.swells(scene, horizon + below * 0.52, height, unit * (0.2 if storm else 0.1), 3 if storm else 2)
    _gulls(scene, horizon)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.4, 0.4)


PLACE = Place("sea", ("海边", "海上", "大海边"), compose, PlaceRules(share=1.2))
