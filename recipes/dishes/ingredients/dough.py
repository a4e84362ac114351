"""What is made of dough: dumplings, buns, rolls, fried sticks, flat breads."""

import math

import numpy as np

from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import Mark, blob, box, crescent, disc, frill, rounded
from recipes.drawing.colour import Colour, colour, mix

CREAM = colour("fdf1da")
SHADE = colour("dcb98a")


def dumpling(
    scene: Scene, size: float, angle: float = 0.0, ink: Colour = CREAM, filling: Colour | None = None, pleats: int = 7
) -> Piece:
    """A crescent: a round belly, and a pleated edge above it."""
    piece = Piece(scene, size * 1.25)
    belly = Look(
        ink,
        gloss=0.75,
        dome=1.0,
        edge_ink=mix(ink, SHADE, 0.45),
        edge_share=0.8,
        patch=filling,
        patched=0.22,
        patch_size=2.0,
        sharp=18,
    )
    piece.lump(crescent(0.66, 0.18), belly, size, angle, 0.5)
    t = np.linspace(math.pi * 0.96, math.pi * 0.04, 4 * pleats + 1)
    wave = 0.045 * np.cos(np.linspace(0, 2 * math.pi * pleats, len(t)))
    outer = np.stack([1.10 * np.cos(t), -(0.30 + wave) * np.sin(t) - 0.06], 1)
    inner = np.stack([0.96 * np.cos(t[::-1]), 0.04 * np.sin(t[::-1]) - 0.02], 1)
    folds = [
        Mark(np.array([[x, -0.30 * math.sqrt(max(0, 1 - x * x))], [x * 0.92, 0.10]]), mix(ink, SHADE, 0.85), 0.055)
        for x in np.linspace(-0.78, 0.78, pleats)
    ]
    piece.lump(
        np.concatenate([outer, inner]),
        Look(mix(ink, (1, 1, 1), 0.3), gloss=0.5, dome=0.8),
        size,
        angle,
        0.5,
        marks=folds,
    )
    return piece


def pleated_bun(
    scene: Scene,
    size: float,
    pleats: int = 14,
    ink: Colour = CREAM,
    hole: Colour | None = None,
    tall: float = 0.75,
    edge: Colour | None = None,
) -> Piece:
    """A round bun whose folds run to a knot on its top."""
    piece = Piece(scene, size * 1.3)
    upright = tall
    look = Look(ink, gloss=0.5, dome=1.0, edge_ink=edge or mix(ink, SHADE, 0.6), edge_share=0.75)
    piece.lump(disc(1.0, 0.92), look, size, 0.0, upright)
    rise = -size * 0.34 * (1 - scene.view.squash) * 1.6
    turn, fold = scene.angle(), mix(ink, SHADE, 0.95)
    flat = scene.view.squash + (1 - scene.view.squash) * upright
    ways, lights = [], []
    for i in range(pleats):
        a = turn + 2 * math.pi * i / pleats
        s = np.linspace(0.12, 0.74, 8)
        twist = a + 0.55 * (0.74 - s)
        x, y = s * np.cos(twist) * size, s * 0.92 * np.sin(twist) * size * flat + rise * (1 - s)
        ways.append(np.stack([x, y], 1))
        lights.append(np.stack([x + size * 0.035, y], 1))
    piece.lines(lights, mix(ink, (1, 1, 1), 0.75), max(2.0, size * 0.06), 0.75)
    piece.lines(ways, fold, max(2.0, size * 0.05), 0.85)
    knot = Look(mix(ink, (1, 1, 1), 0.2), gloss=0.4, dome=0.8, edge_ink=fold, contour=0.6)
    piece.lump(disc(0.17, 0.15), knot, size, 0.0, upright, (0.0, rise))
    if hole is not None:
        piece.lump(disc(0.09, 0.07), Look(hole, gloss=0.4, contour=0.0), size, 0.0, upright, (0.0, rise))
    return piece


