"""Long galleries of gardens: a roof on many posts, on land or along a shore."""

from itertools import pairwise

import numpy as np

from recipes.drawing.colour import WHITE, colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.lamps import lamps_burn
from recipes.landscapes.things.shapes import arc, mirrored, rectangle, stripe


def gallery(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0, bays: int = 0) -> None:
    """A gallery of `bays` bays; y: its foot; `size`: the height of its ridge in pixels, a bay is 0.6 of it."""
    bays = bays or int(scene.rng.integers(5, 9))
    half = bays * 0.3
    burning = lamps_burn(scene)
    wall = scene.material("white")
    tile, black = mix(scene.material("roof"), WHITE, 0.12), mix(scene.material("roof"), scene.material("dark"), 0.4)
    parts = [Part(rectangle(-half - 0.12, -0.08, half + 0.12, 0.05), "old stone")]
    posts = np.linspace(-half, half, bays + 1)
    blind = int(scene.rng.integers(0, 3))
    for i, (left, right) in enumerate(pairwise(posts)):
        middle = (left + right) / 2
        if i % 3 == blind:
            parts += _walled_bay(scene, left, right, middle, wall, burning)
        else:
            parts += [
                Part(rectangle(left, 0.22, right, 0.25), "pillar"),
                Part(rectangle(left, 0.05, right, 0.08), "wood"),
            ]
            bars = np.linspace(left, right, 7)
            parts += [Part(rectangle(at - 0.008, 0.05, at + 0.008, 0.24), "pillar") for at in bars]
        frieze = [[left, 0.62], [left + 0.06, 0.55], [middle, 0.6], [right - 0.06, 0.55], [right, 0.62]]
        parts.append(Part(stripe(np.array(frieze), 0.02), "wood"))
    parts += [Part(rectangle(at - 0.024, 0.05, at + 0.024, 0.66), "pillar") for at in posts]
    corner = np.array([[half + 0.06, 0.96], [half + 0.14, 0.7], [half + 0.3, 0.7], [half + 0.2, 0.63]])
    roof = np.concatenate([corner, mirrored(corner)[::-1]])
    parts.append(Part(roof, "roof"))
    for at in np.linspace(-half - 0.1, half + 0.1, bays * 4):
        parts.append(Part(stripe(np.array([[at, 0.65], [at * 0.97, 0.95]]), 0.014), tile))
    parts.append(Part(rectangle(-half - 0.1, 0.93, half + 0.1, 1.0), black))
    if burning:
        for at in posts[1:-1:2]:
            parts.append(Part(arc(at, 0.55, 0.05, 0.06, 0, 360), colour("ff9050")))
            scene.lamp(x + at * size, y - 0.55 * size, size * 0.32)
    with scene.thing("长廊", "房屋"):
        scene.solid(parts, x, y, size, nearness)


def _walled_bay(
    scene: Scene, left: float, right: float, middle: float, wall: tuple[float, float, float], burning: bool
) -> list[Part]:
    """A bay closed by a white wall with a window of tracery."""
    inside = colour("ffcf70") if burning else mix(scene.palette.grass_dark, scene.material("dark"), 0.3)
    parts = [Part(rectangle(left, 0.05, right, 0.66), wall), Part(arc(middle, 0.36, 0.15, 0.15, 0, 360), "wood")]
    parts.append(Part(arc(middle, 0.36, 0.125, 0.125, 0, 360), inside))
    parts += [
        Part(rectangle(middle + at - 0.006, 0.25, middle + at + 0.006, 0.47), "wood") for at in (-0.05, 0.0, 0.05)
    ]
    return [*parts, Part(rectangle(middle - 0.12, 0.352, middle + 0.12, 0.368), "wood")]
