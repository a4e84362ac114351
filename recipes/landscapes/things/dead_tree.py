"""Dead trees: crooked, thick, few boughs, some of them broken; a bird may sit on one."""

import numpy as np

from recipes.drawing.brushes import path
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.branching import branches
from recipes.landscapes.things.broadleaf import snow_on_boughs


def dead_tree(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, design: str = "") -> None:
    """A bare old tree of this height in pixels. `design`: 'crooked' or 'broken', else chosen."""
    rng, broken = scene.rng, (design or scene.pick(("crooked", "broken"))) == "broken"
    lean = -scene.light * scene.between(0.05, 0.3)
    tree = branches(
        rng, x, y, height * 0.95, lean=lean, spread=0.9, levels=5 if broken else 6,
        children=2, width=0.075, droop=0.05 if broken else -0.03, trunk=0.42,
    )  # fmt: skip
    bark = scene.faded(mix(scene.palette.bark, scene.palette.lit("8a8078"), 0.25), nearness)
    with scene.thing("枯树", "树"):
        scene.strokes(tree.segments, np.maximum(tree.widths, height * 0.005), bark)
        roots = np.array([[-0.10, 0.012], [0.09, 0.014], [-0.05, 0.02]]) * height
        for root in roots:
            way = np.array(
                [[x, y - height * 0.06], [x + root[0] * 0.5, y - height * 0.005], [x + root[0], y + root[1]]]
            )
            scene.strokes(path(way), np.array([height * 0.05, height * 0.025]), bark)
        light = mix(bark, scene.palette.sun, 0.22)
        thick = tree.widths > height * 0.02
        beside = tree.segments[thick] + [scene.light * height * 0.012, 0]
        scene.strokes(beside, tree.widths[thick] * 0.25, light, 0.6)
        if scene.facts.snow:
            snow_on_boughs(scene, tree, height)
