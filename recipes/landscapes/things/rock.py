"""Rocks: boulders, and the scholar's rocks of gardens (太湖石), worn thin and full of holes."""

import math

import cv2
import numpy as np

from recipes.drawing.canvas import Region
from recipes.drawing.colour import Colour, mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.shapes import curve


def rocks(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """One to four boulders; `size`: the height of the largest in pixels."""
    count = int(scene.rng.integers(1, 5))
    offsets = np.concatenate([[0.0], scene.rng.uniform(0.6, 1.5, count - 1) * scene.rng.choice([-1, 1], count - 1)])
    sizes = np.concatenate([[1.0], scene.rng.uniform(0.3, 0.65, count - 1)])
    with scene.thing("石头", "石"):
        for place in np.argsort(-sizes):
            _boulder(
                scene, x + offsets[place] * size, y + size * 0.06 * (1 - sizes[place]), sizes[place] * size, nearness
            )


def scholars_rock(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A tall rock of strange outline with holes through it; `size`: its height in pixels."""
    rng, count = scene.rng, 11
    t = np.linspace(0, 1, count)
    sway = 0.10 * np.sin(t * 4 + scene.between(0, 6)) * t
    half = 0.19 + 0.11 * np.sin(t * 7 + scene.between(0, 6)) * np.sin(math.pi * t) + 0.12 * t * (1 - t)
    left = np.stack([sway - half * rng.uniform(0.7, 1.15, count), t], 1)
    right = np.stack([sway + half * rng.uniform(0.7, 1.15, count), t], 1)
    crown = np.array([[sway[-1] - 0.08, 1.05], [sway[-1] + 0.05, 1.0]])
    outline = curve(np.concatenate([left, crown, right[::-1]]), 5, closed=True)
    outline[:, 1] = np.maximum(outline[:, 1], 0)
    holes = []
    for _ in range(int(rng.integers(3, 6))):
        at = float(rng.uniform(0.2, 0.88))
        middle = float(np.interp(at, t, sway)) + rng.uniform(-0.07, 0.07)
        angle = np.linspace(0, 2 * math.pi, 7, endpoint=False)
        radius = rng.uniform(0.025, 0.06) * rng.uniform(0.7, 1.2, 7)
        holes.append(curve(np.stack([middle + radius * np.cos(angle), at + 1.5 * radius * np.sin(angle)], 1), 4, True))
    with scene.thing("太湖石", "石"):
        _carved(scene, outline, holes, x, y, size, nearness, 1.4)


def _boulder(scene: Scene, x: float, y: float, size: float, nearness: float) -> None:
    rng, count = scene.rng, int(scene.rng.integers(6, 9))
    wide, angle = scene.between(0.65, 1.0), np.linspace(0, math.pi, count)
    radius = rng.uniform(0.82, 1.12, count)
    points = np.stack([wide * radius * np.cos(angle), np.maximum(radius * np.sin(angle), 0) ** 0.8], 1)
    outline = np.concatenate([points, [[-wide * 0.5, -0.06], [wide * 0.5, -0.07]]])
    # blunt edges: between straight and smooth
    fine = np.concatenate([np.linspace(a, b, 6)[:-1] for a, b in zip(outline, np.roll(outline, -1, 0), strict=True)])
    smooth = curve(outline, 5, closed=True)
    _carved(scene, 0.85 * fine + 0.15 * smooth, [], x, y, size, nearness, 1.7)


def _inks(scene: Scene, nearness: float) -> tuple[Colour, Colour]:
    stone = scene.material("old stone")
    dark = scene.faded(mix(mix(stone, scene.palette.near, 0.62), scene.palette.ink, 0.25), nearness)
    return dark, scene.faded(mix(scene.material("stone"), scene.palette.sun, 0.2), nearness)


def _carved(
    scene: Scene, outline: np.ndarray, holes: list[np.ndarray], x: float, y: float, size: float, nearness: float,
    roughness: float,
) -> None:  # fmt: skip
    """A stone with rounded faces: a surface that rises from its edges, lit after Lambert, with noise for its skin."""
    region = scene.region(x + outline[:, 0] * size, y - outline[:, 1] * size, 3)
    if region is None:
        return
    mask = np.zeros((region.height, region.width), np.uint8)
    cv2.fillPoly(mask, [_pixels(outline, region, x, y, size)], 255, cv2.LINE_AA, 3)
    for hole in holes:
        cv2.fillPoly(mask, [_pixels(hole, region, x, y, size)], 0, cv2.LINE_AA, 3)
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    swell = np.sqrt(np.minimum(depth, size * 0.22))
    skin = scene.noise(region.height, region.width, 1.0) * np.float32(scene.style.roughness * roughness)
    swell = cv2.GaussianBlur(swell, (0, 0), max(size * 0.02, 1)) + skin * np.float32(math.sqrt(size) * 0.055)
    down, across = np.gradient(swell)
    steep = np.float32(1.5 * math.sqrt(size) / 6)
    shade = 0.48 + np.clip(-across * scene.light * steep * 0.55 + down * steep * 0.75, -0.5, 0.5)
    if scene.style.roughness:
        shade = shade + 0.07 * scene.noise(region.height, region.width, 3.0)
    cover = mask.astype(np.float32) * np.float32(0.98 / 255)
    dark, light = _inks(scene, nearness)
    scene.cover(cover, dark, light, shade.astype(np.float32), region.top, region.left)
    if scene.facts.snow:
        _snow(scene, cover, size, region)


def _snow(scene: Scene, cover: np.ndarray, size: float, region: Region) -> None:
    rows = max(2, int(size * 0.10))
    above = np.zeros_like(cover)
    above[rows:] = cover[:-rows]
    cap = ((cover > 0.5) & (above < 0.5)).astype(np.float32)
    scene.tint(cv2.blur(cap, (5, 5)) * np.float32(0.93), scene.snow_ink(), region.top, region.left)


def _pixels(points: np.ndarray, region: Region, x: float, y: float, size: float) -> np.ndarray:
    at = np.stack([x + points[:, 0] * size - region.left, y - points[:, 1] * size - region.top], 1)
    return (at * 8).astype(np.int32)
