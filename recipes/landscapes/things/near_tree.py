"""A tree that fits the season and the style, for the foreground of any place."""

from collections.abc import Callable, Sequence

from recipes.landscapes.scene import Scene
from recipes.landscapes.things.bamboo import grove
from recipes.landscapes.things.banana import banana
from recipes.landscapes.things.broadleaf import broadleaf
from recipes.landscapes.things.dead_tree import dead_tree
from recipes.landscapes.things.fir import fir
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.willow import willow

Tree = Callable[[Scene, float, float, float], None]

# Shares of the kinds: where nothing hinders them, in Chinese painting, in winter.
_KINDS: dict[str, tuple[Tree, float, float, float]] = {
    "pine": (pine, 0.20, 0.38, 0.40),
    "broadleaf": (broadleaf, 0.34, 0.22, 0.15),
    "willow": (willow, 0.18, 0.16, 0.08),
    "fir": (fir, 0.16, 0.04, 0.25),
    "bamboo": (grove, 0.06, 0.10, 0.06),
    "banana": (banana, 0.04, 0.06, 0.0),
    "dead": (dead_tree, 0.02, 0.04, 0.12),
}


def near_tree(scene: Scene, x: float, y: float, height: float, without: Sequence[str] = ()) -> None:
    """A tree of this height in pixels at (x, y), of a kind that fits the season and the style.

    `without`: kinds that do not grow there, such as 'banana' on a steppe.
    """
    which = 3 if scene.facts.season == "冬" else 2 if scene.style.chinese else 1
    kinds = {name: kind for name, kind in _KINDS.items() if name not in without}
    name = scene.pick(list(kinds), [kind[which] for kind in kinds.values()])  # type: ignore[misc]
    small = {"bamboo": 0.8, "banana": 0.55}
    _KINDS[name][0](scene, x, y, height * small.get(name, 1.0))
