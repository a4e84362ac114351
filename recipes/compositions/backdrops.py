"""Painted grounds that things are set on: nothing stands in their way, and each says where land, water and sky are."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes.compositions.nouns import AIR, LAND, WATER
from recipes.drawing.colour import WHITE, colour, mix
from recipes.landscapes.facts import SEASONS, WEATHERS
from recipes.landscapes.parts import ground, mist, mountains, sky, surf
from recipes.landscapes.parts.dunes import Dune, dune
from recipes.landscapes.parts.water import water
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import rectangle
from recipes.landscapes.things.skyline import skyline

Rows = tuple[float, float]  # of feet, of hulls, of the middles of what flies: from the farthest to the nearest


@dataclass(frozen=True)
class Backdrop:
    """`paint`: paints it and returns the rows where things can be, by place; `words`: by place, what captions call it;
    `vehicles`, `buildings`: whether such things stand there."""

    name: str
    paint: Callable[[Scene], dict[str, Rows]]
    words: dict[str, tuple[str, ...]]
    vehicles: bool = False
    buildings: bool = False
    seasons: tuple[str, ...] = SEASONS
    weathers: tuple[str, ...] = WEATHERS

    def word(self, place: str, snow: bool, rng: np.random.Generator) -> str:
        """What captions call a place of it: 草地上, in snow 雪地上."""
        if snow and place == LAND and self.name == "草地":
            return "雪地上"
        words = self.words[place]
        return words[int(rng.integers(len(words)))]


def _heaven(scene: Scene, low: float, high: float, disc: float = 0.6) -> float:
    """The sky; its last row. A tall picture's horizon is higher, for what lies below would be empty."""
    tall = scene.height / scene.side
    horizon = scene.height * scene.between(low, high) if tall < 1.5 else scene.height * 0.42
    sky.heaven(scene, horizon, disc=disc, flock=0.0)
    return horizon


def _sky_rows(scene: Scene, horizon: float) -> Rows:
    return scene.side * 0.14, horizon - scene.side * 0.1


def _far(scene: Scene, horizon: float, share: float = 1.0) -> None:
    if scene.chance(share):
        kinds = ("range", "karst", "hill") if scene.style.chinese else ("range", "hill", "peak")
        rise = scene.side * scene.between(0.08, 0.16)
        mountains.ranges(scene, horizon + scene.side * 0.02, 2, rise, kinds, 0.06, 0.35, bottom=int(horizon + 3))
        mist.band(scene, horizon, scene.side * 0.05, 0.2 + 0.4 * scene.facts.fog)


def meadow(scene: Scene, disc: float = 0.6) -> dict[str, Rows]:
    """Rolling grass before far mountains, in winter snow; `disc`: how often a sun or moon is there."""
    side, height = scene.side, scene.height
    horizon = _heaven(scene, 0.40, 0.52, disc)
    _far(scene, horizon)
    ground.land(scene, scene.outline(horizon + side * 0.02, side * 0.03, "hill"), 0.5, grass=0.4)
    mist.band(scene, horizon + side * 0.05, side * 0.05, 0.4 * scene.facts.fog)
    ground.land(scene, scene.outline(horizon + (height - horizon) * 0.3, side * 0.05, "hill"), 0.85, grass=0.8)
    if scene.facts.season in ("春", "夏") and not scene.facts.snow and scene.chance(0.4):
        ground.flowers(scene, horizon + (height - horizon) * 0.4, height, [[colour("f4c63c"), colour("fff0a0")]])
    return {LAND: (horizon + (height - horizon) * 0.36, height - side * 0.05), AIR: _sky_rows(scene, horizon)}


def lake(scene: Scene) -> dict[str, Rows]:
    """Water before mountains, and a bank in front."""
    side, height = scene.side, scene.height
    horizon = _heaven(scene, 0.38, 0.48)
    _far(scene, horizon)
    water(scene, np.full(scene.width, horizon, np.float32), scene.between(0.5, 1.0), "湖面")
    mist.band(scene, horizon + side * 0.01, side * 0.04, 0.2 + 0.5 * scene.facts.fog)
    bank = height - side * 0.17
    ground.land(scene, scene.outline(bank, side * 0.03, "hill"), 1.0, grass=1.2)
    return {
        LAND: (bank + side * 0.05, height - side * 0.04),
        WATER: (horizon + (bank - horizon) * 0.35, bank - side * 0.09),
        AIR: _sky_rows(scene, horizon),
    }


