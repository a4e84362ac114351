"""Noodles and rice."""

import math

from recipes.dishes.arrange import circle, heap, lay, mound, strew, top
from recipes.dishes.ingredients import garnish, meat, seafood, vegetables
from recipes.dishes.ingredients.noodles import noodles, shreds
from recipes.dishes.ingredients.soup import broth, oil
from recipes.dishes.menu.base import BOWLS, LIGHT_BOWLS, PLATES, Dish
from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import box
from recipes.drawing.colour import colour

WHEAT = colour("f6d68e")


def beef_noodles(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("a4521c"))
    oil(scene, surface, colour("d8571a"), 24)
    noodles(scene, surface, WHEAT)
    turn = scene.angle()
    greens = garnish.greens(scene, surface, 0.34, (turn, turn + 0.6))
    lay(
        scene,
        surface,
        greens,
        [(0.55 * math.cos(turn), 0.55 * math.sin(turn)), (0.55 * math.cos(turn + 0.6), 0.5 * math.sin(turn + 0.6))],
    )
    beef = meat.beef_slices(scene, surface, 0.27)
    spots = [
        (0.42 * math.cos(turn + math.pi + k * 0.62), 0.42 * math.sin(turn + math.pi + k * 0.62))
        for k in (-1.5, -0.75, 0, 0.75, 1.5)
    ]
    lay(scene, surface, beef, [*spots, (0.0, 0.05)], 0.1)
    strew(scene, surface, garnish.scallions(scene, surface), 20, 0.62)


def ramen(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("e2b573"), edge=colour("b87a36"))
    oil(scene, surface, colour("f2cf8a"), 18)
    turn = scene.between(-0.5, 0.5)
    for k in (-0.12, 0.16):
        top(scene, surface, vegetables.nori(scene, surface.unit * 0.36, k).done(), "海苔", 0.34 + k * 0.7, -0.72)
    noodles(scene, surface, colour("f9dc90"), 0.03, radius=0.72)
    rolls = meat.ham_roll(scene, surface, 0.36)
    lay(scene, surface, rolls, [(-0.42, -0.22), (-0.50, 0.26)], 0.06)
    top(scene, surface, vegetables.half_egg(scene, surface.unit * 0.3, turn).done(), "半个鸡蛋", 0.36, 0.36, 0.06)
    top(
        scene, surface, vegetables.half_egg(scene, surface.unit * 0.3, turn + 0.4).done(), "半个鸡蛋", -0.08, 0.56, 0.06
    )
    top(scene, surface, vegetables.fish_cake(scene, surface.unit * 0.24).done(), "鱼板", 0.52, -0.1, 0.05)
    strew(scene, surface, garnish.scallions(scene, surface), 14, 0.3, 0.1)


def sauce_noodles(scene: Scene, surface: Surface) -> None:
    noodles(scene, surface, colour("f8dfa0"), 0.036, 18, 7, 0.95, 0.16, sunk=False)
    start = scene.angle()
    fans = [
        (garnish.cucumber_sticks(scene, surface, 0.26), start),
        (garnish.carrot_shreds(scene, surface, 0.24), start + 2 * math.pi / 3),
        (shreds(scene, surface, "豆芽", [colour("fbf3df")], 0.24, 0.1), start + 4 * math.pi / 3),
    ]
    for stock, angle in fans:
        lay(
            scene,
            surface,
            stock,
            [
                (0.58 * math.cos(angle + k * 0.13), 0.58 * math.sin(angle + k * 0.13), 0.08 + 0.05 * (k % 2))
                for k in range(-3, 4)
            ],
        )
    pork = meat.mince(scene, surface, colour("4a2210"), 0.07)
    heap(scene, surface, [(pork, 46)], 0.36, 0.26, colour("2e140a"), 0.3)


def cold_noodles(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("c23a14"), "红油", radius=0.98)
    noodles(scene, surface, colour("fbf0dc"), 0.07, 18, 4, 0.92, 0.16, "凉皮", shade=colour("d9a878"))
    cubes = scene.stock(
        "面筋",
        lambda: (box(1, 0.9, 0.2), ()),
        Look(colour("e0b878"), gloss=0.3, dome=0.6, bumps=2, patch=colour("bf8f4e"), patched=0.4),
        surface.unit * 0.12,
        5,
    )
    strew(scene, surface, cubes, 7, 0.5, 0.1)
    sticks = garnish.cucumber_sticks(scene, surface, 0.27)
    lay(scene, surface, sticks, [(x, y, 0.14) for x, y in circle(scene, 9, 0.18)])
    chilli = garnish.chilli_flakes(scene, surface, 0.05)
    strew(scene, surface, chilli, 34, 0.7, 0.1)
    strew(scene, surface, garnish.peanuts(scene, surface, 0.06), 8, 0.55, 0.1)
    oil(scene, surface, colour("e2401a"), 14, 0.06, 0.85)