def plain_bun(scene: Scene, size: float) -> Piece:
    """A steamed bun: a smooth, white dome."""
    piece = Piece(scene, size * 1.3)
    tall = disc(1.0, 0.95)
    if scene.view.squash < 0.9:
        tall = np.concatenate([box(1.0, 0.82, 0.72)])
    look = Look(colour("fffaf0"), gloss=0.25, dome=1.0, edge_ink=colour("e6cfa8"), edge_share=0.85, sharp=10)
    return piece.lump(tall, look, size, 0.0, 0.85)


def cut_bun(scene: Scene, size: float, filling: Colour) -> Piece:
    """A bun torn open: crumb, and a dark filling."""
    piece = Piece(scene, size * 1.3)
    t = np.linspace(0, math.pi, 20)
    half = np.concatenate([np.stack([np.cos(t), -0.9 * np.sin(t) + 0.35], 1), [[-1.0, 0.5], [1.0, 0.5]][::1]])
    half = half[np.argsort(np.arctan2(half[:, 1], half[:, 0]))]
    piece.lump(
        half,
        Look(colour("fffaf0"), gloss=0.3, dome=0.4, edge=0.3, edge_ink=colour("ecd9b4"), edge_share=0.2),
        size,
        0.0,
        0.9,
    )
    fill = Look(
        filling, gloss=0.7, dome=0.6, patch=mix(filling, (1, 0.8, 0.5), 0.35), patched=0.45, bumps=1.5, contour=0.6
    )
    return piece.lump(blob(scene.rng, 0.1, 0.55, 0.36), fill, size, 0.0, 0.9, (0.0, 0.02 * size))


def open_dumpling(scene: Scene, size: float) -> Piece:
    """Shumai: a yellow skin gathered like a purse, filling and an orange dot of roe on top."""
    piece = Piece(scene, size * 1.3)
    skin = colour("f7d264")
    side = Look(skin, gloss=0.5, dome=0.9, edge_ink=colour("d69a2e"), edge_share=0.5)
    lean = 0.42 * (1 - scene.view.squash) * 2.0
    body = box(0.82, 0.86, 0.4)
    if lean > 0.1:
        pleats = [
            Mark(np.array([[x * 0.85, 0.85], [x, -0.7]]), colour("d9a33a"), 0.07) for x in np.linspace(-0.7, 0.7, 7)
        ]
        piece.lump(body, side, size, 0.0, 1.0, (0.0, 0.15 * size), marks=pleats)
    else:
        piece.lump(disc(0.95, 0.95), side, size, 0.0, 0.5)
    at = (0.0, -lean * size)
    piece.lump(
        frill(scene.rng, 11, 0.10, 0.02),
        Look(colour("fae08a"), gloss=0.4, dome=0.4, edge=0.3, edge_ink=colour("e0a838"), edge_share=0.3),
        size * 0.98,
        scene.angle(),
        0.0,
        at,
    )
    meat = Look(colour("e79a7c"), gloss=0.6, dome=0.6, patch=colour("f6c3a6"), patched=0.45, bumps=1.5)
    piece.lump(blob(scene.rng, 0.08), meat, size * 0.66, 0.0, 0.0, at)
    return piece.lump(
        blob(scene.rng, 0.12), Look(colour("f56a12"), gloss=0.9, dome=0.8, bumps=1.0), size * 0.26, 0.0, 0.3, at
    )


def shrimp_dumpling(scene: Scene, size: float, angle: float) -> Piece:
    """Har gow: a clear skin through which the shrimp shows pink, many fine pleats."""
    piece = Piece(scene, size * 1.3)
    look = Look(
        colour("f9e6de"),
        gloss=1.0,
        dome=1.0,
        patch=colour("f79a7a"),
        patched=0.55,
        patch_size=1.6,
        edge_ink=colour("f4ecea"),
        edge_share=0.4,
        sharp=16,
    )
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    outline = np.stack([1.0 * np.cos(t), 0.72 * np.sin(t)], 1)
    piece.lump(outline, look, size, angle, 0.6)
    pleats = []
    for x in np.linspace(-0.72, 0.72, 10):
        top = -0.66 * math.sqrt(1 - (x / 1.02) ** 2)
        pleats.append(piece.project(np.array([[x * 1.02, top * 1.02], [x * 0.55, -0.02]]), size, angle, 0.6))
    piece.lines(pleats, colour("fffaf6"), max(2.0, size * 0.085), 0.85)
    piece.lines([np.add(pleat, (size * 0.05, 0)) for pleat in pleats], colour("d9a898"), max(1.5, size * 0.045), 0.7)
    return piece


