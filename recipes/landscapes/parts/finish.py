"""The last steps that styles share: lamps, shrinking, bloom, vignette."""

import cv2
import numpy as np

from recipes.landscapes.scene import Glow, Scene


def picture(scene: Scene) -> np.ndarray:
    """(H, W, 3) float32 from 0 to 1: the canvas with its lamps lit."""
    for glow in scene.glows:
        xs, ys = (
            [glow.x - glow.radius * 2, glow.x + glow.radius * 2],
            [glow.y - glow.radius * 2, glow.y + glow.radius * 2],
        )
        region = scene.region(xs, ys, 0)
        if region is None:
            continue
        seen = np.float32(1 - _hidden(scene, glow))
        across, down = scene.offsets(region, glow.x, glow.y)
        square = across**2 + down**2
        fading = np.clip(1 - square * np.float32(1 / (4 * glow.radius**2)), 0, 1) ** 2
        light = fading / (1 + square * np.float32(9 / glow.radius**2))
        if scene.style.flat:
            light = scene.style.veil(light * np.float32(0.6))
        for channel, value in zip(
            scene.rgb[:, region.top : region.bottom, region.left : region.right], glow.ink, strict=True
        ):
            channel += light * seen * np.float32(0.85 * value) * (1 - channel * np.float32(0.6))
    return np.clip(cv2.merge([np.ascontiguousarray(channel) for channel in scene.rgb]), 0, 1)


def _hidden(scene: Scene, glow: Glow) -> float:
    """How much of a lamp's middle, 0 to 1, lies behind what was painted after its own thing."""
    reach = max(2.0, glow.radius * 0.12)
    region = scene.region([glow.x], [glow.y], reach)
    if region is None:
        return 0.0
    owner = scene.owner[region.top : region.bottom, region.left : region.right]
    return float(np.mean(owner > glow.since + 1))


def shrink(scene: Scene, image: np.ndarray) -> np.ndarray:
    """(h, w, 3): the picture at its own size."""
    return cv2.resize(image, scene.size, interpolation=cv2.INTER_AREA)


def corners(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Columns (1, w) and rows (h, 1) of the finished picture, -1 to 1."""
    width, height = scene.size
    return np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]


def vignette(scene: Scene, image: np.ndarray, strength: float) -> np.ndarray:
    """Corners that are darker by `strength`."""
    x, y = corners(scene)
    return image * (1 - np.float32(strength) * ((x * x + y * y) * np.float32(0.5)) ** 2)[..., None]


def bloom(scene: Scene, image: np.ndarray) -> np.ndarray:
    """Bright places shine over their edges at night."""
    image = np.power(np.clip(image, 0, 1), np.float32(0.87))
    shine = cv2.GaussianBlur(np.clip(image - np.float32(0.55), 0, 1), (0, 0), 5 * scene.pixel)
    return image + shine * np.float32(0.55)


def saturate(image: np.ndarray, factor: float) -> np.ndarray:
    """Colours further from grey by this factor."""
    grey = cv2.cvtColor(image.astype(np.float32, copy=False), cv2.COLOR_RGB2GRAY)[..., None]
    return grey + (image - grey) * np.float32(factor)


def paper(scene: Scene, bank: np.ndarray) -> np.ndarray:
    """(h, w, 1): a random sheet of a bank of paper, tiled where the picture is larger."""
    width, height = scene.size
    side = bank.shape[0]
    y, x = (int(scene.rng.integers(0, side)) for _ in range(2))
    rows, columns = (y + np.arange(height)) % side, (x + np.arange(width)) % side
    return bank[np.ix_(rows, columns)][..., None]
