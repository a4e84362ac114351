"""竹林: culms in three depths, mist and light between them, a path to a hut."""

from recipes.drawing.colour import mix
from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import ground, mist, sky
from recipes.landscapes.parts.path import path
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.bamboo import stand
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.rock import rocks


def compose(scene: Scene) -> None:
    side, height, width = scene.side, scene.height, scene.width
    palette = scene.palette
    if not scene.style.chinese:
        glow = mix(palette.mist, palette.lit("cfe3c0"), 0.6)
        palette.sky = [mix(band, glow, 0.6) for band in palette.sky]
    scene.horizon = height * 0.9
    scene.style.sky(scene)
    if scene.chance(0.5) and not scene.facts.rain:
        sky.sun_or_moon(scene, width * (0.5 - scene.focus * 0.18), height * 0.26, side * 0.085)
    share = width / side
    crest = scene.outline(height * scene.between(0.78, 0.86), side * 0.05, "hill")
    hut = scene.chance(0.45)
    for depth, (nearness, count) in enumerate(((0.15, 10), (0.45, 6), (0.75, 4))):
        with scene.thing("竹子", "树"):
            stand(scene, max(2, int(count * share)), nearness, height * (0.82 + 0.04 * depth), leaves=depth > 0)
        if not scene.style.flat:
            mist.band(scene, height * 0.72, height * 0.3, 0.25 + 0.3 * scene.facts.fog)
        if depth == 1:
            ground.land(scene, crest, 0.8, grass=0.8)
            if scene.chance(0.65):
                x = width * (0.5 + scene.focus * scene.between(-0.05, 0.15))
                path(scene, scene.at(crest, x), x, width * scene.between(0.35, 0.65), side * 0.3)
            if hut:
                x = width * (0.5 + scene.focus * scene.between(0.12, 0.24))
                pavilion(scene, x, scene.at(crest, x) + side * 0.03, side * scene.between(0.17, 0.22), 0.85)
    with scene.thing("竹子", "树"):
        stand(scene, max(2, int(scene.rng.integers(2, 4) * share)), 1.0, height * 1.02)
    if scene.chance(0.4):
        x = width * (0.5 - scene.focus * scene.between(0.2, 0.35))
        rocks(scene, x, height * 0.95, side * scene.between(0.08, 0.12))
    if scene.facts.weather == "雾":
        mist.veil(scene, 0, 0.3)


PLACE = Place("bamboo", ("竹林", "竹林深处", "幽静的竹林"), compose, PlaceRules(0.8))
