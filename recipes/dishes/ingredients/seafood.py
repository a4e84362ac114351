"""From the water: a whole fish, slices of fish, shrimps, crayfish, crabs."""

import math

import numpy as np

from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import Mark, blob, disc, frill, strip
from recipes.drawing.colour import Colour, colour, mix


def whole_fish(scene: Scene, size: float, angle: float) -> Piece:
    """A steamed fish: silver-grey back, pale belly, slashes, its head to the left."""
    piece = Piece(scene, size * 1.35)
    skin, back, belly = colour("b9b6a4"), colour("5f6660"), colour("f3ead2")
    fin = Look(colour("8d8f80"), gloss=0.4, dome=0.3, edge_ink=colour("c9c6ae"), edge_share=0.4)
    tail = np.array([[0.82, 0.0], [1.26, -0.34], [1.16, 0.0], [1.28, 0.32]])
    piece.lump(
        tail,
        fin,
        size,
        angle,
        0.1,
        marks=[Mark(np.array([[0.85, 0], [1.24, y]]), back, 0.02) for y in (-0.22, -0.1, 0.1, 0.2)],
    )
    piece.lump(np.array([[-0.35, -0.30], [0.0, -0.47], [0.45, -0.34], [0.6, -0.14]]), fin, size, angle, 0.1)
    piece.lump(np.array([[-0.2, 0.30], [0.0, 0.46], [0.15, 0.30]]), fin, size, angle, 0.1)
    t = np.linspace(-1, 1, 24)
    upper = -0.36 * (1 - np.abs(t) ** 2.4) * (1 - 0.25 * t) - 0.03
    lower = 0.33 * (1 - np.abs(t) ** 2.2) * (1 - 0.3 * t) + 0.03
    outline = np.concatenate([np.stack([t * 0.98, upper], 1), np.stack([t * 0.98, lower], 1)[::-1]])
    marks = [
        Mark(np.concatenate([np.stack([t, upper - 0.02], 1), np.stack([t, upper * 0.25 - 0.02], 1)[::-1]]), back),
        Mark(np.concatenate([np.stack([t, lower + 0.02], 1), np.stack([t, lower * 0.35], 1)[::-1]]), belly),
        Mark(
            np.stack([-0.58 + 0.10 * np.cos(np.linspace(-1.3, 1.3, 9)), 0.26 * np.sin(np.linspace(-1.3, 1.3, 9))], 1),
            mix(back, (0, 0, 0), 0.25),
            0.03,
        ),
    ]
    for x in (-0.25, 0.05, 0.35):
        marks.append(Mark(np.array([[x, -0.24], [x - 0.10, 0.17]]), colour("fffaf0"), 0.09))
        marks.append(Mark(np.array([[x + 0.05, -0.24], [x - 0.05, 0.17]]), colour("8a7a64"), 0.022))
    piece.lump(
        outline,
        Look(skin, gloss=0.8, dome=0.8, edge=0.9, patch=colour("d4cfb8"), patched=0.4),
        size,
        angle,
        0.25,
        marks=marks,
    )
    eye = (
        -0.78 * math.cos(angle) * size + 0.10 * size * math.sin(angle),
        (-0.78 * math.sin(angle) - 0.10 * math.cos(angle)) * size * scene.view.squash,
    )
    piece.lump(disc(0.075, 0.075, count=16), Look(colour("fdfbf2"), gloss=0.3), size, 0.0, 0.4, eye)
    piece.lump(disc(0.04, 0.04, count=12), Look(colour("1d1a1a"), gloss=0.9, contour=0.0), size, 0.0, 0.4, eye)
    gill = np.array([[-0.42, 0.02], [-0.22, 0.10], [-0.38, 0.18]])
    return piece.lump(gill, fin, size, angle, 0.2)


def fish_slices(scene: Scene, surface: Surface, size: float = 0.26) -> Stock:
    """White, curled slices with a grey edge of skin."""

    def piece() -> tuple[np.ndarray, list[Mark]]:
        bend = scene.between(0.1, 0.45)
        t = np.linspace(-1, 1, 12)
        arc = np.stack([t, -bend * (1 - t * t)], 1)
        marks = [Mark(np.add(arc, (0, -0.32)), colour("8d8a80"), 0.09)]
        marks += [
            Mark(
                np.array([[x, -0.3 - bend * (1 - x * x)], [x + 0.1, 0.3 - bend * (1 - x * x)]]), colour("e9d8c0"), 0.04
            )
            for x in (-0.5, -0.1, 0.3, 0.6)
        ]
        return strip(bend, 0.38, 0.25), marks

    look = Look(colour("fff8ec"), gloss=0.7, dome=0.5, edge=0.6, edge_ink=colour("eed9bc"), edge_share=0.3)
    return scene.stock("鱼片", piece, look, surface.unit * size, 8, 0.3)


