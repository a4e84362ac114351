"""荷塘: lotus down to the viewer, a pavilion or willows on the shore, sometimes a boat among the pads."""

import numpy as np

from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.crane import cranes_in_flight
from recipes.landscapes.things.duck import ducks
from recipes.landscapes.things.lotus import lotus_pond
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.willow import willow


def compose(scene: Scene) -> None:
    horizon, side = scene.height * scene.between(0.32, 0.44), scene.side
    sky.heaven(scene, horizon, disc=0.6)
    kinds = ("range", "karst", "hill") if scene.style.chinese else ("range", "hill")
    rise = scene.height * scene.between(0.10, 0.18)
    mountains.ranges(scene, horizon, 2, rise, kinds, 0.06, 0.4, 0.5, int(horizon + 3))
    line = np.full(scene.width, horizon, np.float32)
    if scene.chance(0.7):
        line = _shore(scene)
    water(scene, line, 0.6, "池塘")
    mist.band(scene, horizon + side * 0.02, side * 0.06, 0.25 + 0.45 * scene.facts.fog)
    if scene.chance(0.25):
        row = horizon + (scene.height - horizon) * 0.2
        boat(scene, scene.width * (0.5 - scene.focus * 0.15), row, side * scene.between(0.08, 0.11))
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.4, 0.4)
    count = int(scene.between(26, 40) * scene.width * scene.height / side**2)
    lotus_pond(scene, horizon + side * 0.10, scene.height * 1.02, count)
    if scene.chance(0.3):
        row = horizon + (scene.height - horizon) * scene.between(0.35, 0.7)
        ducks(scene, scene.width * (0.5 - scene.focus * scene.between(0.0, 0.2)), row, side * scene.between(0.12, 0.17))
    elif not scene.facts.rain and scene.chance(0.25):
        row = horizon * scene.between(0.4, 0.7)
        cranes_in_flight(scene, scene.width * (0.5 - scene.focus * 0.1), row, side * scene.between(0.14, 0.2), count=3)


def _shore(scene: Scene) -> np.ndarray:
    side, reach = scene.focus, scene.between(0.36, 0.5)
    drop, rise = scene.side * scene.between(0.03, 0.05), scene.side * 0.03
    crest, line = ground.spit(scene, scene.horizon, side, reach, drop, rise)

    def at(share: float) -> float:
        return (share if side < 0 else 1 - share) * scene.width

    x = at(reach * 0.25)
    willow(scene, x, scene.at(crest, x) + scene.side * 0.012, scene.side * scene.between(0.3, 0.4))
    if scene.chance(0.6):
        x = at(reach * scene.between(0.55, 0.65))
        pavilion(scene, x, scene.at(crest, x) + scene.side * 0.012, scene.side * scene.between(0.12, 0.16))
    return line


PLACE = Place("lotus", ("荷塘", "荷花池", "开满荷花的池塘"), compose,
              PlaceRules(0.8, seasons=("夏", "秋"), weathers=("晴", "雾", "雨")))  # fmt: skip