def wonton(scene: Scene, size: float, angle: float) -> Piece:
    """A small filling in a thin, crumpled skin with a tail."""
    piece = Piece(scene, size * 1.5)
    skin = Look(
        colour("fdeccb"),
        gloss=0.8,
        dome=0.4,
        edge=0.4,
        edge_ink=colour("e8c48e"),
        edge_share=0.25,
        clear=0.08,
        bumps=2.0,
    )
    tail = frill(scene.rng, 5, 0.16, 0.14) * [1.05, 0.85]
    folds = [
        Mark(np.array([[0.1, 0.0], [math.cos(a), 0.8 * math.sin(a)]]), colour("dcb07a"), 0.06)
        for a in np.linspace(-2.4, 2.4, 6) + scene.between(-0.3, 0.3)
    ]
    piece.lump(tail, skin, size, angle, 0.3, marks=folds)
    belly = Look(
        colour("f8d3b4"),
        gloss=1.0,
        dome=1.0,
        patch=colour("e9a586"),
        patched=0.4,
        patch_size=2,
        edge_ink=colour("fbe6c8"),
        edge_share=0.7,
        contour=0.6,
    )
    x, y = math.cos(angle) * 0.15 * size, math.sin(angle) * 0.15 * size
    return piece.lump(disc(0.52, 0.46), belly, size, angle, 0.5, (-x, -y))


def ball(
    scene: Scene, size: float, ink: Colour, gloss: float = 0.8, edge: Colour | None = None, seeds: Colour | None = None
) -> Piece:
    """A round ball of dough; `seeds`: sesame all over it."""
    piece = Piece(scene, size * 1.2)
    piece.lump(
        disc(),
        Look(ink, gloss=gloss, dome=0.8, edge_ink=edge or mix(ink, SHADE, 0.45), edge_share=0.9),
        size,
        0.0,
        0.95,
    )
    if seeds is not None:
        seed = Look(seeds, gloss=0.2, dome=0.8, contour=0.0, edge_ink=mix(seeds, (0.55, 0.3, 0.1), 0.4))
        for i in range(30):
            r, a = 0.9 * math.sqrt((i + 0.5) / 30), i * 2.4 + scene.between(-0.3, 0.3)
            piece.lump(
                disc(0.13, 0.075, count=8),
                seed,
                size,
                scene.angle(),
                1.0,
                (r * size * math.cos(a), r * size * math.sin(a) * 0.95),
            )
    return piece


def cut_ball(scene: Scene, size: float, filling: Colour) -> Piece:
    """A rice ball bitten open, its filling flowing out."""
    piece = ball(scene, size, colour("fffaf2"))
    flow = Look(filling, gloss=1.0, dome=0.5, contour=0.5)
    piece.lump(blob(scene.rng, 0.15, 0.62, 0.5), flow, size, 0.0, 0.8, (0.1 * size, 0.2 * size))
    drip = np.array([[-0.25, 0.0], [0.3, 0.0], [0.38, 0.7], [0.15, 1.0], [-0.1, 0.75]])
    return piece.lump(drip, flow, size, 0.0, 0.8, (0.05 * size, 0.35 * size))


