"""Porridges, puddings, cakes, and snacks of the street."""

import math
from dataclasses import replace

import numpy as np

from recipes.dishes.arrange import circle, grid, heap, lay, strew, top
from recipes.dishes.ingredients import dough, garnish, meat, vegetables
from recipes.dishes.ingredients.soup import broth, oil
from recipes.dishes.menu.base import BOWLS, LIGHT_BOWLS, PLATES, Dish
from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import Mark, blob, box, disc, strip
from recipes.drawing.colour import Colour, colour, mix


def _grains(scene: Scene, surface: Surface, ink: Colour, name: str, count: int = 60) -> None:
    look = Look(ink, gloss=0.4, dome=0.7, contour=0.3)
    grain = scene.stock(name, lambda: (disc(1.0, 0.55, count=12), ()), look, surface.unit * 0.05, 6, shadow=0.35)
    strew(scene, surface, grain, count, 0.92)


def century_egg_porridge(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("f8f0dc"), "粥", edge=colour("dccba4"))
    _grains(scene, surface, colour("fffbef"), "粥")
    strew(scene, surface, vegetables.century_egg(scene, surface, 0.17), 9, 0.68)
    strew(scene, surface, shreds_of_pork(scene, surface), 12, 0.68)
    strew(scene, surface, garnish.scallions(scene, surface), 16, 0.6)


def shreds_of_pork(scene: Scene, surface: Surface, size: float = 0.13, code: str = "d9a27c") -> Stock:
    look = Look(colour(code), gloss=0.4, dome=0.8)
    return scene.stock("肉丝", lambda: (strip(scene.between(-0.3, 0.3), 0.2, 0.3), ()), look, surface.unit * size, 6)


def eight_treasures(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("6e2a2c"), "粥", edge=colour("45161c"))
    _grains(scene, surface, colour("8c4440"), "粥", 50)
    strew(scene, surface, garnish.beans(scene, surface, "a31f2a"), 26, 0.85)
    strew(scene, surface, garnish.peanuts(scene, surface, 0.08), 10, 0.8)
    strew(scene, surface, garnish.lotus_seeds(scene, surface, 0.09), 10, 0.75)
    strew(scene, surface, garnish.dates(scene, surface, 0.15), 5, 0.55)
    strew(scene, surface, garnish.beans(scene, surface, "3f7a34", "绿豆", 0.06), 14, 0.85)


def tofu_pudding(scene: Scene, surface: Surface) -> None:
    """Sheets of soft bean curd in brown syrup or soy sauce."""
    sweet = scene.chance(0.5)
    broth(scene, surface, colour("a3561a"), "糖水" if sweet else "卤汁", edge=colour("6e330c"))
    look = Look(colour("fffaf0"), gloss=0.9, dome=0.35, edge=0.35, edge_ink=colour("ecd7b4"), edge_share=0.2, sharp=14)
    scoop = scene.stock("豆花", lambda: (blob(scene.rng, 0.12, 1.0, 0.75), ()), look, surface.unit * 0.42, 6, 0.2)
    spots = [*circle(scene, 6, 0.44), (0.0, 0.0)]
    lay(scene, surface, scoop, spots, 0.05)
    if sweet:
        strew(scene, surface, garnish.beans(scene, surface, "8c1c22", size=0.075), 16, 0.4, 0.08)
        strew(scene, surface, garnish.osmanthus(scene, surface), 12, 0.7)
    else:
        strew(scene, surface, garnish.chilli_flakes(scene, surface), 14, 0.3, 0.08)
        strew(scene, surface, garnish.peanuts(scene, surface, 0.07), 9, 0.45, 0.08)
        strew(scene, surface, garnish.scallions(scene, surface), 16, 0.6, 0.08)


def mooncakes(scene: Scene, surface: Surface) -> None:
    size = surface.unit * 0.42
    whole = dough.stock_of("月饼", [dough.mooncake(scene, size) for _ in range(2)])
    lay(scene, surface, whole, [(0.0, -0.44), (-0.46, 0.28)])
    top(scene, surface, dough.cut_mooncake(scene, size).done(), "月饼", 0.48, 0.34)


