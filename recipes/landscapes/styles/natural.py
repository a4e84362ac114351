"""What painterly styles have in common: light as it is, mirrors in water, haze in the distance."""

import numpy as np

from recipes.landscapes.parts import finish, sky
from recipes.landscapes.parts.ground import Ground, natural_ground
from recipes.landscapes.parts.mountains import Ridge, natural_ridge
from recipes.landscapes.parts.water import Surface, natural_water
from recipes.landscapes.scene import Disc, Scene
from recipes.landscapes.style import Style


class NaturalStyle(Style):
    """Paints mountains, ground and water by light and distance."""

    def sky(self, scene: Scene) -> None:
        sky.gradient(scene)

    def halo(self, scene: Scene, disc: Disc, strength: float) -> None:
        sky.shine(scene, disc, strength)

    def ridge(self, scene: Scene, ridge: Ridge) -> None:
        natural_ridge(scene, ridge)

    def ground(self, scene: Scene, ground: Ground) -> None:
        natural_ground(scene, ground)

    def water(self, scene: Scene, surface: Surface) -> None:
        natural_water(scene, surface)

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        image = finish.vignette(scene, finish.shrink(scene, image), 0.08)
        return finish.bloom(scene, image) if scene.facts.night else image
