"""Polygons of buildings, in units of the thing's size: x to the right, y up."""

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
