"""A lake between mountains: a pavilion, a village or a temple on its shores, an island, boats, lights at night."""

from collections.abc import Sequence

import numpy as np

from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import apart, causeway, far_lights, shore, sides
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.copse import copse_along
from recipes.landscapes.things.cottage import village
from recipes.landscapes.things.islet import islet
from recipes.landscapes.things.lantern import sky_lanterns
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pagoda import pagoda
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.reeds import reeds


def compose(scene: Scene) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    wide, tall = sides(scene)
    horizon = height * (scene.between(0.5, 0.62) if tall < 1.5 else scene.between(0.56, 0.64))
    sky.heaven(scene, horizon)
    kinds = ("range", "karst") if scene.style.chinese or scene.chance(0.3) else ("range", "peak")
    rise = height * scene.between(0.16, 0.3)
    forest = 0.6 if scene.chance(0.5) else 0.0
    count = int(scene.rng.integers(2, 5)) + int(tall > 1.5)
    mountains.ranges(scene, horizon, count, rise, kinds, 0.05, 0.55, forest, int(horizon + 3))
    if scene.chance(0.35):
        sky.rays(scene, 0.42)
    if scene.facts.night and scene.facts.weather == "晴" and scene.chance(0.2):
        sky_lanterns(scene, horizon, int(scene.rng.integers(7, 15) * wide * tall))
    line = np.full(width, horizon, np.float32)
    inhabited = scene.chance(0.5)
    if inhabited:
        _far_village(scene, horizon)
    if scene.chance(0.8):
        line = _shore(scene, scene.focus, unit * scene.between(0.38, 0.52))
    if wide > 1.6 and scene.chance(0.8):
        line = np.maximum(line, _shore(scene, -scene.focus, unit * scene.between(0.5, 0.8)))
    water(scene, line, scene.between(0.6, 1.3))
    if inhabited:
        far_lights(scene, horizon, int(26 * width / unit))
    mist.band(scene, horizon + unit * 0.01, unit * 0.05, 0.25 + 0.6 * scene.facts.fog)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.3, 0.5)
    if tall < 1.5 and scene.chance(0.14):
        row = horizon + (height - horizon) * 0.3
        causeway(scene, width * scene.between(0.3, 0.7), row, unit * scene.between(0.09, 0.12))
    else:
        _afloat(scene, horizon)
    if scene.chance(0.5):
        crest = ground.corner(scene, -scene.focus, unit * scene.between(0.08, 0.16))
        x = unit * scene.between(0.10, 0.24)
        x = x if scene.focus > 0 else width - x
        tree = pine if scene.chance(0.5) else near_tree
        tree(scene, x, scene.at(crest, x) + unit * 0.02, unit * scene.between(0.6, 0.8))
    elif not scene.facts.snow and scene.chance(0.6):
        x = width * 0.5 - scene.focus * (width * 0.5 - unit * 0.1)
        reeds(scene, x, height + unit * 0.02, unit * scene.between(0.28, 0.38))


def _far_village(scene: Scene, horizon: float) -> None:
    """A low far shore with trees, a few houses, sometimes a temple."""
    unit = scene.side
    crest = (horizon - unit * 0.008 + scene.outline(0, unit * 0.012, "hill")).astype(np.float32)
    ground.land(scene, crest, 0.45, int(horizon + 3), grass=0.2)
    copse_along(scene, crest, unit * 0.06, unit * 0.05, unit * 0.10, 0.55, unit * 0.006)
    used: list[float] = []
    for _ in range(max(1, round(1.3 * scene.width / unit))):
        x = apart(scene, used, unit * 0.4, 0.05, 0.95)
        if x is None:
            continue
        used.append(x)
        if scene.chance(0.75):
            village(scene, x, horizon + unit * 0.004, unit * scene.between(0.035, 0.045), 0.7)
        else:
            pagoda(scene, x, horizon + unit * 0.004, unit * 0.055, 0.6)


def _shore(scene: Scene, side: float, reach: float) -> np.ndarray:
    """A tongue of land with trees and a pavilion; its water line (W,)."""
    unit = scene.side
    crest, line = shore(scene, side, reach, unit * scene.between(0.04, 0.09), unit * scene.between(0.03, 0.05))

    def at(share: float) -> float:
        away = reach * share
        return away if side < 0 else scene.width - away

    for share, height in ((0.12, 0.42), (0.3, 0.30)):
        x = at(share)
        near_tree(scene, x, scene.at(crest, x) + unit * 0.012, unit * height * scene.between(0.85, 1.2))
    x = at(scene.between(0.5, 0.6))
    foot = scene.at(crest, x) + unit * 0.012
    if scene.chance(0.75):
        pavilion(scene, x, foot, unit * 0.17 * scene.between(0.9, 1.2))
    else:
        pagoda(scene, x, foot, unit * scene.between(0.12, 0.15))
    return line


def _afloat(scene: Scene, horizon: float) -> None:
    """Islands and boats on the water: one or two in a square picture, more along a wide one or up a tall one."""
    width, height, unit = scene.width, scene.height, scene.side
    wide, tall = sides(scene)
    below = height - horizon
    used: Sequence[float] = []
    if tall > 1.6:
        for share in (0.34, 0.62)[: int(scene.rng.integers(1, 3))]:
            x = width * (0.5 + scene.focus * scene.between(0.1, 0.25) * (1 if share < 0.5 else -1))
            islet(scene, x, horizon + below * share, unit * (0.14 + 0.14 * share))
    elif scene.chance(0.3 if wide < 1.6 else 0.7):
        x = width * 0.5 - scene.focus * width * scene.between(0.05, 0.2)
        islet(scene, x, horizon + below * scene.between(0.2, 0.32), unit * scene.between(0.13, 0.19), nearness=0.9)
        used = [x]
    for _ in range(int(scene.rng.integers(0, 2) + round(0.7 * (wide + tall - 1)))):
        place = apart(scene, used, unit * 0.32, 0.2, 0.8)
        if place is not None:
            share = scene.between(0.3, 0.55)
            boat(scene, place, horizon + below * share, unit * scene.between(0.07, 0.09) + unit * 0.09 * share)
            used = [*used, place]


PLACE = Place("lake", ("湖", "湖边", "湖光山色"), compose)
