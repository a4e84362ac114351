"""Heads of flowers: petals in rings, each ring over the one outside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, colours, ramp
from recipes.landscapes.scene import Scene


@dataclass(frozen=True)
class Ring:
    """`count` petals from `inner` to `outer` (shares of the radius), `width` each; `tone`: 0 dark to 1 light.

    `ruffle`: how wavy their ends are, 0 to 1; `point`: 0 for round ends, 1 for pointed ones.
    """

    count: int
    inner: float
    outer: float
    width: float
    tone: float
    ruffle: float = 0.0
    point: float = 0.0


def dyed(scene: Scene, codes: str, daylight: float = 0.4) -> list[Colour]:
    """Colours of flowers in the scene's light, a little brighter than leaves."""
    return [scene.palette.lit(ink, daylight) for ink in colours(codes)]


def head(
    scene: Scene, x: float, y: float, radius: float, rings: Sequence[Ring], inks: Sequence[Colour],
    squash: float = 0.85, nearness: float = 1.0,
) -> None:  # fmt: skip
    """One flower of this radius in pixels. `squash`: its height for its width, as it is seen from the side."""
    region = scene.region([x - radius * 1.2, x + radius * 1.2], [y - radius * 1.2, y + radius * 1.2], 2)
    if region is None:
        return
    rng = scene.rng
    mask = np.zeros((region.height, region.width), np.uint8)
    tones = np.zeros_like(mask)
    t = np.linspace(0, 1, 9)
    for ring in rings:
        turns = np.arange(ring.count) * 2 * math.pi / ring.count + rng.uniform(0, 6.3)
        for turn in turns + rng.normal(0, 0.25 / ring.count, ring.count):
            outer = ring.outer * rng.uniform(0.9, 1.1)
            along = ring.inner + (outer - ring.inner) * t
            wide = ring.width * np.sin(math.pi * (0.12 + 0.88 * t ** (1.25 - 0.5 * ring.point))) ** 0.7
            wave = 1 + ring.ruffle * 0.25 * rng.standard_normal(9) * t
            a = np.concatenate([along * wave, (along * wave[::-1])[::-1]])
            b = np.concatenate([wide, -wide[::-1]])
            across = a * math.cos(turn) - b * math.sin(turn)
            down = (a * math.sin(turn) + b * math.cos(turn)) * squash
            points = np.stack([x + across * radius - region.left, y + down * radius - region.top], 1)
            pixels = (points * 8).astype(np.int32)
            lit = ring.tone + 0.16 * (scene.light * math.cos(turn) - math.sin(turn)) * 0.7 + rng.normal(0, 0.06)
            value = int(np.clip(lit, 0.02, 1) * 250) + 5
            cv2.fillPoly(mask, [pixels], 255, cv2.LINE_AA, 3)
            cv2.fillPoly(tones, [pixels], value, cv2.LINE_AA, 3)
            if radius > 9 * scene.pixel:
                cv2.polylines(tones, [pixels], True, max(value - 70, 5), 1, cv2.LINE_AA, 3)
    soft: np.ndarray = cv2.GaussianBlur(tones, (0, 0), 0.8 * scene.pixel)
    table = ramp([scene.faded(ink, nearness) for ink in inks])
    shown = (scene.style.tone(soft.astype(np.float32) / 255) * 255).astype(np.uint8)
    cover = mask.astype(np.float32) * np.float32(0.98 / 255)
    scene.blend(cover, [table[i][shown] for i in range(3)], region.top, region.left)


def hearts(scene: Scene, xs: np.ndarray, ys: np.ndarray, size: float, codes: str, nearness: float = 1.0) -> None:
    """Stamens: small dabs in the middle of flowers."""
    inks = [scene.faded(ink, nearness) for ink in dyed(scene, codes)]
    scene.dabs(xs, ys, scene.rng.random(len(xs)), [ellipse(size, size)], inks, 0.92)
