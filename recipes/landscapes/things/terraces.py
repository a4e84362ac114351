"""Terraced fields (梯田): flooded in spring, green in summer, gold in autumn, bare or white in winter."""

import cv2
import numpy as np

from recipes.drawing.colour import Colour, colours, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene

# Fields from dark to light, then the walls between them.
_FIELDS = {
    "春": "9cc8a8 d8e8ee 6f8a4c",
    "夏": "4f9a44 a4d062 2f6a38",
    "秋": "c8902c f4d474 96682c",
    "冬": "8a8068 c4b894 6c5c44",
}


def terraces(scene: Scene, crest: np.ndarray, steps: float = 13.0) -> None:
    """Fields in steps below a crest (W,), wider towards the viewer, with walls that follow the slope."""
    top = int(max(0, crest.min() - 2))
    height = scene.height - top
    if height < 8:
        return
    depth = scene.rows[top:] - crest[None]
    share = np.clip(depth / (scene.height - float(crest.mean())), -0.02, 1.2)
    bends = cv2.GaussianBlur(scene.noise(height, scene.width, 0.42, 0.42), (0, 0), 9 * scene.pixel)
    wave = np.sin(scene.columns * np.float32(4.5 / scene.side) + share * 2 + np.float32(scene.between(0, 6)))
    level = np.maximum(share + 0.03, 0) ** np.float32(0.6) * np.float32(steps) + bends * 0.55 + wave * 0.9
    across, field = np.modf(level + 20)
    hashed = np.abs(np.modf(np.sin(field * np.float32(12.9898)) * np.float32(43758.5))[0])
    cover = np.clip(depth + np.float32(0.5), 0, 1)
    dark, light, wall = _inks(scene)
    shade = hashed * 0.6 + across * 0.45
    if scene.style.roughness:
        shade = shade + 0.07 * scene.noise(height, scene.width, 4.0, 5.0) * np.float32(scene.style.roughness)
    far = np.clip(1 - share * 2.2, 0, 1) * np.float32(0.6)
    edge = smoothstep(across, 0.78, 0.88) * (1 - smoothstep(across, 0.985, 1.0))
    with scene.thing("梯田", "地"):
        scene.cover(cover.astype(np.float32), dark, light, shade.astype(np.float32), top)
        scene.cover((cover * edge * 0.97).astype(np.float32), mix(wall, scene.palette.near, 0.35), wall,
                    (0.7 - 0.5 * smoothstep(across, 0.86, 1.0)).astype(np.float32), top)  # fmt: skip
    rim = np.clip(1 - np.abs(across - 0.79) * 16, 0, 1) * cover
    glow = mix(light, scene.palette.sun, 0.5)
    scene.tint((rim * 0.5).astype(np.float32), glow, top)
    scene.tint((scene.style.veil(far.astype(np.float32)) * cover).astype(np.float32), scene.palette.haze, top)


def _inks(scene: Scene) -> tuple[Colour, Colour, Colour]:
    palette, season = scene.palette, scene.facts.season
    if scene.facts.snow:
        return scene.snow_ink(0.25), scene.snow_ink(), mix(palette.grass_dark, scene.material("wood"), 0.45)
    dark, light, wall = (palette.lit(ink) for ink in colours(_FIELDS[season]))
    if season == "春":
        dark, light = mix(palette.sky[1], palette.water, 0.25), mix(palette.sky[3], palette.sun, 0.15)
    if scene.style.chinese:
        dark, light = mix(palette.grass_light, dark, 0.35), mix(palette.mist, light, 0.3)
        wall = mix(palette.grass_dark, palette.near, 0.55)
    return dark, light, wall
