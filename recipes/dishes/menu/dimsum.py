"""Dumplings, buns and what comes in steamers."""

import math

import numpy as np

from recipes.dishes.arrange import circle, grid, lay, mound, strew, top
from recipes.dishes.ingredients import dough, garnish
from recipes.dishes.ingredients.soup import broth, oil, sauce
from recipes.dishes.menu.base import LIGHT_BOWLS, PLATES, SNACKS, Dish
from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import disc, leaf, rounded
from recipes.drawing.colour import colour

_STEAMED = ("竹蒸笼", "白瓷盘", "青花盘", "绿叶")


def _crowd(
    scene: Scene,
    surface: Surface,
    name: str,
    size: float,
    pieces: list[Piece],
    radius: float,
    around: int,
    middle: bool = True,
) -> None:
    stock = dough.stock_of(name, pieces)
    spots = circle(scene, around, radius)
    lay(scene, surface, stock, [*spots, (0.0, 0.0)] if middle else spots)


def jiaozi(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.34
    green = colour("b9d39a") if scene.chance(0.5) else colour("f3c8a4")
    pieces = [dough.dumpling(scene, size, scene.between(-0.5, 0.5), filling=green) for _ in range(6)]
    stock = dough.stock_of("饺子", pieces)
    rows = [(-0.5, 2), (-0.12, 3), (0.26, 3), (0.6, 2)]
    spots = [
        (0.62 * (k - (n - 1) / 2) * (1.0 if n == 3 else 1.05), v + scene.between(-0.04, 0.04))
        for v, n in rows
        for k in range(n)
    ]
    lay(scene, surface, stock, spots, 0.06)


def soup_buns(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.31
    pieces = [
        dough.pleated_bun(scene, size, 16, colour("fbe9cd"), colour("d99a60"), 0.55, colour("e9c594")) for _ in range(4)
    ]
    _crowd(scene, surface, "小笼包", size, pieces, 0.62, 6)


def big_buns(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.46
    whole = dough.stock_of("包子", [dough.pleated_bun(scene, size, 12, colour("fffaf0"), tall=0.85) for _ in range(2)])
    lay(scene, surface, whole, [(0.0, -0.42), (-0.48, 0.26)])
    top(scene, surface, dough.cut_bun(scene, size, colour("8f4a26")).done(), "包子", 0.50, 0.34)


def mantou(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.36
    pieces = [dough.plain_bun(scene, size) for _ in range(3)]
    stock = dough.stock_of("馒头", pieces)
    lay(scene, surface, stock, [(-0.38, -0.42), (0.40, -0.40), (-0.42, 0.34), (0.38, 0.36)])
    if scene.view.squash < 0.9 or scene.chance(0.5):
        lay(scene, surface, stock, [(0.0, 0.0)], 0.42)


def shumai(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.33
    pieces = [dough.open_dumpling(scene, size) for _ in range(4)]
    if scene.chance(0.5):
        lay(scene, surface, dough.stock_of("烧卖", pieces), grid(2, 2, 0.38, 0.38))
    else:
        _crowd(scene, surface, "烧卖", size, pieces, 0.60, 5)


def har_gow(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.40
    turn = scene.between(-0.4, 0.4)
    pieces = [dough.shrimp_dumpling(scene, size, turn + scene.between(-0.3, 0.3)) for _ in range(4)]
    lay(scene, surface, dough.stock_of("虾饺", pieces), grid(2, 2, 0.43, 0.37))


def rice_rolls(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("5a2a10"), 0.86, "酱油")
    size = surface.unit * 0.74
    pieces = [dough.rice_roll(scene, size, scene.between(-0.04, 0.04)) for _ in range(3)]
    lay(scene, surface, dough.stock_of("肠粉", pieces), [(0.0, v) for v in (-0.42, -0.04, 0.34)], 0.04)
    strew(scene, surface, garnish.scallions(scene, surface), 12, 0.5, 0.08)


def spring_rolls(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.64
    turn = scene.between(-0.3, 0.3)
    pieces = [dough.spring_roll(scene, size, turn + scene.between(-0.05, 0.05)) for _ in range(5)]
    stock = dough.stock_of("春卷", pieces)
    lay(scene, surface, stock, [(0.05 * v, v) for v in (-0.55, -0.21, 0.13, 0.47)])
    upper = [dough.spring_roll(scene, size * 0.62, turn + 0.6 * side, True) for side in (-1, 1)]
    lay(scene, surface, dough.stock_of("春卷", upper), [(-0.12, -0.16), (0.08, 0.20)], 0.2)


def fried_sticks(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 1.02
    turn = scene.between(-0.35, 0.35)
    pieces = [dough.fried_stick(scene, size, turn + scene.between(-0.08, 0.08)) for _ in range(2)]
    lay(scene, surface, dough.stock_of("油条", pieces), [(0.0, -0.34), (0.0, 0.38)])
    if scene.chance(0.5):
        over = dough.fried_stick(scene, size * 0.95, turn + scene.between(0.5, 0.8))
        top(scene, surface, over.done(), "油条", 0.0, 0.0, 0.15)


def wontons(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("f2e3b6"), edge=colour("cfae6c"))
    oil(scene, surface, colour("f4d98a"), 16)
    size = surface.unit * 0.31
    strew(scene, surface, garnish.seaweed(scene, surface, 0.22), 7, 0.85)
    pieces = [dough.wonton(scene, size, scene.angle()) for _ in range(5)]
    _crowd(scene, surface, "云吞", size, pieces, 0.52, 6)
    strew(scene, surface, garnish.scallions(scene, surface), 18, 0.8)


def tangyuan(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("f3dfae"), "甜汤", edge=colour("d2a95e"))
    size = surface.unit * 0.245
    pieces = [dough.ball(scene, size, colour("fffaf2"), 0.8, colour("f5eadb")) for _ in range(2)]
    stock = dough.stock_of("汤圆", pieces)
    lay(scene, surface, stock, [*circle(scene, 6, 0.55, scene.between(0.9, 1.2))])
    top(scene, surface, dough.cut_ball(scene, size * 1.1, colour("1d1714")).done(), "汤圆", 0.0, 0.05, 0.05)
    if scene.chance(0.5):
        strew(scene, surface, garnish.goji(scene, surface), 6, 0.85, inner=0.3)
    else:
        strew(scene, surface, garnish.osmanthus(scene, surface), 14, 0.84)


def zongzi(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.56
    stock = dough.stock_of("粽子", [dough.rice_parcel(scene, size, scene.between(-0.25, 0.25)) for _ in range(2)])
    lay(scene, surface, stock, [(-0.10, -0.44), (-0.50, 0.22)])
    # One is open: rice with a date on its leaf.
    under = scene.piece(
        leaf(0.42), Look(colour("5d9a40"), gloss=0.4, dome=0.3), surface.unit * 0.72, scene.between(-0.2, 0.2), 0.0
    )
    top(scene, surface, under, "粽子", 0.36, 0.44)
    heart = rounded(np.array([[0.0, -0.85], [0.9, 0.6], [-0.9, 0.6]]), 3)
    look = Look(
        colour("f6ead0"),
        gloss=0.8,
        dome=0.6,
        patch=colour("dcc08c"),
        patched=0.35,
        patch_size=0.5,
        edge_ink=colour("d8bf8e"),
        edge_share=0.4,
        bumps=2,
    )
    top(
        scene, surface, scene.piece(heart, look, surface.unit * 0.44, scene.between(-0.2, 0.2), 0.6), "糯米", 0.36, 0.38
    )
    lay(scene, surface, garnish.dates(scene, surface, 0.14), [(0.34, 0.42)], 0.06)


def pan_buns(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.30
    _crowd(scene, surface, "生煎包", size, [dough.pan_bun(scene, size) for _ in range(4)], 0.6, 6)
    strew(scene, surface, garnish.sesame(scene, surface, dark=True), 24, 0.75, 0.1)
    strew(scene, surface, garnish.scallions(scene, surface), 16, 0.75, 0.1)


def sesame_balls(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.31
    pieces = [dough.ball(scene, size, colour("d9902f"), 0.5, colour("9a5716"), colour("fbeec4")) for _ in range(3)]
    stock = dough.stock_of("麻团", pieces)
    lay(scene, surface, stock, circle(scene, 6, 0.58))
    lay(scene, surface, stock, [(0.0, -0.05)], 0.3)


def scallion_cakes(scene: Scene, surface: Surface) -> None:
    mound(scene, surface, "葱油饼", colour("b8701f"), 0.86, 0.02)
    top(scene, surface, dough.scallion_cake(scene, surface.unit * 0.86).done(), "葱油饼", 0.0, 0.0, 0.05)


def stuffed_breads(scene: Scene, surface: Surface) -> None:
    if scene.chance(0.5):
        pieces = dough.stock_of("肉夹馍", [dough.stuffed_bread(scene, surface.unit * 0.46) for _ in range(2)])
        lay(scene, surface, pieces, [(-0.46, -0.14), (0.46, 0.16)])
    else:
        top(scene, surface, dough.stuffed_bread(scene, surface.unit * 0.66).done(), "肉夹馍", 0.0, 0.0)


def crepes(scene: Scene, surface: Surface) -> None:
    angle = scene.between(-0.4, 0.4)
    top(scene, surface, dough.crepe(scene, surface.unit * 0.84, angle).done(), "煎饼", 0.0, 0.05)


def egg_tarts(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.40
    stock = dough.stock_of("蛋挞", [dough.egg_tart(scene, size) for _ in range(3)])
    spots = [(0.0, -0.44), (-0.46, 0.28), (0.46, 0.30)] if scene.chance(0.5) else grid(2, 2, 0.43, 0.40)
    lay(scene, surface, stock, spots)


def soy_milk(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("fbf0d8"), "豆浆", edge=colour("ecd9b2"))
    ring = Look(colour("fffaf0"), gloss=0.6, dome=0.6, contour=0.4)
    if scene.facts.vessel != "玻璃杯":
        for k, tilt in enumerate((0.5, 0.75)):
            stick = dough.fried_stick(scene, surface.unit * 0.62, tilt - math.pi * (0.5 - 0.3 * scene.light))
            top(scene, surface, stick.done(), "油条", scene.light * (0.42 + 0.18 * k), -0.42 + 0.2 * k, 0.1)
    elif scene.view.name != "特写":
        beside = dough.fried_stick(scene, scene.side * 0.34, math.pi / 2 + scene.between(-0.25, 0.25))
        scene.stamp(
            beside.done(1.3), surface.x - surface.unit * 1.0 - scene.side * 0.13, surface.y + 0.06 * scene.side, "油条"
        )
    bubbles = scene.stock("气泡", lambda: (disc(count=14), ()), ring, surface.unit * 0.05, 4, 0.2, shadow=0.5)
    side = scene.angle()
    for k in range(9):
        a = side + 0.12 * k
        top(scene, surface, bubbles.sprites[k % 4], "气泡", 0.86 * math.cos(a), 0.86 * math.sin(a))


DISHES = [
    Dish("饺子", ("白瓷盘", "青花盘", "黑陶盘", "竹蒸笼"), jiaozi),
    Dish("小笼包", ("竹蒸笼",), soup_buns),
    Dish("包子", _STEAMED, big_buns, free=True),
    Dish("馒头", ("竹蒸笼", "青花盘", "黑陶盘", "木板"), mantou),
    Dish("烧卖", ("竹蒸笼", "白瓷盘", "绿叶"), shumai, free=True),
    Dish("虾饺", ("竹蒸笼", "黑陶盘", "绿叶"), har_gow, free=True),
    Dish("肠粉", PLATES, rice_rolls),
    Dish("春卷", (*PLATES, "木板", "油纸"), spring_rolls, beside=()),
    Dish("油条", ("白瓷盘", "青花盘", "木板", "油纸"), fried_sticks, beside=()),
    Dish("云吞", LIGHT_BOWLS, wontons, beside=("勺子",)),
    Dish("汤圆", ("黑陶碗", "红漆碗", "青花碗", "青瓷碗"), tangyuan, beside=("勺子",)),
    Dish("粽子", SNACKS, zongzi, beside=(), free=True),
    Dish("生煎包", ("铁锅", "白瓷盘"), pan_buns),
    Dish("麻团", (*PLATES, "竹蒸笼"), sesame_balls, beside=()),
    Dish("葱油饼", (*PLATES, "木板", "铁锅"), scallion_cakes, beside=()),
    Dish("肉夹馍", ("木板", "油纸", "白瓷盘", "青花盘"), stuffed_breads, beside=(), free=True),
    Dish("煎饼", ("油纸", "木板", "白瓷盘"), crepes, beside=()),
    Dish("蛋挞", SNACKS, egg_tarts, True, (), free=True),
    Dish("豆浆", ("玻璃杯", "白瓷碗", "青花碗", "黑陶碗"), soy_milk, beside=("勺子",)),
]
