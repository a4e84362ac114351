"""Meat, fish, bean curd and vegetables on plates and in bowls."""

import math

import numpy as np

from recipes.dishes.arrange import heap, lay, strew, top
from recipes.dishes.ingredients import dough, garnish, meat, seafood, vegetables
from recipes.dishes.ingredients.noodles import shreds
from recipes.dishes.ingredients.soup import broth, oil, ribbons, sauce
from recipes.dishes.menu.base import BOWLS, LIGHT_BOWLS, PLATES, Dish
from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import box, disc, strip
from recipes.drawing.colour import colour


def kung_pao(scene: Scene, surface: Surface) -> None:
    chicken = meat.cubes(scene, surface, "鸡丁", (colour("d58a3c"), colour("b8641f")), 0.15, 0.9, colour("94481a"))
    leek = scene.stock(
        "大葱",
        lambda: (box(1, 0.72, 0.3), ()),
        Look(colour("c9e0a0"), gloss=0.6, dome=0.8, patch=colour("7fb857"), patched=0.4),
        surface.unit * 0.1,
        5,
    )
    sauce(scene, surface, colour("7c2f10"), 0.82)
    heap(
        scene,
        surface,
        [
            (chicken, 30),
            (garnish.peanuts(scene, surface), 18),
            (garnish.dried_chillies(scene, surface, 0.16), 11),
            (leek, 10),
        ],
        0.68,
        0.36,
        colour("8a3c14"),
    )


def mapo_tofu(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("c22a0e"), "红油", edge=colour("8a1608"), radius=0.98 if surface.deep else 0.8)
    radius = 0.8 if surface.deep else 0.62
    tofu = vegetables.tofu(scene, surface, 0.135)
    heap(scene, surface, [(tofu, 24)], radius, 0.16, None, 0.2)
    strew(scene, surface, meat.mince(scene, surface, colour("8a3a18"), 0.05), 34, radius, 0.16)
    strew(scene, surface, garnish.chilli_flakes(scene, surface), 22, radius, 0.16)
    strew(scene, surface, garnish.scallions(scene, surface), 24, radius, 0.18)
    oil(scene, surface, colour("e8481a"), 12, 0.05, 0.9 if surface.deep else 0.7)


def peking_duck(scene: Scene, surface: Surface) -> None:
    size = surface.unit
    slices = []
    for row, v in enumerate((-0.30, 0.06, 0.42)):
        for k in range(6):
            slices.append((-0.68 + 0.16 * k + 0.04 * row, v + 0.02 * k))
    stock = meat.duck_slices(scene, surface, 0.26, -0.15)
    order = sorted(slices, key=lambda spot: (round(spot[1] / 0.3), -spot[0]))
    for i, (u, v) in enumerate(order):
        top(scene, surface, stock.sprites[i % 5], stock.name, u, v, 0.05)
    pancake = Look(colour("fdf3df"), gloss=0.2, dome=0.15, edge=0.2, patch=colour("e2bd84"), patched=0.25)
    wraps = scene.stock("荷叶饼", lambda: (disc(), ()), pancake, size * 0.27, 2, 0.05)
    lay(scene, surface, wraps, [(0.56, -0.46), (0.60, -0.38)], 0.02)
    sticks = garnish.cucumber_sticks(scene, surface, 0.24, (1.4, 1.7))
    lay(scene, surface, sticks, [(0.42 + 0.07 * k, 0.1 + 0.02 * (k % 2)) for k in range(6)])
    bowl = Look(colour("f4f3ee"), gloss=0.6, dome=0.3, edge=0.2)
    top(scene, surface, scene.piece(disc(), bowl, size * 0.2, 0, 0.1), "甜面酱", 0.46, 0.54)
    top(
        scene,
        surface,
        scene.piece(disc(), Look(colour("3a160a"), gloss=1.0, dome=0.2, edge=0.3), size * 0.155, 0, 0.1),
        "甜面酱",
        0.46,
        0.53,
    )


