"""梯田: fields in steps down a mountain, mist above them, cottages and trees between."""

from recipes.landscapes.parts import mist, mountains, sky
from recipes.landscapes.parts.ground import corner
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.broadleaf import broadleaf
from recipes.landscapes.things.buffalo import buffalo
from recipes.landscapes.things.cottage import cottage
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.terraces import terraces


def compose(scene: Scene) -> None:
    side, height, width = scene.side, scene.height, scene.width
    horizon = height * scene.between(0.34, 0.44)
    sky.heaven(scene, horizon, disc=0.6)
    kinds = ("range", "karst") if scene.style.chinese else ("range", "range", "peak")
    mountains.ranges(scene, horizon + side * 0.05, 3, side * scene.between(0.16, 0.26), kinds, 0.06, 0.5, 0.5)
    crest = scene.outline(horizon + side * 0.13, side * scene.between(0.10, 0.2), "hill")
    mountains.trees_along(scene, crest + side * 0.005, 0.6, 0.5)
    terraces(scene, crest, scene.between(10, 15))
    mist.band(scene, horizon + side * 0.13, side * 0.07, 0.3 + 0.4 * scene.facts.fog)
    lanes = scene.rng.permutation(3)
    for lane in lanes[: int(scene.rng.integers(1, 4))]:
        x = width * (0.2 + 0.3 * lane + scene.between(-0.08, 0.08))
        y = height * scene.between(0.58, 0.76)
        size = side * 0.10 * (0.5 + 0.9 * y / height)
        if scene.chance(0.7):
            beside = 1.0 if scene.chance(0.5) else -1.0
            broadleaf(scene, x + beside * size * 0.9, y + side * 0.004, size * scene.between(1.3, 1.7), 0.85)
        cottage(scene, x, y, size, 0.9)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.6, 0.45)
    if scene.chance(0.6):
        bank = corner(scene, scene.focus, side * scene.between(0.08, 0.12))
        x = side * scene.between(0.14, 0.26)
        x = x if scene.focus < 0 else width - x
        if scene.chance(0.7):
            near_tree(scene, x, scene.at(bank, x) + side * 0.02, side * scene.between(0.45, 0.65))
        else:
            buffalo(scene, x, scene.at(bank, x) + side * 0.03, side * scene.between(0.13, 0.17))


PLACE = Place("terraces", ("梯田", "层层梯田", "山间梯田"), compose)
