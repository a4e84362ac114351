"""What a dish is: its name, what it is served in, how it is composed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipes.dishes.facts import VIEWS, DishRules
from recipes.dishes.scene import Scene, Surface

BOWLS = ("白瓷碗", "青花碗", "黑陶碗", "红漆碗", "青瓷碗")
LIGHT_BOWLS = ("白瓷碗", "青花碗", "青瓷碗")
PLATES = ("白瓷盘", "青花盘", "黑陶盘", "青瓷盘")
SNACKS = ("木板", "绿叶", "油纸", "白瓷盘")


@dataclass(frozen=True)
class Dish:
    """`compose` lays it on the surface of its vessel; `beside`: what may lie beside; `words`: other names, if any."""

    name: str
    vessels: Sequence[str]
    compose: Callable[[Scene, Surface], None]
    hot: bool = True
    beside: Sequence[str] = ("筷子",)
    views: Sequence[str] = tuple(VIEWS)
    free: bool = False  # its layout may be turned and mirrored

    @property
    def rules(self) -> DishRules:
        return DishRules(self.vessels, self.views, self.hot, self.beside)
