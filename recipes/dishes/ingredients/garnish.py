"""What is strewn on top: scallions, coriander, sesame, dried chillies, peas, nuts, berries."""

import math

import numpy as np

from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import Mark, blob, box, disc, leaf, strip
from recipes.drawing.colour import colour, mix


def scallions(scene: Scene, surface: Surface, size: float = 0.05) -> Stock:
    """Rings of green onion."""

    def ring() -> tuple[np.ndarray, list[Mark]]:
        pale = colour("dff0b0")
        return disc(1.0, scene.between(0.75, 1.0), count=16), [Mark(disc(0.52, 0.46, count=12), pale)]

    def look() -> Look:
        return Look(
            colour(str(scene.rng.choice(["3f9a34", "5db548", "2f8430", "86c95a"]))), gloss=0.35, dome=0.5, contour=0.5
        )

    return scene.stock("葱花", ring, look, max(surface.unit * size, 8.5 * scene.pixel), 8, 0.3, shadow=0.8)


def coriander(scene: Scene, surface: Surface, size: float = 0.11) -> Stock:
    """Leaves of three lobes."""

    def sprig() -> tuple[np.ndarray, list[Mark]]:
        t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
        r = 0.62 + 0.30 * np.cos(3 * t) + 0.12 * np.cos(9 * t + 1)
        vein = mix(colour("2f8a30"), (1, 1, 0.7), 0.4)
        return np.stack([r * np.cos(t), r * np.sin(t)], 1), [Mark(np.array([[-0.2, 0], [0.8, 0]]), vein, 0.1)]

    def look() -> Look:
        return Look(colour(str(scene.rng.choice(["2f8a30", "4aa63c", "27762c"]))), gloss=0.3, dome=0.4, contour=0.5)

    return scene.stock("香菜", sprig, look, surface.unit * size, 8, 0.3)


def sesame(scene: Scene, surface: Surface, size: float = 0.028, dark: bool = False) -> Stock:
    ink = colour("2a221e") if dark else colour("f8ecc8")
    look = Look(ink, gloss=0.3, dome=0.8, contour=0.35)
    return scene.stock(
        "芝麻",
        lambda: (disc(1.0, 0.62, count=12), ()),
        look,
        max(surface.unit * size, 5.0 * scene.pixel),
        6,
        shadow=0.6,
    )


def dried_chillies(scene: Scene, surface: Surface, size: float = 0.17) -> Stock:
    def look() -> Look:
        return Look(
            colour(str(scene.rng.choice(["c3161a", "a80f16", "d92a1c"]))),
            gloss=0.9,
            dome=1.0,
            edge_ink=colour("6a0a0c"),
            edge_share=0.5,
        )

    return scene.stock(
        "干辣椒", lambda: (strip(scene.between(-0.4, 0.4), 0.24, 0.5), ()), look, surface.unit * size, 8, 0.4
    )


def chilli_rings(scene: Scene, surface: Surface, size: float = 0.06, code: str = "d8231c") -> Stock:
    def ring() -> tuple[np.ndarray, list[Mark]]:
        return disc(1.0, 0.9, count=16), [Mark(disc(0.5, 0.42, count=12), mix(colour(code), (1, 0.75, 0.4), 0.6))]

    return scene.stock("红辣椒", ring, Look(colour(code), gloss=0.7, dome=0.6), surface.unit * size, 5)


def chilli_shreds(scene: Scene, surface: Surface, size: float = 0.2, code: str = "dc2a1e") -> Stock:
    look = Look(colour(code), gloss=0.8, dome=1.0)
    return scene.stock("红辣椒", lambda: (strip(scene.between(-0.5, 0.5), 0.14, 0.4), ()), look, surface.unit * size, 7)


def chilli_flakes(scene: Scene, surface: Surface, size: float = 0.045) -> Stock:
    def look() -> Look:
        return Look(colour(str(scene.rng.choice(["c81e12", "e0401c", "99100c"]))), gloss=0.6, dome=0.7, contour=0.3)

    return scene.stock(
        "辣椒碎", lambda: (blob(scene.rng, 0.4), ()), look, max(surface.unit * size, 6.5 * scene.pixel), 6, shadow=0.6
    )


