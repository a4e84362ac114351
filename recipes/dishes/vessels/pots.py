"""What food is cooked in: bamboo steamers, clay pots, iron pans, the pot of a hotpot."""

import math

import numpy as np

from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import box, disc, strip
from recipes.dishes.vessels.base import Ring, Vessel, glint, place, turned
from recipes.drawing.colour import colour, mix


def _steamer(scene: Scene) -> Surface:
    x, y, unit = place(scene)
    wood, dark = colour("dcae66"), colour("a8763a")
    y -= 0.15 * unit * scene.view.lift
    rings = [
        Ring(1.0, 0.16, colour("e8c384")),
        Ring(0.93, 0.155, dark),
        Ring(0.90, 0.15, colour("c08f4c"), 0.5),
        Ring(0.865, 0.02, colour("e6cb96")),
    ]

    def decorate(scene: Scene, mask: np.ndarray) -> None:
        ways = []
        for level in (0.04, 0.36):
            t = np.linspace(0, math.pi, 40)
            ways.append(
                np.stack(
                    [
                        x + unit * np.cos(t),
                        y + (level - 0.1) * unit * scene.view.lift + unit * scene.view.squash * np.sin(t),
                    ],
                    1,
                )
            )
        scene.lines(ways, dark, 7 * scene.pixel, 0.8, mask)
        stitches = []
        for angle in np.linspace(0.2, math.pi - 0.2, 7):
            cx, cy = x + unit * math.cos(angle), y + unit * scene.view.squash * math.sin(angle)
            stitches.append(
                np.array([[cx, cy - 0.06 * unit * scene.view.lift], [cx, cy + 0.25 * unit * scene.view.lift]])
            )
        scene.lines(stitches, mix(dark, (0.3, 0.15, 0.05), 0.4), 5 * scene.pixel, 0.6, mask)

    turned(scene, "竹蒸笼", x, y, unit, 0.99, 0.52, wood, rings, decorate=decorate)
    floor = scene.ellipse(x, y - 0.02 * unit * scene.view.lift, unit * 0.865, unit * 0.865 * scene.view.squash)
    slats = [np.array([[x + u * unit, y - unit], [x + u * unit, y + unit]]) for u in np.linspace(-0.8, 0.8, 13)]
    scene.lines(slats, dark, 4 * scene.pixel, 0.55, floor)
    return Surface(x, y, unit * 0.80, scene.view.squash, scene.view.lift, rim=0.14)


def _clay(scene: Scene) -> Surface:
    x, y, unit = place(scene)
    unit *= 0.94
    y -= 0.16 * unit * scene.view.lift
    clay, glaze = colour("8a5a3c"), colour("4a2e22")
    for side in (-1, 1):
        handle = scene.piece(box(0.16, 0.13, 0.1), Look(clay, gloss=0.3, dome=0.8), unit, 0.0, 0.3)
        scene.stamp(handle, x + side * unit * 1.06, y - 0.02 * unit, "砂锅")
    rings = [Ring(1.0, 0.10, mix(clay, (1, 0.8, 0.6), 0.25)), Ring(0.91, 0.09, glaze, 0.4)]
    turned(scene, "砂锅", x, y, unit, 0.72, 0.6, clay, rings)
    glint(scene, x, y - 0.1 * unit * scene.view.lift, unit * 0.955, unit * 0.955 * scene.view.squash, 0.4)
    return Surface(x, y + 0.02 * unit * scene.view.lift, unit * 0.84, scene.view.squash, scene.view.lift, True, rim=0.1)


def _pan(scene: Scene) -> Surface:
    x, y, unit = place(scene)
    unit *= 0.95
    iron = colour("2f2d2e")
    if scene.view.name != "特写":
        side, lean = scene.light, 0.7
        grip = scene.piece(strip(0.02, 0.14), Look(colour("3a3534"), gloss=0.5), unit * 0.5, side * lean, 0.2)
        scene.stamp(grip, x + side * unit * 1.15, y + unit * 0.9 * scene.view.squash, "铁锅")
    else:
        for side in (-1, 1):
            ear = scene.piece(box(0.14, 0.16, 0.1), Look(iron, gloss=0.4, dome=0.8), unit, 0.0, 0.3)
            scene.stamp(ear, x + side * unit * 1.05, y, "铁锅")
    rings = [Ring(1.0, 0.12, colour("55504e")), Ring(0.955, 0.115, iron, -0.9), Ring(0.83, 0.0, colour("3b3736"), 0.35)]
    turned(scene, "铁锅", x, y, unit, 0.82, 0.2, iron, rings)
    glint(scene, x, y - 0.12 * unit * scene.view.lift, unit * 0.98, unit * 0.98 * scene.view.squash, 0.5)
    return Surface(x, y, unit * 0.82, scene.view.squash, scene.view.lift, rim=0.06)


def _hotpot(scene: Scene) -> Surface:
    """A wide pot of steel or copper with two handles, for two broths."""
    x, y, unit = place(scene)
    y -= 0.16 * unit * scene.view.lift
    metal = colour("b9bdc2") if scene.chance(0.5) else colour("c98b4a")
    for side in (-1, 1):
        ring = scene.piece(disc(0.15, 0.2), Look(mix(metal, (0.2, 0.15, 0.1), 0.35), gloss=0.8), unit, 0.0, 0.2)
        scene.stamp(ring, x + side * unit * 1.03, y - 0.03 * unit, "鸳鸯锅")
    rings = [Ring(1.0, 0.10, mix(metal, (1, 1, 1), 0.4)), Ring(0.94, 0.09, mix(metal, (0.2, 0.18, 0.2), 0.35), 0.5)]
    turned(scene, "鸳鸯锅", x, y, unit, 0.86, 0.5, metal, rings)
    glint(scene, x, y - 0.1 * unit * scene.view.lift, unit * 0.97, unit * 0.97 * scene.view.squash, 0.8)
    return Surface(
        x, y + 0.02 * unit * scene.view.lift, unit * 0.90, scene.view.squash, scene.view.lift, True, rim=0.08
    )


POTS = [
    Vessel("竹蒸笼", "笼", _steamer, ("竹蒸笼", "蒸笼")),
    Vessel("砂锅", "锅", _clay, ("砂锅", "陶锅")),
    Vessel("铁锅", "锅", _pan, ("铁锅", "黑色的铁锅")),
    Vessel("鸳鸯锅", "锅", _hotpot, ("鸳鸯锅",)),
]
