"""Vegetables, eggs, bean curd, rice: what fills bowls and plates beside meat."""

import math

import numpy as np

from recipes.dishes.ingredients.meat import blocks
from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import Mark, blob, box, chunk, disc, frill, strip
from recipes.drawing.colour import colour, mix


def tofu(scene: Scene, surface: Surface, size: float = 0.12, code: str = "fbf3e0") -> Stock:
    ink = colour(code)
    look = Look(ink, gloss=0.4, dome=0.3, edge=0.3)
    return blocks(
        scene,
        "豆腐",
        box(1.0, 1.0, 0.15),
        surface.unit * size,
        1.1,
        look,
        [(1.0, mix(ink, (0.75, 0.55, 0.35), 0.25))],
        6,
    )


def egg_curds(scene: Scene, surface: Surface, size: float = 0.24) -> Stock:
    """Scrambled eggs: soft, golden, folded."""

    def curd() -> tuple[np.ndarray, list[Mark]]:
        folds = [
            Mark(
                np.stack(
                    [np.linspace(-0.6, 0.6, 6), scene.between(-0.4, 0.4) + 0.15 * np.sin(np.linspace(0, 5, 6))], 1
                ),
                colour("e39a12"),
                0.09,
            )
            for _ in range(2)
        ]
        return blob(scene.rng, 0.3, 1.0, 0.8), folds

    look = Look(colour("fcc934"), gloss=0.5, dome=0.8, edge=0.6, patch=colour("fde487"), patched=0.45, bumps=1.0)
    return scene.stock("鸡蛋", curd, look, surface.unit * size, 8, 0.4)


def tomato_wedges(scene: Scene, surface: Surface, size: float = 0.21) -> Stock:
    def wedge() -> tuple[np.ndarray, list[Mark]]:
        t = np.linspace(0, math.pi, 18)
        outline = np.concatenate([np.stack([np.cos(t), 0.85 * np.sin(t) - 0.3], 1), [[-0.5, -0.45], [0.5, -0.45]]])
        outline = outline[np.argsort(np.arctan2(outline[:, 1], outline[:, 0]))]
        marks = [Mark(disc(0.26, 0.2, x, 0.0, 12), colour("f9a24a")) for x in (-0.42, 0.3)]
        return outline, marks

    look = Look(colour("e3341f"), gloss=1.0, dome=0.7, edge=0.6, edge_ink=colour("bb1512"), edge_share=0.35)
    return scene.stock("番茄", wedge, look, surface.unit * size, 7, 0.4)