def red_pork(scene: Scene, surface: Surface) -> None:
    if surface.deep:
        broth(scene, surface, colour("7a260c"), "酱汁", edge=colour("4a1406"), radius=0.98)
    else:
        sauce(scene, surface, colour("7a260c"), 0.80)
    size = surface.unit * 0.19
    pieces = [meat.belly_block(scene, size, 0.3 * k + scene.between(-0.15, 0.15)) for k in range(5)]
    stock = dough.stock_of("五花肉", pieces)
    lay(
        scene,
        surface,
        stock,
        [(0.56 * math.cos(a), 0.50 * math.sin(a)) for a in [k * math.pi / 4 + 0.3 for k in range(8)]],
    )
    lay(scene, surface, stock, [(-0.22, -0.14), (0.22, -0.16), (0.0, 0.16)], 0.24)
    strew(scene, surface, garnish.scallions(scene, surface), 12, 0.45, 0.5)


def steamed_fish(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("b9772c"), 0.64, "豉油")
    angle = scene.between(-0.1, 0.1)
    stretch = max(1.0, surface.stretch * 0.92)
    top(scene, surface, seafood.whole_fish(scene, surface.unit * 0.90 * stretch, angle).done(), "鱼", -0.06, 0.0, 0.03)
    green = scene.stock(
        "葱丝",
        lambda: (strip(scene.between(-0.6, 0.6), 0.075, 0.2), ()),
        lambda: Look(colour(str(scene.rng.choice(["4fa53c", "8ccb5e", "dff0b8"]))), gloss=0.5, dome=0.8),
        surface.unit * 0.26,
        8,
    )
    lay(
        scene,
        surface,
        green,
        [
            (float(np.clip(scene.rng.normal(0.04, 0.18), -0.28, 0.36)), scene.rng.normal(-0.02, 0.09), 0.14)
            for _ in range(18)
        ],
    )
    lay(
        scene,
        surface,
        garnish.chilli_shreds(scene, surface, 0.2),
        [
            (float(np.clip(scene.rng.normal(0.04, 0.18), -0.28, 0.36)), scene.rng.normal(-0.02, 0.09), 0.16)
            for _ in range(7)
        ],
    )


def sweet_sour_pork(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("d3400e"), 0.82)

    def look() -> Look:
        return Look(
            colour("ea5a14"),
            gloss=1.0,
            dome=1.0,
            edge_ink=colour("b02c0a"),
            edge_share=0.7,
            patch=colour("f8902e"),
            patched=0.4,
            bumps=1.4,
            sharp=16,
        )

    strips = scene.stock(
        "里脊",
        lambda: (strip(scene.between(-0.25, 0.25), 0.30, 0.3), ()),
        look,
        surface.unit * 0.25,
        8,
        0.45,
        (-0.9, 0.9),
    )
    heap(scene, surface, [(strips, 26)], 0.62, 0.42, colour("b03408"))
    strew(scene, surface, garnish.sesame(scene, surface, 0.03), 34, 0.6, 0.46)


def fish_flavoured_pork(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("c9461a"), 0.84)
    pork = shreds(scene, surface, "肉丝", [colour("c9805a"), colour("b4663f")], 0.25, 0.16)
    carrots = garnish.carrot_shreds(scene, surface, 0.25)
    ears = vegetables.ear_shreds(scene, surface, 0.23)
    bamboo = shreds(scene, surface, "笋丝", [colour("f4e2a6")], 0.25, 0.13)
    heap(scene, surface, [(pork, 30), (carrots, 20), (ears, 20), (bamboo, 16)], 0.66, 0.36, colour("8c2a10"), 0.35)
    strew(scene, surface, garnish.scallions(scene, surface), 10, 0.5, 0.4)


def pepper_pork(scene: Scene, surface: Surface) -> None:
    pork = shreds(scene, surface, "肉丝", [colour("c07a50"), colour("a65f38")], 0.25, 0.16, edge=colour("8a4a28"))
    pepper = shreds(scene, surface, "青椒丝", [colour("3f9e36"), colour("57b544"), colour("2f8430")], 0.28, 0.14, 0.9)
    heap(scene, surface, [(pork, 30), (pepper, 46)], 0.66, 0.36, colour("4a6a24"), 0.35)


def twice_cooked_pork(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("9c2a0e"), 0.82)
    slices = meat.fat_slices(scene, surface, 0.29)
    leeks = garnish.garlic_leaves(scene, surface, 0.24)
    peppers = garnish.pepper_squares(scene, surface, "d42c1c", "红辣椒", 0.12)
    heap(scene, surface, [(slices, 22), (leeks, 20), (peppers, 9)], 0.64, 0.36, colour("8a2a10"))


