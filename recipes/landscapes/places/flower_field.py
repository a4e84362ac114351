"""花海: flowers to the horizon, a path through them, far hills."""

from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.path import path
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.butterfly import butterfly
from recipes.landscapes.things.flower_field import CROPS, flower_field
from recipes.landscapes.things.near_tree import near_tree


def compose(scene: Scene) -> None:
    horizon = scene.height * scene.between(0.40, 0.52)
    side = scene.side
    sky.heaven(scene, horizon, disc=0.6)
    kinds = ("range", "karst", "hill") if scene.style.chinese else ("range", "hill", "hill")
    mountains.ranges(scene, horizon + side * 0.02, int(scene.rng.integers(2, 4)), side * scene.between(0.1, 0.2), kinds,
                     0.05, 0.5, 0.5)  # fmt: skip
    back = scene.outline(horizon + side * 0.05, side * 0.05, "hill")
    ground.land(scene, back, 0.45, grass=0.3)
    mountains.trees_along(scene, back, 0.55, 0.5)
    mist.band(scene, horizon + side * 0.03, side * 0.05, 0.25 + 0.5 * scene.facts.fog)
    crop = CROPS[scene.pick([name for name, crop in CROPS.items() if scene.facts.season in crop.seasons])]
    crest = scene.outline(horizon + side * scene.between(0.08, 0.13), side * 0.04, "hill")
    trees = scene.chance(0.55)
    if trees:
        x = scene.width * (0.5 - scene.focus * scene.between(0.2, 0.36))
        near_tree(scene, x, scene.at(crest, x) + side * 0.025, side * scene.between(0.2, 0.34))
    flower_field(scene, crest, crop)
    scene.say("花海")
    if scene.chance(0.6):
        x = scene.width * (0.5 + scene.focus * scene.between(0.05, 0.2))
        path(scene, scene.at(crest, x), x, scene.width * scene.between(0.3, 0.7), side * scene.between(0.16, 0.26))
    if scene.chance(0.4) and not scene.facts.rain and not scene.facts.night:
        for _ in range(int(scene.rng.integers(1, 4))):
            row = scene.height * scene.between(0.55, 0.8)
            butterfly(scene, scene.width * scene.between(0.15, 0.85), row, side * scene.between(0.08, 0.14))
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.5, 0.4)


PLACE = Place(
    "flower_field",
    ("花海", "花田", "开满花的田野"),
    compose,
    PlaceRules(0.8, seasons=("春", "夏", "秋"), weathers=("晴", "雾", "雨")),
)
