"""Mountains range over range, with a sea of clouds or without, a temple on a ridge."""

import numpy as np

from recipes.landscapes.parts import mist, mountains, sky
from recipes.landscapes.parts.clouds import cloud_sea
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import sides, stations, trail
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.cottage import cottage
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pagoda import pagoda
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine


def compose(scene: Scene) -> None:
    width, height, unit = scene.width, scene.height, scene.side
    _, tall = sides(scene)
    horizon = height * scene.between(0.5, 0.62) if tall < 1.5 else height * scene.between(0.36, 0.44)
    sky.heaven(scene, horizon)
    clouds = scene.facts.weather != "雪" and scene.chance(0.45)
    kind = "karst" if scene.chance(0.7 if scene.style.chinese else 0.2) else "range"
    count = int(scene.rng.integers(3, 6)) + int(2 * (tall - 1))
    first = 0.5 if tall < 1.5 else 0.30
    rise = min(height * scene.between(0.26, 0.42), unit * 0.55)
    temple_on = count - 2 if count < 5 else int(scene.rng.integers(count - 3, count - 1))
    with scene.thing("雪山" if scene.facts.snow else "群山", "山"):
        for i in range(count):
            near = i / (count - 1)
            base = height * (first + (0.96 - first) * near)
            amplitude = rise * (1.0 - 0.35 * near) * scene.between(0.75, 1.15)
            crest = scene.outline(base, amplitude, kind if near < 0.7 else "range")
            if near > 0.3:
                lean = np.linspace(-1, 1, width) * scene.focus * unit * 0.16 * near / max(1.0, width / unit)
                crest = (crest + lean).astype(np.float32)
            forest = 0.8 if near > 0.35 and scene.chance(0.75) else 0.0
            mountains.ridge(scene, crest, 0.06 + 0.84 * near, amplitude * 1.05, forest=forest)
            if i == temple_on:
                _temples(scene, crest, 0.95 * (0.3 + 0.7 * near))
            if tall > 1.5 and i > temple_on:
                _steps(scene, crest, near)
            if i < count - 1:
                if clouds and near > 0.2:
                    cloud_sea(scene, base - amplitude * 0.05, unit * 0.12, 0.85)
                else:
                    mist.band(scene, base - amplitude * 0.02, amplitude * 0.34, 0.55 + 0.4 * scene.facts.fog)
    if scene.chance(0.6):
        sky.rays(scene, 0.5)
    if scene.chance(0.62):
        _foreground(scene)


def _temples(scene: Scene, crest: np.ndarray, nearness: float) -> None:
    """On the ridge's tops: one in a square picture, one every side in a wide one, no two of one kind together."""
    unit, last = scene.side, ""
    for i, x in enumerate(stations(scene, 1.0)):
        if i and scene.chance(0.35):
            continue
        window = np.arange(int(max(0, x - unit * 0.16)), int(min(scene.width, x + unit * 0.16)))
        # a top, but not the very summit of a needle, where nothing could stand
        top = int(window[np.argmin(crest[window] + np.abs(np.gradient(crest)[window]) * unit * 0.08)])
        top = int(np.clip(top, unit * 0.08, scene.width - unit * 0.08))
        foot = float(crest[max(0, top - int(unit * 0.03)) : top + int(unit * 0.03) + 1].max()) + unit * 0.012
        kind = scene.pick([name for name in ("pagoda", "pavilion", "hut") if name != last], None)
        last = kind
        if kind == "pagoda":
            pagoda(scene, top, foot, unit * scene.between(0.08, 0.11), nearness)
        elif kind == "pavilion":
            pavilion(scene, top, foot, unit * scene.between(0.11, 0.15), nearness)
        else:
            cottage(scene, top, foot, unit * 0.075, nearness, "thatched")


def _steps(scene: Scene, crest: np.ndarray, near: float) -> None:
    """A path that winds up one range to its pass, the lowest place of its middle."""
    unit, width = scene.side, scene.width
    middle = np.arange(int(width * 0.3), int(width * 0.7))
    x = float(middle[np.argmax(crest[middle])])
    top = scene.at(crest, x)
    swing = scene.focus * unit * 0.11
    rows = np.linspace(0.5, 0.015, 5) * unit
    across = np.array([0.6, -0.9, 0.8, -0.5, 0.0]) * swing
    wide = unit * (0.012 + 0.03 * near)
    trail(scene, np.stack([x + across, top + rows], 1), wide, wide * 0.35)


def _foreground(scene: Scene) -> None:
    """A rock in a lower corner with a tree, or with someone's pavilion."""
    unit, width, height = scene.side, scene.width, scene.height
    x = width * 0.5 - scene.focus * (width * 0.5 - unit * scene.between(0.14, 0.28))
    slope = np.abs(np.arange(width) - x) ** 1.3 * 0.12 * (512 / max(unit, 1)) ** 0.3
    crest = (height - unit * 0.16 + slope + scene.outline(0, unit * 0.03, "range")).astype(np.float32)
    with scene.thing("石头", "石"):
        mountains.ridge(scene, crest, 1.0, unit * 0.6, kind="rock")
    tree = pine if scene.facts.season == "冬" or scene.chance(0.4) else near_tree
    tree(scene, x, scene.at(crest, x) + unit * 0.02, unit * scene.between(0.5, 0.7))


PLACE = Place("peaks", ("群山", "群山之间", "山中", "山间"), compose)