def glass_noodle_soup(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("f0e2bc"), edge=colour("c9a968"))
    noodles(scene, surface, colour("e6e8de"), 0.028, 20, 8, 0.88, 0.06, "粉丝", shade=colour("a3a58e"))
    blood = meat.blocks(
        scene,
        "鸭血",
        box(1, 1, 0.1),
        surface.unit * 0.13,
        0.5,
        Look(colour("6e1a1c"), gloss=0.9, dome=0.2, edge=0.2),
        [(1.0, colour("4a1012"))],
        5,
    )
    lay(scene, surface, blood, [(x, y, 0.04) for x, y in circle(scene, 5, 0.52)])
    lay(scene, surface, vegetables.tofu_puffs(scene, surface), [(x, y, 0.04) for x, y in circle(scene, 5, 0.42)])
    strew(scene, surface, garnish.coriander(scene, surface, 0.12), 8, 0.35, 0.1)


def fried_noodles(scene: Scene, surface: Surface) -> None:
    mound(scene, surface, "面条", colour("a8641e"), 0.68, 0.2)
    noodles(scene, surface, colour("dc9a3c"), 0.036, 26, 6, 0.76, 0.36, sunk=False, shade=colour("8a4a16"))
    meats = shreds(scene, surface, "肉丝", [colour("a85f3a"), colour("8e4a2a")], 0.2, 0.17)
    strew(scene, surface, meats, 9, 0.6, 0.36)
    strew(scene, surface, garnish.carrot_shreds(scene, surface, 0.2), 11, 0.65, 0.36)
    strew(scene, surface, garnish.greens(scene, surface, 0.24), 5, 0.6, 0.36)
    strew(scene, surface, shreds(scene, surface, "豆芽", [colour("fbf3df")], 0.2, 0.1), 12, 0.65, 0.36)
    strew(scene, surface, garnish.scallions(scene, surface), 12, 0.6, 0.38)


def fried_rice(scene: Scene, surface: Surface) -> None:
    grains = vegetables.rice(scene, surface, 0.052, "fdeab0")
    peas = garnish.peas(scene, surface, 0.055)
    carrots = meat.cubes(scene, surface, "胡萝卜丁", (colour("f2842a"), colour("f8a24a")), 0.062, 0.6)
    egg = vegetables.egg_curds(scene, surface, 0.1)
    heap(scene, surface, [(grains, 230), (peas, 22), (carrots, 20), (egg, 20)], 0.72, 0.5, colour("efc978"), 0.35)
    strew(scene, surface, seafood.peeled_shrimps(scene, surface, 0.15), 5, 0.48, 0.5)
    strew(scene, surface, garnish.scallions(scene, surface, 0.042), 14, 0.6, 0.5)


def claypot_rice(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("f3e8cf"), "米饭", edge=colour("d9b87c"))
    grains = vegetables.rice(scene, surface)
    heap(scene, surface, [(grains, 170)], 0.94, 0.1, None, 0.3)
    start = scene.angle()
    sausages = meat.sausage_slices(scene, surface, 0.17)
    lay(
        scene,
        surface,
        sausages,
        [(0.52 * math.cos(start + 0.3 * k), 0.52 * math.sin(start + 0.3 * k), 0.12) for k in range(-4, 5)],
    )
    turn = start + math.pi
    greens = garnish.greens(scene, surface, 0.3, (turn - 0.4, turn + 0.4))
    lay(
        scene, surface, greens, [(0.55 * math.cos(turn + k), 0.55 * math.sin(turn + k), 0.12) for k in (-0.6, 0.0, 0.6)]
    )
    top(scene, surface, vegetables.fried_egg(scene, surface.unit * 0.36).done(), "煎蛋", 0.0, 0.02, 0.14)


DISHES = [
    Dish("牛肉面", BOWLS, beef_noodles),
    Dish("拉面", ("黑陶碗", "红漆碗", "白瓷碗", "青花碗"), ramen, free=True),
    Dish("炸酱面", (*LIGHT_BOWLS, "黑陶碗"), sauce_noodles),
    Dish("凉皮", LIGHT_BOWLS, cold_noodles, False),
    Dish("粉丝汤", BOWLS, glass_noodle_soup),
    Dish("炒面", PLATES, fried_noodles),
    Dish("炒饭", PLATES, fried_rice, beside=("勺子",)),
    Dish("煲仔饭", ("砂锅",), claypot_rice, beside=("勺子", "筷子")),
]
