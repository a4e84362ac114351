"""Mist: bands between mountains, patches, and a veil over everything."""

import numpy as np

from recipes.drawing.colour import Colour
from recipes.drawing.noise import smoothstep
from recipes.landscapes.parts import bars
from recipes.landscapes.scene import Scene

_SOLID = ("房屋", "桥", "船", "人", "动物")


def band(scene: Scene, y: float, height: float, strength: float, ink: Colour | None = None) -> None:
    """A band of mist around a row; `height` in pixels."""
    top, bottom = int(max(0, y - height * 1.5)), int(min(scene.height, y + height * 1.5))
    if bottom - top < 4 or strength <= 0:
        return
    if scene.style.flat:
        cover = bars.bank(scene, y, height) * _behind_things(scene)
        scene.tint((cover * np.float32(strength)).astype(np.float32), ink or scene.palette.mist)
        return
    noise = scene.noise(bottom - top, scene.width, 0.55, 1.6)
    distance = np.abs((scene.rows[top:bottom] - y + noise * np.float32(height * 0.25)) * np.float32(1 / (height * 1.2)))
    cover = smoothstep(1 - distance, 0, 1) * np.clip(0.75 + 0.3 * noise, 0.1, 1) * np.float32(strength)
    scene.tint(cover.astype(np.float32), ink or scene.palette.mist, top)


def _behind_things(scene: Scene) -> np.ndarray:
    """(H, W) bool: where no house, bridge or boat stands, which a bar with clean edges would cross like a plank."""
    open_air = np.array([True, *(thing.label not in _SOLID for thing in scene.things)])
    return open_air[scene.owner]


def patch(
    scene: Scene, x: float, y: float, width: float, height: float, strength: float, ink: Colour | None = None
) -> None:
    """A patch of mist or spray of these half sizes."""
    region = scene.region([x - width * 1.6, x + width * 1.6], [y - height * 1.6, y + height * 1.6], 0)
    if region is None:
        return
    across, down = scene.offsets(region, x, y)
    noise = scene.noise(region.height, region.width, 1.4)
    distance = (across / width) ** 2 + (down / height) ** 2
    cover = smoothstep(1.05 - distance + noise * np.float32(0.22), 0, 1.1) * np.float32(strength)
    scene.tint(cover.astype(np.float32), ink or scene.palette.mist, region.top, region.left)


def veil(scene: Scene, top: float = 0.0, strength: float | None = None) -> None:
    """Thin mist over everything below a row; as thick as the weather, unless `strength` (0 to 1) says otherwise."""
    thickness = scene.facts.fog if strength is None else strength
    noise = 0.0 if scene.style.flat else scene.noise(scene.height, scene.width, 0.5, 1.2)
    below = np.clip((scene.rows - top) * np.float32(1 / (60 * scene.pixel)) + np.float32(0.6), 0, 1)
    scene.tint(np.clip(0.55 + 0.35 * noise, 0, 1) * below * np.float32(thickness * 0.5), scene.palette.mist)