def tomato_eggs(scene: Scene, surface: Surface) -> None:
    if surface.deep:
        broth(scene, surface, colour("e2521c"), "酱汁", radius=0.98)
    else:
        sauce(scene, surface, colour("e2521c"), 0.82)
    heap(
        scene,
        surface,
        [(vegetables.egg_curds(scene, surface, 0.25), 18), (vegetables.tomato_wedges(scene, surface, 0.23), 13)],
        0.62,
        0.34,
        colour("e2701c"),
    )
    strew(scene, surface, garnish.scallions(scene, surface), 14, 0.55, 0.36)


def smashed_cucumber(scene: Scene, surface: Surface) -> None:
    heap(scene, surface, [(vegetables.cucumber_chunks(scene, surface, 0.2), 32)], 0.64, 0.34, colour("4a7a2a"))
    strew(scene, surface, garnish.garlic(scene, surface), 22, 0.58, 0.38)
    strew(scene, surface, garnish.chilli_rings(scene, surface), 10, 0.58, 0.38)


def wood_ear_salad(scene: Scene, surface: Surface) -> None:
    heap(scene, surface, [(vegetables.wood_ears(scene, surface, 0.27), 26)], 0.62, 0.34, colour("1d1716"))
    strew(scene, surface, garnish.chilli_rings(scene, surface, 0.065), 11, 0.6, 0.38)
    strew(scene, surface, garnish.coriander(scene, surface, 0.12), 7, 0.5, 0.38)
    strew(scene, surface, garnish.garlic(scene, surface), 12, 0.58, 0.38)


def crayfish_heap(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("c8531a"), 0.8)
    size = surface.unit * 0.38
    start = scene.angle()
    for k in sorted(range(6), key=lambda k: math.sin(start + k * math.pi / 3)):
        a = start + k * math.pi / 3
        whole = seafood.crayfish(scene, size, a + math.pi + scene.between(-0.2, 0.2))
        top(scene, surface, whole.done(1.5), "小龙虾", 0.44 * math.cos(a), 0.44 * math.sin(a), 0.05)
    for k in range(2):
        whole = seafood.crayfish(scene, size, start + 0.5 + k * math.pi + scene.between(-0.3, 0.3))
        top(scene, surface, whole.done(1.6), "小龙虾", 0.0, 0.16 * (2 * k - 1), 0.28)
    strew(scene, surface, garnish.coriander(scene, surface, 0.11), 5, 0.5, 0.3)


def white_chicken(scene: Scene, surface: Surface) -> None:
    for v, count in ((-0.42, 6), (0.02, 7)):
        stock = meat.chicken_pieces(scene, surface, 0.27, -0.12)
        for k in range(count):
            u = 0.2 * (k - (count - 1) / 2)
            top(scene, surface, stock.sprites[k % 5], stock.name, u - 0.02, v + 0.05 * u * u, 0.02)
    leg = meat.drumstick(scene, surface.unit * 0.36, math.pi - scene.between(0.1, 0.4))
    top(scene, surface, leg.done(), "鸡腿", -0.08, 0.52, 0.05)
    bowl = Look(colour("f4f3ee"), gloss=0.6, dome=0.3, edge=0.2)
    top(scene, surface, scene.piece(disc(), bowl, surface.unit * 0.23, 0, 0.1), "姜葱酱", 0.58, 0.42)
    top(
        scene,
        surface,
        scene.piece(
            disc(),
            Look(colour("8fae3c"), gloss=0.8, dome=0.25, patch=colour("d9c860"), patched=0.45, bumps=2),
            surface.unit * 0.18,
            0,
            0.1,
        ),
        "姜葱酱",
        0.50,
        0.51,
    )
    lay(scene, surface, garnish.coriander(scene, surface, 0.15), [(0.30, 0.66), (0.40, 0.72), (0.36, 0.58)])