def rice_cake(scene: Scene, surface: Surface) -> None:
    """Long slices of rice cake, fried with greens, pork and carrots."""

    def slice_of() -> tuple[np.ndarray, list[Mark]]:
        return box(1.0, 0.40, 0.38), [Mark(np.array([[-0.6, 0.14], [0.6, 0.14]]), colour("f0dcb8"), 0.05)]

    look = Look(
        colour("fff7e6"), gloss=0.7, dome=0.25, edge=0.3, edge_ink=colour("e6c594"), edge_share=0.3, contour=0.7
    )
    slices = scene.stock("年糕片", slice_of, look, surface.unit * 0.25, 8, 0.25)
    leaves = garnish.greens(scene, surface, 0.26)
    pork = shreds_of_pork(scene, surface, 0.19, "b06a42")
    carrots = garnish.carrot_shreds(scene, surface, 0.22)
    heap(scene, surface, [(slices, 26), (leaves, 9), (pork, 12), (carrots, 9)], 0.66, 0.32, colour("d9b070"))
    strew(scene, surface, garnish.scallions(scene, surface), 12, 0.6, 0.36)


def bean_cakes(scene: Scene, surface: Surface) -> None:
    """Pressed cakes of mung beans with a flower on each."""
    green = colour("b5cc5a")
    t = np.linspace(0, 2 * math.pi, 40)
    r = 0.42 + 0.16 * np.cos(6 * t)
    flower = np.stack([r * np.cos(t), r * np.sin(t)], 1)
    deep = mix(green, (0.3, 0.35, 0.1), 0.5)
    marks = (
        Mark(np.add(flower, (0.03, 0.04)), mix(green, (1, 1, 0.8), 0.6), 0.09),
        Mark(flower, deep, 0.075),
        Mark(disc(0.13, 0.13, count=12), deep),
    )
    look = Look(green, gloss=0.2, dome=0.25, edge=0.15, edge_ink=mix(green, (1, 1, 0.8), 0.35), edge_share=0.15)
    bands = [(1.0, mix(green, (0.45, 0.45, 0.1), 0.3))]
    cakes = meat.blocks(scene, "绿豆糕", box(1, 1, 0.2), surface.unit * 0.27, 0.9, look, bands, 3, (-0.06, 0.06), marks)
    spots = grid(3, 2, 0.62, 0.33) if scene.chance(0.5) else grid(3, 3, 0.60, 0.58)
    lay(scene, surface, cakes, spots, 0.05)


_PETALS = (
    *((dx, dy, (0.07, 0.07), colour("fff3b0")) for dx, dy in ((-0.07, 0), (0.07, 0), (0, -0.07), (0, 0.07))),
    (0.0, 0.0, (0.04, 0.04), colour("e07a10")),
)


def osmanthus_cakes(scene: Scene, surface: Surface) -> None:
    """Lozenges of clear amber jelly over a white layer, flowers in it."""
    amber = colour("f9b52a")
    outline = np.array([[0.0, -0.8], [1.15, 0.0], [0.0, 0.8], [-1.15, 0.0]])
    marks = tuple(
        Mark(disc(*size, x + dx, y + dy, 8), ink)
        for x, y in ((-0.5, 0.05), (0.0, -0.35), (0.45, 0.0), (0.0, 0.3), (-0.1, -0.02))
        for dx, dy, size, ink in _PETALS
    )
    look = Look(
        amber,
        gloss=1.0,
        dome=0.2,
        edge=0.3,
        edge_ink=colour("fdd672"),
        edge_share=0.25,
        patch=colour("fcc95a"),
        patched=0.4,
        sharp=14,
    )
    bands = [(0.55, colour("eb9a1a")), (1.0, colour("fff6e6"))]
    cakes = meat.blocks(scene, "桂花糕", outline, surface.unit * 0.30, 1.15, look, bands, 4, (-0.15, 0.15), marks)
    lay(
        scene,
        surface,
        cakes,
        [(0.0, -0.52), (-0.40, -0.14), (0.40, -0.16), (0.0, 0.20), (-0.42, 0.5), (0.42, 0.48)],
        0.05,
    )
    strew(scene, surface, garnish.osmanthus(scene, surface, 0.04), 12, 0.75, inner=0.2)


