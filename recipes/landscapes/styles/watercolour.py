"""水彩画: pale washes that stop at wet, darker edges, wander a little, and leave paper white."""

from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette, natural_palette
from recipes.landscapes.parts import finish
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.natural import NaturalStyle

_PAPER = np.array([0.995, 0.985, 0.965], np.float32)


class Watercolour(NaturalStyle):
    name: ClassVar[str] = "水彩画"
    words: ClassVar[tuple[str, ...]] = ("水彩画", "水彩", "水彩风景", "水彩风景画")
    undergrowth: ClassVar[float] = 0.7
    solid_texture: ClassVar[float] = 0.10
    texture: ClassVar[float] = 0.22

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        """Paper shines through every wash, at night less."""
        palette = natural_palette(facts, rng)
        pale = 0.08 if facts.night else 0.2
        sky = [mix(band, WHITE, pale) for band in palette.sky]
        return replace(
            palette, sky=sky, near=mix(palette.near, palette.far, 0.2), far=mix(palette.far, WHITE, pale / 2)
        )

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        image = _wander(scene, finish.shrink(scene, image))
        if scene.facts.night:
            image = np.power(np.clip(image, 0, 1), np.float32(0.85))
        image = _flow_together(image, scene.pixel)
        height, width = image.shape[:2]
        pigment = 1 - image / _PAPER
        pooled = scene.noise(height, width, 3.2)
        density = 0.92 + 0.12 * pooled + 1.5 * _wet_edges(image, scene.pixel) + 0.10 * _backruns(scene, height, width)
        washed = _PAPER * (1 - pigment * density[..., None])
        return finish.saturate(washed, 1.22)


def _wander(scene: Scene, image: np.ndarray) -> np.ndarray:
    """Edges that a loaded brush does not follow exactly."""
    height, width = image.shape[:2]
    reach = np.float32(1.5 * scene.pixel)
    shift = [cv2.GaussianBlur(scene.noise(height, width, 7.0), (0, 0), 1.5 * scene.pixel) * reach for _ in range(2)]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(image, columns + shift[0], rows + shift[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _flow_together(image: np.ndarray, pixel: float) -> np.ndarray:
    """Neighbouring tones become one wash; strong edges stay."""
    image = np.clip(image, 0, 1).astype(np.float32)
    return cv2.bilateralFilter(image, int(5 * pixel) | 1, 0.10, 2.4 * pixel)


def _wet_edges(image: np.ndarray, pixel: float) -> np.ndarray:
    """(h, w): pigment that gathers where a darker wash ends."""
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    near = np.clip(cv2.GaussianBlur(light, (0, 0), 2.2 * pixel) - light, 0, 0.25)
    wide = np.clip(cv2.GaussianBlur(light, (0, 0), 6 * pixel) - light, 0, 0.2)
    return near + 0.5 * wide


def _backruns(scene: Scene, height: int, width: int) -> np.ndarray:
    """(h, w) -1 to 1: blooms, where water ran back into a drying wash: pale inside, with a dark rim."""
    field = cv2.GaussianBlur(scene.noise(height, width, 1.8), (0, 0), scene.pixel)
    rim = np.clip(1 - np.abs(field - 1.0) * 7, 0, 1)
    return rim - smoothstep(field, 1.0, 1.5) * np.float32(0.9)