def roast_pork(scene: Scene, surface: Surface) -> None:
    sauce(scene, surface, colour("8a1d10"), 0.7)
    for v, n in ((-0.32, 7), (0.16, 7)):
        stock = meat.char_siu(scene, surface, 0.33, 0.2)
        for k in range(n):
            top(scene, surface, stock.sprites[k % 5], stock.name, 0.55 - 0.18 * k, v + 0.015 * k, 0.06)
    greens = garnish.greens(scene, surface, 0.3, (2.6, 3.6))
    lay(scene, surface, greens, [(0.1, 0.58), (0.36, 0.52), (-0.16, 0.56)])


def boiled_fish(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("cf3410"), "红油", edge=colour("8e1608"))
    sprouts = shreds(scene, surface, "豆芽", [colour("fbf3d8")], 0.2, 0.1)
    strew(scene, surface, sprouts, 14, 0.74)
    heap(scene, surface, [(seafood.fish_slices(scene, surface, 0.27), 17)], 0.62, 0.12, None, 0.2)
    oil(scene, surface, colour("e8501c"), 20, 0.05, 0.95)
    strew(scene, surface, garnish.dried_chillies(scene, surface, 0.17), 16, 0.66, 0.14)
    strew(scene, surface, garnish.peppercorns(scene, surface), 18, 0.55, 0.14)
    strew(scene, surface, garnish.coriander(scene, surface, 0.12), 4, 0.3, 0.2)


def hotpot(scene: Scene, surface: Surface) -> None:
    """Two broths, parted by a wall like the sign of yin and yang; what is being cooked swims in both."""
    broth(scene, surface, colour("c81f0c"), "红汤", edge=colour("8e1206"))
    t = np.linspace(-1, 1, 60)
    turn = scene.between(-0.5, 0.5)
    su, sv = 0.42 * np.sin(t * math.pi) * (1 - np.abs(t) ** 6), t
    c, s = math.cos(turn), math.sin(turn)
    u, v = su * c - sv * s, su * s + sv * c
    arc = np.linspace(math.atan2(v[-1], u[-1]), math.atan2(v[-1], u[-1]) + math.pi, 50)
    points = np.stack([np.concatenate([u, np.cos(arc)]), np.concatenate([v, np.sin(arc)])], 1)
    pixels = np.array([surface.at(float(a), float(b)) for a, b in points])
    half = scene.polygon(pixels)
    scene.wash(half, colour("f6e8c4"), "白汤")
    wall = pixels[:60]
    height = 0.05 * surface.unit * surface.lift
    for ink, width, up in ((colour("6f7378"), 16, 0.0), (colour("c3c8cd"), 11, 1.0), (colour("eef1f3"), 4, 1.3)):
        scene.lines([wall - [0, height * up]], ink, width * scene.pixel)
    # The middle of the white half lies on the side of the arc.
    middle = float(np.cos(arc[25])), float(np.sin(arc[25]))

    def side(sign: float, spots: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(sign * (middle[0] * a - middle[1] * b), sign * (middle[1] * a + middle[0] * b)) for a, b in spots]

    lay(
        scene,
        surface,
        garnish.dried_chillies(scene, surface, 0.15),
        side(-1, [(0.5, -0.45), (0.72, 0.2), (0.4, 0.25), (0.62, -0.1), (0.3, 0.55), (0.8, -0.25), (0.45, -0.7)]),
    )
    lay(
        scene,
        surface,
        garnish.peppercorns(scene, surface, 0.04),
        side(-1, [(scene.between(0.2, 0.85), scene.between(-0.5, 0.5)) for _ in range(14)]),
    )
    rolls = meat.beef_slices(scene, surface, 0.17)
    lay(scene, surface, rolls, side(-1, [(0.5, 0.0), (0.32, -0.25), (0.55, 0.42)]))
    lay(scene, surface, garnish.dates(scene, surface, 0.1), side(1, [(0.5, -0.4), (0.72, 0.1), (0.35, 0.45)]))
    lay(
        scene,
        surface,
        garnish.goji(scene, surface, 0.06),
        side(1, [(0.3, -0.2), (0.62, -0.18), (0.5, 0.3), (0.75, -0.3)]),
    )
    mushroom = scene.stock(
        "香菇",
        lambda: (disc(), ()),
        Look(colour("6a4326"), gloss=0.5, dome=0.8, edge_ink=colour("4a2c18"), patch=colour("d9b88a"), patched=0.22),
        surface.unit * 0.14,
        3,
        0.3,
    )
    lay(scene, surface, mushroom, side(1, [(0.5, 0.05), (0.3, -0.55)]))
    lay(
        scene,
        surface,
        garnish.scallions(scene, surface),
        side(1, [(scene.between(0.25, 0.85), scene.between(-0.5, 0.5)) for _ in range(9)]),
    )
    oil(scene, surface, colour("f0a03a"), 16, 0.04, 0.9)


