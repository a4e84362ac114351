"""Broad-leaved trees: spreading, round, tall and oval, with many stems; green, in flower, in autumn colours, bare."""

import math
from collections.abc import Callable

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.branching import Branches, branches, joined

NAMES = {"绿": "绿树", "墨": "大树", "花": "花树", "红": "红叶", "黄": "黄叶", "": "枯树"}


def broadleaf(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, design: str = "") -> None:
    """A tree of this height in pixels, in the leaves of the season. `design`: one of `DESIGNS`, else chosen."""
    foliage = scene.palette.foliage
    tree = DESIGNS[design or scene.pick(list(DESIGNS))](scene, x, y, height)
    with scene.thing(NAMES[foliage], "树"):
        scene.strokes(tree.segments, tree.widths, scene.faded(scene.palette.bark, nearness))
        if foliage:
            _leaves(scene, tree, x, y, height, nearness)
        elif scene.facts.snow:
            snow_on_boughs(scene, tree, height)


def _spreading(scene: Scene, x: float, y: float, height: float) -> Branches:
    lean, spread = -scene.light * scene.between(0, 0.18), 0.62 if scene.palette.foliage else 0.8
    return branches(scene.rng, x, y, height, lean=lean, spread=spread, width=0.055, droop=0.02)


def _round(scene: Scene, x: float, y: float, height: float) -> Branches:
    """A straight trunk under a round crown: clumps at the ends of boughs that fill a ball."""
    leafy = bool(scene.palette.foliage)
    tree = branches(
        scene.rng, x, y, height * (0.86 if leafy else 0.9), lean=scene.between(-0.06, 0.06), spread=0.42,
        levels=3 if leafy else 5, width=0.062, trunk=0.40,
    )  # fmt: skip
    return _within(scene, tree, x, y - height * 0.64, height * scene.between(0.34, 0.42), height * 0.33, 62)


def _oval(scene: Scene, x: float, y: float, height: float) -> Branches:
    """A tall crown that begins low and narrows, like a poplar's or a camphor's."""
    leafy = bool(scene.palette.foliage)
    tree = branches(
        scene.rng, x, y, height * 0.92, lean=scene.between(-0.03, 0.03), spread=0.16, levels=3 if leafy else 5,
        width=0.048, trunk=0.42,
    )  # fmt: skip
    return _within(scene, tree, x, y - height * 0.55, height * scene.between(0.17, 0.22), height * 0.42, 56)


def _stems(scene: Scene, x: float, y: float, height: float) -> Branches:
    """Several stems that rise from one root and part like a fan."""
    count, rng = int(scene.rng.integers(3, 6)), scene.rng
    stems = []
    for lean in np.linspace(-0.42, 0.42, count) + rng.normal(0, 0.05, count):
        tall = height * (1 - 0.5 * abs(lean)) * scene.between(0.86, 1.0)
        stems.append(
            branches(rng, x + lean * height * 0.06, y, tall, lean=lean, spread=0.4, levels=4, width=0.03, trunk=0.5)
        )
    return joined(stems)


DESIGNS: dict[str, Callable[[Scene, float, float, float], Branches]] = {
    "spreading": _spreading,
    "round": _round,
    "oval": _oval,
    "stems": _stems,
}


def _within(scene: Scene, tree: Branches, x: float, y: float, across: float, up: float, count: int) -> Branches:
    """The tree with tips that fill an ellipse evenly, where it has leaves: its crown closes and no bough sticks out."""
    if not scene.palette.foliage:
        return tree
    angle, radius = scene.rng.uniform(0, 2 * math.pi, count), np.sqrt(scene.rng.uniform(0.05, 1, count))
    narrowing = 1 - 0.25 * np.maximum(-np.sin(angle), 0)
    tips = np.stack([x + across * radius * np.cos(angle) * narrowing, y + up * radius * np.sin(angle)], 1)
    reach = (tree.segments - [x, y]) / [across * 0.85, up * 0.85]
    hidden: np.ndarray = np.hypot(reach[..., 0], reach[..., 1]).max(1) < 1
    hidden[:3] = True  # the trunk
    return Branches(tree.segments[hidden], tree.widths[hidden], tips)


def _leaves(scene: Scene, tree: Branches, x: float, y: float, height: float, nearness: float) -> None:
    """Leaves around the tips. Each clump is lit from above, and so is the crown."""
    rng, palette, tips = scene.rng, scene.palette, tree.tips
    leaves = [scene.faded(leaf, nearness) for leaf in palette.leaves]
    count = max(12, 1700 // len(tips))
    scatter = height * (0.034 if len(tips) > 70 else 0.047)
    around = rng.normal(0, 1, (len(tips), count, 2)) * [scatter * 1.15, scatter * 0.85]
    points = (tips[:, None] + around).reshape(-1, 2)
    centre, half = tips.mean(0), max(float(np.ptp(tips[:, 1])) / 2, height * 0.1)
    crown = (points - centre) / [half * 1.2, half]
    light = 0.5 - 0.20 * crown[:, 1] + 0.16 * scene.light * crown[:, 0] - 0.12 * (around[..., 1] / scatter).ravel()
    light += rng.normal(0, 0.14, len(points))
    size = max(height * 0.0155, 2.2 * scene.pixel)
    shaded = [mix(leaves[0], palette.near, 0.25), leaves[0], mix(leaves[0], leaves[1], 0.6)]
    inner = np.repeat(tips, 8, 0) + rng.normal(0, scatter * 0.75, (len(tips) * 8, 2))
    large = [ellipse(size * 3.2, size * 2.3, 20), ellipse(size * 2.6, size * 2.1, -30), ellipse(size * 2, size * 2.4)]
    depth = 0.5 - 0.4 * (inner[:, 1] - centre[1]) / half
    scene.dabs(inner[:, 0], inner[:, 1], depth, large, shaded, scene.style.undergrowth)
    small = [ellipse(size * 1.5, size, 20), ellipse(size * 1.2, size * 1.2), ellipse(size * 1.6, size * 0.9, -30)]
    scene.dabs(points[:, 0], points[:, 1], light, small, leaves, 0.93)
    if palette.foliage in ("花", "红", "黄") and not scene.facts.snow:
        fallen = int(60 * nearness)
        xs, ys = rng.normal(x, height * 0.22, fallen), y + np.abs(rng.normal(0, height * 0.02, fallen))
        scene.dabs(xs, ys, rng.random(fallen), [ellipse(size * 0.8, size * 0.5)], leaves[1:], 0.8)


def snow_on_boughs(scene: Scene, tree: Branches, height: float) -> None:
    """Snow on top of all but the thinnest branches."""
    along = np.abs(tree.segments[:, 1] - tree.segments[:, 0])
    thick = (tree.widths > height * 0.006) & (along[:, 0] > 0.4 * along[:, 1])
    above = tree.segments[thick] - [0, height * 0.012]
    scene.strokes(above, tree.widths[thick] * 0.55, scene.snow_ink(), 0.85)
