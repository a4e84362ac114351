"""Dunes of sand: each has a lit side and a shaded one, divided by a crest line that winds down from its summit."""

from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import Colour, colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene


@dataclass(frozen=True)
class Dune:
    """`summit`: the column of its top; `half`: its half width in pixels; `base`, `height`: its foot's row, its rise in
    pixels; `nearness`: 0 far to 1 near; `winding`: the phase of its crest line."""

    summit: float
    half: float
    base: float
    height: float
    nearness: float
    winding: float


def sand_inks(scene: Scene) -> tuple[Colour, Colour]:
    """Sand in light and in shade."""
    palette = scene.palette
    if scene.style.chinese:
        light, shade = (
            mix(palette.paper, colour("d8a860"), 0.35),
            mix(palette.paper, mix(palette.ink, colour("8a5a30"), 0.5), 0.5),
        )
        return palette.lit(light, 0.4), palette.lit(shade, 0.4)
    light, shade = palette.lit("f2cc88", 0.1), palette.lit("a8653c", 0.1)
    if scene.facts.night:
        light, shade = mix(light, palette.sky[2], 0.28), mix(shade, palette.sky[2], 0.28)
    return mix(light, palette.sun, 0.18), mix(shade, palette.near, 0.15)


def dune(scene: Scene, form: Dune) -> np.ndarray:
    """Paint one dune and all sand below it; its crest (W,)."""
    columns = np.arange(scene.width)
    wave = scene.outline(0, scene.side * 0.03, "hill")
    rise = form.height * np.exp(-((np.abs(columns - form.summit) / form.half) ** 1.6))
    crest = (form.base - rise + wave).astype(np.float32)
    top = int(max(0, crest.min() - 3))
    if scene.height - top < 3:
        return crest
    depth = scene.rows[top:] - crest[None]
    noise = scene.noise(scene.height - top, scene.width, 0.9, 0.5) * np.float32(scene.style.roughness)
    unit, pixel = scene.side, scene.pixel
    side = np.float32(scene.focus)
    below = np.maximum(depth, 0)
    divide = form.summit + side * (
        below * np.float32(0.9)
        + np.float32(unit * 0.10) * np.sin(depth * np.float32(5 / unit) + np.float32(form.winding))
    )
    edge = unit * 0.012 + 2
    shaded = smoothstep((scene.columns - divide) * np.float32(-scene.light) + noise * 5, -edge, edge)
    shaded = shaded * np.clip(np.float32(1.25) - np.abs(scene.columns - divide) * np.float32(0.6 / form.half), 0.35, 1)
    ripples = np.sin(
        (depth * np.float32(0.35 / pixel) + scene.columns * np.float32(0.04 / pixel) + noise * 3) * np.float32(1.5)
    )
    shade = np.float32(0.9) - shaded * np.float32(0.72) + noise * np.float32(0.04)
    shade = shade + ripples * np.float32(0.035 * form.nearness * scene.style.roughness)
    light, dark = sand_inks(scene)
    haze = (1 - form.nearness) * 0.62
    light, dark = mix(light, scene.palette.haze, haze), mix(dark, scene.palette.haze, haze)
    scene.cover(np.clip(depth + np.float32(0.5), 0, 1).astype(np.float32), dark, light, shade.astype(np.float32), top)
    return crest