def spring_roll(scene: Scene, size: float, angle: float, cut: bool = False) -> Piece:
    """A fried roll, golden with darker blisters; `cut`: half of one, whose filling shows at its end."""
    piece = Piece(scene, size * 1.6)
    look = Look(
        colour("efb045"),
        gloss=0.45,
        dome=1.0,
        patch=colour("d0822a"),
        patched=0.3,
        patch_size=0.8,
        edge_ink=colour("c47a26"),
        edge_share=0.6,
        bumps=0.9,
    )
    seam = [Mark(np.array([[-0.7, -0.30], [0.05, 0.10], [0.8, -0.28]]), colour("bd7020"), 0.04)]
    wide = 0.44 if cut else 0.28
    piece.lump(box(1.0, wide, 0.10), look, size, angle, 0.5, marks=seam)
    if cut:
        end = piece.project(np.array([[0.96, 0.0]]), size, angle, 0.5)[0]
        at = (float(end[0]), float(end[1]))
        piece.lump(disc(0.27, 0.42), Look(colour("f7cf78"), gloss=0.3, dome=0.2), size, angle, 0.5, at)
        piece.lump(disc(0.20, 0.33), Look(colour("f3e6c4"), gloss=0.3, dome=0.2, contour=0.0), size, angle, 0.5, at)
        for code in ("5aa83c", "f08a24", "7a4a2a", "5aa83c", "f08a24", "efe0a8"):
            spot = (at[0] + scene.between(-0.1, 0.1) * size, at[1] + scene.between(-0.18, 0.18) * size)
            piece.lump(blob(scene.rng, 0.2), Look(colour(code), gloss=0.4, contour=0.3), size * 0.085, 0.0, 0.5, spot)
    return piece


def fried_stick(scene: Scene, size: float, angle: float) -> Piece:
    """Youtiao: two long puffed ropes, side by side."""
    piece = Piece(scene, size * 1.15)
    for side in (-1, 1):
        t = np.linspace(-1, 1, 26)
        bumps = 0.150 + 0.013 * np.sin(t * 9 + scene.angle()) + 0.006 * np.sin(t * 19)
        taper = np.sqrt(np.clip(1 - np.abs(t) ** 8, 0.04, 1))
        middle = 0.130 * side + 0.02 * np.sin(t * 3 + 1)
        outline = np.concatenate(
            [np.stack([t, middle - bumps * taper], 1), np.stack([t, middle + bumps * taper], 1)[::-1]]
        )
        look = Look(
            colour("e8a63e"),
            gloss=0.5,
            dome=1.0,
            patch=colour("f4c86c"),
            patched=0.4,
            edge_ink=colour("b36a1c"),
            edge_share=0.75,
            bumps=1.5,
        )
        piece.lump(outline, look, size, angle, 0.4)
    return piece


def pan_bun(scene: Scene, size: float) -> Piece:
    """A bun fried on its base: a browned skirt, folds above."""
    return pleated_bun(scene, size, 12, colour("fbeacb"), edge=colour("c47a26"))


def rice_parcel(scene: Scene, size: float, angle: float) -> Piece:
    """Zongzi: a pyramid of leaves, tied with string."""
    piece = Piece(scene, size * 1.25)
    corners = np.array([[0.0, -1.0], [1.02, 0.62], [-1.02, 0.62]])
    green = colour("4f8a3a")
    veins = [
        Mark(np.array([[x, -1.0], [x * 1.9 - 0.3, 0.8]]), mix(green, (0.85, 0.9, 0.5), 0.45), 0.022)
        for x in np.linspace(-0.6, 0.8, 9)
    ]
    look = Look(
        green,
        gloss=0.7,
        dome=0.55,
        edge=0.9,
        edge_ink=colour("2f6228"),
        edge_share=0.35,
        patch=colour("86a845"),
        patched=0.3,
    )
    piece.lump(rounded(corners, 3) * 1.12, look, size, angle, 0.75, marks=veins)
    # The fold of the leaf that lies over the front.
    flap = np.array([[-1.0, 0.58], [0.12, -0.35], [0.95, 0.58]])
    piece.lump(
        rounded(flap, 2),
        Look(colour("5f9c40"), gloss=0.6, dome=0.3, edge=0.5, edge_ink=colour("3a7030"), edge_share=0.3),
        size,
        angle,
        0.75,
        marks=[Mark(np.array([[-0.7, 0.5], [0.3, -0.1]]), colour("a4c466"), 0.03)],
    )
    string = colour("f1e2b8")
    ways = [
        np.array([[-0.72, 0.1], [0.0, 0.22], [0.72, 0.12]]),
        np.array([[-0.60, -0.02], [0.05, 0.08], [0.62, 0.0]]),
        np.array([[0.05, -0.75], [0.08, 0.1], [-0.05, 0.62]]),
    ]
    piece.lines(
        [piece.project(np.add(way, (0, 0.03)), size, angle, 0.75) for way in ways],
        colour("8a6a34"),
        max(3.0, size * 0.095),
        0.8,
    )
    piece.lines([piece.project(way, size, angle, 0.75) for way in ways], string, max(2.0, size * 0.07))
    return piece


