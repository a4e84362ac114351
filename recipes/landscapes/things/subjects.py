"""Everything that a picture can be of: a name, how it is drawn large, where it stands, and when it can be seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recipes.landscapes.facts import SEASONS, TIMES, WEATHERS, Facts, PlaceRules
from recipes.landscapes.parts import ground
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.bamboo import grove
from recipes.landscapes.things.banana import banana
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.bridge import bridge, long_bridge
from recipes.landscapes.things.broadleaf import NAMES, broadleaf
from recipes.landscapes.things.buffalo import buffalo
from recipes.landscapes.things.bush import bush
from recipes.landscapes.things.butterfly import butterflies_over_flowers
from recipes.landscapes.things.camels import camel
from recipes.landscapes.things.citywall import gate_tower
from recipes.landscapes.things.cottage import NAMES as HOUSES
from recipes.landscapes.things.cottage import ROW, cottage, village
from recipes.landscapes.things.crane import crane, cranes_in_flight
from recipes.landscapes.things.dead_tree import dead_tree
from recipes.landscapes.things.deer import deer
from recipes.landscapes.things.duck import ducks
from recipes.landscapes.things.farmyard import water_wheel, well, windmill
from recipes.landscapes.things.fir import fir
from recipes.landscapes.things.gallery import gallery
from recipes.landscapes.things.garden_flowers import chrysanthemums, peonies
from recipes.landscapes.things.gull import gull
from recipes.landscapes.things.horse import horse
from recipes.landscapes.things.lantern import hanging_lantern, lanterns_in_the_sky, stone_lantern
from recipes.landscapes.things.lighthouse import lighthouse
from recipes.landscapes.things.lotus import lotus
from recipes.landscapes.things.moongate import moon_gate
from recipes.landscapes.things.pagoda import pagoda
from recipes.landscapes.things.palm import palm
from recipes.landscapes.things.pavilion import pavilion, water_pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.plum import plum
from recipes.landscapes.things.reeds import reeds
from recipes.landscapes.things.rock import rocks, scholars_rock
from recipes.landscapes.things.sheep import sheep
from recipes.landscapes.things.skyline import tower
from recipes.landscapes.things.willow import willow
from recipes.landscapes.things.yurt import yurt

Draw = Callable[[Scene, float, float, float], None]


@dataclass(frozen=True)
class Subject:
    """One thing that `study` draws large.

    `draw`: takes a scene, the pixel (x, y) of the foot (of the middle, for what flies) and a size in pixels;
    `width`, `height`: of what it draws, in units of that size, roughly;
    `stands`: on 'land', on 'water', in 'shallows', in the 'air', or it grows in from the picture's 'edge';
    `names`: under which `visible.sights` may find it; `seasons`, `weathers`, `times`: when it can be seen.
    """

    draw: Draw
    names: tuple[str, ...]
    width: float
    height: float = 1.0
    stands: str = "land"
    seasons: tuple[str, ...] = SEASONS
    weathers: tuple[str, ...] = WEATHERS
    times: tuple[str, ...] = TIMES

    def fits(self, facts: Facts) -> bool:
        """Whether it can be seen in this season, weather and time of day."""
        return facts.season in self.seasons and facts.weather in self.weathers and facts.time in self.times

    def rules(self, place: PlaceRules) -> PlaceRules:
        """The rules of a place, as far as the thing can be seen."""
        seasons = [season for season in place.seasons if season in self.seasons]
        weathers = [weather for weather in place.weathers if weather in self.weathers]
        return replace(place, seasons=seasons, weathers=weathers, times=[t for t in place.times if t in self.times])


def _crossing(scene: Scene, x: float, y: float, size: float) -> None:
    """A bridge from bank to bank, over a stream that widens towards the viewer."""
    _banks(scene, x, y - 0.08 * size, size * 1.12, size * 0.35)
    bridge(scene, x, y, size)


def _long_crossing(scene: Scene, x: float, y: float, size: float) -> None:
    _banks(scene, x, y - 0.06 * size, size * 0.98, size * 0.2)
    long_bridge(scene, x, y, size)


def _banks(scene: Scene, x: float, y: float, half: float, slope: float) -> None:
    columns = np.arange(scene.width)
    inward = np.maximum(half - np.abs(columns - x), 0) / slope
    crest = scene.outline(y, scene.side * 0.03, "hill") + inward**1.3 * (scene.height - y)
    ground.land(scene, crest.astype(np.float32), 0.9, grass=0.8)


def _hillside_village(scene: Scene, x: float, y: float, size: float) -> None:
    """Three rows of houses up a slope."""
    columns = np.arange(scene.width)
    rise = size * (2 * ROW + 0.2) * np.exp(-(((columns - x) / (3.4 * size)) ** 4))
    crest = y - rise + scene.outline(0, scene.side * 0.02, "hill")
    ground.land(scene, crest.astype(np.float32), 0.95, grass=0.6)
    village(scene, x, y, size, rows=3)


def _wheel(scene: Scene, x: float, y: float, size: float) -> None:
    """A water wheel whose channel reaches a bank."""
    columns = np.arange(scene.width)
    inward = np.maximum(x + 0.38 * size - columns, 0) / (0.3 * size)
    crest = scene.outline(y - 0.02 * size, scene.side * 0.03, "hill") + inward**1.3 * (scene.height - y)
    ground.land(scene, crest.astype(np.float32), 0.9, grass=0.8)
    water_wheel(scene, x, y, size)


def _gallery(scene: Scene, x: float, y: float, size: float) -> None:
    gallery(scene, x, y, size, bays=5)


def _sheep(scene: Scene, x: float, y: float, size: float) -> None:
    sheep(scene, x, y, size * 0.40, count=int(scene.rng.integers(2, 4)))


def _ducks(scene: Scene, x: float, y: float, size: float) -> None:
    count = int(scene.rng.integers(1, 4))
    ducks(scene, x, y, size * (1.5 if count == 1 else 1.0), count=count)


def _cranes(scene: Scene, x: float, y: float, size: float) -> None:
    cranes_in_flight(scene, x, y, size, count=int(scene.rng.integers(2, 4)))


def _herd_boy(scene: Scene, x: float, y: float, size: float) -> None:
    buffalo(scene, x, y, size, boy=True)


def _buffalo(scene: Scene, x: float, y: float, size: float) -> None:
    buffalo(scene, x, y, size, boy=False)


_NO_SNOW = ("晴", "雾", "雨")
SUBJECTS: dict[str, Subject] = {
    "松树": Subject(pine, ("松树", "雪松"), 0.8),
    "树": Subject(broadleaf, tuple(NAMES.values()), 0.8),
    "柳树": Subject(willow, ("柳树",), 0.85),
    "杉树": Subject(fir, ("杉树",), 0.5),
    "竹子": Subject(grove, ("竹子",), 0.6),
    "椰子树": Subject(palm, ("椰子树",), 0.85, weathers=_NO_SNOW),
    "芭蕉": Subject(banana, ("芭蕉",), 0.9, seasons=SEASONS[:3]),
    "枯树": Subject(dead_tree, ("枯树",), 0.8),
    "梅花": Subject(plum, ("梅花",), 1.0, 0.7, "edge", ("冬", "春"), ("晴", "雾", "雪")),
    "荷花": Subject(lotus, ("荷花",), 1.2, 1.0, "water", ("夏",)),
    "牡丹": Subject(peonies, ("牡丹",), 1.1, 1.1, seasons=("春", "夏")),
    "菊花": Subject(chrysanthemums, ("菊花",), 1.1, 1.1, seasons=("秋",)),
    "芦苇": Subject(reeds, ("芦苇",), 0.9, 1.0, "shallows"),
    "灌木": Subject(bush, ("灌木",), 2.2),
    "石头": Subject(rocks, ("石头",), 2.2, 1.1),
    "太湖石": Subject(scholars_rock, ("太湖石",), 0.75, 1.1),
    "羊群": Subject(_sheep, ("羊群",), 1.6, 0.5),
    "马": Subject(horse, ("马",), 1.6, 1.5),
    "鹿": Subject(deer, ("鹿",), 1.4, 1.6),
    "牧童骑牛": Subject(_herd_boy, ("水牛",), 1.8, 1.6),
    "水牛": Subject(_buffalo, ("水牛",), 1.8, 1.15),
    "仙鹤": Subject(crane, ("仙鹤",), 0.95, 1.1),
    "飞鹤": Subject(_cranes, ("仙鹤",), 1.8, 1.5, "air"),
    "鸭子": Subject(_ducks, ("鸭子",), 1.7, 0.7, "water"),
    "蝴蝶": Subject(butterflies_over_flowers, ("蝴蝶",), 0.9, 1.1, seasons=SEASONS[:3], weathers=("晴", "雾")),
    "亭子": Subject(pavilion, ("亭子",), 1.5, 1.4),
    "海鸥": Subject(gull, ("海鸥",), 2.1, 1.0, "air", times=TIMES[:3], weathers=("晴", "雾", "雨")),
    "水榭": Subject(water_pavilion, ("水榭",), 2.2, 1.2, "water"),
    "长廊": Subject(_gallery, ("长廊",), 3.6, 1.0),
    "寺塔": Subject(pagoda, ("寺塔", "白塔"), 1.3, 2.9),
    "民居": Subject(cottage, tuple(dict.fromkeys(HOUSES.values())), 1.9, 1.15),
    "村庄": Subject(_hillside_village, ("村庄",), 4.6, 2.7),
    "小桥": Subject(_crossing, ("小桥", "木桥", "廊桥"), 2.8, 1.1, "water"),
    "长桥": Subject(_long_crossing, ("长桥",), 2.1, 0.4, "water"),
    "小船": Subject(boat, ("小船", "帆船", "龙舟", "竹筏"), 2.2, 1.5, "water"),
    "灯塔": Subject(lighthouse, ("灯塔",), 1.0, 1.8),
    "蒙古包": Subject(yurt, ("蒙古包",), 1.1, 0.9),
    "骆驼": Subject(camel, ("骆驼",), 1.5, 1.35, seasons=SEASONS[:3], weathers=("晴", "雾")),
    "城楼": Subject(gate_tower, ("城楼",), 2.2, 2.35),
    "月洞门": Subject(moon_gate, ("月洞门",), 5.0, 1.8),
    "灯笼": Subject(hanging_lantern, ("灯笼",), 0.75, 1.05),
    "孔明灯": Subject(lanterns_in_the_sky, ("孔明灯",), 2.0, 1.6, "air", times=("黄昏", "夜晚"), weathers=("晴", "雾")),
    "石灯": Subject(stone_lantern, ("石灯",), 0.75, 1.05),
    "水井": Subject(well, ("水井",), 1.15, 1.2),
    "水车": Subject(_wheel, ("水车",), 1.4, 1.0, "water"),
    "风车": Subject(windmill, ("风车",), 1.2, 1.45),
    "高楼": Subject(tower, ("高楼",), 0.8, 1.3),
}
