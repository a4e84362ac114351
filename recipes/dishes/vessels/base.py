"""What a vessel is, and the parts that bowls, plates and pots are made of."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.dishes.scene import Scene, Surface
from recipes.drawing.colour import Colour, colour, mix


@dataclass(frozen=True)
class Vessel:
    """`name`: its plain noun; `measure`: what captions count a dish by; `draw`: paints it, returns its surface."""

    name: str
    measure: str
    draw: Callable[[Scene], Surface]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ring:
    """A circle of a turned vessel: radius and height in units; the colour inside it; `slope` of its wall: towards the
    middle it falls (positive) or rises."""

    radius: float
    height: float
    ink: Colour
    slope: float = 0.0


def place(scene: Scene) -> tuple[float, float, float]:
    """Where a vessel stands: x, y of its middle and its unit, in canvas pixels."""
    unit = scene.side * scene.view.reach * scene.between(0.95, 1.03)
    shift = 0.10 if scene.view.name == "特写" else 0.03
    x = scene.width * (0.5 + scene.between(-shift, shift)) - (scene.side * 0.05 if scene.facts.beside else 0)
    y = scene.height * (0.5 + scene.between(-shift, shift) * 0.6)
    return x, y, unit


def ellipse_points(x: float, y: float, across: float, down: float, count: int = 64) -> np.ndarray:
    t = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([x + across * np.cos(t), y + down * np.sin(t)], 1)


def turned(
    scene: Scene,
    name: str,
    x: float,
    y: float,
    unit: float,
    foot: float,
    height: float,
    body: Colour,
    rings: Sequence[Ring],
    stretch: float = 1.0,
    decorate: Callable[[Scene, np.ndarray], None] | None = None,
) -> None:
    """A turned vessel: its shadow, the outer wall from the foot (radius `foot`) up to the first ring, then its rings.

    (x, y): the middle of its first ring's circle at height 0; `stretch`: of oval ones.
    """
    squash, lift = scene.view.squash, scene.view.lift
    rim = rings[0]
    top = y - rim.height * unit * lift
    base = top + height * unit * lift
    wide = unit * stretch
    ground = scene.ellipse(x, base, wide * foot, unit * foot * squash)
    ground = np.maximum(
        ground,
        scene.ellipse(x, (base + top) / 2, wide * (foot + rim.radius) / 2, unit * squash * (foot + rim.radius) / 2),
    )
    ground = np.maximum(ground, scene.ellipse(x, top, wide * rim.radius, unit * rim.radius * squash))
    drop = unit * (0.05 + 0.10 * height)
    scene.shadow(ground, 1.0, -scene.light * drop * 1.2, drop, unit * 0.05)
    scene.shadow(ground, 0.7, -scene.light * 3 * scene.pixel, 4 * scene.pixel, unit * 0.02)
    wall = _hull(x, top, wide * rim.radius, unit * rim.radius * squash, base, wide * foot, unit * foot * squash)
    mask = scene.polygon(wall)
    across = (scene.columns - np.float32(x)) * np.float32(1 / (wide * rim.radius))
    shade: np.ndarray | float = 1.0
    if scene.style.flat:
        shade = np.where(across * np.float32(scene.light) > 0.15, np.float32(1.0), np.float32(0.88))
    else:
        lit = across * np.float32(scene.light)
        shade = 1 + np.float32(scene.style.contrast) * (
            lit * np.float32(0.22) - np.float32(0.05) - np.abs(across) ** 3 * np.float32(0.22)
        )
    scene.wash(mask, body, name, shade=shade)
    if decorate is not None:
        decorate(scene, mask)
    scene.contour(wall, body)
    for ring in rings:
        level = y - ring.height * unit * lift
        disc(scene, name, x, level, wide * ring.radius, unit * ring.radius * squash, ring.ink, ring.slope)


def disc(
    scene: Scene,
    name: str,
    x: float,
    y: float,
    across: float,
    down: float,
    ink: Colour,
    slope: float = 0.0,
    line: bool = True,
) -> np.ndarray:
    """A level circle whose wall slopes: lit on the side away from the light, where it falls to the middle. Its mask."""
    mask = scene.ellipse(x, y, across, down)
    shade: np.ndarray | float = 1.0
    if slope and not scene.style.flat:
        dx = (scene.columns - np.float32(x)) * np.float32(1 / across)
        dy = (scene.rows - np.float32(y)) * np.float32(1 / down)
        lx, ly, _ = scene.sun
        amount = np.float32(slope * scene.style.contrast)
        shade = (1 - amount * np.float32(ly) * dy) - amount * np.float32(lx) * dx
    scene.wash(mask, ink, name, shade=shade)
    if line:
        scene.contour(ellipse_points(x, y, across, down), ink, 0.8)
    return mask


def _hull(x: float, top: float, a: float, b: float, base: float, c: float, d: float) -> np.ndarray:
    """The outline of what lies between two level ellipses, the wall slightly round."""
    t = np.linspace(math.pi, 2 * math.pi, 33)
    upper = np.stack([x + a * np.cos(t), top + b * np.sin(t)], 1)
    k = np.linspace(0.0, 1.0, 10)[1:-1]
    bulge = np.sqrt(1 - k**2)
    right = np.stack([x + c * 0.98 + (a - c * 0.98) * bulge, top + (base - top) * k + b * 0.12 * k], 1)
    t = np.linspace(0, math.pi, 33)
    lower = np.stack([x + c * np.cos(t), base + d * np.sin(t)], 1)
    left = np.stack([2 * x - right[:, 0], right[:, 1]], 1)[::-1]
    return np.concatenate([upper, right, lower, left])


def glint(scene: Scene, x: float, y: float, across: float, down: float, strength: float = 0.5) -> None:
    """The light that a glazed rim mirrors, on the side of the light."""
    if not scene.style.gloss:
        return
    angle = math.radians(-130 if scene.light < 0 else -50)
    t = np.linspace(angle - 0.42, angle + 0.42, 16)
    way = np.stack([x + across * np.cos(t), y + down * np.sin(t)], 1)
    scene.lines([way], (1.0, 1.0, 1.0), 6 * scene.pixel, strength * scene.style.gloss)


WHITE = colour("f4f3ee")
BLUE = colour("2f5a9e")


def tints(code: str) -> tuple[Colour, Colour, Colour]:
    """A glaze, its shade, its light."""
    base = colour(code)
    return base, mix(base, (0.12, 0.10, 0.14), 0.22), mix(base, (1, 1, 1), 0.35)
