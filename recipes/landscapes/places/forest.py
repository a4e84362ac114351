"""森林: trunks in depth, a path, light between them; of broad leaves, of birches, of firs."""

import numpy as np

from recipes.drawing.brushes import ellipse, fir_shape
from recipes.drawing.colour import mix
from recipes.landscapes.parts import ground, mist, sky
from recipes.landscapes.parts.beams import beams
from recipes.landscapes.parts.path import path, stream
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.bush import bush
from recipes.landscapes.things.cottage import cottage
from recipes.landscapes.things.deer import deer
from recipes.landscapes.things.fir import fir
from recipes.landscapes.things.forest import boughs, canopy, trunks
from recipes.landscapes.things.rock import rocks


def compose(scene: Scene) -> None:
    side, height, width = scene.side, scene.height, scene.width
    kind = scene.pick(("broad", "birch", "fir"), (0.45, 0.25, 0.3))
    _glow(scene)
    horizon = height * scene.between(0.62, 0.72)
    scene.horizon = height * 0.85
    scene.style.sky(scene)
    if scene.chance(0.4) and not scene.facts.rain:
        sky.sun_or_moon(
            scene, width * (0.5 + scene.focus * 0.12), horizon - side * scene.between(0.2, 0.4), side * 0.075
        )
    _row(scene, kind, 0.12, 13, horizon)
    mist.band(scene, horizon - side * 0.05, side * 0.2, 0.35 + 0.3 * scene.facts.fog)
    _row(scene, kind, 0.35, 9, horizon + side * 0.03)
    crest = scene.outline(horizon + side * 0.04, side * 0.05, "hill")
    ground.land(scene, crest, 0.8, grass=0.7)
    _floor(scene, float(crest.max()), kind)
    mist.band(scene, horizon, side * 0.12, 0.2 + 0.35 * scene.facts.fog)
    x = width * (0.5 + scene.focus * scene.between(-0.06, 0.12))
    if scene.chance(0.6):
        path(scene, scene.at(crest, x), x, width * scene.between(0.35, 0.65), side * scene.between(0.26, 0.4))
    elif scene.chance(0.5):
        stream(scene, scene.at(crest, x), x, width * scene.between(0.35, 0.65), side * scene.between(0.26, 0.4))
    _inhabitant(scene, x)
    _row(scene, kind, 0.65, 5, height * 0.82)
    beams(scene, 0.55, height * 0.95)
    _row(scene, kind, 1.0, 2, height * 0.98)
    for _ in range(int(scene.rng.integers(1, 4))):
        at = width * scene.between(0.0, 1.0)
        if abs(at - width / 2) > width * 0.18:
            thing = bush if scene.chance(0.65) else rocks
            thing(scene, at, height * scene.between(0.93, 1.0), side * scene.between(0.08, 0.13))
    if scene.facts.weather == "雾":
        mist.veil(scene, 0, 0.4)


def _glow(scene: Scene) -> None:
    """The air in a wood has the colour of its leaves."""
    palette = scene.palette
    if scene.style.chinese:
        return
    tone = mix(palette.mist, palette.leaves[-1] if palette.foliage else palette.lit("d8e0e4"), 0.4)
    palette.sky = [mix(band, tone, 0.65) for band in palette.sky]


def _row(scene: Scene, kind: str, nearness: float, count: int, foot: float) -> None:
    """The trees of one depth, and the leaves above them."""
    number = max(2, int(count * scene.width / scene.side))
    side = scene.side
    with scene.thing("森林", "树"):
        if kind == "fir" and nearness < 0.3:
            _far_firs(scene, 3 * number, nearness, foot)
            return
        if kind == "fir" and nearness < 1:
            for place in range(number):
                x = scene.width * (place + scene.between(0.1, 0.9)) / number
                if nearness > 0.5 and abs(x - scene.width / 2) < scene.width * 0.2:
                    continue
                tall = side * (0.34 + 0.55 * nearness) * scene.between(0.75, 1.2)
                fir(scene, x, foot + scene.between(-0.01, 0.04) * side, tall, 0.2 + 0.8 * nearness)
            return
        trunks(scene, number, nearness, foot, kind == "birch", max(0.0, 0.36 * (nearness - 0.4)))
        if kind != "fir":
            canopy(scene, scene.height * (0.5 - 0.22 * nearness), nearness)
            if not scene.palette.foliage:
                boughs(scene, number * 3, scene.height * 0.55, nearness)


def _far_firs(scene: Scene, count: int, nearness: float, foot: float) -> None:
    xs = (np.arange(count) + scene.rng.uniform(0, 1, count)) / count * scene.width
    sizes = [int(scene.side * share) for share in (0.34, 0.28, 0.22)]
    ys = foot - scene.side * 0.13 + scene.rng.uniform(-0.03, 0.02, count) * scene.side
    inks = [scene.faded(ink, 0.15 + nearness) for ink in scene.palette.evergreen]
    if scene.facts.snow:
        inks[-1] = mix(inks[-1], scene.snow_ink(), 0.4)
    scene.dabs(xs, ys, scene.rng.random(count), [fir_shape(size) for size in sizes], inks, 0.9)


def _floor(scene: Scene, top: float, kind: str) -> None:
    """Fallen leaves in autumn."""
    if scene.palette.foliage not in ("红", "黄") or kind == "fir" or scene.facts.snow:
        return
    count = int(420 * scene.width / scene.side)
    xs = scene.rng.uniform(0, scene.width, count)
    ys = top + scene.side * 0.06 + scene.rng.uniform(0, 1, count) * (scene.height - top)
    shapes = [ellipse(6 * scene.pixel, 3.5 * scene.pixel, turn) for turn in (0, 25, -20)]
    owner = scene.owner.copy()
    scene.dabs(xs, ys, scene.rng.random(count), shapes, scene.palette.leaves, 0.85)
    scene.owner[:] = owner


def _inhabitant(scene: Scene, x: float) -> None:
    side = scene.side
    at = x + scene.focus * side * scene.between(0.12, 0.22)
    foot = scene.height * scene.between(0.80, 0.86)
    kind = scene.pick(("deer", "hut", "none"), (0.4, 0.2, 0.4))
    if kind == "deer":
        deer(scene, at, foot, side * scene.between(0.14, 0.19), 0.9)
        if scene.chance(0.4):
            deer(scene, at - scene.focus * side * 0.22, foot - side * 0.02, side * 0.12, 0.85, stag=False)
    elif kind == "hut":
        cottage(scene, at, foot - side * 0.03, side * scene.between(0.2, 0.26), 0.85)


PLACE = Place("forest", ("森林", "树林", "林间"), compose)
