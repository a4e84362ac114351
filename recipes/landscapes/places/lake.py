"""A lake between mountains: a pavilion or a village on its shore, a boat on the water."""

import numpy as np

from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.water import water
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.broadleaf import broadleaf
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine


def compose(scene: Scene) -> None:
    horizon = scene.height * scene.between(0.5, 0.62)
    sky.heaven(scene, horizon)
    kinds = ("range", "karst") if scene.style.chinese or scene.chance(0.3) else ("range", "peak")
    height = scene.height * scene.between(0.16, 0.3)
    forest = 0.6 if scene.chance(0.5) else 0.0
    count = int(scene.rng.integers(2, 5))
    mountains.ranges(scene, horizon, count, height, kinds, 0.05, 0.55, forest, int(horizon + 3))
    line = np.full(scene.width, horizon, np.float32)
    if scene.chance(0.35):
        sky.rays(scene, 0.42)
    if scene.chance(0.8):
        line = _shore(scene, scene.focus, scene.between(0.38, 0.52))
    water(scene, line, scene.between(0.6, 1.3))
    mist.band(scene, horizon + scene.side * 0.01, scene.side * 0.05, 0.25 + 0.6 * scene.facts.fog)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.3, 0.5)
    if scene.chance(0.7):
        row = horizon + (scene.height - horizon) * scene.between(0.3, 0.55)
        boat(scene, scene.width * scene.between(0.36, 0.64), row, scene.side * scene.between(0.10, 0.15))
    if scene.chance(0.5):
        crest = ground.corner(scene, -scene.focus, scene.side * scene.between(0.08, 0.16))
        x = scene.side * scene.between(0.10, 0.24)
        x = x if scene.focus > 0 else scene.width - x
        pine(scene, x, scene.at(crest, x) + scene.side * 0.02, scene.side * scene.between(0.6, 0.8))


def _shore(scene: Scene, side: float, reach: float) -> np.ndarray:
    crest, line = ground.spit(
        scene,
        scene.horizon,
        side,
        reach,
        scene.side * scene.between(0.04, 0.09),
        scene.side * scene.between(0.03, 0.05),
    )

    def at(share: float) -> float:
        return (share if side < 0 else 1 - share) * scene.width

    for share, height in ((0.12, 0.42), (0.3, 0.30)):
        x = at(reach * share)
        tree = pine if scene.chance(0.5) else broadleaf
        tree(scene, x, scene.at(crest, x) + scene.side * 0.012, scene.side * height * scene.between(0.85, 1.2))
    x = at(reach * scene.between(0.5, 0.6))
    pavilion(scene, x, scene.at(crest, x) + scene.side * 0.012, scene.side * 0.17 * scene.between(0.9, 1.2))
    return line


PLACE = Place("lake", ("湖", "湖边", "湖光山色"), compose)
