"""A village below hills: fields, a path, fences, trees, smoke from chimneys."""

import numpy as np

from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.fields import fields
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import sides, stations, trail
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.buffalo import buffalo
from recipes.landscapes.things.copse import copse_along
from recipes.landscapes.things.cottage import cottage, village
from recipes.landscapes.things.farmyard import fence, hay, well, windmill
from recipes.landscapes.things.near_tree import near_tree


def compose(scene: Scene) -> None:
    height, unit = scene.height, scene.side
    _, tall = sides(scene)
    horizon = height * (scene.between(0.42, 0.52) if tall < 1.5 else scene.between(0.3, 0.36))
    sky.heaven(scene, horizon)
    kinds = ("range", "karst") if scene.style.chinese else ("range", "hill")
    rise = min(height * scene.between(0.16, 0.26), unit * 0.4)
    mountains.ranges(scene, horizon + unit * 0.04, int(scene.rng.integers(2, 4)), rise, kinds, 0.05, 0.4, 0.5)
    design = _houses(scene)
    levels = 2 + int(1.6 * (tall - 1))
    for i in range(levels):
        near = (i + 1) / levels
        base = horizon + (height * 0.86 - horizon) * (i + 0.55) / levels
        crest = scene.outline(base, unit * scene.between(0.05, 0.09), "hill")
        ground.land(scene, crest, 0.35 + 0.5 * near, grass=0.5)
        _level(scene, crest, horizon, near, design, i)
        mist.band(scene, base, unit * 0.06, 0.4 * scene.facts.fog * (1 - near * 0.7))
    _front(scene, horizon)


def _houses(scene: Scene) -> str:
    if scene.facts.snow:
        return scene.pick(("thatched", "log", "tiled"), (0.35, 0.4, 0.25))
    return scene.pick(("thatched", "white", "tiled"), (0.45, 0.35, 0.2))


def _level(scene: Scene, crest: np.ndarray, horizon: float, near: float, design: str, level: int) -> None:
    """Trees, houses and fields on one rise of the ground."""
    unit = scene.side
    if scene.chance(0.75):
        fields(scene, crest + unit * (0.03 + 0.02 * near), horizon, unit * (0.08 + 0.10 * near), 0.5 + 0.5 * near)
    size = unit * (0.055 + 0.045 * near)
    copse_along(scene, crest, size * 1.1, size * 1.2, size * 2.4, 0.45 + 0.5 * near, size * 0.12)
    places = stations(scene, 0.9, 0.3)
    for i, x in enumerate(places):
        if near > 0.4:
            at = x + scene.between(-0.4, 0.4) * unit
            near_tree(scene, at, scene.at(crest, at) + unit * 0.014, size * scene.between(2.6, 3.8))
        alone = len(places) == 1
        if alone:
            x += (0.14 if level % 2 else -0.14) * scene.focus * unit
        foot = scene.at(crest, x) + unit * 0.02
        if (i + level) % 2 == 0 or (alone and level % 3):
            village(scene, x, foot, size, 0.65 + 0.35 * near, design)
        else:
            cottage(scene, x, foot, size * 1.25, 0.65 + 0.35 * near, design)
            if scene.chance(0.4) and design != "white":
                hay(scene, x + size * 2.2, foot + size * 0.1, size * 0.9)
        if scene.chance(0.12) and not scene.style.chinese:
            windmill(scene, x - size * 4.2, foot, size * 2.6, 0.65 + 0.35 * near)


def _front(scene: Scene, horizon: float) -> None:
    """The nearest ground: a path that leads to the houses, a fence on either side, a tree, sometimes a well."""
    width, height, unit = scene.width, scene.height, scene.side
    crest = scene.outline(height - unit * scene.between(0.10, 0.14), unit * 0.05, "hill")
    ground.land(scene, crest, 1.0, grass=1.2)
    x = width * 0.5 + scene.focus * unit * scene.between(0.0, 0.2)
    top = scene.at(crest, x)
    bend = scene.focus * unit * 0.12
    far = min(top - unit * 0.16, height - unit * 0.3)
    points = np.array([[x - bend, height + 4], [x, top], [x + bend, (top + far) / 2], [x + bend * 0.4, far]])
    trail(scene, points, unit * 0.18, unit * 0.012)
    stake = unit * scene.between(0.075, 0.095)
    fence(scene, -unit * 0.02, x - unit * 0.12, crest + unit * 0.03, stake)
    if scene.chance(0.7):
        fence(scene, x + unit * 0.12, width + unit * 0.02, crest + unit * 0.03, stake)
    side = -scene.focus
    at = width * 0.5 + side * (width * 0.5 - unit * scene.between(0.12, 0.2))
    near_tree(scene, at, scene.at(crest, at) + unit * 0.04, unit * scene.between(0.46, 0.62))
    if scene.facts.season in ("春", "夏") and not scene.facts.night and scene.chance(0.3):
        _buffalo(scene, x)
    if scene.chance(0.35):
        at = width * 0.5 - side * (width * 0.5 - unit * scene.between(0.14, 0.26))
        well(scene, at, scene.at(crest, at) + unit * 0.06, unit * 0.13)


def _buffalo(scene: Scene, x: float) -> None:
    """A water buffalo beside the path, in front of the houses."""
    unit, side = scene.side, 1.0 if scene.chance(0.5) else -1.0
    buffalo(scene, x + side * unit * scene.between(0.16, 0.24), scene.height - unit * 0.17, unit * 0.13)


PLACE = Place("village", ("村庄", "山村", "小山村", "乡村"), compose)
