"""Outlines of food in units of its size: x to the right, y down, the middle at zero, most of them reaching to 1."""

import math
from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import Colour


@dataclass(frozen=True)
class Mark:
    """A line (`width` in units) or a filled area (`width` 0) of another colour on a piece."""

    points: np.ndarray
    ink: Colour
    width: float = 0.0


def disc(across: float = 1.0, down: float = 1.0, x: float = 0.0, y: float = 0.0, count: int = 28) -> np.ndarray:
    """(count, 2): an ellipse of these half axes."""
    t = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([x + across * np.cos(t), y + down * np.sin(t)], 1)


def box(across: float, down: float, corner: float = 0.25, count: int = 5) -> np.ndarray:
    """A rectangle of these half sides with round corners of this radius."""
    corner = min(corner, across, down)
    points = []
    for turn, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        t = np.linspace(turn * math.pi / 2, (turn + 1) * math.pi / 2, count)
        x, y = sx * (across - corner) + corner * np.cos(t), sy * (down - corner) + corner * np.sin(t)
        points.append(np.stack([x, y], 1))
    return np.concatenate(points)


def blob(rng: np.random.Generator, rough: float = 0.15, across: float = 1.0, down: float = 1.0) -> np.ndarray:
    """A round, irregular outline."""
    t = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    radius = np.ones_like(t)
    for octave in (2, 3, 4, 5):
        radius += rough * rng.normal(0, 1) / octave * np.cos(octave * t + rng.uniform(0, 6.3)) * 1.4
    radius = np.clip(radius, 0.72, 1.22)
    return np.stack([across * radius * np.cos(t), down * radius * np.sin(t)], 1)


def frill(rng: np.random.Generator, lobes: int, depth: float = 0.12, rough: float = 0.08) -> np.ndarray:
    """A wavy edge of `lobes` waves."""
    t = np.linspace(0, 2 * math.pi, max(48, lobes * 7), endpoint=False)
    radius = 1 - depth + depth * np.cos(lobes * t + rng.uniform(0, 6.3))
    radius += rough * np.cos(2 * t + rng.uniform(0, 6.3)) + rough * 0.7 * np.cos(3 * t + rng.uniform(0, 6.3))
    return np.stack([radius * np.cos(t), radius * np.sin(t)], 1)


def chunk(rng: np.random.Generator, corners: int = 5, stretch: float = 1.0) -> np.ndarray:
    """A piece that was cut: a polygon of a few corners, slightly rounded."""
    t = np.sort(np.linspace(0, 2 * math.pi, corners, endpoint=False) + rng.uniform(-0.3, 0.3, corners))
    radius = rng.uniform(0.82, 1.08, corners)
    polygon = np.stack([stretch * radius * np.cos(t), radius * np.sin(t)], 1)
    return rounded(polygon)


def rounded(polygon: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Corners cut off again and again (Chaikin 1974)."""
    for _ in range(rounds):
        after = np.roll(polygon, -1, 0)
        polygon = np.stack([polygon * 0.78 + after * 0.22, polygon * 0.22 + after * 0.78], 1).reshape(-1, 2)
    return polygon


def strip(bend: float, width: float, taper: float = 0.0, count: int = 14) -> np.ndarray:
    """A band along an arc from x = -1 to 1; `bend`: how far its middle rises; `width`: half of it; `taper`: of ends."""
    middle = spine(bend, count)
    t = np.linspace(-1, 1, count)
    half = width * (1 - taper * np.abs(t) ** 2.5)
    tangent = np.gradient(middle, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.hypot(tangent[:, 0], tangent[:, 1])[:, None]
    left, right = middle + normal * half[:, None], middle - normal * half[:, None]
    round_end = middle[-1] + (tangent[-1] / np.hypot(*tangent[-1])) * half[-1] * 0.7
    round_start = middle[0] - (tangent[0] / np.hypot(*tangent[0])) * half[0] * 0.7
    return np.concatenate([left, round_end[None], right[::-1], round_start[None]])


def spine(bend: float, count: int = 14) -> np.ndarray:
    """The middle of a strip."""
    t = np.linspace(-1, 1, count)
    return np.stack([t, -bend * (1 - t * t)], 1)


def crescent(belly: float = 0.62, hollow: float = 0.16, count: int = 18) -> np.ndarray:
    """A half moon with its round side down and a nearly straight one above."""
    t = np.linspace(0, math.pi, count)
    below = np.stack([np.cos(t), belly * np.sin(t) ** 0.8], 1)
    above = np.stack([-np.cos(t), -hollow * np.sin(t)], 1)
    return np.concatenate([below, above[1:-1]])


def leaf(width: float = 0.35, count: int = 12) -> np.ndarray:
    """Pointed at both ends."""
    t = np.linspace(-1, 1, count)
    half = width * np.cos(t * math.pi / 2) ** 0.8
    return np.concatenate([np.stack([t, half], 1), np.stack([t, -half], 1)[::-1][1:-1]])


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """Points turned by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return points @ np.array([[c, s], [-s, c]])