def shrimp(scene: Scene, size: float, angle: float, shell: bool = False) -> Piece:
    """A curled shrimp, striped with orange; `shell`: with head and feelers."""
    piece = Piece(scene, size * 1.5)
    t = np.linspace(-0.4, math.pi * 1.15, 22)
    middle = np.stack([0.62 * np.cos(t), -0.62 * np.sin(t)], 1)
    half = np.interp(np.linspace(0, 1, 22), [0, 0.15, 0.6, 1], [0.30, 0.34, 0.28, 0.12])
    outward = np.stack([np.cos(t), -np.sin(t)], 1)
    outline = np.concatenate([middle + outward * half[:, None], (middle - outward * half[:, None])[::-1]])
    deep = colour("e4551f")
    stripes = [
        Mark(np.stack([middle[i] + outward[i] * half[i], middle[i] - outward[i] * half[i] * 0.5]), deep, 0.11)
        for i in range(3, 20, 3)
    ]
    end = middle[-1]
    for spread in (-0.45, 0.1):
        fan = np.array([[0, 0], [-0.12, 0.42], [0.14, 0.44]])
        piece.lump(fan + end + [spread * 0.5, 0.0], Look(deep, gloss=0.5, dome=0.4), size, angle, 0.3)
    look = Look(colour("fba070"), gloss=0.9, dome=0.9, edge_ink=colour("f07038"), edge_share=0.5)
    piece.lump(outline, look, size, angle, 0.3, marks=stripes)
    if shell:
        ways = [np.array([[0.6, 0.1], [1.0, 0.5], [0.7, 1.1]]), np.array([[0.62, 0.1], [1.15, 0.4], [1.2, 0.9]])]
        piece.lines([piece.project(w, size, angle, 0.3) for w in ways], colour("b8320f"), max(2.0, 0.05 * size))
    return piece


def crayfish(scene: Scene, size: float, angle: float) -> Piece:
    """Red and whole: claws, head, ringed tail with a fan."""
    piece = Piece(scene, size * 1.5)
    red, deep, light = colour("d8261a"), colour("9a0f10"), colour("f5623a")
    shell = Look(red, gloss=1.0, dome=1.0, edge_ink=deep, edge_share=0.6, sharp=18)

    def at(x: float, y: float) -> tuple[float, float]:
        point = piece.project(np.array([[x, y]]), size, angle, 0.2)[0]
        return float(point[0]), float(point[1])

    legs = []
    for side in (-1, 1):
        for k in range(4):
            legs.append(
                np.array(
                    [
                        [-0.05 + 0.15 * k - 0.2, side * 0.2],
                        [-0.1 + 0.2 * k - 0.2, side * 0.5],
                        [-0.2 + 0.24 * k - 0.2, side * 0.68],
                    ]
                )
            )
    piece.lines([piece.project(leg, size, angle, 0.2) for leg in legs], deep, max(2.5, size * 0.075))
    feelers = [np.array([[-0.55, side * 0.1], [-1.0, side * 0.22], [-1.35, side * 0.16]]) for side in (-1, 1)]
    piece.lines([piece.project(way, size, angle, 0.2) for way in feelers], deep, max(2.0, size * 0.04))
    for side in (-1, 1):
        arm = np.array([[-0.35, side * 0.2], [-0.5, side * 0.42], [-0.72, side * 0.44]])
        piece.lines([piece.project(arm, size, angle, 0.2)], red, max(3.0, size * 0.14))
        claw = np.array(
            [[-0.66, 0.34], [-0.98, 0.30], [-1.28, 0.44], [-1.08, 0.47], [-1.22, 0.56], [-0.92, 0.58], [-0.68, 0.5]]
        ) * [1, side]
        piece.lump(claw, shell, size, angle, 0.2)
    fan = Look(deep, gloss=0.6, dome=0.5, edge_ink=light, edge_share=0.35)
    for a in (-0.6, 0.6, 0.0):
        blade = strip(0.0, 0.5, 0.4) * [0.24, 0.26]
        c, s = math.cos(a), math.sin(a)
        blade = blade @ np.array([[c, s], [-s, c]]) + [0.98, 0.22 * a]
        piece.lump(blade, fan, size, angle, 0.2)
    for k, x in enumerate((0.80, 0.62, 0.44, 0.26)):
        ring = disc(0.17, 0.19 + 0.035 * k, x, 0.0, 20)
        piece.lump(ring, shell, size, angle, 0.2)
    head = np.stack(
        [
            -0.18 + 0.48 * np.cos(np.linspace(0, 6.28, 28)),
            0.29 * np.sin(np.linspace(0, 6.28, 28)) * (1 + 0.25 * np.cos(np.linspace(0, 6.28, 28))),
        ],
        1,
    )
    piece.lump(
        head,
        shell,
        size,
        angle,
        0.2,
        marks=[
            Mark(np.array([[0.1, 0], [-0.5, 0]]), deep, 0.04),
            Mark(np.array([[-0.2, -0.25], [-0.1, 0.0], [-0.2, 0.25]]), deep, 0.04),
        ],
    )
    for side in (-1, 1):
        piece.lump(
            disc(0.055, 0.055, count=10),
            Look(colour("1c1214"), gloss=0.9, contour=0.0),
            size,
            angle,
            0.2,
            at(-0.6, side * 0.12),
        )
    return piece


