"""动漫风景: the painted backgrounds of animated films: clear colours, soft gradients, shining nights."""

from typing import ClassVar

import numpy as np

from recipes.landscapes.parts import finish
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.natural import NaturalStyle


class Anime(NaturalStyle):
    name: ClassVar[str] = "动漫风景"
    words: ClassVar[tuple[str, ...]] = ("动漫风景", "动画风景", "动漫背景", "动画背景画")

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        return finish.saturate(super().finish(scene, image), 1.10)
