"""What is long: noodles of every kind, shreds of meat and vegetables."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from recipes.dishes.piece import Look
from recipes.dishes.scene import Scene, Stock, Surface
from recipes.dishes.shapes import strip
from recipes.drawing.colour import Colour, mix
from recipes.drawing.noise import smoothstep


def noodles(
    scene: Scene,
    surface: Surface,
    ink: Colour,
    width: float = 0.035,
    bundles: int = 16,
    strands: int = 7,
    radius: float = 0.84,
    height: float = 0.12,
    name: str = "面条",
    sunk: bool = True,
    shade: Colour | None = None,
    curl: float = 1.0,
) -> None:
    """Bundles of parallel strands that bend over each other; `width`: half a strand's, in units; `sunk`: they fade into
    a broth at the edge."""
    pixels = max(3.0, 2 * width * surface.unit)
    dark = scene.style.pigment(shade or mix(ink, (ink[0] * 0.45, ink[1] * 0.3, ink[2] * 0.2), 0.75))
    body, light = scene.style.pigment(ink), scene.style.pigment(mix(ink, (1, 1, 0.95), 0.55))
    if scene.style.contour is not None:
        dark = mix(dark, scene.style.contour, 0.45)
    image = np.zeros((scene.height, scene.width, 3), np.uint8)
    mask = np.zeros((scene.height, scene.width), np.uint8)
    lx, ly, _ = scene.sun
    order = np.linspace(1.0, 0.15, bundles)
    for reach in order:
        ways = _bundle(scene, surface, strands, width, radius, reach, height, curl)
        tone = scene.between(0.92, 1.05) if not scene.style.flat else 1.0
        for way in ways:
            points = [np.rint(way * 8).astype(np.int32)]
            for ink_now, thick, offset in ((dark, 1.0, 0.0), (body, 0.68, 0.0), (light, 0.26, 0.17)):
                if ink_now is light and (scene.style.flat or not scene.style.gloss):
                    continue
                moved = points
                if offset:
                    shift = np.array([lx, ly]) * offset * pixels * 8
                    moved = [points[0] + np.rint(shift).astype(np.int32)]
                colour = [min(255.0, channel * 255 * tone) for channel in ink_now]
                cv2.polylines(image, moved, False, colour, max(1, round(pixels * thick)), cv2.LINE_AA, 3)
            cv2.polylines(mask, points, False, 255, max(1, round(pixels)), cv2.LINE_AA, 3)
    alpha = mask.astype(np.float32) * np.float32(1 / 255)
    if sunk:
        dx = (scene.columns - np.float32(surface.x)) * np.float32(1 / (surface.unit * surface.stretch))
        dy = (scene.rows - np.float32(surface.y)) * np.float32(1 / (surface.unit * surface.squash))
        alpha *= 1 - smoothstep(dx * dx + dy * dy, 0.74, 0.92)
    else:
        scene.shadow(alpha, 0.8, -scene.light * 4 * scene.pixel, 6 * scene.pixel, 8 * scene.pixel)
    inks = [image[..., i].astype(np.float32) * np.float32(1 / 255) for i in range(3)]
    for channel, value in zip(scene.rgb, inks, strict=True):
        channel += (value - channel) * alpha
    np.copyto(scene.owner, np.int16(scene.named(name).number), where=alpha > 0.45)


def _bundle(
    scene: Scene, surface: Surface, strands: int, width: float, radius: float, reach: float, height: float, curl: float
) -> list[np.ndarray]:
    turn, q = scene.angle(), np.linspace(0, 1, 18)
    bend = scene.between(1.5, 3.4) * curl * (1 if scene.chance(0.5) else -1)
    r0 = radius * reach * scene.between(0.35, 0.95)
    # An arc around a middle that lies off the centre of the bowl.
    cx, cy = (scene.between(-0.35, 0.35) * radius for _ in range(2))
    ways = []
    for i in range(strands):
        r = max(0.05, r0 + (i - strands / 2) * width * 2.0)
        angle = turn + bend * q
        wave = 0.03 * np.sin(q * 7 + turn) * radius
        u, v = cx + (r + wave) * np.cos(angle), cy + (r + wave) * np.sin(angle)
        away = np.hypot(u, v)
        pull = np.minimum(1, radius / np.maximum(away, 1e-3))
        u, v = u * pull, v * pull
        z = height * (1 - (np.hypot(u, v) / radius) ** 2)
        x = surface.x + u * surface.unit * surface.stretch
        y = surface.y + v * surface.unit * surface.squash - z * surface.unit * surface.lift
        ways.append(np.stack([x, y], 1))
    return ways


def shreds(
    scene: Scene,
    surface: Surface,
    name: str,
    inks: Sequence[Colour],
    size: float = 0.26,
    width: float = 0.13,
    gloss: float = 0.6,
    edge: Colour | None = None,
    kinds: int = 8,
    bend: float = 0.35,
    angles: tuple[float, float] = (0.0, math.pi),
) -> Stock:
    """Thin sticks, slightly bent: cut meat, carrots, bamboo, peppers. `width`: half of it for each half length."""

    def look() -> Look:
        ink = inks[scene.count(0, len(inks) - 1)]
        return Look(
            ink, gloss=gloss, dome=1.0, edge_ink=edge, edge_share=0.8, patch=mix(ink, (1, 0.9, 0.7), 0.3), patched=0.3
        )

    return scene.stock(
        name,
        lambda: (strip(scene.between(-bend, bend), width, 0.25), ()),
        look,
        surface.unit * size,
        kinds,
        0.3,
        angles,
    )