def sour_soup(scene: Scene, surface: Surface) -> None:
    broth(scene, surface, colour("a85a1e"), edge=colour("6e320c"))
    ribbons(scene, surface, "蛋花", colour("fbd24a"), 20, 0.06, 0.86)
    tofu = shreds(scene, surface, "豆腐丝", [colour("fdf5e0")], 0.22, 0.15, bend=0.1)
    strew(scene, surface, tofu, 16, 0.82)
    strew(scene, surface, vegetables.ear_shreds(scene, surface, 0.2), 16, 0.82)
    strew(scene, surface, garnish.carrot_shreds(scene, surface, 0.17), 8, 0.8)
    strew(scene, surface, garnish.coriander(scene, surface, 0.11), 6, 0.45)
    oil(scene, surface, colour("e08a2a"), 14, 0.04)


def broccoli(scene: Scene, surface: Surface) -> None:
    heap(scene, surface, [(vegetables.broccoli(scene, surface, 0.31), 12)], 0.58, 0.3, colour("3a6a24"), 0.12)
    strew(scene, surface, garnish.garlic(scene, surface), 26, 0.58, 0.36)


def hairy_crabs(scene: Scene, surface: Surface) -> None:
    if surface.stretch > 1.2 or scene.chance(0.5):
        crabs = dough.stock_of(
            "螃蟹",
            [
                seafood.crab(scene, surface.unit * (0.43 if surface.stretch > 1.2 else 0.36), scene.between(-0.3, 0.3))
                for _ in range(2)
            ],
        )
        lay(scene, surface, crabs, [(-0.44, -0.10), (0.44, 0.22)])
    else:
        top(
            scene, surface, seafood.crab(scene, surface.unit * 0.52, scene.between(-0.3, 0.3)).done(), "螃蟹", 0.0, 0.12
        )


DISHES = [
    Dish("宫保鸡丁", PLATES, kung_pao),
    Dish("麻婆豆腐", (*BOWLS, "砂锅", "白瓷盘"), mapo_tofu),
    Dish("北京烤鸭", PLATES, peking_duck),
    Dish("红烧肉", (*LIGHT_BOWLS, "砂锅", "白瓷盘", "青花盘"), red_pork),
    Dish("清蒸鱼", ("长盘", "青花盘"), steamed_fish),
    Dish("糖醋里脊", PLATES, sweet_sour_pork),
    Dish("鱼香肉丝", PLATES, fish_flavoured_pork),
    Dish("青椒肉丝", PLATES, pepper_pork),
    Dish("回锅肉", PLATES, twice_cooked_pork),
    Dish("番茄炒蛋", (*PLATES, "白瓷碗"), tomato_eggs),
    Dish("拍黄瓜", ("白瓷盘", "青花盘", "黑陶盘", "白瓷碗"), smashed_cucumber, False),
    Dish("凉拌木耳", ("白瓷盘", "青花盘", "青瓷盘", "白瓷碗"), wood_ear_salad, False),
    Dish("小龙虾", ("白瓷盘", "青花盘", "黑陶盘", "铁锅"), crayfish_heap, beside=()),
    Dish("白切鸡", ("青花盘", "黑陶盘", "青瓷盘", "白瓷盘"), white_chicken, False),
    Dish("叉烧", PLATES, roast_pork),
    Dish("水煮鱼", (*LIGHT_BOWLS, "黑陶碗"), boiled_fish),
    Dish("火锅", ("鸳鸯锅",), hotpot, free=True),
    Dish("酸辣汤", (*LIGHT_BOWLS, "砂锅"), sour_soup, beside=("勺子",)),
    Dish("蒜蓉西兰花", PLATES, broccoli),
    Dish("大闸蟹", ("竹蒸笼", "白瓷盘", "青花盘", "长盘"), hairy_crabs, beside=(), free=True),
]
