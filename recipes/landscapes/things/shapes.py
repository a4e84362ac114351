"""Polygons of buildings, animals and leaves, in units of the thing's size: x to the right, y up."""

import math
from collections.abc import Sequence

import numpy as np


def rectangle(left: float, bottom: float, right: float, top: float, taper: float = 0.0) -> np.ndarray:
    """(4, 2); `taper`: how much narrower each side is at the top."""
    return np.array([[left, bottom], [left + taper, top], [right - taper, top], [right, bottom]], float)


def curved_roof(x: float, y: float, half: float, height: float, ridge: float = 0.0, lift: float = 0.16) -> np.ndarray:
    """A Chinese roof: hollow slopes, eaves that sweep up. `half`, `ridge`: half widths below and above."""
    t = np.linspace(0, 1, 12)
    across = -half + (half - ridge) * t
    slope = y + height * t**1.7 + lift * height * 1.6 * (1 - t) ** 5
    e = np.linspace(-1, 1, 15)
    eaves = np.stack([x + half * e, y - 0.10 * height + lift * height * 1.6 * np.abs(e) ** 5], 1)
    left, right = np.stack([x + across, slope], 1), np.stack([x - across[::-1], slope[::-1]], 1)
    return np.concatenate([left, right, eaves[::-1]])


def oval(x: float, y: float, across: float, up: float, degrees: float = 0.0, count: int = 24) -> np.ndarray:
    """(count, 2): an ellipse of these half sizes, turned to the left."""
    t, angle = np.linspace(0, 2 * math.pi, count, endpoint=False), math.radians(degrees)
    a, b = across * np.cos(t), up * np.sin(t)
    return np.stack([x + a * math.cos(angle) - b * math.sin(angle), y + a * math.sin(angle) + b * math.cos(angle)], 1)


def curve(points: Sequence[Sequence[float]] | np.ndarray, steps: int = 6, closed: bool = False) -> np.ndarray:
    """A smooth way through all points (n, 2): a spline of Catmull and Rom (1974), `steps` points for each piece."""
    knots = np.asarray(points, float)
    ends = (knots[-1:], knots[:2]) if closed else (2 * knots[:1] - knots[1:2], 2 * knots[-1:] - knots[-2:-1])
    knots = np.concatenate([ends[0], knots, ends[1]])
    a, b, c, d = (knots[i : len(knots) - 3 + i, None] for i in range(4))
    t = (np.arange(steps) / steps)[None, :, None]
    way = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    smooth = way.reshape(-1, 2)
    return smooth if closed else np.concatenate([smooth, knots[-2:-1]])


def blob(*points: tuple[float, float]) -> np.ndarray:
    """A closed smooth outline through a few points."""
    return curve(points, closed=True)


def limb(points: Sequence[Sequence[float]] | np.ndarray, widths: Sequence[float]) -> np.ndarray:
    """The outline of a smooth bent limb through points (n, 2) with these whole widths, one for each point."""
    way = curve(points)
    width = np.interp(np.linspace(0, len(widths) - 1, len(way)), np.arange(len(widths)), widths)[:, None] / 2
    along = np.gradient(way, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    beside = np.stack([-along[:, 1], along[:, 0]], 1) * width
    return np.concatenate([way + beside, (way - beside)[::-1]])
