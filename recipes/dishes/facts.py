"""What a picture is of, decided before it is painted: dish, style, vessel, view, table, steam, what lies beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

TABLES = ("木桌", "格子桌布", "竹席", "纯色", "石板")


@dataclass(frozen=True)
class View:
    """Where one looks from.

    `squash`: how much of its depth a level circle keeps; `lift`: how far up height shows, for each unit of it;
    `reach`: half the width of a vessel, as a share of the picture's shorter side.
    """

    name: str
    words: tuple[str, ...]
    squash: float
    lift: float
    reach: float


VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View("俯拍", ("俯拍", "俯视视角", "正上方拍摄"), 0.97, 0.22, 0.415),
        View("斜拍", ("斜拍", "四十五度角拍摄", "侧上方拍摄"), 0.66, 0.70, 0.465),
        View("特写", ("特写", "近景特写", "近距离特写"), 0.76, 0.62, 0.64),
    )
}


@dataclass(frozen=True)
class Facts:
    """One wish. `vessel`: its name, '' where the dish has none; `beside`: '', '筷子' or '勺子'."""

    dish: str
    style: str
    vessel: str
    view: str
    table: str
    steam: bool = False
    beside: str = ""


@dataclass(frozen=True)
class DishRules:
    """What a dish can be served in, seen from, and with."""

    vessels: Sequence[str]
    views: Sequence[str]
    hot: bool
    beside: Sequence[str]


def sample_facts(rng: np.random.Generator, styles: Sequence[str], dishes: Mapping[str, DishRules]) -> Facts:
    """Dish and style evenly; then vessel and view evenly over those that the dish has; a table, steam on hot dishes."""
    dish = list(dishes)[int(rng.integers(len(dishes)))]
    rules = dishes[dish]
    vessel, view, style, table = (
        options[int(rng.integers(len(options)))] for options in (rules.vessels, rules.views, styles, TABLES)
    )
    steam = rules.hot and bool(rng.random() < 0.4)
    beside = rules.beside[int(rng.integers(len(rules.beside)))] if rules.beside and rng.random() < 0.5 else ""
    return Facts(dish, style, vessel, view, table, steam, "" if view == "特写" else beside)


def wished(facts: Facts, **wishes: str) -> Facts:
    """`facts` with some of them decided."""
    return replace(facts, **wishes)  # type: ignore[arg-type]
