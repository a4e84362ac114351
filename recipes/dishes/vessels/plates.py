"""Plates: white, blue and white, black, celadon; a long plate; a wooden board, leaves, a sheet of oiled paper."""

import math

import numpy as np

from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import Mark, box, leaf
from recipes.dishes.vessels.base import BLUE, WHITE, Ring, Vessel, ellipse_points, glint, place, turned
from recipes.drawing.colour import Colour, colour, mix


def _plate(scene: Scene, name: str, ink: Colour, pattern: bool = False, stretch: float = 1.0) -> Surface:
    x, y, unit = place(scene)
    if stretch > 1:
        unit *= 0.94 / stretch * 1.12
    light, dark = mix(ink, (1, 1, 1), 0.35), mix(ink, (0.16, 0.14, 0.18), 0.13)
    rings = [
        Ring(1.0, 0.10, light),
        Ring(0.975, 0.095, ink, 0.16),
        Ring(0.76, 0.02, dark, -0.2),
        Ring(0.735, 0.0, mix(ink, light, 0.3), 0.08),
    ]
    turned(scene, name, x, y, unit, 0.66, 0.13, dark, rings, stretch)
    squash, level = scene.view.squash, y - 0.06 * unit * scene.view.lift
    if pattern:
        for r, height in ((0.955, 0.09), (0.785, 0.03)):
            way = ellipse_points(x, y - height * unit * scene.view.lift, unit * stretch * r, unit * r * squash)
            scene.lines([np.concatenate([way, way[:1]])], BLUE, 5 * scene.pixel, 0.85)
        for i in range(16):
            angle = 2 * math.pi * i / 16
            cx, cy = x + unit * stretch * 0.87 * math.cos(angle), level + unit * 0.87 * squash * math.sin(angle)
            t = np.linspace(0, 2 * math.pi, 24)
            size = unit * 0.055 * (0.68 + 0.32 * np.cos((4 if i % 2 else 3) * t + angle))
            flower = np.stack([cx + size * np.cos(t) * 1.2, cy + size * np.sin(t) * squash], 1)
            scene.tinge(scene.polygon(flower) * np.float32(0.8), BLUE)
    glint(scene, x, y - 0.09 * unit * scene.view.lift, unit * stretch * 0.98, unit * 0.98 * squash, 0.6)
    return Surface(x, y, unit * 0.86, squash, scene.view.lift, stretch=stretch)


def _white(scene: Scene) -> Surface:
    return _plate(scene, "白瓷盘", WHITE)


def _blue(scene: Scene) -> Surface:
    return _plate(scene, "青花盘", WHITE, True)


def _black(scene: Scene) -> Surface:
    return _plate(scene, "黑陶盘", colour("3b3836"))


def _celadon(scene: Scene) -> Surface:
    return _plate(scene, "青瓷盘", colour("a9cbbb"))


def _long(scene: Scene) -> Surface:
    return _plate(scene, "长盘", WHITE, False, 1.42)


def _board(scene: Scene) -> Surface:
    x, y, unit = place(scene)
    ink = colour("c68f56")
    outline = box(1.06, 0.86, 0.16)
    marks = [
        Mark(np.array([[-1.1, v], [1.1, v + scene.between(-0.04, 0.04)]]), mix(ink, (0.4, 0.2, 0.1), 0.3), 0.022)
        for v in (-0.6, -0.33, -0.02, 0.26, 0.6)
    ]
    sprite = scene.piece(
        outline,
        Look(ink, gloss=0.15, edge=0.07, dome=0.5, patch=mix(ink, (0.5, 0.3, 0.15), 0.4), patched=0.3, patch_size=3),
        unit,
        0.0,
        0.0,
        marks,
        1.5,
    )
    scene.stamp(sprite, x, y, "木板")
    return Surface(x, y, unit * 0.84, scene.view.squash, scene.view.lift, stretch=1.1)


def _leaf(scene: Scene) -> Surface:
    """Three long leaves crosswise."""
    x, y, unit = place(scene)
    green = colour("3f8a3e")
    for angle in (0.62, -0.58, 0.05):
        ribs = [Mark(np.array([[-1, 0], [1, 0]]), colour("8fc46a"), 0.03)]
        for t in np.linspace(-0.8, 0.7, 9):
            for side in (-1, 1):
                ribs.append(Mark(np.array([[t, 0], [t + 0.18, side * 0.46]]), mix(green, (0.1, 0.3, 0.1), 0.35), 0.014))
        sprite = scene.piece(
            leaf(0.50), Look(green, gloss=0.3, dome=0.25, edge=0.7), unit * 1.16, angle, 0.0, ribs, 1.2
        )
        scene.stamp(sprite, x, y, "绿叶")
    return Surface(x, y, unit * 0.78, scene.view.squash, scene.view.lift)


def _paper(scene: Scene) -> Surface:
    x, y, unit = place(scene)
    ink = colour("e2c795")
    turn = scene.between(-0.25, 0.25)
    crease = [
        Mark(np.array([[-1, v * 0.8], [1, -v * 0.6]]), mix(ink, (0.5, 0.35, 0.2), 0.3), 0.02) for v in (-0.4, 0.5)
    ]
    sprite = scene.piece(box(1.04, 0.9, 0.05), Look(ink, gloss=0.1, dome=0.2, edge=0.1), unit, turn, 0.0, crease, 1.0)
    scene.stamp(sprite, x, y, "油纸")
    return Surface(x, y, unit * 0.84, scene.view.squash, scene.view.lift)


PLATES = [
    Vessel("白瓷盘", "盘", _white, ("白瓷盘", "白色的盘子")),
    Vessel("青花盘", "盘", _blue, ("青花盘", "青花瓷盘")),
    Vessel("黑陶盘", "盘", _black, ("黑陶盘", "黑色的盘子")),
    Vessel("青瓷盘", "盘", _celadon, ("青瓷盘", "淡绿色的盘子")),
    Vessel("长盘", "盘", _long, ("长盘", "椭圆形的盘子")),
    Vessel("木板", "份", _board, ("木板", "木砧板")),
    Vessel("绿叶", "份", _leaf, ("绿叶",)),
    Vessel("油纸", "份", _paper, ("油纸",)),
]