def mooncake(scene: Scene, size: float, tall: bool = True) -> Piece:
    """A moulded cake: a scalloped side, a flower in relief on its top."""
    lift = scene.view.lift
    piece = Piece(scene, size * 1.2 + size * 0.5 * lift)
    drop = size * 0.5 * lift
    crust, deep, light = colour("d98f3a"), colour("96521a"), colour("f3b95e")
    lobes = 16
    t = np.linspace(0, 2 * math.pi, lobes * 8, endpoint=False)
    r = 0.96 + 0.04 * np.abs(np.cos(lobes * t / 2)) * 1.6
    outline = np.stack([r * np.cos(t), r * np.sin(t)], 1)
    for k in range(4):
        level = drop / 2 - drop * k / 4
        side = Look(mix(deep, crust, 0.25 + 0.12 * k), gloss=0.2, dome=0.15, edge=0.2, contour=1.0 if k == 0 else 0.0)
        piece.lump(outline, side, size, 0.0, 0.0, (0.0, level))
    look = Look(
        crust, gloss=0.7, dome=0.3, edge=0.12, edge_ink=deep, edge_share=0.1, patch=light, patched=0.35, patch_size=2
    )
    at = (0.0, -drop / 2)
    ring = disc(0.80, 0.80, count=40)
    petals = []
    for i in range(8):
        a = 2 * math.pi * i / 8
        c = np.array([0.46 * math.cos(a), 0.46 * math.sin(a)])
        s = np.linspace(0, 2 * math.pi, 16)
        local = np.stack([0.25 * np.cos(s), 0.15 * np.sin(s)], 1)
        turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
        petals.append(c + local @ turn)
    core = disc(0.17, 0.17, count=16)
    ways = [np.concatenate([w, w[:1]]) for w in (ring, *petals, core)]
    lx, ly, _ = scene.sun
    low = [Mark(w + np.array([-lx, -ly]) * 0.05, light, 0.055) for w in ways]
    top = [Mark(w, deep, 0.05) for w in ways]
    return piece.lump(outline, look, size, 0.0, 0.0, at, marks=[*low, *top])


def cut_mooncake(scene: Scene, size: float) -> Piece:
    """A wedge cut out and turned: brown crust, dark paste, an orange yolk."""
    piece = Piece(scene, size * 1.2)
    look = Look(
        colour("6b2f1c"),
        gloss=0.5,
        dome=0.15,
        edge=0.2,
        edge_ink=colour("d08a38"),
        edge_share=0.2,
        patch=colour("84402a"),
        patched=0.4,
    )
    t = np.linspace(0, math.pi, 24)
    half = np.concatenate([np.stack([np.cos(t), -0.78 * np.sin(t) + 0.35], 1), [[-1.0, 0.45], [1.0, 0.45]]])
    half = half[np.argsort(np.arctan2(half[:, 1], half[:, 0]))]
    piece.lump(half, look, size, 0.0, 0.6)
    yolk = Look(colour("fb8f1a"), gloss=0.8, dome=0.6, edge_ink=colour("e05f0c"), patch=colour("ffb347"), patched=0.4)
    return piece.lump(disc(0.36, 0.32), yolk, size, 0.0, 0.7, (0.0, 0.02 * size))


def egg_tart(scene: Scene, size: float) -> Piece:
    """A fluted crust with custard, scorched here and there."""
    piece = Piece(scene, size * 1.3)
    drop = size * 0.35 * scene.view.lift
    crust = Look(
        colour("e2a04a"),
        gloss=0.3,
        dome=0.5,
        edge=0.3,
        edge_ink=colour("a8661f"),
        edge_share=0.25,
        patch=colour("c98334"),
        patched=0.4,
        bumps=1.0,
    )
    if drop > size * 0.1:
        lower = frill(scene.rng, 18, 0.03, 0.0)
        piece.lump(lower * 0.84, Look(colour("b87428"), gloss=0.2, dome=0.4), size, 0.0, 0.0, (0.0, drop))
    piece.lump(frill(scene.rng, 18, 0.035, 0.0), crust, size, 0.0, 0.0)
    rings = Look(colour("f1c176"), gloss=0.3, dome=0.2, edge=0.2, contour=0.4)
    piece.lump(disc(0.85, 0.85), rings, size)
    custard = Look(
        colour("fdc62f"),
        gloss=1.0,
        dome=0.28,
        edge=0.5,
        edge_ink=colour("f0a21a"),
        edge_share=0.3,
        patch=colour("8a4312"),
        patched=0.22,
        patch_size=1.2,
        sharp=16,
    )
    return piece.lump(disc(0.76, 0.76), custard, size, 0.0, 0.0)


