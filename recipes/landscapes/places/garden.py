"""A garden of the south: a pond with galleries, pavilions, rocks and bridges; or the view through a moon gate."""

import numpy as np

from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import causeway, shore, sides, stations
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.bamboo import grove
from recipes.landscapes.things.banana import banana
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.bridge import zigzag_bridge
from recipes.landscapes.things.copse import copse_along
from recipes.landscapes.things.duck import ducks
from recipes.landscapes.things.gallery import gallery
from recipes.landscapes.things.garden_flowers import chrysanthemums, peonies
from recipes.landscapes.things.islet import islet
from recipes.landscapes.things.lantern import stone_lantern
from recipes.landscapes.things.lotus import lotus_pond
from recipes.landscapes.things.moongate import moon_gate
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pagoda import pagoda
from recipes.landscapes.things.pavilion import pavilion, water_pavilion
from recipes.landscapes.things.rock import rocks, scholars_rock
from recipes.landscapes.things.willow import willow


def compose(scene: Scene) -> None:
    height, unit = scene.height, scene.side
    _, tall = sides(scene)
    horizon = height * (scene.between(0.48, 0.56) if tall < 1.5 else scene.between(0.58, 0.64))
    sky.heaven(scene, horizon, disc=0.6)
    rise = min(height * 0.16, unit * 0.3) if tall < 1.5 else height * 0.2
    count = 2 if tall < 1.5 else 4
    mountains.ranges(scene, horizon, count, rise, ("hill", "range"), 0.05, 0.25, 0.3, int(horizon + 3))
    if scene.chance(0.3):
        x = scene.width * (0.5 - scene.focus * scene.between(0.1, 0.3))
        pagoda(scene, x, horizon + unit * 0.01, unit * 0.09, 0.6, "wooden")
    _pond(scene, horizon)
    if scene.chance(0.32):
        _gate(scene)
    else:
        _front(scene)


def _rockery(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """Rocks piled up: a tall hollow one among lower ones, green at their feet."""
    side = 1.0 if scene.chance(0.5) else -1.0
    scholars_rock(scene, x - side * size * 0.42, y, size * 0.7, nearness)
    scholars_rock(scene, x + side * size * 0.06, y, size, nearness)
    rocks(scene, x + side * size * 0.5, y + size * 0.02, size * 0.38, nearness)


def _far_bank(scene: Scene, horizon: float) -> np.ndarray:
    """Trees, then a gallery, a hall and rocks along the far shore; its water line (W,)."""
    unit = scene.side
    crest = scene.outline(horizon + unit * 0.015, unit * 0.02, "hill")
    line = (horizon + unit * 0.05 + scene.outline(0, unit * 0.015, "hill")).astype(np.float32)
    ground.land(scene, crest, 0.6, int(line.max() + 3), grass=0.4)
    copse_along(scene, crest, unit * 0.07, unit * 0.12, unit * 0.24, 0.7, unit * 0.012)
    for x in stations(scene, 0.7, -0.05):
        tree = willow if scene.facts.season != "冬" and scene.chance(0.5) else near_tree
        tree(scene, x, scene.at(crest, x) + unit * 0.014, unit * scene.between(0.24, 0.36))
    last = ""
    for x in stations(scene, 0.55, 0.04):
        foot = scene.at(line, x) - unit * 0.012
        kind = scene.pick([name for name in ("gallery", "hall", "rocks", "pavilion") if name != last], None)
        if kind == "gallery":
            gallery(scene, x, foot, unit * scene.between(0.13, 0.16), 0.9)
        elif kind == "hall":
            water_pavilion(scene, x, scene.at(line, x) + unit * 0.02, unit * scene.between(0.15, 0.19), 0.9)
        elif kind == "rocks":
            _rockery(scene, x, foot + unit * 0.012, unit * scene.between(0.12, 0.17), 0.9)
        else:
            pavilion(scene, x, foot, unit * scene.between(0.17, 0.21), 0.9)
        last = kind
    return line


def _pond(scene: Scene, horizon: float) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    line = _far_bank(scene, horizon)
    scene.horizon = horizon + unit * 0.05
    side = scene.focus
    crest, shore_line = shore(scene, side, unit * scene.between(0.3, 0.42), unit * 0.1, unit * 0.04)
    edge = unit * 0.12
    x = edge if side < 0 else width - edge
    foot = scene.at(crest, x) + unit * 0.012
    willow(scene, x, foot, unit * 0.5) if scene.facts.season != "冬" else near_tree(scene, x, foot, unit * 0.45)
    x = edge * 2.2 if side < 0 else width - edge * 2.2
    _rockery(scene, x, scene.at(crest, x) + unit * 0.02, unit * scene.between(0.14, 0.2))
    water(scene, np.maximum(line, shore_line), scene.between(0.4, 0.7), "池塘")
    mist.band(scene, horizon + unit * 0.05, unit * 0.03, 0.15 + 0.5 * scene.facts.fog)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.3, 0.4)
    below = height - horizon
    at = width * 0.5 - side * unit * scene.between(0.05, 0.2)
    kind = scene.pick(("zigzag", "arch", "boat"), (0.5, 0.3, 0.2))
    row = horizon + min(below * 0.42, unit * 0.26)
    if kind == "zigzag":
        reach = (at if side > 0 else width - at) / (unit * 0.24) + 0.2
        near = row + unit * 0.05
        zigzag_bridge(scene, at, near, unit * 0.24, side, reach, (near - horizon - unit * 0.052) / (unit * 0.24))
    elif kind == "arch":
        causeway(scene, at, row, unit * 0.13)
    else:
        boat(scene, at, row, unit * 0.12, design=scene.pick(("canopy", "rowing")))
    if scene.facts.season == "夏" and scene.chance(0.6):
        _lotus(scene, row)
    elif scene.facts.season != "冬" and scene.chance(0.3):
        ducks(scene, width * 0.5 + side * unit * scene.between(0.05, 0.2), row + unit * 0.1, unit * 0.05)
    if below > unit * 0.8:
        islet(scene, width * 0.5 + side * unit * 0.16, horizon + below * 0.58, unit * 0.24)


