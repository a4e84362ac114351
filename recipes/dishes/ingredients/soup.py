"""What is liquid: broths, sauces, porridges, drops of oil."""

import math

import cv2
import numpy as np

from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import blob
from recipes.drawing.colour import Colour, mix
from recipes.drawing.noise import smoothstep


def broth(
    scene: Scene,
    surface: Surface,
    ink: Colour,
    name: str = "汤",
    edge: Colour | None = None,
    clear: float = 0.0,
    radius: float = 1.0,
) -> None:
    """Soup up to the wall: deeper in colour at its edge, with the light's reflection on it."""
    x, y, across = surface.x, surface.y, surface.unit * radius * surface.stretch
    down = surface.unit * radius * surface.squash
    region = scene.region([x - across, x + across], [y - down, y + down], 2)
    if region is None:
        return
    rows, columns = slice(region.top, region.bottom), slice(region.left, region.right)
    mask = scene.ellipse(x, y, across, down)[rows, columns] * np.float32(1 - clear)
    dx, dy = scene.offsets(region, x, y)
    dx, dy = dx * np.float32(1 / across), dy * np.float32(1 / down)
    radius2 = dx * dx + dy * dy
    deep = edge or mix(ink, (ink[0] * 0.55, ink[1] * 0.4, ink[2] * 0.35), 0.7)
    share = smoothstep(radius2, 0.5, 1.0) if not scene.style.flat else (radius2 > 0.82).astype(np.float32)
    pigment, dark = scene.style.pigment(ink), scene.style.pigment(deep)
    for channel, a, b in zip(scene.rgb[:, rows, columns], pigment, dark, strict=True):
        step = np.float32(a) + np.float32(b - a) * share - channel
        step *= mask
        channel += step
    np.copyto(scene.owner[rows, columns], np.int16(scene.named(name).number), where=mask > 0.45)
    if scene.style.contour is not None:
        t = np.linspace(0, 2 * math.pi, 64)
        way = np.stack([x + across * np.cos(t), y + down * np.sin(t)], 1)
        scene.lines([way], mix(deep, scene.style.contour, 0.5), scene.style.line * scene.pixel, 0.5)
    reflection(scene, surface, radius)


def reflection(scene: Scene, surface: Surface, radius: float = 1.0) -> None:
    """A window's light on a wet surface, near its edge on the side of the light."""
    if not scene.style.gloss:
        return
    angle = math.radians(-128 if scene.light < 0 else -52)
    ways = []
    for r, spread in ((0.90, 0.5), (0.82, 0.22)):
        t = np.linspace(angle - spread, angle + spread, 18)
        across = surface.unit * radius * r
        ways.append(
            np.stack(
                [surface.x + across * surface.stretch * np.cos(t), surface.y + across * surface.squash * np.sin(t)], 1
            )
        )
    scene.lines(ways, (1.0, 0.98, 0.92), 6 * scene.pixel, 0.42 * scene.style.gloss)


def oil(
    scene: Scene, surface: Surface, ink: Colour, count: int = 26, size: float = 0.055, radius: float = 0.92
) -> None:
    """Drops of oil on a broth, each with its glint."""
    squash = surface.squash
    light = mix(ink, (1, 0.95, 0.8), 0.55)
    drops, rings, glints = np.zeros((3, scene.height, scene.width), np.uint8)
    for _ in range(count):
        r, angle = radius * math.sqrt(scene.between(0.02, 1)), scene.angle()
        x, y = surface.at(r * math.cos(angle), r * math.sin(angle))
        a = surface.unit * size * scene.between(0.45, 1.5)
        axes = max(1, round(a * 8)), max(1, round(a * squash * 8))
        centre = round(x * 8), round(y * 8)
        cv2.ellipse(drops, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, 3)
        cv2.ellipse(rings, centre, axes, 0, 0, 360, 255, max(1, round(3 * scene.pixel)), cv2.LINE_AA, 3)
        start = 190 if scene.light < 0 else 280
        small = max(1, round(a * 5)), max(1, round(a * squash * 5))
        cv2.ellipse(glints, centre, small, 0, start, start + 80, 255, max(2, round(4 * scene.pixel)), cv2.LINE_AA, 3)
    scene.tinge(drops.astype(np.float32) * np.float32(0.6 / 255), scene.style.pigment(ink))
    scene.tinge(rings.astype(np.float32) * np.float32(0.55 / 255), scene.style.pigment(mix(ink, (0.4, 0.1, 0.0), 0.35)))
    scene.tinge(glints.astype(np.float32) * np.float32(0.75 * scene.style.gloss / 255), light)


def sauce(
    scene: Scene, surface: Surface, ink: Colour, radius: float = 0.8, name: str = "酱汁", gloss: float = 0.8
) -> None:
    """A shallow pool of an irregular outline."""
    outline = blob(scene.rng, 0.10, surface.stretch, 1.0)
    look = Look(
        ink, gloss=gloss, dome=0.25, edge=0.14, edge_ink=mix(ink, (1, 0.7, 0.3), 0.3), edge_share=0.12, contour=0.5
    )
    sprite = scene.piece(outline, look, surface.unit * radius, 0.0, 0.0, shadow=0.5)
    scene.stamp(sprite, surface.x, surface.y, name)


def ribbons(
    scene: Scene, surface: Surface, name: str, ink: Colour, count: int = 26, width: float = 0.05, radius: float = 0.8
) -> None:
    """Wisps of egg or seaweed that swim in soup."""
    stock = scene.stock(
        name,
        lambda: (blob(scene.rng, 0.5, 1.0, scene.between(0.25, 0.5)), ()),
        Look(ink, gloss=0.4, dome=0.5, patch=mix(ink, (1, 1, 0.9), 0.5), patched=0.4),
        surface.unit * width * 2.6,
        8,
        shadow=0.5,
    )
    for _ in range(count):
        r, angle = radius * math.sqrt(scene.between(0, 1)), scene.angle()
        x, y = surface.at(r * math.cos(angle), r * math.sin(angle))
        scene.stamp(stock.sprites[scene.count(0, 7)], x, y, name)
