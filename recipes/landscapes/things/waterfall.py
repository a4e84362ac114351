"""Waterfalls: one ribbon, a broad curtain, a cascade of steps; with spray where they land."""

import numpy as np

from recipes.drawing.colour import WHITE, Colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.parts import mist
from recipes.landscapes.scene import Scene

Inks = tuple[Colour, Colour]
_BRIGHT = 0.7  # of rocks under snow: water is darker than they are
DESIGNS = ("ribbon", "curtain", "cascade")


def waterfall(
    scene: Scene, x: float, y: float, height: float, width: float = 0.0, design: str = "", spray: bool = True
) -> None:
    """Water that falls `height` pixels and lands at (x, y); `width`: half its width, by its design unless said."""
    design = design or scene.pick(DESIGNS)
    with scene.thing("瀑布", "水"):
        if design == "cascade":
            half = width or height * 0.12
            foot = _cascade(scene, x, y, height, half, _inks_before(scene, x, y, height, half))
        else:
            half = width or height * (0.10 if design == "ribbon" else 0.34)
            top = 0.62 if design == "ribbon" else 0.94
            inks = _inks_before(scene, x, y, height, half)
            _sheet(scene, inks, x, y - height, y, half * top, half, 3 if design == "curtain" else 0)
            foot = half
    if spray:
        lands = mix(water_inks(scene)[1], scene.palette.mist, 0.3)
        mist.patch(scene, x, y, foot * 1.5 + height * 0.06, height * 0.10, 0.85, lands)
        mist.patch(scene, x, y - height * 0.06, foot * 1.1 + height * 0.03, height * 0.13, 0.4, lands)


def _inks_before(scene: Scene, x: float, y: float, height: float, half: float) -> Inks:
    """Falling water in shade and in light, apart from the rocks behind it."""
    dark, light = water_inks(scene)
    region = scene.region([x - half, x + half], [y - height, y], 0)
    if region is not None:
        behind = scene.rgb[:, region.top : region.bottom, region.left : region.right]
        if float(behind.mean()) > _BRIGHT:
            return mix(dark, scene.palette.near, 0.45), mix(light, scene.palette.near, 0.2)
    return dark, light


def water_inks(scene: Scene) -> Inks:
    """Falling water in shade and in light."""
    palette = scene.palette
    if scene.style.chinese:
        return mix(palette.paper, palette.ink, 0.3), mix(palette.paper, WHITE, 0.35)
    return mix(palette.water, palette.far, 0.4), mix(palette.lit(WHITE, 0.45), palette.haze, 0.1)


def _sheet(
    scene: Scene, inks: Inks, x: float, top: float, foot: float, above: float, below: float, parts: int = 0
) -> None:
    """Streaks of water between two rows; `above`, `below`: half widths; `parts`: rocks that divide it at its lip."""
    reach = max(above, below) * 1.5 + 4
    region = scene.region([x - reach, x + reach], [top, foot], 0)
    if region is None or region.height < 4:
        return
    down = np.clip((scene.rows[region.top : region.bottom] - np.float32(top)) / np.float32(foot - top), 0, 1)
    half = np.float32(above) + np.float32(below - above) * smoothstep(down, 0, 0.8)
    ragged = np.float32(0.12 * scene.style.roughness)
    sway = 0.012 * scene.style.roughness * (foot - top) / max(above, below)
    wander = scene.noise(region.height, 1, 0.8) * np.float32(sway)
    streaks = scene.noise(region.height, region.width, 3.6, 0.28)
    across = (scene.columns[:, region.left : region.right] - np.float32(x)) / half + wander
    cover = smoothstep(np.float32(1.12) - np.abs(across) + streaks * ragged, 0, 0.22)
    rounding = 1 - np.abs(across) ** 2 * np.float32(0.3)
    if parts:
        places = scene.rng.uniform(-0.75, 0.75, parts).astype(np.float32)
        for place, reaches in zip(places, scene.rng.uniform(0.25, 0.8, parts), strict=True):
            gap = smoothstep(np.float32(0.06) - np.abs(across - place) + down * np.float32(0.09 / reaches), 0, 0.05)
            cover = cover * (1 - gap * (down < reaches))
    # a style without noise still shows threads of water: they are drawn by waves across
    threads = np.sin(across * 17 + np.sin(across * 5) * 2) * 0.13 + np.sin(across * 41 + 1) * 0.08
    shade = rounding * (np.float32(0.68) + streaks * np.float32(0.2 * scene.style.roughness) + threads)
    shade = shade + smoothstep(np.float32(0.06) - down, 0, 0.06) * np.float32(0.3)
    dark, light = inks
    scene.cover(
        (cover * np.float32(0.97)).astype(np.float32), dark, light, shade.astype(np.float32), region.top, region.left
    )


def _cascade(scene: Scene, x: float, y: float, height: float, half: float, inks: Inks) -> float:
    """Three or four leaps from ledge to ledge, each wider and to another side; the half width of the last."""
    count = int(scene.rng.integers(3, 5))
    drops = np.cumsum(scene.rng.uniform(0.7, 1.3, count))
    rows = y - height + np.concatenate([[0.0], drops / drops[-1]]) * height
    side = 1.0 if scene.chance(0.5) else -1.0
    at, wide = x - side * half * 0.35, half * 0.6
    for i in range(count):
        last = i == count - 1
        _sheet(scene, inks, at, rows[i], rows[i + 1] + (0 if last else height * 0.015), wide * 0.92, wide * 1.12)
        if not last:
            after = x + side * half * (0.3 if i % 2 == 0 else -0.2)
            _ledge(scene, inks, at, after, rows[i + 1], wide * 1.2, wide * 1.3, height * 0.022)
            at, wide = after, wide * 1.3
    return wide * 1.15


def _ledge(
    scene: Scene, inks: Inks, start: float, end: float, row: float, before: float, after: float, thick: float
) -> None:
    """Foam that runs along a ledge from one leap to the next."""
    left, right = min(start - before, end - after), max(start + before, end + after)
    region = scene.region([left, right], [row - thick, row + thick], 2)
    if region is None:
        return
    across, down = scene.offsets(region, (left + right) / 2, row)
    bow = (across / np.float32((right - left) / 2)) ** 2
    cover = smoothstep(1.1 - bow - (down / np.float32(thick)) ** 2, 0, 0.4)
    dark, light = inks
    shade = np.float32(0.9) - down / np.float32(thick) * np.float32(0.3) + 0 * across
    scene.cover(cover.astype(np.float32), dark, light, shade.astype(np.float32), region.top, region.left)
