"""What Chinese painting on paper and silk has in common: a calm ground, a red sun, a seal in a corner."""

from typing import ClassVar

import numpy as np

from recipes.drawing.colour import Colour, colour, mix
from recipes.landscapes.parts import finish, sky
from recipes.landscapes.scene import Disc, Scene
from recipes.landscapes.styles.natural import NaturalStyle
from recipes.landscapes.things.seal import seal

_SEALED = 1 / 3  # share of the pictures that bear a seal


class TraditionalStyle(NaturalStyle):
    """A ground that everything melts into."""

    chinese: ClassVar[bool] = True
    shows_time: ClassVar[bool] = False
    contour: ClassVar[Colour | None] = colour("222020")

    def sky(self, scene: Scene) -> None:
        sky.gradient(scene, 0.022)

    def halo(self, scene: Scene, disc: Disc, strength: float) -> None:
        square = (scene.columns - np.float32(disc.x)) ** 2 + (scene.rows - np.float32(disc.y)) ** 2
        night = scene.facts.night
        reach, brightness = (2.6, 0.75) if night else (1.9, 0.34)
        glow = np.float32(brightness * strength) / (1 + square * np.float32(1 / (disc.radius * reach) ** 2)) ** 2
        scene.tint(glow, mix(scene.palette.sun, scene.palette.paper, 0.15 if night else 0.35))

    def sign(self, scene: Scene) -> None:
        if scene.chance(_SEALED):
            seal(scene)

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        """Slightly darker at the edges, as old paper is."""
        image = finish.shrink(scene, image)
        x, y = finish.corners(scene)
        return image * (1 - np.float32(0.05) * np.maximum(np.abs(x), np.abs(y)) ** 6)[..., None]
