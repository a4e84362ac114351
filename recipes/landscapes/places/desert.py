"""The desert: dunes with a camel train, an oasis with palms, a crescent spring between dunes."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.parts import sky
from recipes.landscapes.parts.dunes import Dune, dune
from recipes.landscapes.places.base import Place
from recipes.landscapes.places.layout import sides, stations
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.camels import camel_train
from recipes.landscapes.things.palm import palm
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.yurt import yurt


def compose(scene: Scene) -> None:
    kind = scene.pick(("dunes", "oasis", "spring"), (0.5, 0.28, 0.22))
    height, unit = scene.height, scene.side
    wide, tall = sides(scene)
    horizon = height * (scene.between(0.4, 0.52) if tall < 1.5 else scene.between(0.34, 0.42))
    sky.heaven(scene, horizon, disc=0.9, cloud=scene.between(0, 0.5))
    count = 4 + int(tall)
    watered = kind != "dunes"
    camels_on = 1 if watered else int(scene.rng.integers(1, count - 1))
    with scene.thing("沙漠", "沙"):
        for i in range(count - 2 if watered else count):
            near = i / (count - 1)
            crest = _dunes(scene, horizon, near, wide)
            if i == camels_on and (not watered or scene.chance(0.5)):
                size = unit * (0.055 + 0.05 * near)
                camel_train(
                    scene,
                    scene.width * (0.5 - scene.focus * (0.2 if watered else 0.08)),
                    crest,
                    size,
                    int(scene.rng.integers(3, 6) * min(wide, 2)),
                    scene.focus,
                )
        if watered:
            crest = _plain(scene, horizon)
            if kind == "oasis":
                _oasis(scene, crest)
            else:
                _spring(scene, crest)
            if tall > 1.5:
                _near_dune(scene)


def _dunes(scene: Scene, horizon: float, near: float, wide: float) -> np.ndarray:
    """One row of dunes: in a wide picture two or three summits beside each other."""
    height, unit = scene.height, scene.side
    base = horizon + (height - horizon) * 0.78 * near**1.2
    rise = unit * (0.09 + 0.16 * near)
    crest = np.full(scene.width, np.inf, np.float32)
    for x in scene.rng.permutation(stations(scene, 1.25, -0.1)):
        half = unit * scene.between(0.5, 0.8) * (0.6 + 0.6 * near)
        form = Dune(float(x), half, base, rise * scene.between(0.7, 1.2), near, scene.between(0, 6.3))
        crest = np.minimum(crest, dune(scene, form))
    return crest


def _plain(scene: Scene, horizon: float) -> np.ndarray:
    """Nearly level sand at the dunes' feet, where water gathers; its crest (W,)."""
    unit = scene.side
    base = horizon + (scene.height - horizon) * 0.42
    summit = scene.width * 0.5 + scene.focus * unit * 0.3
    return dune(scene, Dune(summit, unit * 0.9, base, unit * 0.03, 0.85, scene.between(0, 6.3)))


def _near_dune(scene: Scene) -> None:
    """A dune at the foot of a tall picture."""
    unit = scene.side
    summit = scene.width * 0.5 - scene.focus * unit * 0.3
    dune(scene, Dune(summit, unit * 0.8, scene.height - unit * 0.2, unit * 0.3, 1.0, scene.between(0, 6.3)))


def _pool(scene: Scene, x: float, y: float, half: float, thick: float, crescent: bool) -> None:
    """Water in the sand that mirrors the sky."""
    region = scene.region([x - half, x + half], [y - thick * 1.6, y + thick * 1.6], 2)
    if region is None:
        return
    across, down = scene.offsets(region, x, y)
    t = across / np.float32(half)
    cover = smoothstep(1 - t**2 - (down / np.float32(thick)) ** 2, 0, 0.06)
    if crescent:
        inner = 1 - (t / np.float32(0.92)) ** 2 - ((down + np.float32(thick * 0.75)) / np.float32(thick * 0.98)) ** 2
        cover = cover * (1 - smoothstep(inner, -0.03, 0.06))
    palette = scene.palette
    shade = np.clip(np.float32(0.5) - down / np.float32(2.4 * thick), 0, 1) + 0 * across
    low, light = mix(palette.water, palette.near, 0.2), mix(palette.sky[1], palette.water, 0.3)
    if scene.style.chinese:
        low, light = mix(palette.paper, palette.far, 0.8), mix(palette.paper, palette.far, 0.45)
    ripple = scene.noise(region.height, region.width, 1.6, 6.0) * np.float32(0.12 * scene.style.roughness)
    with scene.thing("泉水" if crescent else "池塘", "水"):
        scene.cover(cover.astype(np.float32), low, light, (shade + ripple).astype(np.float32), region.top, region.left)


def _oasis(scene: Scene, crest: np.ndarray) -> None:
    """A pool with green at its edge, palms over it, a tent."""
    unit, width = scene.side, scene.width
    for i, x in enumerate(stations(scene, 1.4, 0.25)):
        row = scene.at(crest, x) + unit * 0.12
        _pool(scene, x, row, unit * scene.between(0.24, 0.32), unit * 0.055, False)
        _shrubs(scene, x, row, unit * 0.28)
        for step in (-0.2, -0.1, 0.16, 0.27):
            at = x + step * unit
            if 0 < at < width and not scene.facts.snow:
                palm(scene, at, row + unit * scene.between(-0.05, 0.0), unit * scene.between(0.26, 0.4), 1.0)
        if scene.chance(0.5) and i == 0:
            yurt(scene, x - scene.focus * unit * 0.4, row - unit * 0.02, unit * 0.14)


def _shrubs(scene: Scene, x: float, y: float, half: float) -> None:
    unit, count = scene.side, 120
    angle = scene.rng.uniform(0, 6.2832, count)
    xs = x + np.cos(angle) * half * scene.rng.uniform(0.96, 1.15, count)
    ys = y + np.sin(angle) * unit * 0.05 * scene.rng.uniform(0.95, 1.2, count) - unit * 0.006
    keep = np.sin(angle) < 0.35
    shapes = [ellipse(unit * 0.012, unit * 0.02, lean) for lean in (-20, 0, 20)]
    with scene.thing("草丛", "草"):
        scene.dabs(xs[keep], ys[keep], scene.rng.random(int(keep.sum())), shapes, scene.palette.evergreen, 0.93)


def _spring(scene: Scene, crest: np.ndarray) -> None:
    """A crescent of water at the foot of a dune, with an old pavilion and trees on its shore."""
    unit = scene.side
    for i, x in enumerate(stations(scene, 1.6, 0.3)):
        row = scene.at(crest, x) + unit * 0.12
        _pool(scene, x, row, unit * scene.between(0.3, 0.38), unit * 0.075, True)
        _shrubs(scene, x, row, unit * 0.36)
        if i == 0:
            pavilion(scene, x + unit * 0.03, row - unit * 0.012, unit * 0.16, design="two roofs")


PLACE = Place(
    "desert",
    ("沙漠", "大漠", "沙漠里"),
    compose,
    PlaceRules(share=0.9, seasons=("春", "夏", "秋"), weathers=("晴", "雾")),
)