def peanuts(scene: Scene, surface: Surface, size: float = 0.085) -> Stock:
    def nut() -> tuple[np.ndarray, list[Mark]]:
        return disc(1.0, 0.68, count=20), [Mark(np.array([[-0.9, 0.05], [0.9, 0.05]]), colour("a86a2c"), 0.09)]

    look = Look(colour("e9b869"), gloss=0.6, dome=1.0, patch=colour("d1893c"), patched=0.35)
    return scene.stock("花生", nut, look, surface.unit * size, 6)


def peppercorns(scene: Scene, surface: Surface, size: float = 0.036) -> Stock:
    look = Look(colour("7c3424"), gloss=0.4, dome=1.0, patch=colour("a85a3c"), patched=0.4)
    return scene.stock("花椒", lambda: (blob(scene.rng, 0.2), ()), look, max(surface.unit * size, 6 * scene.pixel), 5)


def peas(scene: Scene, surface: Surface, size: float = 0.052) -> Stock:
    look = Look(colour("6cbf3a"), gloss=0.7, dome=1.0, edge_ink=colour("3e8e28"))
    return scene.stock("青豆", lambda: (disc(count=18), ()), look, surface.unit * size, 3, 0.9)


def beans(scene: Scene, surface: Surface, code: str = "8c1c22", name: str = "红豆", size: float = 0.075) -> Stock:
    def bean() -> tuple[np.ndarray, list[Mark]]:
        return disc(1.0, 0.66, count=20), [
            Mark(np.array([[-0.3, -0.45], [0.3, -0.45]]), mix(colour(code), (1, 1, 1), 0.55), 0.14)
        ]

    return scene.stock(name, bean, Look(colour(code), gloss=0.9, dome=1.0), surface.unit * size, 6)


def goji(scene: Scene, surface: Surface, size: float = 0.072) -> Stock:
    look = Look(colour("e23a1a"), gloss=0.9, dome=1.0, edge_ink=colour("b01e10"))
    return scene.stock("杞子", lambda: (strip(0.15, 0.45, 0.55), ()), look, surface.unit * size, 6)


def dates(scene: Scene, surface: Surface, size: float = 0.15) -> Stock:
    """Red jujubes, wrinkled."""

    def date() -> tuple[np.ndarray, list[Mark]]:
        lines = [Mark(np.array([[-0.7, v], [0, v * 1.4], [0.7, v]]), colour("5c0e10"), 0.06) for v in (-0.25, 0.25)]
        return disc(1.0, 0.72, count=24), lines

    return scene.stock(
        "红枣", date, Look(colour("9a1c1c"), gloss=0.9, dome=1.0, edge_ink=colour("5e0c10")), surface.unit * size, 5
    )


def lotus_seeds(scene: Scene, surface: Surface, size: float = 0.085) -> Stock:
    look = Look(colour("f3e3bd"), gloss=0.5, dome=1.0, edge_ink=colour("d4b784"))
    return scene.stock(
        "莲子",
        lambda: (disc(1.0, 0.86, count=20), [Mark(np.array([[0, -0.6], [0, 0.6]]), colour("c8a870"), 0.1)]),
        look,
        surface.unit * size,
        4,
    )


def greens(scene: Scene, surface: Surface, size: float = 0.3, angles: tuple[float, float] = (0.0, 6.28)) -> Stock:
    """Halves of young bok choy: a white stem, a dark leaf."""

    def leafed() -> tuple[np.ndarray, list[Mark]]:
        x = np.linspace(-1.05, 1.0, 26)
        stem = np.interp(x, [-1.05, -0.9, -0.45, 0.0, 0.12], [0.06, 0.15, 0.25, 0.17, 0.0])
        blade = 0.46 * np.sqrt(np.clip(1 - ((x - 0.42) / 0.58) ** 2, 0, 1)) * (1 + 0.07 * np.cos(x * 19))
        half = np.maximum(np.maximum(stem, blade), 0.02)
        outline = np.concatenate([np.stack([x, -half], 1), np.stack([x, half], 1)[::-1]])
        below = x < 0.1
        white = np.concatenate([np.stack([x, -stem], 1)[below], np.stack([x, stem], 1)[below][::-1]])
        vein = colour("b4dc80")
        marks = [Mark(white, colour("e8f2d2")), Mark(np.array([[-0.1, 0], [0.85, 0.0]]), vein, 0.08)]
        marks += [
            Mark(np.array([[at, 0], [at + 0.22, side * 0.27]]), vein, 0.045) for at in (0.15, 0.42) for side in (-1, 1)
        ]
        return outline, marks

    return scene.stock(
        "青菜",
        leafed,
        Look(colour("4a9e3e"), gloss=0.5, dome=0.5, edge_ink=colour("2f8434"), edge_share=0.35, contour=0.8),
        surface.unit * size,
        5,
        0.3,
        angles,
    )


