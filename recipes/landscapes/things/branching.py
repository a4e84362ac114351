"""Branching: how trunks divide into boughs and twigs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Branches:
    """`segments`: (n, 2, 2) pixels; `widths`: (n,) pixels; `tips`: (m, 2), where the last twigs end."""

    segments: np.ndarray
    widths: np.ndarray
    tips: np.ndarray


def branches(
    rng: np.random.Generator,
    x: float,
    y: float,
    height: float,
    *,
    lean: float = 0.0,
    spread: float = 0.62,
    levels: int = 5,
    children: int = 3,
    width: float = 0.05,
    droop: float = 0.0,
    trunk: float = 0.34,
) -> Branches:
    """A tree from its foot (x, y), all branches of a level at once.

    `lean`: of the trunk in radians; `spread`: between neighbours; `width`, `trunk`: of the trunk and its length, shares
    of the height; `droop`: how much branches turn to the ground (to the sky below 0).
    """
    segments, widths = [], []
    points = np.array([[x, y]], float)
    angles, lengths = np.array([-math.pi / 2 + lean]), np.array([height * trunk])
    thick = np.array([height * width])
    for level in range(levels):
        ends = [points]
        for piece in range(3):
            angles = angles + rng.normal(0, 0.16, len(angles)) + droop * np.cos(angles) * level
            after = points + (lengths / 3 * np.stack([np.cos(angles), np.sin(angles)])).T
            segments.append(np.stack([points, after], 1))
            widths.append(thick * (1 - 0.12 * piece))
            points = after
            ends.append(points)
        if level == levels - 1:
            break
        parent = np.repeat(np.arange(len(angles)), children)
        side = np.tile(np.linspace(-1, 1, children), len(angles))
        where = rng.integers(0, 2, len(parent)) if level else np.ones(len(parent), int)
        points = np.stack(ends[2:], 0)[where, parent]
        turn = side * spread * rng.uniform(0.6, 1.25, len(parent)) + rng.normal(0, 0.1, len(parent))
        angles = angles[parent] + turn
        lengths, thick = lengths[parent] * rng.uniform(0.58, 0.84, len(parent)), thick[parent] * 0.58
    return Branches(np.concatenate(segments), np.concatenate(widths), points)


def joined(trees: Sequence[Branches]) -> Branches:
    """Several trees as one."""
    return Branches(
        *(np.concatenate([getattr(tree, part) for tree in trees]) for part in ("segments", "widths", "tips"))
    )