def candied_haws(scene: Scene, surface: Surface) -> None:
    """Haws on sticks, under clear sugar."""
    count = scene.count(2, 3)
    turn = scene.between(-0.5, 0.1)
    for k in range(count):
        v = (k - (count - 1) / 2) * 0.46
        top(scene, surface, skewered_haws(scene, surface.unit, turn).done(), "糖葫芦", -0.06 * k, v, 0.05)


def skewered_haws(scene: Scene, unit: float, angle: float) -> Piece:
    piece = Piece(scene, unit * 1.25)
    stick = Look(colour("dcb272"), gloss=0.2, dome=0.8)
    piece.lump(box(1.12, 0.03, 0.02), stick, unit, angle, 0.0)
    haw = Look(colour("d3141c"), gloss=1.0, dome=1.1, edge_ink=colour("8a0a12"), edge_share=0.8, sharp=14)
    for x in np.linspace(-0.78, 0.52, 6):
        at = dough.turn_at(x * unit, 0.0, angle)
        at = (at[0], at[1] * scene.view.squash)
        piece.lump(disc(), haw, unit * 0.185, 0.0, 0.95, at)
        dimple = (at[0] - 0.04 * unit, at[1] + 0.05 * unit)
        piece.lump(
            disc(0.2, 0.16, count=10), Look(colour("6a2a12"), gloss=0.2, contour=0.0), unit * 0.185, 0.0, 0.9, dimple
        )
    return piece


def skewers(scene: Scene, surface: Surface) -> None:
    """Grilled meat on sticks, strewn with cumin and chilli."""
    turn = scene.between(-0.5, 0.2)
    count = scene.count(3, 4)
    for k in range(count):
        v = (k - (count - 1) / 2) * 0.36
        top(
            scene,
            surface,
            skewered_meat(scene, surface.unit, turn + scene.between(-0.04, 0.04)).done(),
            "烤串",
            -0.05 * k,
            v,
            0.04,
        )


def skewered_meat(scene: Scene, unit: float, angle: float) -> Piece:
    piece = Piece(scene, unit * 1.3)
    piece.lump(box(1.15, 0.028, 0.02), Look(colour("cfa468"), gloss=0.2, dome=0.8), unit, angle, 0.0)
    for k, x in enumerate(np.linspace(-0.72, 0.55, 7)):
        at = dough.turn_at(x * unit, scene.between(-0.01, 0.01) * unit, angle)
        at = (at[0], at[1] * scene.view.squash)
        fat = k % 3 == 1
        look = Look(
            colour("e9bd78") if fat else colour(str(scene.rng.choice(["9a4a22", "84381a", "ad5a2a"]))),
            gloss=0.9,
            dome=0.9,
            edge_ink=colour("8a4a1c") if fat else colour("421a0c"),
            edge_share=0.6,
            patch=colour("c9793a"),
            patched=0.35,
            bumps=1.4,
            sharp=16,
        )
        piece.lump(blob(scene.rng, 0.16, 0.85, 1.05), look, unit * 0.135, angle + scene.between(-0.2, 0.2), 0.4, at)
    for _ in range(26):
        at = dough.turn_at(scene.between(-0.78, 0.62) * unit, scene.between(-0.1, 0.1) * unit, angle)
        code = str(scene.rng.choice(["d8301a", "e0501c", "f3dfa0"]))
        piece.lump(
            disc(1.0, 0.7, count=8),
            Look(colour(code), gloss=0.3, contour=0.0),
            unit * 0.026,
            scene.angle(),
            0.2,
            (at[0], at[1] * scene.view.squash),
        )
    return piece


