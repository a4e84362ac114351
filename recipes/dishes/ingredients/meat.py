"""Meat: sliced beef, cubes of chicken, pork belly, roast pork, duck, sausages, meatballs."""

import math

import cv2
import numpy as np

from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import Mark, blob, box, chunk, disc, strip
from recipes.drawing.colour import Colour, colour, mix


def beef_slices(scene: Scene, surface: Surface, size: float = 0.24) -> Stock:
    """Braised shank: brown slices with pale sinews."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        sinew = colour("e2b890")
        marks = []
        for _ in range(4):
            y = scene.between(-0.5, 0.5)
            marks.append(
                Mark(
                    np.stack(
                        [np.linspace(-0.75, 0.75, 7), y + 0.14 * np.sin(np.linspace(0, scene.between(2, 5), 7))], 1
                    ),
                    sinew,
                    0.07,
                )
            )
        return blob(scene.rng, 0.18, 1.0, 0.72), marks

    look = Look(
        colour("94502f"),
        gloss=0.7,
        dome=0.35,
        edge=0.5,
        edge_ink=colour("6b2f1a"),
        edge_share=0.3,
        patch=colour("b06a42"),
        patched=0.4,
    )
    return scene.stock("牛肉片", piece, look, surface.unit * size, 6, 0.3)


def cubes(
    scene: Scene,
    surface: Surface,
    name: str,
    inks: tuple[Colour, Colour],
    size: float = 0.13,
    gloss: float = 0.8,
    edge: Colour | None = None,
) -> Stock:
    """Diced meat, glossy with sauce."""
    look = Look(
        inks[0], gloss=gloss, dome=0.85, edge=0.8, patch=inks[1], patched=0.4, edge_ink=edge, edge_share=0.5, bumps=0.6
    )
    return scene.stock(
        name,
        lambda: (chunk(scene.rng, scene.count(4, 6), scene.between(0.9, 1.2)), ()),
        look,
        surface.unit * size,
        8,
        0.5,
    )


def mince(scene: Scene, surface: Surface, ink: Colour, size: float = 0.06, name: str = "肉末") -> Stock:
    look = Look(ink, gloss=0.6, dome=1.0, patch=mix(ink, (1, 0.7, 0.4), 0.3), patched=0.4, contour=0.5)
    return scene.stock(name, lambda: (blob(scene.rng, 0.3), ()), look, max(surface.unit * size, 8 * scene.pixel), 8)


def belly_block(scene: Scene, size: float, angle: float) -> Piece:
    """A cube of braised pork belly: glossy skin above, layers of lean and fat on its sides."""
    return block(
        scene,
        box(1.0, 1.0, 0.22),
        size,
        angle,
        1.15,
        Look(colour("a53a17"), gloss=1.0, dome=0.35, edge=0.35, patch=colour("c9571f"), patched=0.45, sharp=18),
        [
            (0.16, colour("8a2b10")),
            (0.30, colour("f1c68e")),
            (0.55, colour("9c4420")),
            (0.72, colour("efc088")),
            (1.0, colour("84371a")),
        ],
    )


def block(
    scene: Scene,
    outline: np.ndarray,
    size: float,
    angle: float,
    height: float,
    look: Look,
    bands: list[tuple[float, Colour]],
    marks: tuple[Mark, ...] = (),
) -> Piece:
    """A body with a level top and upright sides; `bands`: of its sides, from above, the share where each ends and its
    colour; `height`: in units of `size`."""
    lift = max(scene.view.lift, 0.34)
    drop = height * lift * size
    piece = Piece(scene, size * 1.5 + drop)
    top = piece.project(outline, size, angle, 0.0) - [0, drop / 2]
    area = float((top[:, 0] * np.roll(top[:, 1], -1) - np.roll(top[:, 0], -1) * top[:, 1]).sum())
    polygons = []
    lx, _, _ = scene.sun
    start = 0.0
    after = np.roll(top, -1, 0)
    normal = np.stack([after[:, 1] - top[:, 1], top[:, 0] - after[:, 0]], 1) * math.copysign(1, area)
    normal /= np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-6)[:, None]
    front = np.flatnonzero(normal[:, 1] > -0.02)
    for end, ink in bands:
        for i in front:
            lit = (
                0.80
                + 0.30 * float(normal[i, 0]) * lx / abs(lx) * (1 if not scene.style.flat else 0.5)
                - 0.02 * float(normal[i, 1])
            )
            tone = 1 + (lit - 1) * (scene.style.contrast if not scene.style.flat else 0.8)
            inked = (min(1.0, ink[0] * tone), min(1.0, ink[1] * tone), min(1.0, ink[2] * tone))
            a, b = top[i], after[i]
            polygons.append(
                (
                    np.stack([a, b, b, a]) + np.array([[0, start], [0, start], [0, end], [0, end]]) * drop,
                    inked,
                )
            )
        start = end
    piece.faces(polygons, outline=False)
    if scene.style.contour is not None and len(front):
        low = np.add(top, (0, drop))
        hull = np.concatenate([top, low])
        border = cv2.convexHull(hull.astype(np.float32)).reshape(-1, 2)
        piece._contour(border.astype(float) + piece.half, look.ink, 1.0)
    piece.lump(outline, look, size, angle, 0.0, (0.0, -drop / 2), marks)
    return piece


def blocks(
    scene: Scene,
    name: str,
    outline: np.ndarray,
    size: float,
    height: float,
    look: Look,
    bands: list[tuple[float, Colour]],
    kinds: int = 5,
    angles: tuple[float, float] = (0.0, math.pi / 2),
    marks: tuple[Mark, ...] = (),
) -> Stock:
    sprites = []
    for i in range(kinds):
        angle = angles[0] + (angles[1] - angles[0]) * (i + scene.between(0, 1)) / kinds
        sprites.append(
            block(scene, outline, size * scene.between(0.94, 1.06), angle, height, look, bands, marks).done()
        )
    return Stock(name, sprites)


def fat_slices(scene: Scene, surface: Surface, size: float = 0.27) -> Stock:
    """Twice-cooked pork: curled slices with a band of fat and a dark skin."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        bend = scene.between(0.25, 0.55)
        t = np.linspace(-1, 1, 14)
        arc = np.stack([t, -bend * (1 - t * t)], 1)
        marks = [
            Mark(np.add(arc, (0, -0.08)), colour("f8dca8"), 0.22),
            Mark(np.add(arc, (0, -0.27)), colour("b4521e"), 0.12),
            Mark(np.add(arc, (0, 0.14)), colour("f0c890"), 0.07),
        ]
        return strip(bend, 0.36, 0.15), marks

    look = Look(colour("a8482a"), gloss=0.9, dome=0.5, edge=0.6, sharp=18)
    return scene.stock("五花肉片", piece, look, surface.unit * size, 8, 0.35)