def open_water(scene: Scene) -> dict[str, Rows]:
    """Nothing but water before far mountains."""
    side, height = scene.side, scene.height
    horizon = _heaven(scene, 0.40, 0.5)
    _far(scene, horizon)
    water(scene, np.full(scene.width, horizon, np.float32), scene.between(0.5, 1.0), "湖面")
    mist.band(scene, horizon + side * 0.01, side * 0.04, 0.2 + 0.5 * scene.facts.fog)
    return {WATER: (horizon + (height - horizon) * 0.32, height - side * 0.09), AIR: _sky_rows(scene, horizon)}


def sea(scene: Scene) -> dict[str, Rows]:
    """The sea and its beach."""
    side, height = scene.side, scene.height
    horizon = _heaven(scene, 0.36, 0.46)
    water(scene, np.full(scene.width, horizon, np.float32), 1.0, "大海")
    beach = height - side * 0.2
    surf.breakers(scene, horizon, beach)
    return {
        LAND: (beach + side * 0.07, height - side * 0.04),
        WATER: (horizon + (beach - horizon) * 0.2, horizon + (beach - horizon) * 0.5),
        AIR: _sky_rows(scene, horizon),
    }


def desert(scene: Scene) -> dict[str, Rows]:
    """Dunes."""
    side, height = scene.side, scene.height
    horizon = _heaven(scene, 0.40, 0.5, disc=0.8)
    with scene.thing("沙漠", "沙"):
        for near in (0.0, 0.35, 0.75):
            base = horizon + (height - horizon) * 0.45 * near
            at = scene.width * scene.between(0.1, 0.9)
            rise = side * (0.08 + 0.06 * near)
            dune(scene, Dune(at, side * (0.5 + 0.4 * near), base, rise, near, scene.between(0, 6.3)))
    return {LAND: (horizon + (height - horizon) * 0.5, height - side * 0.05), AIR: _sky_rows(scene, horizon)}


def street(scene: Scene) -> dict[str, Rows]:
    """A road before the towers of a city."""
    side, height, width = scene.side, scene.height, scene.width
    horizon = _heaven(scene, 0.56, 0.62, disc=0.4)
    skyline(scene, horizon + side * 0.02, side * scene.between(0.32, 0.42), layers=2)
    pavement, road = scene.palette.lit(colour("b4aca0"), 0.2), scene.palette.lit(colour("5c6068"), 0.2)
    top = horizon + side * 0.015
    edge = height - side * 0.3
    across, up = width / side, (height - top) / side
    line = edge + (height - edge) * 0.5
    with scene.thing("人行道", "路"):
        scene.solid([Part(rectangle(-0.02, -0.02, across + 0.02, up), pavement)], 0, height, side, snow=False)
    with scene.thing("马路", "路"):
        scene.solid(
            [Part(rectangle(-0.02, -0.02, across + 0.02, (height - edge) / side), road)], 0, height, side, snow=False
        )
        dash = mix(road, WHITE, 0.7)
        start = scene.between(-0.2, 0)
        dashes = [
            Part(rectangle(x, (height - line) / side - 0.006, x + 0.12, (height - line) / side + 0.006), dash)
            for x in np.arange(start, across, 0.24)
        ]
        scene.solid(dashes, 0, height, side, snow=False)
    return {LAND: (edge + side * 0.06, height - side * 0.05), AIR: (side * 0.13, horizon - side * 0.4)}


BACKDROPS: dict[str, Backdrop] = {
    drop.name: drop
    for drop in (
        Backdrop("草地", meadow, {LAND: ("草地上",), AIR: ("天上", "空中")}, vehicles=True, buildings=True),
        Backdrop("湖边", lake, {LAND: ("岸边", "湖边"), WATER: ("湖面上", "湖上"), AIR: ("天上", "空中")}),
        Backdrop("湖面", open_water, {WATER: ("湖面上", "湖水上"), AIR: ("天上", "空中")}),
        Backdrop(
            "海边",
            sea,
            {LAND: ("沙滩上",), WATER: ("海面上", "海上"), AIR: ("天上", "空中")},
            weathers=("晴", "雾", "雨"),
        ),
        Backdrop(
            "沙漠", desert, {LAND: ("沙漠里", "沙漠上"), AIR: ("天上", "空中")}, True, True, SEASONS[:3], ("晴", "雾")
        ),
        Backdrop(
            "马路",
            street,
            {LAND: ("马路上", "街上"), AIR: ("天上", "空中")},
            True,
            False,
            SEASONS[:3],
            ("晴", "雾", "雨"),
        ),
    )
}