def stinky_tofu(scene: Scene, surface: Surface) -> None:
    """Black fried cubes under red sauce."""
    if surface.deep:
        broth(scene, surface, colour("8c3412"), "汤汁", radius=0.96)
    black = colour("2c2a28")
    look = Look(black, gloss=0.5, dome=0.3, edge=0.25, patch=colour("54493c"), patched=0.35, bumps=2.0)
    tofu = meat.blocks(
        scene, "臭豆腐", box(1, 1, 0.15), surface.unit * 0.21, 0.9, look, [(1.0, colour("1f1c1b"))], 6, (0, 1.4)
    )
    lay(scene, surface, tofu, [*circle(scene, 7, 0.56), (-0.18, -0.02), (0.2, 0.06)], 0.04)
    lay(scene, surface, tofu, [(0.0, -0.24)], 0.3)
    red = Look(colour("d4280e"), gloss=1.0, dome=0.5, edge_ink=colour("f0641e"), edge_share=0.3, contour=0.5)
    dollop = scene.stock("辣酱", lambda: (blob(scene.rng, 0.3), ()), red, surface.unit * 0.12, 6)
    strew(scene, surface, dollop, 12, 0.58, 0.22)
    strew(scene, surface, garnish.chilli_rings(scene, surface, 0.05), 8, 0.6, 0.25)
    strew(scene, surface, garnish.coriander(scene, surface, 0.12), 9, 0.5, 0.28)


def rolled_cakes(scene: Scene, surface: Surface) -> None:
    """Lüdagun: slices of a roll, a spiral of red bean paste, bean flour outside."""
    size = surface.unit * 0.30
    t = np.linspace(1.2, 14, 56)
    r = 0.061 * t
    spiral = Mark(np.stack([r * np.cos(t), r * np.sin(t)], 1), colour("6a1f20"), 0.17)
    pieces = []
    for _ in range(3):
        piece = Piece(scene, size * 1.6)
        drop = size * 0.6 * max(scene.view.lift, 0.3)
        side = Look(colour("d9a648"), gloss=0.1, dome=0.3, edge_ink=colour("b07a26"), edge_share=0.5, bumps=1.5)
        piece.lump(disc(), side, size, 0.0, 0.0, (0.0, drop / 2))
        piece.lump(disc(), replace(side, contour=0.0), size, 0.0, 0.0, (0.0, 0.0))
        face = Look(colour("fbeed2"), gloss=0.4, dome=0.15, edge=0.15, edge_ink=colour("e0b052"), edge_share=0.16)
        piece.lump(disc(), face, size, 0.0, 0.0, (0.0, -drop / 2), marks=[spiral])
        pieces.append(piece)
    lay(
        scene,
        surface,
        dough.stock_of("驴打滚", pieces),
        [(-0.5, -0.36), (0.1, -0.44), (0.62, -0.12), (-0.62, 0.22), (0.0, 0.14), (0.42, 0.46)],
        0.04,
    )


def sweet_potatoes(scene: Scene, surface: Surface) -> None:
    """One whole, one torn open."""
    size = surface.unit * 0.80
    angle = scene.between(-0.35, 0.1)
    t = np.linspace(-1, 1, 22)
    half = 0.37 * (1 - np.abs(t) ** 2.6) ** 0.7 * (1 + 0.12 * np.sin(t * 4 + 1)) + 0.015
    outline = np.concatenate([np.stack([t, -half], 1), np.stack([t, half], 1)[::-1]])
    skin = Look(
        colour("b0604c"),
        gloss=0.3,
        dome=0.9,
        patch=colour("84443c"),
        patched=0.35,
        patch_size=0.5,
        edge_ink=colour("6a3430"),
        edge_share=0.6,
        bumps=1.4,
    )
    lines = [Mark(np.array([[x, -0.2], [x + 0.05, 0.16]]), colour("4a1f26"), 0.022) for x in (-0.5, -0.1, 0.35, 0.6)]
    top(
        scene,
        surface,
        Piece(scene, size * 1.1).lump(outline, skin, size, angle, 0.5, marks=lines).done(),
        "烤红薯",
        -0.05,
        -0.40,
    )
    piece = Piece(scene, size * 1.1)
    piece.lump(outline, skin, size, angle, 0.4)
    inner = blob(scene.rng, 0.08, 0.88, 0.335)
    flesh = Look(
        colour("fb9a1e"),
        gloss=0.6,
        dome=0.5,
        edge_ink=colour("e8701a"),
        edge_share=0.35,
        patch=colour("fdbf52"),
        patched=0.45,
        bumps=2.2,
        sharp=14,
    )
    fibres = [
        Mark(np.stack([np.linspace(-0.7, 0.7, 9), v + 0.02 * np.sin(np.linspace(0, 8, 9))], 1), colour("fdd07a"), 0.02)
        for v in (-0.1, 0.0, 0.1)
    ]
    piece.lump(inner, flesh, size, angle, 0.4, (0.0, -0.02 * size), marks=fibres)
    top(scene, surface, piece.done(), "烤红薯", 0.05, 0.30)


