"""Bowls: white, blue and white, black, red lacquer, celadon; a glass."""

import math

import numpy as np

from recipes.dishes.scene import Scene, Surface
from recipes.dishes.vessels.base import BLUE, WHITE, Ring, Vessel, ellipse_points, glint, place, tints, turned
from recipes.drawing.colour import Colour, colour, mix


def _bowl(scene: Scene, name: str, outside: Colour, inside: Colour, pattern: bool = False) -> Surface:
    x, y, unit = place(scene)
    y -= 0.08 * unit * scene.view.lift
    light, dark = mix(inside, (1, 1, 1), 0.3), mix(inside, (0.15, 0.12, 0.12), 0.16)
    rings = [Ring(1.0, 0.10, mix(outside, light, 0.5)), Ring(0.955, 0.09, dark, 0.35)]

    def decorate(scene: Scene, mask: np.ndarray) -> None:
        if pattern:
            _scrolls(scene, mask, x, y, unit)

    turned(scene, name, x, y, unit, 0.46, 0.62, outside, rings, decorate=decorate)
    top = y - 0.10 * unit * scene.view.lift
    if pattern:
        ways = [ellipse_points(x, top, unit * r, unit * r * scene.view.squash) for r in (0.985,)]
        scene.lines([np.concatenate([w, w[:1]]) for w in ways], BLUE, 5 * scene.pixel, 0.9)
    glint(scene, x, top, unit * 0.98, unit * 0.98 * scene.view.squash)
    surface_y = y + 0.06 * unit * scene.view.lift
    return Surface(x, surface_y, unit * 0.86, scene.view.squash, scene.view.lift, True, rim=0.16)


def _scrolls(scene: Scene, mask: np.ndarray, x: float, y: float, unit: float) -> None:
    """Blue bands and flowers around the wall."""
    lift, squash = scene.view.lift, scene.view.squash
    ways, flowers = [], []
    for height, radius in ((-0.02, 0.99), (-0.30, 0.80)):
        t = np.linspace(0, math.pi, 40)
        ways.append(
            np.stack([x + unit * radius * np.cos(t), y - height * unit * lift + unit * radius * squash * np.sin(t)], 1)
        )
    for share in np.linspace(0.1, 0.9, 7):
        angle = math.pi * share
        cx, cy = x + unit * 0.92 * math.cos(angle), y + 0.15 * unit * lift + unit * 0.92 * squash * math.sin(angle)
        t = np.linspace(0, 2 * math.pi, 26)
        size = unit * 0.07 * (0.72 + 0.28 * np.cos(5 * t))
        flowers.append(np.stack([cx + size * np.cos(t) * max(0.4, math.sin(angle)), cy + size * np.sin(t)], 1))
    scene.lines(ways, BLUE, 5 * scene.pixel, 0.85, mask)
    for flower in flowers:
        scene.tinge(scene.polygon(flower) * mask * np.float32(0.85), BLUE)


def _white(scene: Scene) -> Surface:
    return _bowl(scene, "白瓷碗", WHITE, WHITE)


def _blue(scene: Scene) -> Surface:
    return _bowl(scene, "青花碗", WHITE, WHITE, True)


def _black(scene: Scene) -> Surface:
    base, _, _ = tints("33302e")
    return _bowl(scene, "黑陶碗", base, colour("4a4542"))


def _red(scene: Scene) -> Surface:
    return _bowl(scene, "红漆碗", colour("b02a22"), colour("3a2320"))


def _celadon(scene: Scene) -> Surface:
    return _bowl(scene, "青瓷碗", colour("9cc2b0"), colour("b9d6c8"))


def _glass(scene: Scene) -> Surface:
    """A tall glass, which is seen through: its content is painted with it."""
    x, y, unit = place(scene)
    x += 0.0 if scene.view.name == "特写" else 0.06 * scene.side
    unit *= 0.62
    y -= unit * 0.5 * scene.view.lift
    content = colour("f3e8cf")
    tall = 2.0
    rings = [Ring(1.0, 0.0, colour("e6f0f2")), Ring(0.93, -0.02, mix(content, (0.6, 0.5, 0.4), 0.12), 0.2)]

    def decorate(scene: Scene, mask: np.ndarray) -> None:
        band = np.abs((scene.columns - np.float32(x)) * np.float32(1 / unit) + np.float32(scene.light * -0.62)) < 0.09
        scene.tinge(mask * band * np.float32(0.45 * scene.style.gloss), (1.0, 1.0, 1.0))

    turned(scene, "玻璃杯", x, y, unit, 0.78, tall, mix(content, (0.85, 0.92, 0.95), 0.25), rings, decorate=decorate)
    glint(scene, x, y, unit * 0.97, unit * 0.97 * scene.view.squash)
    return Surface(x, y + 0.1 * unit * scene.view.lift, unit * 0.88, scene.view.squash, scene.view.lift, True, rim=0.1)


BOWLS = [
    Vessel("白瓷碗", "碗", _white, ("白瓷碗", "白色的碗")),
    Vessel("青花碗", "碗", _blue, ("青花碗", "青花瓷碗")),
    Vessel("黑陶碗", "碗", _black, ("黑陶碗", "黑色的碗")),
    Vessel("红漆碗", "碗", _red, ("红漆碗", "红色的碗")),
    Vessel("青瓷碗", "碗", _celadon, ("青瓷碗", "淡绿色的碗")),
    Vessel("玻璃杯", "杯", _glass, ("玻璃杯",)),
]
