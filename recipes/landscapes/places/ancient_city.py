"""An ancient city: its wall and gate, or its roofs in rows to the horizon; lanterns at night."""

import numpy as np

from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import sides, stations, trail
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.citywall import city_wall, gate_tower, roofs
from recipes.landscapes.things.copse import copse_along
from recipes.landscapes.things.lamps import lamps_burn
from recipes.landscapes.things.lantern import lantern_string, sky_lanterns
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pagoda import pagoda


def compose(scene: Scene) -> None:
    height, unit = scene.height, scene.side
    _, tall = sides(scene)
    horizon = height * (scene.between(0.4, 0.5) if tall < 1.5 else scene.between(0.36, 0.42))
    sky.heaven(scene, horizon)
    rise = min(height * scene.between(0.14, 0.24), unit * 0.36)
    kinds = ("range", "karst") if scene.style.chinese else ("range", "hill")
    mountains.ranges(scene, horizon + unit * 0.02, 2, rise, kinds, 0.05, 0.35, 0.3)
    burning = lamps_burn(scene)
    if scene.facts.night and scene.facts.weather == "晴" and scene.chance(0.4):
        sky_lanterns(scene, horizon, int(scene.rng.integers(7, 15) * scene.width * height / unit**2))
    if scene.chance(0.55):
        _gate(scene, horizon, burning)
    else:
        _roofs(scene, horizon, burning)


def _gate(scene: Scene, horizon: float, burning: bool) -> None:
    """The wall across the picture with its gate, roofs behind it, a road or a moat in front."""
    width, height, unit = scene.width, scene.height, scene.side
    foot = height * scene.between(0.74, 0.8) if height < 1.5 * unit else height * scene.between(0.62, 0.68)
    wall = unit * scene.between(0.13, 0.16)
    roofs(scene, horizon + unit * 0.03, foot - wall - unit * 0.01, unit * 0.1, burning)
    x = width * 0.5 + scene.focus * unit * scene.between(0.0, 0.14)
    _pagodas(scene, horizon + unit * 0.12, x, 0.8)
    mist.band(scene, horizon + unit * 0.06, unit * 0.07, 0.25 + 0.5 * scene.facts.fog)
    behind = np.full(width, foot - wall * 0.9, np.float32)
    copse_along(scene, behind, unit * 0.1, unit * 0.1, unit * 0.17, 0.8)
    warm = scene.chance(0.5)
    city_wall(scene, -4.0, width + 4.0, foot - wall, foot, 0.95, warm)
    towers = [x] if width < 2 * unit else [x, *(at for at in stations(scene, 1.1, 0.3) if abs(at - x) > unit * 0.7)]
    for at in towers:
        size = unit * scene.between(0.19, 0.22)
        gate_tower(scene, at, foot + unit * 0.006, size if at == x else size * 0.72, 1.0, warm)
    ground.land(scene, np.full(width, foot - unit * 0.004, np.float32), 0.9, grass=0.7)
    if scene.chance(0.4):
        _moat(scene, x, foot)
    else:
        trail(
            scene,
            np.array([[x - unit * 0.06, height + 4], [x, (height + foot) / 2], [x, foot]]),
            unit * 0.34,
            unit * 0.07,
        )
    for side in (-1, 1):
        at = x + side * unit * scene.between(0.36, 0.46)
        if 0 < at < width:
            near_tree(scene, at, foot + unit * 0.07, unit * scene.between(0.3, 0.42))
    if burning:
        row = foot - wall * 1.25
        for side in (-1, 1):
            start, end = x + side * unit * 0.2, x + side * unit * 0.46
            lantern_string(scene, (start, row), (end, row), unit * 0.032, 4)


def _moat(scene: Scene, x: float, foot: float) -> None:
    """Water before the wall, and the way over it to the gate."""
    unit, width, height = scene.side, scene.width, scene.height
    water(scene, np.full(width, foot + unit * 0.06, np.float32), 0.6, "河面")
    bank = (scene.outline(height - unit * 0.05, unit * 0.03, "hill")).astype(np.float32)
    ground.land(scene, bank, 1.0)
    way = np.array([[x - unit * 0.04, height + 4], [x - unit * 0.02, (height + foot) / 2], [x, foot]])
    trail(scene, way, unit * 0.26, unit * 0.08)


def _pagodas(scene: Scene, row: float, x: float, nearness: float) -> None:
    """A pagoda over the roofs, in each side's length of a wide picture one."""
    unit = scene.side
    for at in stations(scene, 1.0, 0.14):
        if abs(at - x) > unit * 0.24 and scene.chance(0.8):
            design = scene.pick(("stone", "wooden"))
            pagoda(scene, at, row + unit * 0.03, unit * scene.between(0.11, 0.14), nearness, design)


def _roofs(scene: Scene, horizon: float, burning: bool) -> None:
    """Over the roofs, as from a tower: the gate in the middle distance, near eaves below."""
    width, height, unit = scene.width, scene.height, scene.side
    middle = horizon + min((height - horizon) * 0.42, unit * 0.32)
    roofs(scene, horizon + unit * 0.03, middle, unit * 0.09, burning)
    x = width * 0.5 + scene.focus * unit * scene.between(0.05, 0.2)
    _pagodas(scene, middle - unit * 0.1, x, 0.8)
    mist.band(scene, horizon + unit * 0.05, unit * 0.07, 0.3 + 0.5 * scene.facts.fog)
    copse_along(scene, np.full(width, middle + unit * 0.02, np.float32), unit * 0.08, unit * 0.08, unit * 0.15, 0.85)
    gate_tower(scene, x, middle + unit * 0.05, unit * scene.between(0.15, 0.19), 0.95)
    roofs(scene, middle + unit * 0.06, height + unit * 0.1, unit * 0.17, burning)
    if burning:
        y = height - unit * scene.between(0.26, 0.34)
        lantern_string(scene, (-4.0, y), (width + 4.0, y + unit * 0.05), unit * 0.055, int(5 * width / unit))


PLACE = Place("ancient city", ("古城", "古镇", "古都", "城门前"), compose)