def tea_eggs(scene: Scene, surface: Surface) -> None:
    if surface.deep:
        broth(scene, surface, colour("8a4a1c"), "茶汤", edge=colour("4f260c"), radius=0.98)
    size = surface.unit * 0.32
    stock = dough.stock_of("茶叶蛋", [vegetables.marbled_egg(scene, size) for _ in range(4)])
    lay(
        scene,
        surface,
        stock,
        [(-0.38, -0.34), (0.36, -0.36), (-0.42, 0.30), (0.14, 0.36)]
        if not surface.deep
        else [*circle(scene, 4, 0.44, 0.7)],
    )
    top(
        scene,
        surface,
        vegetables.half_egg(scene, size, scene.between(-0.3, 0.3), False).done(),
        "茶叶蛋",
        0.52 if not surface.deep else 0.0,
        0.10,
    )
    if surface.deep:
        lay(scene, surface, garnish.bay(scene, surface), [(0.6, 0.3), (-0.6, -0.2)])
        star = scene.stock(
            "八角", lambda: (_star(), ()), Look(colour("5c2a12"), gloss=0.4), surface.unit * 0.15, 3, 0.1
        )
        lay(scene, surface, star, [(-0.55, 0.45), (0.58, -0.32)])
        oil(scene, surface, colour("b06a2a"), 8, 0.04)


def _star() -> np.ndarray:
    t = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    r = 0.62 + 0.38 * np.cos(8 * t)
    return np.stack([r * np.cos(t), r * np.sin(t)], 1)


DISHES = [
    Dish("皮蛋粥", (*LIGHT_BOWLS, "黑陶碗", "砂锅"), century_egg_porridge, beside=("勺子",)),
    Dish("八宝粥", (*LIGHT_BOWLS, "砂锅"), eight_treasures, beside=("勺子",)),
    Dish("豆花", BOWLS, tofu_pudding, beside=("勺子",)),
    Dish("月饼", (*PLATES, "木板"), mooncakes, False, (), free=True),
    Dish("年糕", ("青花盘", "黑陶盘", "青瓷盘", "白瓷盘"), rice_cake),
    Dish("绿豆糕", (*PLATES, "木板"), bean_cakes, False, ()),
    Dish("桂花糕", (*PLATES, "绿叶"), osmanthus_cakes, False, (), free=True),
    Dish("糖葫芦", ("白瓷盘", "木板", "油纸"), candied_haws, False, ()),
    Dish("烤串", ("白瓷盘", "黑陶盘", "木板", "油纸", "绿叶"), skewers, True, ()),
    Dish("臭豆腐", ("白瓷碗", "青花碗", "白瓷盘", "油纸"), stinky_tofu, True, ()),
    Dish("驴打滚", (*PLATES, "木板"), rolled_cakes, False, (), free=True),
    Dish("烤红薯", ("木板", "油纸", "白瓷盘", "青花盘"), sweet_potatoes, True, ()),
    Dish("茶叶蛋", ("砂锅", "白瓷碗", "青花碗", "白瓷盘", "青瓷盘"), tea_eggs, True, (), free=True),
]
