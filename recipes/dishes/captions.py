"""Captions: what a picture shows, said in several ways; every word of them names something that can be seen."""

from collections.abc import Callable

import numpy as np

from recipes.dishes.facts import VIEWS
from recipes.dishes.paint import Painting
from recipes.dishes.style import STYLES
from recipes.dishes.vessels import VESSELS

# What lies on a dish, as captions say it; one of the wordings is drawn.
TOPPINGS: dict[str, tuple[str, ...]] = {
    "葱花": ("撒着葱花", "上面有葱花", "点缀着葱花"),
    "香菜": ("撒着香菜", "放了香菜", "点缀着香菜"),
    "芝麻": ("撒着芝麻", "上面有芝麻"),
    "花生": ("有花生", "放了花生米"),
    "干辣椒": ("有干辣椒", "放了很多干辣椒"),
    "红辣椒": ("有红辣椒", "点缀着红辣椒"),
    "辣椒碎": ("撒着辣椒碎",),
    "花椒": ("撒着花椒",),
    "青菜": ("配着青菜", "有几棵青菜"),
    "半个鸡蛋": ("放着切开的鸡蛋", "配着半个鸡蛋"),
    "煎蛋": ("上面有一个煎蛋", "盖着煎蛋"),
    "海苔": ("插着海苔",),
    "鱼板": ("有一片鱼板",),
    "叉烧片": ("有叉烧片",),
    "牛肉片": ("有牛肉片", "放着几片牛肉"),
    "胡萝卜丝": ("有胡萝卜丝",),
    "黄瓜丝": ("配着黄瓜丝",),
    "豆芽": ("有豆芽",),
    "豆腐泡": ("有豆腐泡",),
    "鸭血": ("有鸭血",),
    "虾仁": ("有虾仁",),
    "青豆": ("有青豆",),
    "腊肠": ("有腊肠", "铺着腊肠"),
    "紫菜": ("有紫菜",),
    "杞子": ("有杞子", "点缀着杞子"),
    "桂花": ("撒着桂花", "点缀着桂花"),
    "红枣": ("有红枣",),
    "红豆": ("有红豆", "撒着红豆"),
    "莲子": ("有莲子",),
    "皮蛋": ("有皮蛋",),
    "肉末": ("有肉末",),
    "肉丝": ("有肉丝",),
    "木耳": ("有木耳",),
    "笋丝": ("有笋丝",),
    "蒜末": ("撒着蒜末",),
    "蒜苗": ("有蒜苗",),
    "葱丝": ("铺着葱丝",),
    "荷叶饼": ("配着荷叶饼",),
    "甜面酱": ("配着甜面酱",),
    "姜葱酱": ("配着姜葱酱",),
    "鸡腿": ("有一只鸡腿",),
    "香菇": ("有香菇",),
    "辣酱": ("浇着辣酱",),
    "香叶": ("有香叶",),
    "蛋花": ("有蛋花",),
    "大葱": ("有大葱",),
    "面筋": ("有面筋",),
    "油条": ("配着油条",),
}
BESIDE: dict[str, tuple[str, ...]] = {
    "筷子": ("旁边放着筷子", "旁边有一双筷子"),
    "勺子": ("旁边放着勺子", "旁边有一把勺子"),
}
STEAM = ("热气腾腾", "冒着热气")
TABLES: dict[str, tuple[str, ...]] = {
    "木桌": ("放在木桌上", "木桌上"),
    "格子桌布": ("放在格子桌布上", "格子桌布上"),
    "竹席": ("放在竹席上", "竹席上"),
    "石板": ("放在石板上", "石板桌面上"),
}
SEAL = ("盖着红色印章", "角落有一枚红印章")
LEAST_TABLE = 0.06  # of the picture, for a caption to name the table


def captions(painting: Painting, rng: np.random.Generator, count: int = 8) -> list[str]:
    """`count` captions, their kinds drawn evenly without repetition until all were drawn."""
    kinds = [KINDS[int(i)] for start in range(0, count, len(KINDS)) for i in rng.permutation(len(KINDS))][:count]
    return [_caption(kind, _Words(painting, rng)) for kind in kinds]


def _caption(kind: "Callable[[_Words], str]", words: "_Words") -> str:
    """A caption of one kind. A count and a name alone are an icon's caption: the style joins them."""
    text = kind(words)
    return _joined(text, words.style) if text == words.measured else text


class _Words:
    """The words for one picture; those of what it does not show are empty."""

    def __init__(self, painting: Painting, rng: np.random.Generator):
        self.painting, self.rng, self.facts = painting, rng, painting.facts
        self.name = self.facts.dish

    def pick(self, options: tuple[str, ...]) -> str:
        return options[int(self.rng.integers(len(options)))] if options else ""

    @property
    def style(self) -> str:
        return self.pick(STYLES[self.facts.style].words)

    @property
    def view(self) -> str:
        return self.pick(VIEWS[self.facts.view].words)

    @property
    def steam(self) -> str:
        """热气腾腾, to stand alone."""
        return self.pick(STEAM) if self.facts.steam else ""

    @property
    def steaming(self) -> str:
        """热气腾腾的, before a name."""
        return f"{self.steam}的" if self.facts.steam else ""

    @property
    def measured(self) -> str:
        """一碗牛肉面."""
        return f"一{VESSELS[self.facts.vessel].measure}{self.name}"

    @property
    def served(self) -> str:
        """青花碗里的牛肉面; the bare measure where the vessel is hidden."""
        if self.facts.vessel not in self.painting.sights:
            return self.measured
        vessel = VESSELS[self.facts.vessel]
        place = "上" if vessel.measure == "份" else "里"
        return f"{self.pick(vessel.words)}{place}的{self.name}"

    @property
    def topping(self) -> str:
        names = [name for name in TOPPINGS if name in self.painting.sights and name not in self.name]
        return self.pick(TOPPINGS[names[int(self.rng.integers(len(names)))]]) if names else ""

    @property
    def beside(self) -> str:
        return self.pick(BESIDE.get(self.facts.beside, ()))

    @property
    def table(self) -> str:
        table = self.painting.table
        if "印章" in self.painting.sights:
            return self.pick(SEAL)
        if not table or self.painting.table_area < LEAST_TABLE:
            return ""
        return self.pick(TABLES.get(table, (f"{table}背景", f"{table}桌面")))


def _joined(*parts: str) -> str:
    return "，".join(part for part in parts if part)


def _set(words: _Words) -> str:
    """The dish and what it stands on or beside; its vessel, where nothing else is seen."""
    around = _joined(words.table, words.beside)
    return _joined(words.measured, around) if around else words.served


def _seen(words: _Words) -> str:
    near = words.facts.view == "特写"
    return _joined(f"{words.name}的{words.view}" if near else f"{words.view}的{words.name}", words.topping)


KINDS: tuple[Callable[[_Words], str], ...] = (
    lambda w: w.steaming + w.name,
    lambda w: w.steaming + w.measured,
    lambda w: _joined(w.style, w.measured),
    lambda w: _joined(w.served, w.topping, w.steam),
    lambda w: _joined(w.measured, w.topping, w.style),
    lambda w: _joined(w.view, w.steaming + w.measured, w.style),
    lambda w: _joined(f"{w.style}：{w.served}", w.view),
    _set,
    lambda w: _joined(w.served, w.topping, w.steam, w.table, w.beside, w.view, w.style),
    _seen,
)
