"""油画: thick strokes that follow the forms, from broad to fine, with light on their ridges."""

import math
from typing import ClassVar

import cv2
import numpy as np

from recipes.landscapes.parts import finish
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.natural import NaturalStyle

# Strokes of a canvas of 512 x 512: number, half length, width in pixels. The finest are 3 wide in the picture.
_LAYERS = ((900, 26, 18), (1500, 15, 11), (2200, 9, 6))
_DETAIL = 0.35  # share of the finer strokes that is left out, where there is least to draw


class Oil(NaturalStyle):
    name: ClassVar[str] = "油画"
    words: ClassVar[tuple[str, ...]] = ("油画", "油画风格", "油画风景", "厚涂油画")

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        image = finish.shrink(scene, _repaint(scene, image))
        image = finish.bloom(scene, image) if scene.facts.night else image
        image = finish.saturate(image, 1.28)
        return np.clip((image - 0.5) * 1.06 + 0.49, 0, 1)


def _repaint(scene: Scene, image: np.ndarray) -> np.ndarray:
    """The picture in strokes (after Haeberli 1990 and Litwinowicz 1997), and the relief of their paint."""
    pixel, rng = scene.pixel, scene.rng
    height, width = image.shape[:2]
    source = (image * 255).astype(np.uint8)
    angles, strength = _directions(scene, source)
    blurred = cv2.blur(source, (int(9 * pixel) | 1, int(9 * pixel) | 1))
    painting = np.dstack([blurred, np.full((height, width), 128, np.uint8)])  # the fourth channel is height of paint
    area = width * height / 262144 / pixel**2
    for layer, (count, reach, breadth) in enumerate(_LAYERS):
        number = int(count * area)
        xs, ys = rng.integers(0, width, number), rng.integers(0, height, number)
        if layer:
            detail = (
                np.abs(source[ys, xs].astype(np.float32) - blurred[ys, xs]).mean(1) + strength[ys // 2, xs // 2] * 2
            )
            kept = detail > np.quantile(detail, _DETAIL)
            xs, ys = xs[kept], ys[kept]
        colours = source[ys, xs] * rng.normal(1, 0.06, (len(xs), 1)) + rng.normal(0, 4.5, (len(xs), 3))
        angle = angles[ys // 2, xs // 2]
        way = np.stack([np.cos(angle), np.sin(angle)], 1)
        way = way * (reach * pixel) * rng.uniform(0.6, 1.3, (len(xs), 1))
        middle = np.stack([xs, ys], 1)
        starts, ends = (middle - way).astype(int).tolist(), (middle + way).astype(int).tolist()
        heights = rng.integers(84, 176, len(xs)).tolist()
        thickness = max(1, int(breadth * pixel))
        for start, end, ink, high in zip(starts, ends, np.clip(colours, 0, 255).tolist(), heights, strict=True):
            cv2.line(painting, start, end, (*ink, high), thickness)
    paint = painting[..., :3].astype(np.float32) * np.float32(1 / 255)
    return _lit_relief(_keep_small_things(image, paint), painting[..., 3], pixel)


def _directions(scene: Scene, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) of half the size: the angle of a stroke, across the smoothed gradient (structure tensor), and how strong
    the gradient is."""
    pixel = scene.pixel
    grey = cv2.cvtColor(cv2.resize(source, scene.size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    light = cv2.GaussianBlur(grey, (0, 0), 1.5 * pixel).astype(np.float32)
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    window = (int(9 * pixel) | 1, int(9 * pixel) | 1)
    difference, product = cv2.blur(across**2 - down**2, window), cv2.blur(2 * across * down, window)
    strength = cv2.blur(np.hypot(across, down), window) * np.float32(0.5)
    drift = scene.noise(light.shape[0], light.shape[1], 1.6) * np.float32(0.35) / (1 + strength * np.float32(0.25))
    return np.arctan2(product, difference) / 2 + np.float32(math.pi / 2) + drift, strength


def _keep_small_things(image: np.ndarray, paint: np.ndarray) -> np.ndarray:
    """Where strokes lost something small, the picture comes back."""
    lost = cv2.cvtColor(np.abs(image - paint), cv2.COLOR_RGB2GRAY)[..., None]
    return paint + (image - paint) * np.clip((lost - 0.05) * 4, 0, 0.65)


def _lit_relief(paint: np.ndarray, heights: np.ndarray, pixel: float) -> np.ndarray:
    """Light from the upper left on the ridges of the paint."""
    relief = cv2.blur(heights, (int(3 * pixel) | 1, int(3 * pixel) | 1)).astype(np.float32)
    step = max(2, round(2.5 * pixel))
    ridges = np.clip(relief - np.roll(relief, (step, step), (0, 1)), -40, 40)
    return np.clip(paint * (1 + ridges[..., None] * np.float32(0.0024)), 0, 1)
