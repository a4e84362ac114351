"""Lotus on water (荷叶, 荷花): pads, flowers, buds and seed heads; brown and broken in autumn."""

import math

import cv2
import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.blossoms import dyed
from recipes.landscapes.things.shapes import blob, oval

# How far petals are turned to the sides, from those behind to those in front.
_PETALS = (-1.3, 1.3, -0.95, 0.95, -0.6, 0.6, -0.25, 0.25, 0, -1.1, 1.1, -0.75, 0.75, -0.3, 0.34, 0.02)
_FLOWERS = ("d8628a fdeef0", "c84a78 f8ccd8", "e07a9c fff0f0")


def lotus_pond(scene: Scene, top: float, bottom: float, count: int, flowers: float = 0.5) -> None:
    """Pads from row `top` to `bottom`, larger towards the viewer; a share `flowers` of them has a flower."""
    blooms = scene.rng.random(count) < (flowers if _green(scene) else 0.0)
    inks = dyed(scene, scene.pick(_FLOWERS), 0.45)
    heights = np.sort(scene.rng.uniform(0, 1, count))
    with scene.thing("荷叶" if _green(scene) else "残荷", "草"):
        for share, bloom in zip(heights, blooms, strict=True):
            y = top + (bottom - top) * share**1.2
            x = scene.width * scene.between(-0.05, 1.05)
            radius = (16 + 62 * share) * scene.pixel * scene.between(0.75, 1.2)
            rise = radius * scene.between(0, 1.1) if share > 0.25 else 0.0
            pad(scene, x, y, radius, rise, float(0.45 + 0.55 * share))
            if bloom:
                shift, lift = scene.between(-0.6, 0.6) * radius, scene.between(0.5, 1.1) * radius
                with scene.thing("荷花", "花"):
                    _any_flower(scene, x + shift, y - rise - lift, radius * 0.62, y, inks)


def lotus(scene: Scene, x: float, y: float, size: float) -> None:
    """One flower drawn large, of this height in pixels with its stem, among pads; a bud or a seed head beside it."""
    inks = dyed(scene, scene.pick(_FLOWERS), 0.45)
    side = 1.0 if scene.chance(0.5) else -1.0
    with scene.thing("荷叶", "草"):
        pad(scene, x - side * size * 0.34, y - size * 0.04, size * 0.30, size * 0.22, 0.9)
        pad(scene, x + side * size * 0.42, y - size * 0.02, size * 0.24, size * 0.05, 0.9)
    with scene.thing("荷花", "花"):
        if scene.chance(0.6):
            bud(scene, x + side * size * 0.34, y - size * 0.62, size * 0.15, y, inks)
        else:
            seed_head(scene, x + side * size * 0.34, y - size * 0.55, size * 0.10, y)
        flower(scene, x, y - size * 0.52, size * 0.46, y, inks)
    with scene.thing("荷叶", "草"):
        pad(scene, x + side * size * 0.08, y + size * 0.06, size * 0.36, 0.0, 1.0)


def _green(scene: Scene) -> bool:
    return scene.facts.season in ("春", "夏")


def _pad_inks(scene: Scene) -> tuple[Colour, Colour]:
    palette = scene.palette
    if _green(scene):
        if scene.style.chinese:
            return mix(palette.evergreen[0], palette.near, 0.15), palette.evergreen[-1]
        return mix(palette.evergreen[0], palette.near, 0.3), palette.lit(colours("9cc470")[0])
    dark, light = (palette.lit(ink) for ink in colours("4a3a24 b89a5c"))
    return (mix(dark, palette.ink, 0.5), mix(light, palette.paper, 0.3)) if scene.style.chinese else (dark, light)