def _lotus(scene: Scene, row: float) -> None:
    """Lotus on the near half of the pond."""
    count = int(scene.rng.integers(12, 22) * scene.width / scene.side)
    bottom = min(scene.height, row + scene.side * 0.36)
    lotus_pond(scene, row + scene.side * 0.06, bottom, count, 0.4)


def _flowers(scene: Scene, x: float, y: float, size: float) -> None:
    """What flowers in the season: peonies in spring, chrysanthemums in autumn."""
    if scene.facts.season == "春":
        peonies(scene, x, y, size)
    elif scene.facts.season == "秋":
        chrysanthemums(scene, x, y, size)


def _gate(scene: Scene) -> None:
    """A wall in front, with a round gate through which one sees the pond."""
    width, height, unit = scene.width, scene.height, scene.side
    x = width * 0.5 + scene.focus * unit * scene.between(0.0, 0.14)
    size = unit * scene.between(0.34, 0.38)
    foot = height - unit * 0.06
    ground.land(scene, np.full(width, foot - unit * 0.02, np.float32), 1.0, grass=0.6)
    moon_gate(scene, x, foot, size, reach=(width / 2 + abs(x - width / 2)) / size + 0.1)
    for side in (-1, 1):
        at = x + side * unit * scene.between(0.38, 0.44)
        if side == scene.focus:
            _rockery(scene, at, foot + unit * 0.03, unit * scene.between(0.16, 0.22))
            if scene.chance(0.7):
                _flowers(scene, at - side * unit * 0.1, foot + unit * 0.045, unit * 0.14)
        elif scene.facts.season != "冬" and scene.chance(0.6):
            banana(scene, at, foot + unit * 0.03, unit * 0.34)
        else:
            grove(scene, at, foot + unit * 0.03, unit * 0.5)


def _front(scene: Scene) -> None:
    """The near bank: rocks, bamboo or a tree, a lantern of stone."""
    width, unit = scene.width, scene.side
    side = -scene.focus
    bank = ground.corner(scene, side, unit * scene.between(0.12, 0.18))
    edge = width * 0.5 + side * width * 0.5

    def foot(away: float) -> tuple[float, float]:
        x = float(np.clip(edge - side * away * unit, 2, width - 3))
        return x, scene.at(bank, x) + unit * 0.02

    x, y = foot(scene.between(0.08, 0.13))
    if scene.chance(0.35):
        grove(scene, x, y, unit * 0.62)
    else:
        near_tree(scene, x, y, unit * scene.between(0.5, 0.68))
    x, y = foot(0.26)
    _rockery(scene, x, y + unit * 0.02, unit * scene.between(0.15, 0.24))
    if scene.chance(0.6):
        x, y = foot(0.36)
        _flowers(scene, x, y + unit * 0.03, unit * scene.between(0.13, 0.17))
    if scene.chance(0.5):
        x, y = foot(0.42)
        stone_lantern(scene, x, y + unit * 0.01, unit * scene.between(0.13, 0.17))


PLACE = Place("garden", ("园林", "江南园林", "庭园", "花园里"), compose)