def char_siu(scene: Scene, surface: Surface, size: float = 0.25, angle: float = 0.0) -> Stock:
    """Slices of roast pork: pink inside, a red glaze, charred edges."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        marks = [
            Mark(
                np.stack([np.linspace(-0.5, 0.5, 6), scene.between(-0.5, 0.5) + 0.1 * np.sin(np.linspace(0, 4, 6))], 1),
                colour("f3b59a"),
                0.07,
            )
            for _ in range(1)
        ]
        return box(0.66, 1.0, 0.4), marks

    look = Look(
        colour("bf4a30"),
        gloss=0.8,
        dome=0.45,
        edge=0.5,
        edge_ink=colour("6a0e0a"),
        edge_share=0.75,
        patch=colour("d4633c"),
        patched=0.3,
        sharp=18,
    )
    return scene.stock("叉烧片", piece, look, surface.unit * size, 5, 0.35, (angle - 0.12, angle + 0.12))


def chicken_pieces(scene: Scene, surface: Surface, size: float = 0.3, angle: float = 0.0) -> Stock:
    """White-cut chicken, chopped: a yellow skin above, white meat at the cut."""
    look = Look(
        colour("f6cd62"),
        gloss=0.9,
        dome=0.5,
        edge=0.5,
        patch=colour("fbe3a0"),
        patched=0.45,
        edge_ink=colour("e8b64c"),
        edge_share=0.3,
        bumps=0.8,
        sharp=18,
    )
    bands = [(0.2, colour("f0c060")), (0.78, colour("fff6e8")), (1.0, colour("f0d2b4"))]
    outline = box(0.36, 1.0, 0.22)
    return blocks(scene, "鸡肉", outline, surface.unit * size, 1.0, look, bands, 5, (angle - 0.1, angle + 0.1))


def drumstick(scene: Scene, size: float, angle: float) -> Piece:
    """A leg of white-cut chicken, its bone to the right."""
    piece = Piece(scene, size * 1.5)
    bone = Look(colour("f6ead2"), gloss=0.5, dome=0.8)
    piece.lump(box(0.42, 0.09, 0.08), bone, size, angle, 0.4, _at(piece, size, angle, 1.0))
    for y in (-0.08, 0.08):
        piece.lump(disc(0.11, 0.11, 1.38, y, 14), bone, size, angle, 0.4)
    t = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    outline = np.stack([np.cos(t) * 0.98, np.sin(t) * (0.40 - 0.26 * np.cos(t) + 0.05 * np.cos(2 * t))], 1)
    look = Look(
        colour("f8cf58"),
        gloss=0.9,
        dome=1.0,
        patch=colour("fbe39a"),
        patched=0.4,
        edge_ink=colour("dba238"),
        edge_share=0.5,
        bumps=0.8,
        sharp=18,
    )
    return piece.lump(outline, look, size, angle, 0.4)


def _at(piece: Piece, size: float, angle: float, x: float) -> tuple[float, float]:
    point = piece.project(np.array([[x, 0.0]]), size, angle, 0.4)[0]
    return float(point[0]), float(point[1])


def duck_slices(scene: Scene, surface: Surface, size: float = 0.2, angle: float = 0.0) -> Stock:
    """Roast duck: a lacquered skin over a rim of fat and dark meat."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        marks = [
            Mark(np.array([[0.34, -1.2], [0.40, 0.0], [0.34, 1.2]]), colour("f3d3a4"), 0.10),
            Mark(np.array([[0.55, -1.2], [0.60, 0.0], [0.55, 1.2]]), colour("a0643c"), 0.16),
        ]
        return box(0.62, 1.0, 0.35), marks

    look = Look(colour("b4521a"), gloss=1.0, dome=0.55, edge=0.7, patch=colour("d9792a"), patched=0.45, sharp=16)
    return scene.stock("鸭肉片", piece, look, surface.unit * size, 5, 0.35, (angle - 0.1, angle + 0.1))