def pad(scene: Scene, x: float, y: float, radius: float, rise: float, nearness: float) -> None:
    """A pad of this radius in pixels that stands `rise` above the water at row `y`."""
    angle, withered = np.linspace(0, 2 * math.pi, 60), not _green(scene)
    wave = 1 + (0.12 if withered else 0.05) * np.sin(angle * 5 + scene.between(0, 6))
    wave += (0.08 if withered else 0.03) * np.sin(angle * 9 + scene.between(0, 6))
    tilt = scene.between(0.30, 0.46)
    middle = y - rise
    rim = np.stack([x + radius * wave * np.cos(angle), middle + radius * tilt * wave * np.sin(angle)], 1)
    dark, light = _pad_inks(scene)
    if rise > radius * 0.25:
        stem = np.array([[[x, middle], [x + radius * 0.1, y + radius * 0.1]]])
        scene.strokes(stem, np.array([max(radius * 0.06, 2)]), scene.faded(mix(dark, light, 0.3), nearness), 0.9)
    region = scene.region(rim[:, 0], rim[:, 1], 3)
    if region is None:
        return
    mask = np.zeros((region.height, region.width), np.uint8)
    cv2.fillPoly(mask, [((rim - [region.left, region.top]) * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    across, down = scene.offsets(region, x, middle)
    across, down = across / radius, down / (radius * tilt)
    turn, out = np.arctan2(down, across), np.hypot(across, down)
    veins = np.abs(np.cos(turn * 7)) ** 14 * smoothstep(out, 0.05, 0.3) * 0.35
    shade = 0.35 + 0.3 * out + 0.25 * scene.light * across - 0.2 * down + veins
    if scene.style.roughness:
        shade = shade + 0.09 * scene.noise(region.height, region.width, 1.6)
    cover = mask.astype(np.float32) * np.float32(0.96 / 255)
    scene.cover(cover, scene.faded(dark, nearness), scene.faded(light, nearness), shade.astype(np.float32),
                region.top, region.left)  # fmt: skip


def _any_flower(scene: Scene, x: float, y: float, size: float, foot: float, inks: list[Colour]) -> None:
    kind = scene.pick(("flower", "bud", "seeds"), (0.65, 0.22, 0.13))
    if kind == "flower":
        flower(scene, x, y, size, foot, inks)
    elif kind == "bud":
        bud(scene, x, y, size * 0.42, foot, inks)
    else:
        seed_head(scene, x, y, size * 0.34, foot)


def _stem(scene: Scene, x: float, y: float, size: float, foot: float) -> None:
    way = np.array([[[x, y], [x + size * 0.1, foot]]])
    ink = scene.palette.evergreen[1] if scene.style.chinese else scene.palette.lit("5a8a48")
    scene.strokes(way, np.array([max(size * 0.07, 2 * scene.pixel)]), ink, 0.95)


def flower(scene: Scene, x: float, y: float, size: float, foot: float, inks: list[Colour]) -> None:
    """An open flower from the side on its stem: outer petals, inner ones, those in front."""
    _stem(scene, x, y, size, foot)
    region = scene.region([x - size, x + size], [y - size, y + size * 0.4], 2)
    if region is None:
        return
    picture, mask = (
        np.zeros((region.height, region.width, 3), np.uint8),
        np.zeros((region.height, region.width), np.uint8),
    )
    t, opened = np.linspace(0, 1, 12), scene.between(0.7, 1.1)
    dark, light = inks
    for order, share in enumerate(_PETALS):
        front = order >= 9
        length, width = size * (0.60 if front else 0.92 - 0.12 * abs(share)), size * (0.3 if front else 0.25)
        turn = share * opened * 1.25
        ahead, beside = np.array([math.sin(turn), -math.cos(turn)]), np.array([math.cos(turn), math.sin(turn)])
        wide = np.outer(np.sin(np.pi * t**0.8) ** 0.8 * (1 - 0.2 * t) * width, beside)
        spine = np.outer(t * length, ahead)
        root = np.array([x - region.left, y - region.top])
        petal = root + np.concatenate([spine + wide, (spine - wide)[::-1]])
        pixels = (petal * 8).astype(np.int32)
        tone = float(np.clip(0.5 + 0.45 * front + 0.12 * scene.light * share, 0, 1))
        cv2.fillPoly(picture, [pixels], [value * 255 for value in mix(dark, light, tone)], cv2.LINE_AA, 3)
        tip = root + np.concatenate([(spine + wide)[8:], (spine - wide)[8:][::-1]])
        blush = [value * 255 for value in mix(dark, light, tone * 0.6)]
        cv2.fillPoly(picture, [(tip * 8).astype(np.int32)], blush, cv2.LINE_AA, 3)
        cv2.polylines(picture, [pixels], True, [value * 255 for value in mix(dark, light, 0.2)], 1, cv2.LINE_AA, 3)
        cv2.fillPoly(mask, [pixels], 255, cv2.LINE_AA, 3)
    soft = cv2.GaussianBlur(picture, (0, 0), max(size * 0.02, 0.8)).astype(np.float32) * np.float32(1 / 255)
    cover = mask.astype(np.float32) * np.float32(1 / 255)
    scene.blend(cover, [soft[..., i] for i in range(3)], region.top, region.left)


def bud(scene: Scene, x: float, y: float, size: float, foot: float, inks: list[Colour]) -> None:
    """A closed bud."""
    _stem(scene, x, y, size, foot)
    dark, light = inks
    parts = [
        Part(
            blob((0, -0.1), (0.42, 0.35), (0.3, 0.9), (0.02, 1.6), (-0.28, 0.9), (-0.42, 0.35)), mix(dark, light, 0.35)
        ),
        Part(blob((0.02, -0.05), (0.26, 0.4), (0.12, 1.0), (0.02, 1.5), (-0.1, 0.7)), mix(dark, light, 0.7)),
    ]
    scene.solid(parts, x, y, size)


def seed_head(scene: Scene, x: float, y: float, size: float, foot: float) -> None:
    """A seed head (莲蓬)."""
    _stem(scene, x, y, size, foot)
    green = [scene.palette.lit(ink) for ink in colours("6a8a3c a8c068 4a5a2c")]
    parts = [
        Part(np.array([[-0.2, 0], [-0.85, 0.9], [0.85, 0.9], [0.2, 0]]), green[0]),
        Part(oval(0, 0.9, 0.85, 0.32), green[1]),
        *(
            Part(oval(a, 0.9 + b, 0.12, 0.08), green[2])
            for a, b in ((-0.5, 0), (0, 0.12), (0.5, 0), (-0.2, -0.12), (0.25, -0.1))
        ),
    ]
    scene.solid(parts, x, y, size)