def cucumber_chunks(scene: Scene, surface: Surface, size: float = 0.2) -> Stock:
    """Smashed cucumber: dark skin on one side, pale flesh with seeds."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        marks = [
            Mark(np.array([[-1.2, -0.62], [1.2, -0.5]]), colour("2c7a30"), 0.5),
            Mark(np.array([[-0.9, 0.15], [0.8, 0.25]]), colour("e9f4c2"), 0.22),
        ]
        return chunk(scene.rng, 5, scene.between(1.1, 1.5)), marks

    return scene.stock(
        "黄瓜", piece, Look(colour("b4dc84"), gloss=0.9, dome=0.7, edge=0.6), surface.unit * size, 8, 0.4
    )


def wood_ears(scene: Scene, surface: Surface, size: float = 0.25) -> Stock:
    """Black, wavy, shining caps."""

    def ear() -> tuple[np.ndarray, list[Mark]]:
        folds = []
        for _ in range(3):
            a = scene.angle()
            t = np.linspace(0.15, 0.85, 6)
            folds.append(Mark(np.stack([t * np.cos(a + 0.5 * t), t * np.sin(a + 0.5 * t)], 1), colour("6a5248"), 0.09))
        return frill(scene.rng, scene.count(5, 8), 0.14, 0.14), folds

    look = Look(
        colour("2e2422"), gloss=0.9, dome=0.7, edge=0.8, edge_ink=colour("5a4238"), edge_share=0.25, bumps=1.6, sharp=14
    )
    return scene.stock("木耳", ear, look, surface.unit * size, 8, 0.4)


def ear_shreds(scene: Scene, surface: Surface, size: float = 0.22) -> Stock:
    look = Look(colour("2c2322"), gloss=0.9, dome=0.9, sharp=14)
    return scene.stock("木耳", lambda: (strip(scene.between(-0.6, 0.6), 0.15, 0.2), ()), look, surface.unit * size, 6)


def broccoli(scene: Scene, surface: Surface, size: float = 0.24) -> Stock:
    sprites = []
    for _ in range(5):
        unit = surface.unit * size * scene.between(0.9, 1.1)
        piece = Piece(scene, unit * 1.5)
        turn = scene.between(-0.5, 0.5)
        stem = Look(colour("a9d178"), gloss=0.5, dome=0.8)
        piece.lump(box(0.26, 0.5, 0.15), stem, unit, turn, 0.8, (0.55 * unit * math.sin(-turn), 0.6 * unit))
        for ring, (count, radius, tone) in enumerate(((11, 0.66, "2a7a2c"), (8, 0.42, "3a9636"), (4, 0.18, "57b044"))):
            start = scene.angle()
            spots = [(start + 2 * math.pi * k / count) for k in range(count)]
            for a in sorted(spots, key=lambda a: math.sin(a)):
                at = (radius * unit * math.cos(a), radius * unit * 0.85 * math.sin(a) - (0.1 + 0.12 * ring) * unit)
                look = Look(
                    colour(tone),
                    gloss=0.2,
                    dome=1.0,
                    patch=mix(colour(tone), (0.8, 0.9, 0.4), 0.35),
                    patched=0.4,
                    contour=0.3 if ring == 0 else 0.12,
                    bumps=1.2,
                )
                piece.lump(blob(scene.rng, 0.12), look, unit * 0.28, 0.0, 0.8, at)
        sprites.append(piece.done())
    return Stock("西兰花", sprites)


def rice(scene: Scene, surface: Surface, size: float = 0.05, code: str = "fbf6ea", name: str = "米饭") -> Stock:
    ink = colour(code)
    look = Look(ink, gloss=0.4, dome=1.0, edge_ink=mix(ink, (0.78, 0.60, 0.34), 0.36), edge_share=0.7, contour=0.2)
    return scene.stock(
        name, lambda: (disc(1.0, 0.48, count=14), ()), look, max(surface.unit * size, 8 * scene.pixel), 10, shadow=0.6
    )


def half_egg(scene: Scene, size: float, angle: float = 0.0, soft: bool = True) -> Piece:
    """Half a boiled egg with its yolk up."""
    t = np.linspace(0, 2 * math.pi, 30, endpoint=False)
    outline = np.stack([np.cos(t) * (1 + 0.08 * np.cos(t)), 0.78 * np.sin(t)], 1)
    piece = Piece(scene, size * 1.2)
    piece.lump(
        outline,
        Look(colour("fdf9ee"), gloss=0.5, dome=0.35, edge=0.35, edge_ink=colour("e6c79c"), edge_share=0.12),
        size,
        angle,
        0.15,
    )
    yolk = colour("f79a1c") if soft else colour("f4c542")
    piece.lump(
        disc(0.55, 0.50),
        Look(yolk, gloss=0.9, dome=0.4, edge_ink=colour("e87510"), edge_share=0.5, contour=0.5),
        size,
        angle,
        0.15,
    )
    return piece


def fried_egg(scene: Scene, size: float) -> Piece:
    piece = Piece(scene, size * 1.5)
    look = Look(colour("fffaf0"), gloss=0.5, dome=0.2, edge=0.2, edge_ink=colour("d99a4a"), edge_share=0.14)
    piece.lump(frill(scene.rng, 7, 0.07, 0.1), look, size, 0.0, 0.05)
    piece.lump(
        disc(0.42, 0.42),
        Look(colour("fba81e"), gloss=1.0, dome=0.8, edge_ink=colour("f08412")),
        size,
        0.0,
        0.2,
        (0.05 * size, -0.06 * size),
    )
    return piece


def century_egg(scene: Scene, surface: Surface, size: float = 0.14) -> Stock:
    """Wedges of preserved egg: dark amber jelly around a grey-green yolk."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        t = np.linspace(0, math.pi, 16)
        wedge = np.stack([np.cos(t), 0.95 * np.sin(t) - 0.35], 1)
        return wedge, [
            Mark(disc(0.56, 0.40, 0.0, -0.26, 16), colour("87a58a")),
            Mark(disc(0.3, 0.2, 0.0, -0.3, 12), colour("5c7a62")),
        ]

    look = Look(colour("4a2f1a"), gloss=1.0, dome=0.5, edge_ink=colour("7a5226"), edge_share=0.4, contour=0.7)
    return scene.stock("皮蛋", piece, look, surface.unit * size, 7)