def crab(scene: Scene, size: float, angle: float) -> Piece:
    """A steamed crab from above: a wide orange shell, two claws, eight legs."""
    piece = Piece(scene, size * 1.75)
    shell_ink, deep = colour("ee6a1f"), colour("b83a0c")
    limb = Look(shell_ink, gloss=0.7, dome=0.9, edge_ink=deep, edge_share=0.6)
    legs, tips = [], []
    for side in (-1, 1):
        for k in range(4):
            y = -0.25 + 0.27 * k
            legs.append(
                np.array(
                    [[side * 0.7, y * 0.8], [side * 1.15, y - 0.12 + 0.05 * k], [side * 1.38, y + 0.20 + 0.08 * k]]
                )
            )
            tips.append(legs[-1][1:])
    piece.lines([piece.project(leg, size, angle, 0.2) for leg in legs], deep, size * 0.17)
    piece.lines([piece.project(leg, size, angle, 0.2) for leg in legs], shell_ink, size * 0.11)
    for side in (-1, 1):
        arm = np.array([[side * 0.6, -0.45], [side * 1.05, -0.75], [side * 0.95, -1.0]])
        piece.lines([piece.project(arm, size, angle, 0.2)], shell_ink, size * 0.2)
        claw = np.array(
            [[1.12, -0.86], [1.16, -1.2], [0.8, -1.48], [0.86, -1.22], [0.62, -1.32], [0.64, -1.02], [0.86, -0.86]]
        ) * [side, 1]
        piece.lump(claw, limb, size, angle, 0.2)
        tuft = frill(scene.rng, 9, 0.15) * 0.15 + [side * 0.95, -0.98]
        piece.lump(tuft, Look(colour("6a4a20"), gloss=0.1, dome=0.6, contour=0.4), size, angle, 0.2)
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    body = np.stack([0.92 * np.cos(t) * (1 + 0.05 * np.sin(t)), 0.74 * np.sin(t)], 1)
    groove = [
        Mark(np.array([[-0.38, 0.25], [-0.22, 0.05], [-0.3, -0.2]]), deep, 0.07),
        Mark(np.array([[0.38, 0.25], [0.22, 0.05], [0.3, -0.2]]), deep, 0.07),
        Mark(np.array([[-0.2, 0.35], [0.0, 0.42], [0.2, 0.35]]), deep, 0.06),
    ]
    look = Look(
        shell_ink,
        gloss=1.0,
        dome=0.7,
        patch=colour("fb9440"),
        patched=0.4,
        edge_ink=deep,
        edge_share=0.35,
        sharp=16,
        bumps=0.8,
    )
    piece.lump(body, look, size, angle, 0.3, marks=groove)
    for x in (-0.2, 0.2):
        point = piece.project(np.array([[x, -0.74]]), size, angle, 0.2)[0]
        piece.lump(
            disc(0.07, 0.09, count=12),
            Look(colour("2a1612"), gloss=0.9, contour=0.0),
            size,
            0.0,
            0.5,
            (float(point[0]), float(point[1])),
        )
    return piece


def peeled_shrimps(scene: Scene, surface: Surface, size: float = 0.16) -> Stock:
    return Stock(
        "虾仁", [shrimp(scene, surface.unit * size, 1.26 * k + scene.between(-0.3, 0.3)).done() for k in range(5)]
    )


def scraps(scene: Scene, surface: Surface, ink: Colour, name: str, size: float = 0.12) -> Stock:
    """Small irregular pieces of one colour."""
    look = Look(ink, gloss=0.7, dome=0.7, patch=mix(ink, (1, 1, 1), 0.25), patched=0.35)
    return scene.stock(name, lambda: (blob(scene.rng, 0.3, 1.0, 0.7), ()), look, surface.unit * size, 7)
