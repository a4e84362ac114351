"""A sea of clouds between mountains."""

import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene


def cloud_sea(scene: Scene, y: float, height: float, strength: float) -> None:
    """Heaped clouds from row `y` down, in two layers of `height` pixels; they melt away below."""
    palette = scene.palette
    for layer in range(2):
        crest = scene.outline(y + layer * height * 0.55, height * 0.8, "cloud")
        top = int(max(0, crest.min() - 3))
        bottom = int(min(scene.height, y + height * 2.4 + layer * height))
        if bottom - top < 4:
            return
        noise = scene.noise(bottom - top, scene.width, 1.3, 1.9)
        depth = scene.rows[top:bottom] - crest[None] + noise * np.float32(height * 0.16)
        cover = smoothstep(depth, 0, height * 0.16) * (1 - smoothstep(depth, height * 0.5, height * 1.9))
        shade = np.clip(1 - depth / np.float32(height * 0.9) + noise * np.float32(0.16), 0, 1)
        if scene.style.chinese:
            low, light = mix(palette.mist, palette.far, 0.18), mix(palette.mist, palette.paper, 0.6)
        else:
            light = mix(mix(palette.mist, WHITE, 0.12 if scene.facts.night else 0.5), palette.sun, 0.25)
            low = mix(palette.haze, palette.far, 0.28)
        with scene.thing("云海", "云"):
            scene.cover((cover * np.float32(strength)).astype(np.float32), low, light, shade.astype(np.float32), top)
