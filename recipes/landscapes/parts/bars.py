"""Rounded bars: what mist, clouds, ripples and the sun's way are made of where nothing is soft."""

import cv2
import numpy as np

from recipes.landscapes.scene import Scene

_FINE = 3  # bits of a pixel's fraction that OpenCV takes


def bars(scene: Scene, xs: np.ndarray, ys: np.ndarray, halves: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(H, W) cover of level bars around (x, y), from 0 to 1. `halves`: of their straight parts; `radii`: of their ends,
    and half their thickness, in canvas pixels."""
    mask = np.zeros((scene.height, scene.width), np.uint8)
    for x, y, half, radius in zip(xs, ys, halves, radii, strict=True):
        ends = [(round((x + side * half) * 2**_FINE), round(y * 2**_FINE)) for side in (-1, 1)]
        cv2.line(mask, ends[0], ends[1], 255, max(1, round(2 * radius)), cv2.LINE_AA, _FINE)
    return mask.astype(np.float32) * np.float32(1 / 255)


def bank(scene: Scene, y: float, height: float) -> np.ndarray:
    """(H, W) cover of a bank of mist around row `y`: long bars across the picture; `height`: as of `mist.band`."""
    rng, radius = scene.rng, height * 0.30
    count = max(2, round(2.4 * scene.width / scene.side))
    xs = (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count * scene.width
    halves = scene.side * rng.uniform(0.22, 0.46, count)
    ys = y + rng.uniform(-0.6, 0.6, count) * radius
    upper = xs + halves * rng.uniform(-0.6, 0.6, count), ys - radius * 1.5, halves * rng.uniform(0.3, 0.55, count)
    thickness = np.full(count, radius)
    return bars(
        scene,
        np.r_[xs, upper[0]],
        np.r_[ys, upper[1]],
        np.r_[halves, upper[2]],
        np.r_[thickness, thickness * 0.72],
    )


def cloud(scene: Scene, x: float, y: float, size: float) -> np.ndarray:
    """(H, W) cover of a flat cloud, about 2 `size` wide: bars that overlap, the longest below."""
    rng, radius = scene.rng, size * 0.15
    shares = np.array([1.0, 0.72, 0.4])[: int(rng.integers(2, 4))]
    levels = np.arange(len(shares))
    drift = rng.uniform(-0.3, 0.3, len(shares)) * size * (1 - shares) * 2
    return bars(scene, x + drift, y - levels * radius * 1.55, size * shares - radius, np.full(len(shares), radius))


def glitter(scene: Scene, x: float, top: float, half: float) -> np.ndarray:
    """(H, W) cover of the way to sun or moon below row `top`: bars that grow longer and stand further apart."""
    rows, row, step = [], top + 3 * scene.pixel, 5 * scene.pixel
    while row < scene.height:
        rows.append(row)
        row, step = row + step * 2.1, step * 1.17
    ys = np.array(rows, float)
    near = (ys - top) / max(scene.height - top, 1)
    radii = (2.0 + 5.0 * near) * scene.pixel
    halves = half * scene.rng.uniform(0.35, 1.0, len(ys)) * (0.7 + 0.9 * near)
    return bars(scene, x + scene.rng.normal(0, 0.12, len(ys)) * half, ys, halves, radii)


def ripples(scene: Scene, top: float, count: int) -> np.ndarray:
    """(H, W) cover of a few ripples below row `top`, larger towards the viewer."""
    near = scene.rng.uniform(0.04, 1, count)
    ys, xs = top + near * (scene.height - top), scene.rng.uniform(0, scene.width, count)
    halves = scene.side * (0.015 + 0.06 * near) * scene.rng.uniform(0.6, 1.4, count)
    return bars(scene, xs, ys, halves, (1.2 + 1.6 * near) * scene.pixel)
