"""Everything that a picture can be of: a name, how it is drawn large, where it stands, and when it can be seen."""

from collections.abc import Callable
from dataclasses import dataclass

from recipes.landscapes.facts import SEASONS, WEATHERS, Facts
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.bamboo import grove
from recipes.landscapes.things.banana import banana
from recipes.landscapes.things.boat import boat
from recipes.landscapes.things.broadleaf import NAMES, broadleaf
from recipes.landscapes.things.dead_tree import dead_tree
from recipes.landscapes.things.fir import fir
from recipes.landscapes.things.palm import palm
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.willow import willow

Draw = Callable[[Scene, float, float, float], None]


@dataclass(frozen=True)
class Subject:
    """One thing that `study` draws large.

    `draw`: takes a scene, the pixel (x, y) of the foot (of the middle, for what flies) and a size in pixels;
    `width`, `height`: of what it draws, in units of that size; `stands`: on 'land', on 'water' or in the 'air';
    `names`: under which `visible.sights` may find it; `seasons`, `weathers`: when it can be seen.
    """

    draw: Draw
    names: tuple[str, ...]
    width: float
    height: float = 1.0
    stands: str = "land"
    seasons: tuple[str, ...] = SEASONS
    weathers: tuple[str, ...] = WEATHERS

    def fits(self, facts: Facts) -> bool:
        """Whether it can be seen in this season and weather."""
        return facts.season in self.seasons and facts.weather in self.weathers


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
    "亭子": Subject(pavilion, ("亭子",), 1.5, 1.4),
    "小船": Subject(boat, ("小船", "帆船"), 2.0, 1.5, "water"),
}
