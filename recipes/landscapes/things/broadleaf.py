"""Broad-leaved trees: green, in flower, in autumn colours, bare."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.branching import Branches, branches

NAMES = {"绿": "绿树", "花": "花树", "红": "红叶", "黄": "黄叶", "": "枯树"}


def broadleaf(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0) -> None:
    """A tree of this height in pixels, in the leaves of the season."""
    foliage = scene.palette.foliage
    with scene.thing(NAMES[foliage], "树"):
        lean = -scene.light * scene.between(0, 0.18)
        spread = 0.62 if foliage else 0.8
        tree = branches(scene.rng, x, y, height, lean=lean, spread=spread, width=0.055, droop=0.02)
        scene.strokes(tree.segments, tree.widths, scene.faded(scene.palette.bark, nearness))
        if foliage:
            _leaves(scene, tree, x, height, nearness)
        elif scene.facts.snow:
            thick = tree.widths > height * 0.006
            above = tree.segments[thick] - [0, height * 0.012]
            scene.strokes(above, tree.widths[thick] * 0.55, scene.snow_ink(), 0.85)


def _leaves(scene: Scene, tree: Branches, x: float, height: float, nearness: float) -> None:
    rng, palette, tips = scene.rng, scene.palette, tree.tips
    leaves = [scene.faded(leaf, nearness) for leaf in palette.leaves]
    count = 12 + int(4 * rng.random())
    points = np.repeat(tips, count, 0) + rng.normal(0, height * 0.034, (len(tips) * count, 2))
    centre = tips.mean(0)
    up, across = points[:, 1] - centre[1], points[:, 0] - centre[0]
    light = 0.5 - 0.34 * up / (height * 0.25) + 0.2 * scene.light * across / (height * 0.3)
    light += rng.normal(0, 0.2, len(points))
    size = max(height * 0.0155, 2.2 * scene.pixel)
    shaded = [mix(leaves[0], palette.near, 0.25), leaves[0], mix(leaves[0], leaves[1], 0.6)]
    inner = np.repeat(tips, 4, 0) + rng.normal(0, height * 0.02, (len(tips) * 4, 2))
    large = [ellipse(size * 3.2, size * 2.3, 20), ellipse(size * 2.6, size * 2.1, -30), ellipse(size * 2, size * 2.4)]
    scene.dabs(inner[:, 0], inner[:, 1], np.repeat(light[::count], 4), large, shaded, scene.style.undergrowth)
    small = [ellipse(size * 1.5, size, 20), ellipse(size * 1.2, size * 1.2), ellipse(size * 1.6, size * 0.9, -30)]
    scene.dabs(points[:, 0], points[:, 1], light, small, leaves, 0.93)
