"""Polygons of buildings, animals and leaves, in units of the thing's size: x to the right, y up."""

import math
from collections.abc import Sequence

import numpy as np


def rectangle(left: float, bottom: float, right: float, top: float, taper: float = 0.0) -> np.ndarray:
    """(4, 2); `taper`: how much narrower each side is at the top."""
    return np.array([[left, bottom], [left + taper, top], [right - taper, top], [right, bottom]], float)


def polygon(*corners: tuple[float, float]) -> np.ndarray:
    """(n, 2) of its corners."""
    return np.array(corners, float)


def arc(x: float, y: float, half: float, height: float, start: float = 180.0, end: float = 0.0) -> np.ndarray:
    """(17, 2) along an ellipse around (x, y), from one angle in degrees to another; by default its upper half."""
    angle = np.radians(np.linspace(start, end, 17))
    return np.stack([x + half * np.cos(angle), y + height * np.sin(angle)], 1)


def disc(x: float, y: float, half: float, height: float | None = None) -> np.ndarray:
    """(17, 2): a whole ellipse."""
    return arc(x, y, half, half if height is None else height, 0, 360)


def doorway(x: float, bottom: float, half: float, height: float) -> np.ndarray:
    """An opening with a round top; `height`: of the whole."""
    top = arc(x, bottom + height - half, half, half)
    return np.concatenate([[[x - half, bottom]], top, [[x + half, bottom]]])


def stripe(points: np.ndarray, width: float) -> np.ndarray:
    """A line through points (n, 2) as a polygon of this width."""
    ahead = np.gradient(points, axis=0)
    ahead /= np.maximum(np.hypot(ahead[:, :1], ahead[:, 1:]), 1e-9)
    aside = ahead[:, ::-1] * [-width / 2, width / 2]
    return np.concatenate([points + aside, (points - aside)[::-1]])


def pierced(outer: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A polygon with a hole: one closed way around both, which the even-odd rule fills between them."""
    return np.concatenate([outer, outer[:1], hole, hole[:1]])


def curved_roof(x: float, y: float, half: float, height: float, ridge: float = 0.0, lift: float = 0.16) -> np.ndarray:
    """A Chinese roof: hollow slopes, eaves that sweep up. `half`, `ridge`: half widths below and above."""
    t = np.linspace(0, 1, 12)
    across = -half + (half - ridge) * t
    slope = y + height * t**1.7 + lift * height * 1.6 * (1 - t) ** 5
    e = np.linspace(-1, 1, 15)
    eaves = np.stack([x + half * e, y - 0.10 * height + lift * height * 1.6 * np.abs(e) ** 5], 1)
    left, right = np.stack([x + across, slope], 1), np.stack([x - across[::-1], slope[::-1]], 1)
    return np.concatenate([left, right, eaves[::-1]])


def oval_at(centre: np.ndarray, across: float, up: float, degrees: float = 0.0) -> np.ndarray:
    """(24, 2): an ellipse around a point (2,)."""
    return oval(float(centre[0]), float(centre[1]), across, up, degrees)


def oval(x: float, y: float, across: float, up: float, degrees: float = 0.0, count: int = 24) -> np.ndarray:
    """(count, 2): an ellipse of these half sizes, turned to the left."""
    t, angle = np.linspace(0, 2 * math.pi, count, endpoint=False), math.radians(degrees)
    a, b = across * np.cos(t), up * np.sin(t)
    return np.stack([x + a * math.cos(angle) - b * math.sin(angle), y + a * math.sin(angle) + b * math.cos(angle)], 1)


def curve(
    points: Sequence[Sequence[float] | np.ndarray] | np.ndarray, steps: int = 6, closed: bool = False
) -> np.ndarray:
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


def limb(points: Sequence[Sequence[float] | np.ndarray] | np.ndarray, widths: Sequence[float]) -> np.ndarray:
    """The outline of a smooth bent limb through points (n, 2) with these whole widths, one for each point."""
    way = curve(points)
    width = np.interp(np.linspace(0, len(widths) - 1, len(way)), np.arange(len(widths)), widths)[:, None] / 2
    along = np.gradient(way, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    beside = np.stack([-along[:, 1], along[:, 0]], 1) * width
    return np.concatenate([way + beside, (way - beside)[::-1]])


def roof_rib(
    x: float, y: float, half: float, height: float, ridge: float, lift: float, share: float, width: float
) -> np.ndarray:
    """A line down a curved roof from its ridge to its eaves; `share`: where, -1 at the left hip, 1 at the right."""
    t = np.linspace(0, 1, 9)
    across = x + share * (half - (half - ridge) * t)
    bottom = y - 0.10 * height + lift * height * 1.6 * abs(share) ** 5
    down = y + height * t**1.7 + lift * height * 1.6 * (1 - t) ** 5 * abs(share) ** 5
    down = np.where(t == 0, bottom, down)
    return stripe(np.stack([across, down], 1), width)


def mirrored(points: np.ndarray) -> np.ndarray:
    """The same polygon with left and right exchanged."""
    return points * [-1, 1]


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    """A polygon turned around the origin, against the clock."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return points @ turn


def moved(points: np.ndarray, right: float, up: float) -> np.ndarray:
    """The same polygon elsewhere."""
    return points + np.array([right, up])


def shifted(point: np.ndarray, *offsets: tuple[float, float]) -> np.ndarray:
    """(n, 2): points at these offsets from one point (2,)."""
    return point + np.array(offsets)
