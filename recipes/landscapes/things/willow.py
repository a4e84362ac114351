"""Willows: an old one that weeps widely, and a young slender one."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import Colour, colours
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.branching import Branches, branches


def willow(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0, design: str = "") -> None:
    """A willow of this height in pixels. `design`: 'weeping' or 'young', else chosen."""
    young = (design or scene.pick(("weeping", "young"))) == "young"
    lean = (1.0 if x < scene.width / 2 else -1.0) * scene.between(0.05, 0.25)
    if young:
        tree = branches(scene.rng, x, y, height, lean=lean, spread=0.5, levels=4, width=0.036, trunk=0.42)
    else:
        tree = branches(
            scene.rng, x, y, height * 0.95, lean=lean * 0.7, spread=0.75, levels=4, width=0.06, droop=-0.02, trunk=0.42
        )
    with scene.thing("柳树", "树"):
        scene.strokes(tree.segments, tree.widths, scene.faded(scene.palette.bark, nearness))
        _strands(scene, tree, x, y, height, nearness, 110 if young else 175, 0.75 if young else 1.0)


def _inks(scene: Scene) -> list[Colour]:
    palette = scene.palette
    if scene.facts.season == "冬":
        return (
            [palette.lit(ink, 0.1) for ink in colours("5a4a34 8a7448 b8a068")]
            if not palette.foliage
            else palette.leaves
        )
    if palette.foliage in ("绿", "墨"):
        return palette.leaves
    codes = {"春": "5f8a3a 92b850 cfe07c", "秋": "7a7a34 b8a440 e4cc64"}
    return [palette.lit(ink) for ink in colours(codes.get(scene.facts.season, codes["春"]))]


def _strands(
    scene: Scene, tree: Branches, x: float, y: float, height: float, nearness: float, count: int, spread: float
) -> None:
    """Twigs that rise a little from the tips and hang down, thin leaves along them."""
    rng, pixel = scene.rng, scene.pixel
    high = tree.segments[:, 1, 1] < y - height * 0.42
    tips = np.concatenate([tree.tips, tree.segments[high & (tree.widths < height * 0.03), 1]])
    which = rng.integers(0, len(tips), count)
    length = rng.uniform(0.25, 0.62, count)[:, None] * height * (0.8 + 0.2 * spread)
    bare = scene.facts.season == "冬"
    t = np.linspace(0, 1, 26)[None]
    outward = ((tips[which, 0] - x)[:, None] / height * 0.5 + rng.normal(0, 0.05, (count, 1))) * spread
    sway = np.sin(t * 3 + 2) * 0.03 * height * scene.light
    xs = tips[which, 0][:, None] + outward * length * (1 - (1 - t) ** 2) + sway
    rise = 0.10 * length * np.sin(np.pi * np.minimum(t * 1.6, 1))
    ys = tips[which, 1][:, None] + rng.normal(0, height * 0.03, (count, 1)) - rise + length * t**1.35
    inks = [scene.faded(ink, nearness) for ink in _inks(scene)]
    light = np.clip(0.32 + 0.45 * rng.random((count, 1)) + rng.normal(0, 0.15, xs.shape), 0, 1)
    above = ys < y - height * 0.03
    strands = np.stack([np.stack([xs[:, :-1], ys[:, :-1]], -1), np.stack([xs[:, 1:], ys[:, 1:]], -1)], 2)
    kept = strands[above[:, 1:]]
    scene.strokes(kept, np.full(len(kept), max(1.0, 1.1 * pixel)), inks[0], 0.8 if bare else 0.7)
    if bare:
        if scene.facts.snow:
            share = above & (rng.random(xs.shape) < 0.3)
            scene.dabs(
                xs[share],
                ys[share],
                rng.random(int(share.sum())),
                [ellipse(2.4 * pixel, 2 * pixel)],
                [scene.snow_ink(0.4), scene.snow_ink()],
                0.85,
            )
        return
    shapes = [
        ellipse(2.2 * pixel, height * 0.032, 8),
        ellipse(2.2 * pixel, height * 0.036, -12),
        ellipse(1.8 * pixel, height * 0.03, 0),
    ]
    scene.dabs(xs[above], ys[above], light[above], shapes, inks, 0.85)
