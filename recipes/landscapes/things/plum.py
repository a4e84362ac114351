"""Plum blossoms (梅花): a crooked branch across the picture, red or white."""

import math

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, mix, ramp
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.blossoms import dyed

_RED, _PINK, _WHITE = "9c1838 d84860 f8a8b4", "b8486c f090a8 fde0e4", "b8a098 f6e4e0 fffcf8"


def plum(scene: Scene, x: float, y: float, size: float) -> None:
    """A branch from the nearer side of the picture to beyond (x, y); `size`: what it spans in pixels."""
    side = 1.0 if x < scene.width / 2 else -1.0
    start = np.array([-0.02 * scene.width if side > 0 else 1.02 * scene.width, y + size * scene.between(0.15, 0.42)])
    reach = abs(x - start[0]) + size * 0.42
    branch(scene, start, side, reach, size)


def branch(scene: Scene, start: np.ndarray, side: float, reach: float, size: float) -> None:
    """A branch from a point to the right (`side` 1) or left (-1), `reach` long; `size`: the scale of its flowers."""
    grown = _Twigs(scene, size * 0.052)
    grown.run(start, -0.32 if side > 0 else math.pi + 0.32, size * 0.052, reach * 1.12, 0)
    segments, widths = np.array(grown.segments), np.array(grown.widths)
    with scene.thing("梅花", "花"):
        bark = mix(scene.palette.bark, scene.palette.near, 0.2)
        scene.strokes(segments, widths, bark)
        if scene.style.roughness:
            lit = segments[widths > size * 0.014] - [0, size * 0.008]
            scene.strokes(lit, widths[widths > size * 0.014] * 0.3, mix(bark, scene.palette.sun, 0.3), 0.55)
        if scene.facts.snow:
            along = np.abs(segments[:, 1] - segments[:, 0])
            flat = (widths > size * 0.009) & (along[:, 0] > along[:, 1] * 0.5)
            scene.strokes(segments[flat] - [0, size * 0.013], widths[flat] * 0.6, scene.snow_ink(), 0.92)
        thin = segments[widths < size * 0.026][::3, 1]
        tips = np.concatenate([np.array(grown.tips), thin])
        tips = tips + scene.rng.normal(0, size * 0.022, tips.shape)
        inside = (tips > 0).all(1) & (tips[:, 0] < scene.width) & (tips[:, 1] < scene.height)
        tips = tips[inside]
        tips = tips[scene.rng.permutation(len(tips))[: int(scene.rng.integers(55, 90))]]
        inks = dyed(scene, scene.pick((_RED, _PINK, _WHITE), (0.45, 0.3, 0.25)), 0.5)
        for at_x, at_y in tips:
            blossom(scene, float(at_x), float(at_y), size * 0.026 * scene.between(0.75, 1.25), inks)


class _Twigs:
    """A crooked branch that forks."""

    def __init__(self, scene: Scene, thick: float) -> None:
        self.scene, self.thick = scene, thick
        self.segments: list[np.ndarray] = []
        self.widths: list[float] = []
        self.tips: list[np.ndarray] = []

    def run(self, start: np.ndarray, angle: float, width: float, length: float, level: int) -> None:
        """One bough from `start`, its forks after it."""
        rng = self.scene.rng
        pieces = int(rng.integers(5, 8)) if level == 0 else int(rng.integers(3, 6))
        for piece in range(pieces):
            turned = angle + rng.normal(0, 0.36)
            end = start + length / pieces * np.array([math.cos(turned), math.sin(turned)])
            for part in range(4):
                a, b = start + (end - start) * part / 4, start + (end - start) * (part + 1) / 4
                self.segments.append(np.stack([a, b + (rng.normal(0, width * 0.05, 2) if part < 3 else 0)]))
                self.widths.append(max(width * (1 - 0.6 * (piece + part / 4) / pieces), 1.0))
            if level < 3 and rng.random() < (0.85 if piece else 0.3):
                fork = turned + float(rng.choice([-1, 1])) * rng.uniform(0.5, 1.0)
                self.run(end, fork, width * 0.5, length * rng.uniform(0.34, 0.55), level + 1)
            start = end
            if level:
                self.tips.append(start)
        self.tips.append(start)


def blossom(scene: Scene, x: float, y: float, size: float, inks: list[Colour]) -> None:
    """One flower of five round petals with stamens, or a bud; `size`: half its radius in pixels."""
    region = scene.region([x], [y], size * 3)
    if region is None:
        return
    rng, petals = scene.rng, 5 if scene.chance(0.82) else 1
    mask, tones = (np.zeros((region.height, region.width), np.uint8) for _ in range(2))
    phase, squash = rng.uniform(0, 6.3), rng.uniform(0.6, 1)
    for petal in range(petals):
        angle = phase + petal * 2 * math.pi / 5
        at = np.array(
            [x - region.left + size * 0.8 * math.cos(angle), y - region.top + size * 0.8 * squash * math.sin(angle)]
        )
        bright = (at - [0.15 * size, 0.2 * size]) * 8
        cv2.circle(mask, (at * 8).astype(int).tolist(), int(size * 5.6), 255, -1, cv2.LINE_AA, 3)
        cv2.circle(
            tones, (at * 8).astype(int).tolist(), int(size * 5.6), int(rng.integers(90, 170)), -1, cv2.LINE_AA, 3
        )
        cv2.circle(tones, bright.astype(int).tolist(), int(size * 3.6), int(rng.integers(180, 255)), -1, cv2.LINE_AA, 3)
    soft: np.ndarray = cv2.GaussianBlur(tones, (0, 0), 1.1 * scene.pixel)
    table = ramp(inks)
    cover = mask.astype(np.float32) * np.float32(0.96 / 255)
    scene.blend(cover, [table[i][soft] for i in range(3)], region.top, region.left)
    if petals > 1:
        near = rng.normal(0, size * 0.4, (7, 2))
        dot = max(1.6 * scene.pixel, size * 0.16)
        hearts = [scene.palette.lit("7a2a20", 0.4), scene.palette.lit("f0c850", 0.5)]
        scene.dabs(x + near[:, 0], y + near[:, 1] * squash, rng.random(7), [ellipse(dot, dot)], hearts, 0.9)
