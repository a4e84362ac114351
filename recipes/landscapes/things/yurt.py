"""Yurts of the steppe: plain, with a pattern, and with a stove's pipe."""

import numpy as np

from recipes.drawing.colour import colour, mix
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.cottage import smoke
from recipes.landscapes.things.lamps import lamps_burn, pane
from recipes.landscapes.things.shapes import arc, polygon, rectangle, stripe


def yurt(scene: Scene, x: float, y: float, size: float, nearness: float = 1.0) -> None:
    """A yurt; `size`: its width in pixels."""
    burning = lamps_burn(scene)
    trim = scene.material("red") if scene.chance(0.5) else scene.palette.lit(colour("3a68b0"), 0.12)
    piped, patterned = scene.chance(0.4), scene.chance(0.6)
    dome = np.concatenate([polygon((-0.56, 0.27)), arc(0, 0.28, 0.54, 0.3), polygon((0.56, 0.27))])
    shade = mix(scene.material("white"), scene.material("roof"), 0.3)
    parts = [Part(rectangle(0.2, 0.5, 0.24, 0.74), "dark")] if piped else []
    parts += [Part(rectangle(-0.5, -0.02, 0.5, 0.3), "wool"), Part(dome, "white")]
    for at in np.linspace(-0.42, 0.42, 7):
        top = 0.28 + 0.3 * np.sqrt(max(0.0, 1 - (at * 0.3 / 0.54) ** 2))
        parts.append(
            Part(
                stripe(np.array([[at, 0.28], [at * 0.75, 0.28 + (top - 0.28) * 0.72], [at * 0.3, top - 0.01]]), 0.012),
                shade,
            )
        )
    parts += [Part(rectangle(-0.52, 0.235, 0.52, 0.3), trim), Part(rectangle(-0.51, 0.1, 0.51, 0.12), shade)]
    if patterned:
        parts += [
            Part(polygon((at - 0.03, 0.267), (at, 0.29), (at + 0.03, 0.267), (at, 0.245)), "gold")
            for at in np.linspace(-0.45, 0.45, 11)
        ]
        for side in (-1, 1):
            parts.append(
                Part(polygon((side * 0.3, 0.34), (side * 0.2, 0.42), (side * 0.26, 0.48), (side * 0.36, 0.4)), trim)
            )
    door = pane(scene, True) if burning else scene.material("wood")
    parts += [Part(rectangle(-0.14, -0.02, 0.14, 0.27), trim), Part(rectangle(-0.11, -0.02, 0.11, 0.24), door)]
    parts += [Part(rectangle(-0.004, -0.02, 0.004, 0.24), trim)]
    parts += [Part(arc(0, 0.55, 0.13, 0.07), trim), Part(arc(0, 0.56, 0.09, 0.05), "wood")]
    with scene.thing("蒙古包", "房屋"):
        scene.solid(parts, x, y, size, nearness)
    if burning:
        scene.lamp(x, y - 0.12 * size, size * 0.6)
    if piped and not scene.facts.rain:
        smoke(scene, x + 0.22 * size, y - 0.76 * size, size * 0.9)
