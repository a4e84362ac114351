"""Mirror images of solid things that stand in water."""

from collections.abc import Sequence

import numpy as np

from recipes.drawing.colour import mix
from recipes.landscapes.scene import Part, Scene


def mirror_image(
    scene: Scene, parts: Sequence[Part], x: float, y: float, size: float, face: float = 1.0, line: float = -0.14
) -> None:
    """A dim, rippled image upside down below `line`, in units of the thing's size; the water stays the water."""
    if not scene.style.reflection:
        return
    upside_down = []
    for part in parts:
        across = part.points[:, 0] + 0.02 * np.sin(part.points[:, 1] * 40)
        ink = mix(scene.material(part.ink), scene.palette.water, 0.62)
        upside_down.append(Part(np.stack([across, line - part.points[:, 1] * 0.8], 1), ink))
    owner = scene.owner.copy()
    scene.solid(upside_down, x, y, size, scene.style.reflection, face, snow=False)
    scene.owner[:] = owner