def flat_bread(scene: Scene, size: float) -> Piece:
    """A round baked bun for stuffing: pale, with browned rings."""
    piece = Piece(scene, size * 1.2)
    look = Look(
        colour("f0d6a2"),
        gloss=0.25,
        dome=0.6,
        edge=0.5,
        patch=colour("c98a44"),
        patched=0.3,
        edge_ink=colour("d9ab68"),
        edge_share=0.4,
    )
    ring = [
        Mark(np.concatenate([disc(r, r), disc(r, r)[:1]]), colour("bd7c38"), w) for r, w in ((0.72, 0.07), (0.42, 0.05))
    ]
    return piece.lump(disc(), look, size, 0.0, 0.1, marks=ring)


def stuffed_bread(scene: Scene, size: float) -> Piece:
    """Roujiamo: the lower half, chopped meat that swells out, the upper half ajar."""
    piece = Piece(scene, size * 1.7)
    bread = Look(
        colour("f0d6a2"),
        gloss=0.25,
        dome=0.55,
        edge=0.6,
        patch=colour("cf9450"),
        patched=0.3,
        edge_ink=colour("c68f4a"),
        edge_share=0.3,
    )
    piece.lump(disc(1.0, 0.80), bread, size, 0.0, 0.5, (0.0, 0.22 * size))
    for _ in range(26):
        a = scene.between(0.05, math.pi - 0.05)
        at = (
            size * 0.93 * math.cos(a) * scene.between(0.75, 1.0),
            size * (0.02 + 0.62 * math.sin(a) * scene.between(0.8, 1.05)),
        )
        ink = colour(str(scene.rng.choice(["8a4424", "a3582e", "6f3219", "b86a3c"])))
        piece.lump(
            blob(scene.rng, 0.25, 1.2, 0.8),
            Look(ink, gloss=0.8, dome=0.9, contour=0.5),
            size * 0.15,
            scene.angle(),
            0.6,
            at,
        )
    for _ in range(10):
        a = scene.between(0.2, math.pi - 0.2)
        at = (size * 0.85 * math.cos(a), size * (0.02 + 0.62 * math.sin(a)))
        piece.lump(blob(scene.rng, 0.3), Look(colour("5aa83c"), gloss=0.5, contour=0.4), size * 0.085, 0.0, 0.6, at)
    rings = [
        Mark(np.concatenate([disc(r, r * 0.8), disc(r, r * 0.8)[:1]]), colour("bd7c38"), w)
        for r, w in ((0.70, 0.08), (0.40, 0.06))
    ]
    return piece.lump(disc(1.0, 0.78), bread, size, 0.0, 0.5, (0.0, -0.24 * size), marks=rings)


def scallion_cake(scene: Scene, size: float) -> Piece:
    """A round flat cake, golden, rolled in a spiral, with green onion baked in."""
    piece = Piece(scene, size * 1.1)
    t = np.linspace(0.6, 19, 80)
    r = 0.05 * t
    marks = [Mark(np.stack([r * np.cos(t), r * np.sin(t)], 1), colour("b06a20"), 0.06)]
    for i in range(46):
        q, a = 0.9 * math.sqrt((i + 0.5) / 46), i * 2.4 + scene.between(-0.3, 0.3)
        marks.append(
            Mark(
                disc(0.065, 0.045, q * math.cos(a), q * math.sin(a), 8),
                colour(str(scene.rng.choice(["4f9a34", "6fb04a", "3a8030"]))),
            )
        )
    look = Look(
        colour("eab556"),
        gloss=0.5,
        dome=0.12,
        edge=0.1,
        patch=colour("c9852e"),
        patched=0.42,
        patch_size=0.9,
        edge_ink=colour("b8701f"),
        edge_share=0.12,
    )
    return piece.lump(blob(scene.rng, 0.03), look, size, 0.0, 0.0, marks=marks)


