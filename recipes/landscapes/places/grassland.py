"""草原: rolling grass to the horizon, with yurts, flocks, horses, a stream and wild flowers."""

import numpy as np

from recipes.drawing.colour import colours
from recipes.landscapes.parts import ground, mist, mountains, sky
from recipes.landscapes.parts.path import path, stream
from recipes.landscapes.places.base import Place
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.horse import horse
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.sheep import flock, sheep
from recipes.landscapes.things.yurt import yurt

_FLOWERS = ("e8566a f8a0a8", "f4c63c fff0a0", "8a6cd0 c8b4f0", "d8d4cc ffffff")


def compose(scene: Scene) -> None:
    horizon, side = scene.height * scene.between(0.46, 0.6), scene.side
    sky.heaven(scene, horizon, disc=0.7)
    kinds = ("range", "karst", "hill") if scene.style.chinese else ("range", "hill", "peak")
    mountains.ranges(scene, horizon + side * 0.03, 2, side * scene.between(0.10, 0.2), kinds, 0.06, 0.35)
    crests, camp = [], scene.chance(0.75)
    steps = 4
    for step in range(steps):
        share = step / (steps - 1)
        row = horizon + (scene.height - horizon) * (0.05 + 0.66 * share**1.3)
        crest = scene.outline(row, side * (0.05 + 0.06 * share), "hill")
        name = "雪原" if scene.facts.snow else "草原"
        ground.land(scene, crest, 0.35 + 0.65 * share, grass=0.4 + 1.1 * share, name=name)
        crests.append(crest)
        mist.band(scene, float(crest.mean()), side * 0.05, 0.35 * scene.facts.fog * (1 - share))
        if step == 1 and camp:
            _camp(scene, crest)
        if step == 2 and not scene.facts.night:
            _flock(scene, crest)
    _way(scene, crests)
    _near(scene, crests[3], 0.3 if camp else 0.0)
    if scene.facts.weather == "雾":
        mist.veil(scene, horizon * 0.5, 0.4)
    if scene.facts.season in ("春", "夏") and scene.chance(0.7):
        count = int(scene.rng.integers(1, 4))
        inks = [colours(code) for code in scene.rng.permutation(list(_FLOWERS))[:count]]
        ground.flowers(scene, scene.height - (scene.height - horizon) * 0.42, scene.height, inks)


def _camp(scene: Scene, crest: np.ndarray) -> None:
    """Up to three yurts beside each other."""
    x = scene.width * (0.5 + scene.focus * scene.between(0.15, 0.38))
    for place in range(int(scene.rng.integers(1, 4))):
        size = scene.side * scene.between(0.10, 0.145)
        at = x - scene.focus * place * scene.side * scene.between(0.15, 0.18)
        yurt(scene, at, scene.at(crest, at) + scene.side * 0.02, size, 0.8)


def _flock(scene: Scene, crest: np.ndarray) -> None:
    x = scene.width * (0.5 - scene.focus * scene.between(0.1, 0.25))
    if scene.chance(0.7):
        size = scene.side * scene.between(0.020, 0.028)
        flock(scene, x, crest, scene.side * 0.15, int(scene.rng.integers(8, 18)), size, 0.9)
    elif scene.chance(0.6):
        for _ in range(int(scene.rng.integers(1, 4))):
            at = x + scene.between(-0.2, 0.2) * scene.side
            horse(scene, at, scene.at(crest, at) + scene.side * scene.between(0.02, 0.05), scene.side * 0.075, 0.9)


def _way(scene: Scene, crests: list[np.ndarray]) -> None:
    """A stream or a path towards the camp, on the nearer hills."""
    x = scene.width * (0.5 + scene.focus * scene.between(-0.1, 0.2))
    x_near = scene.width * scene.between(0.3, 0.7)
    kind = scene.pick(("stream", "path", "none"), (0.4, 0.25, 0.35))
    if kind == "stream":
        stream(scene, scene.at(crests[2], x), x, x_near, scene.side * scene.between(0.2, 0.34))
    elif kind == "path":
        path(scene, scene.at(crests[2], x), x, x_near, scene.side * scene.between(0.12, 0.2))


def _near(scene: Scene, crest: np.ndarray, empty: float) -> None:
    """What stands close by: a tree, horses or sheep; nothing in a share `empty` of the scenes."""
    side = scene.side
    x = scene.width * (0.5 - scene.focus * scene.between(0.16, 0.3))
    foot = scene.at(crest, x) + side * 0.06
    kind = scene.pick(("tree", "horse", "sheep", "none"), (0.25, 0.3, 0.2, empty))
    if kind == "tree":
        near_tree(scene, x, foot, side * scene.between(0.45, 0.6), without=("banana", "bamboo"))
    elif kind == "horse":
        horse(scene, x, foot, side * scene.between(0.16, 0.22))
        if scene.chance(0.5):
            at = x + scene.focus * side * scene.between(0.28, 0.36)
            horse(scene, at, scene.at(crest, at) + side * 0.03, side * scene.between(0.13, 0.16))
    elif kind == "sheep":
        sheep(scene, x, foot, side * scene.between(0.09, 0.12), count=int(scene.rng.integers(2, 4)))


PLACE = Place("grassland", ("草原", "大草原", "辽阔的草原"), compose)
