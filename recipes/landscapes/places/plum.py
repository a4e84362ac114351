"""梅花: a branch in blossom close by, the moon or far hills behind it."""

from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.plum import plum
from recipes.landscapes.things.rock import scholars_rock


def compose(scene: Scene) -> None:
    horizon, side = scene.height * scene.between(0.72, 0.84), scene.side
    sky.heaven(scene, horizon, disc=0.0, cloud=0.2)
    if scene.chance(0.7):
        sky.sun_or_moon(scene, scene.width * (0.5 + scene.focus * 0.15), scene.height * 0.3, side * 0.10)
    if scene.chance(0.75):
        kinds = ("range", "karst") if scene.style.chinese else ("range", "hill")
        mountains.ranges(scene, horizon, 2, scene.height * scene.between(0.14, 0.22), kinds, 0.04, 0.25)
    mist.band(scene, horizon, side * 0.10, 0.4 + 0.4 * scene.facts.fog)
    crest = scene.outline(horizon + side * 0.04, side * 0.06, "hill")
    ground.land(scene, crest, 0.8, grass=0.6)
    if scene.chance(0.4):
        x = scene.width * (0.5 - scene.focus * scene.between(0.16, 0.3))
        scholars_rock(scene, x, scene.at(crest, x) + side * 0.06, side * scene.between(0.26, 0.36), 0.9)
    if scene.facts.weather == "雾":
        mist.veil(scene, 0, 0.5)
    count = max(1, round(scene.width / scene.side))
    for order in range(count):
        x = scene.width * (0.5 + (scene.focus if order % 2 == 0 else -scene.focus) * 0.12)
        plum(scene, x, scene.height * scene.between(0.3, 0.5), side * scene.between(0.85, 1.05))


PLACE = Place(
    "plum",
    ("梅花", "一枝梅花", "梅花枝头"),
    compose,
    PlaceRules(0.7, seasons=("冬", "春"), weathers=("晴", "雾", "雪")),
)