def rice_roll(scene: Scene, size: float, angle: float) -> Piece:
    """Cheung fun: a sheet of rice rolled and folded, white and shining."""
    piece = Piece(scene, size * 1.15)
    look = Look(
        colour("fbf4ea"),
        gloss=1.0,
        dome=0.8,
        edge_ink=colour("e0cdb4"),
        edge_share=0.6,
        patch=colour("f3c6a6"),
        patched=0.18,
        patch_size=1.5,
        sharp=14,
    )
    folds = [Mark(np.array([[-1, y], [-0.2, y + 0.03], [1, y - 0.02]]), colour("cdb79a"), 0.025) for y in (-0.09, 0.10)]
    return piece.lump(box(1.0, 0.27, 0.12), look, size, angle, 0.3, marks=folds)


def crepe(scene: Scene, size: float, angle: float) -> Piece:
    """Jianbing: a folded egg crepe, sauce and scallions on it, a crisp cracker and lettuce inside."""
    piece = Piece(scene, size * 1.4)

    def at(x: float, y: float) -> tuple[float, float]:
        point = piece.project(np.array([[x, y]]), size, angle, 0.1)[0]
        return float(point[0]), float(point[1])

    crisp = Look(colour("d9952f"), gloss=0.4, dome=0.4, patch=colour("f0b552"), patched=0.4, bumps=1.5)
    piece.lump(box(1.0, 0.36, 0.05), crisp, size, angle, 0.1, at(0.06, -0.34))
    lettuce = Look(colour("6fbf3f"), gloss=0.4, dome=0.5, edge_ink=colour("a6dc6a"), edge_share=0.4)
    piece.lump(
        frill(scene.rng, 15, 0.12, 0.05) * [0.98, 0.36],
        lettuce,
        size,
        angle,
        0.1,
        at(-0.02, -0.26),
    )
    look = Look(
        colour("f2cd72"),
        gloss=0.4,
        dome=0.22,
        edge=0.25,
        patch=colour("fdf0b8"),
        patched=0.4,
        edge_ink=colour("c98a36"),
        edge_share=0.16,
    )
    marks = [
        Mark(
            np.add(blob(scene.rng, 0.35, 0.2, 0.09), (scene.between(-0.75, 0.75), scene.between(-0.3, 0.3))),
            colour("fff2cc"),
        )
        for _ in range(4)
    ]
    marks += [
        Mark(
            np.stack([np.linspace(-0.9, 0.9, 12), y + 0.05 * np.sin(np.linspace(0, 9, 12) + y * 9)], 1),
            colour("7a2f14"),
            0.055,
        )
        for y in (-0.2, 0.16)
    ]
    piece.lump(box(1.04, 0.46, 0.12), look, size, angle, 0.1, at(0.0, 0.08), marks=marks)
    for _ in range(22):
        spot = at(scene.between(-0.9, 0.9), scene.between(-0.26, 0.42))
        code = str(scene.rng.choice(["4f9f38", "6cb84a", "2a221e"], p=[0.4, 0.35, 0.25]))
        piece.lump(
            disc(1.0, 0.75, count=10),
            Look(colour(code), gloss=0.3, dome=0.5, contour=0.4),
            size * (0.055 if code != "2a221e" else 0.036),
            0.0,
            0.2,
            spot,
        )
    return piece


def turn_at(x: float, y: float, angle: float) -> tuple[float, float]:
    """A place turned with its piece."""
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def stock_of(name: str, pieces: list[Piece], shadow: float = 1.0) -> Stock:
    """Finished pieces as a stock."""
    return Stock(name, [piece.done(shadow) for piece in pieces])


def size_of(surface: Surface, share: float) -> float:
    """Canvas pixels of a share of the surface's half width."""
    return surface.unit * share