def sausage_slices(scene: Scene, surface: Surface, size: float = 0.14) -> Stock:
    """Cured sausage cut aslant: red with white fat."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        marks = [
            Mark(disc(0.11, 0.1, scene.between(-0.6, 0.6), scene.between(-0.35, 0.35), 8), colour("f6d4c0"))
            for _ in range(9)
        ]
        return disc(1.0, 0.62), marks

    return scene.stock(
        "腊肠",
        piece,
        Look(colour("b5302a"), gloss=0.8, dome=0.35, edge=0.4, edge_ink=colour("7c1618"), edge_share=0.25),
        surface.unit * size,
        5,
    )


def ham_roll(scene: Scene, surface: Surface, size: float = 0.3) -> Stock:
    """A round slice of rolled pork belly."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        t = np.linspace(0.5, 12, 50)
        r = 0.07 * t
        spiral = np.stack([r * np.cos(t), r * np.sin(t)], 1)
        return disc(1.0, 0.95), [Mark(spiral, colour("f6dfc2"), 0.16), Mark(disc(0.93, 0.88), colour("c98758"), 0.06)]

    look = Look(colour("cf9468"), gloss=0.6, dome=0.25, edge=0.3, edge_ink=colour("8f4a24"), edge_share=0.14)
    return scene.stock("叉烧片", piece, look, surface.unit * size, 2, 0.1)
