"""Beams of light that fall through leaves."""

import numpy as np

from recipes.drawing.colour import mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene


def beams(scene: Scene, strength: float, foot: float) -> None:
    """Slanting beams from above, which end at the row `foot`. Rain and snow have none."""
    if scene.facts.weather in ("雨", "雪") or not scene.style.roughness or scene.style.chinese:
        return
    night = 0.45 if scene.facts.night else 1.0
    slant = -scene.light * scene.between(0.35, 0.7)
    along = (scene.columns - scene.rows * np.float32(slant)) / np.float32(scene.side)
    bank = scene.noise(1, 512, 2.6)[0]
    places = np.mod((along + 2) * np.float32(150), 511)
    stripes = smoothstep(np.interp(places, np.arange(512), bank).astype(np.float32), 0.35, 1.4)
    fading = np.clip(1 - scene.rows / np.float32(foot), 0, 1) ** 0.7
    ink = mix(scene.palette.sun, scene.palette.sky[3], 0.2)
    scene.tint((stripes * fading * np.float32(strength * night)).astype(np.float32), ink)