def marbled_egg(scene: Scene, size: float) -> Piece:
    """A tea egg: brown, with a net of dark cracks."""
    t = np.linspace(0, 2 * math.pi, 30, endpoint=False)
    outline = np.stack([np.cos(t) * (1 + 0.1 * np.cos(t)), 0.80 * np.sin(t)], 1)
    marks = []
    for _ in range(14):
        way = [np.array([scene.between(-0.9, 0.9), scene.between(-0.75, 0.75)])]
        heading = scene.angle()
        for _ in range(5):
            heading += scene.rng.normal(0, 0.8)
            way.append(way[-1] + 0.24 * np.array([math.cos(heading), math.sin(heading)]))
        marks.append(Mark(np.array(way), colour("5a2c12"), 0.045))
    look = Look(
        colour("deaa70"),
        gloss=0.7,
        dome=0.9,
        patch=colour("bd7f48"),
        patched=0.4,
        edge_ink=colour("a0622e"),
        edge_share=0.4,
    )
    piece = Piece(scene, size * 1.2)
    return piece.lump(outline, look, size, scene.angle(), 0.9, marks=marks)


def nori(scene: Scene, size: float, angle: float) -> Piece:
    look = Look(colour("1f3a2c"), gloss=0.3, dome=0.1, edge=0.2, patch=colour("2f5440"), patched=0.4)
    return Piece(scene, size * 1.6).lump(box(0.8, 1.0, 0.03), look, size, angle, 0.8)


def fish_cake(scene: Scene, size: float) -> Piece:
    """Narutomaki: a white, toothed slice with a pink spiral."""
    t = np.linspace(0.8, 11, 44)
    r = 0.062 * t
    spiral = Mark(np.stack([r * np.cos(t), r * np.sin(t)], 1), colour("f0608c"), 0.15)
    look = Look(colour("fffaf6"), gloss=0.3, dome=0.2, edge=0.2)
    return Piece(scene, size * 1.2).lump(
        frill(scene.rng, 12, 0.05, 0.0), look, size, scene.angle(), 0.1, marks=[spiral]
    )


def radish(scene: Scene, surface: Surface, size: float = 0.2) -> Stock:
    look = Look(colour("f4f5ea"), gloss=0.6, dome=0.2, edge=0.2, clear=0.12)
    return scene.stock("萝卜", lambda: (disc(), ()), look, surface.unit * size, 3, 0.05)


def tofu_puffs(scene: Scene, surface: Surface, size: float = 0.16) -> Stock:
    look = Look(colour("e0a548"), gloss=0.4, dome=0.8, edge=0.5, patch=colour("c07c2a"), patched=0.45, bumps=1.0)
    return scene.stock("豆腐泡", lambda: (box(1.0, 0.8, 0.35), ()), look, surface.unit * size, 5, 0.4)