def cucumber_sticks(
    scene: Scene, surface: Surface, size: float = 0.3, angles: tuple[float, float] = (0.0, 6.28)
) -> Stock:
    def stick() -> tuple[np.ndarray, list[Mark]]:
        return box(1.0, 0.14, 0.05), [Mark(np.array([[-1, -0.12], [1, -0.12]]), colour("2f7d33"), 0.1)]

    return scene.stock(
        "黄瓜丝", stick, Look(colour("cfe8a4"), gloss=0.5, dome=0.6), surface.unit * size, 6, 0.3, angles
    )


def carrot_shreds(scene: Scene, surface: Surface, size: float = 0.24) -> Stock:
    look = Look(colour("f08a24"), gloss=0.6, dome=0.8, edge_ink=colour("d46a14"))
    return scene.stock(
        "胡萝卜丝", lambda: (strip(scene.between(-0.3, 0.3), 0.13, 0.1), ()), look, surface.unit * size, 6
    )


def pepper_squares(
    scene: Scene, surface: Surface, code: str = "3f9a34", name: str = "青椒", size: float = 0.15
) -> Stock:
    ink = colour(code)
    look = Look(ink, gloss=0.9, dome=0.6, edge_ink=mix(ink, (1, 1, 0.7), 0.3), edge_share=0.25)
    return scene.stock(name, lambda: (box(1.0, scene.between(0.6, 0.9), 0.25), ()), look, surface.unit * size, 6)


def garlic(scene: Scene, surface: Surface, size: float = 0.04) -> Stock:
    look = Look(colour("fbf3d8"), gloss=0.4, dome=0.8, contour=0.35)
    return scene.stock(
        "蒜末", lambda: (blob(scene.rng, 0.3), ()), look, max(surface.unit * size, 6.5 * scene.pixel), 6, shadow=0.7
    )


def garlic_leaves(scene: Scene, surface: Surface, size: float = 0.22) -> Stock:
    """Pieces of green garlic cut aslant."""

    def cut() -> tuple[np.ndarray, list[Mark]]:
        outline = np.array([[-1, -0.3], [0.75, -0.3], [1.0, 0.3], [-0.75, 0.3]])
        return outline, [Mark(np.array([[-0.9, 0], [0.9, 0]]), colour("7fc257"), 0.1)]

    def look() -> Look:
        return Look(colour(str(scene.rng.choice(["2f8a34", "4aa544", "a6d478"]))), gloss=0.6, dome=0.5)

    return scene.stock("蒜苗", cut, look, surface.unit * size, 7)


def bay(scene: Scene, surface: Surface, size: float = 0.2) -> Stock:
    look = Look(colour("5c7a3a"), gloss=0.4, dome=0.3)
    return scene.stock(
        "香叶",
        lambda: (leaf(0.35), [Mark(np.array([[-1, 0], [1, 0]]), colour("8ea45c"), 0.05)]),
        look,
        surface.unit * size,
        3,
    )


def osmanthus(scene: Scene, surface: Surface, size: float = 0.036) -> Stock:
    """Small flowers of four petals."""

    def flower() -> tuple[np.ndarray, list[Mark]]:
        t = np.linspace(0, 2 * math.pi, 32, endpoint=False)
        r = 0.62 + 0.38 * np.abs(np.cos(2 * t))
        return np.stack([r * np.cos(t), r * np.sin(t)], 1), [Mark(disc(0.2, 0.2, count=8), colour("b86a10"))]

    return scene.stock(
        "桂花",
        flower,
        Look(colour("f9a91c"), gloss=0.3, dome=0.4, contour=0.4),
        max(surface.unit * size, 7 * scene.pixel),
        5,
        shadow=0.5,
    )


def seaweed(scene: Scene, surface: Surface, size: float = 0.2) -> Stock:
    """Dark shreds and sheets of laver."""
    look = Look(colour("26382c"), gloss=0.5, dome=0.3, patch=colour("40264a"), patched=0.35)
    return scene.stock("紫菜", lambda: (blob(scene.rng, 0.5, 1.0, 0.55), ()), look, surface.unit * size, 6)
