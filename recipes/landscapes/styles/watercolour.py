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
        dark_side, light_side = _edges(image, scene.pixel)
        pooled = scene.noise(height, width, 3.2)
        granules = cv2.GaussianBlur(scene.noise(height, width, 9.0), (0, 0), 1.3 * scene.pixel)
        density = 0.84 + 0.15 * pooled + 0.10 * granules + 0.18 * _backruns(scene, height, width)
        density += 2.0 * dark_side - 1.6 * light_side
        density *= 1 - _paling(scene, pooled)
        pigment = (1 - image / _PAPER) * np.clip(density, 0.1, 1.7)[..., None]
        return finish.saturate(_PAPER * (1 - pigment), 1.2)


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


def _edges(image: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) each: pigment that gathers inside the edge of a darker wash, and paper left white beside it."""
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    near = cv2.GaussianBlur(light, (0, 0), 2.0 * pixel) - light
    wide = cv2.GaussianBlur(light, (0, 0), 6 * pixel) - light
    return np.clip(near, 0, 0.25) + 0.5 * np.clip(wide, 0, 0.2), np.clip(-near - 0.015, 0, 0.25)


def _paling(scene: Scene, pooled: np.ndarray) -> np.ndarray:
    """(h, w): washes run out towards the corners, unevenly, without a border."""
    x, y = finish.corners(scene)
    far = np.clip((x * x + y * y) * np.float32(0.5) + np.float32(0.12) * pooled, 0, 1)
    return far**2.5 * np.float32(0.55)


def _backruns(scene: Scene, height: int, width: int) -> np.ndarray:
    """(h, w) -1 to 1: blooms, where water ran back into a drying wash: pale inside, with a dark rim."""
    field = cv2.GaussianBlur(scene.noise(height, width, 1.8), (0, 0), scene.pixel)
    rim = np.clip(1 - np.abs(field - 1.0) * 7, 0, 1)
    return rim - smoothstep(field, 1.0, 1.5) * np.float32(0.9)
