"""Towers of a modern city: slabs, steps, spires, a television tower; their windows are lit at night."""

from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import WHITE, Colour, colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.things.shapes import disc, polygon, rectangle, stripe

_SHAPES = ("slab", "steps", "spire", "slant", "crown", "round")


@dataclass(frozen=True)
class _Tower:
    """Where its foot's middle is, its size in pixels, how near it is, what form it has."""

    x: float
    width: float
    height: float
    nearness: float
    shape: str


def skyline(scene: Scene, base: float, height: float, layers: int = 3) -> None:
    """Towers in rows behind each other that stand at row `base`; `height`: of the highest in pixels.

    They are highest around one place of the picture's width, and lower towards its sides.
    """
    middle = 0.5 + scene.focus * scene.between(0.05, 0.2)
    with scene.thing("高楼", "房屋"):
        for layer in range(layers):
            near = (layer + 1) / layers
            _row(scene, base, height, near, middle)
    if scene.chance(0.6):
        x = scene.width * float(np.clip(middle - scene.focus * scene.between(0.12, 0.2), 0.15, 0.85))
        television_tower(scene, x, base + 2, height * scene.between(1.05, 1.25), 0.85)


def _row(scene: Scene, base: float, height: float, near: float, middle: float) -> None:
    x, last = -scene.side * 0.05 * scene.between(0, 1), ""
    spread = max(0.28, 0.4 * scene.side / scene.width + 0.12)
    while x < scene.width:
        width = scene.side * scene.between(0.045, 0.085) * (0.8 + 0.35 * near)
        share = (x + width / 2) / scene.width
        rise = 0.38 + 0.62 * float(np.exp(-(((share - middle) / spread) ** 2)))
        tall = height * rise * scene.between(0.5, 1.0) * (1.12 - 0.45 * near)
        shape = scene.pick([name for name in _SHAPES if name != last])
        _tower(scene, _Tower(x + width / 2, width, max(tall, width * 0.7), 0.5 + 0.5 * near, shape), base)
        last = shape
        x += width * scene.between(0.95, 1.5 if near > 0.6 else 1.1)


def tower(scene: Scene, x: float, y: float, size: float) -> None:
    """One high building; `size`: its height in pixels."""
    with scene.thing("高楼", "房屋"):
        for step, share in ((-0.2, 0.6), (0.22, 0.75)):
            _tower(scene, _Tower(x + step * size, size * 0.2, size * share, 0.75, "slab"), y)
        _tower(scene, _Tower(x, size * 0.24, size, 1.0, scene.pick(_SHAPES)), y)


def _tower(scene: Scene, form: _Tower, base: float) -> None:
    half, top = form.width / 2, base - form.height
    mast = form.height * 0.22 if form.shape in ("spire", "steps") else 0.0
    region = scene.region([form.x - half, form.x + half], [top - mast, base], 2)
    if region is None:
        return
    across, down = scene.offsets(region, form.x, top)
    up = 1 - down / np.float32(form.height)
    edge = np.float32(half) * _profile(form.shape, np.clip(up, 0, 1.4))
    roof = across / np.float32(half) * np.float32(0.12 * scene.light) if form.shape == "slant" else np.float32(0)
    cover = np.clip(edge - np.abs(across) + np.float32(0.5), 0, 1) * (up < 1 + roof)
    if mast:
        pole = np.clip(1.4 * scene.pixel - np.abs(across), 0, 1) * (up >= 1)
        cover = np.maximum(cover, pole * (down > -mast))
    wall, shade, window = _inks(scene, form)
    light = np.float32(0.55) + across / np.float32(half) * np.float32(0.35 * scene.light)
    light = light + smoothstep(up, 0, 1) * np.float32(0.12) + 0 * down
    scene.cover(cover.astype(np.float32), shade, wall, light.astype(np.float32), region.top, region.left)
    glass = _windows(scene, form, across, down, edge) * (cover > 0.9) * (up < 0.97)
    scene.tint(
        (glass * np.float32(0.85 if scene.facts.night else 0.5)).astype(np.float32), window, region.top, region.left
    )
    if form.shape == "crown" and scene.facts.night:
        rim = (np.abs(up - 0.985) < 0.012) * (cover > 0.5)
        scene.tint(rim.astype(np.float32) * np.float32(0.9), colour("7fe0ff"), region.top, region.left)
    if mast and scene.facts.night:
        scene.lamp(form.x, top - mast, scene.side * 0.012, "ff5040")


def _profile(shape: str, up: np.ndarray) -> np.ndarray:
    """Half the width at a height, both as shares."""
    one = np.ones_like(up)
    if shape == "steps":
        return np.where(up < 0.55, one, np.where(up < 0.8, one * np.float32(0.72), one * np.float32(0.42)))
    if shape == "spire":
        return np.where(up < 0.7, one, np.maximum(1 - (up - np.float32(0.7)) * np.float32(3.0), 0.06))
    if shape == "round":
        return np.where(up < 0.82, one, np.sqrt(np.clip(1 - ((up - np.float32(0.82)) / np.float32(0.18)) ** 2, 0, 1)))
    if shape == "crown":
        return np.float32(0.8) + np.float32(0.2) * np.cos((up - np.float32(0.1)) * np.float32(2.4))
    return one


def _inks(scene: Scene, form: _Tower) -> tuple[Colour, Colour, Colour]:
    """A wall in light and in shade, and its windows."""
    codes = ("8fa3b8", "a8b0b8", "7f95a5", "b8a898", "6f87a0", "c0bcb4")
    wall = scene.palette.lit(colour(scene.pick(codes)), 0.1)
    wall = mix(wall, scene.palette.near, 0.25 if scene.facts.night else 0.2)
    wall, shade = scene.faded(wall, form.nearness), scene.faded(mix(wall, scene.palette.near, 0.45), form.nearness)
    if scene.facts.night:
        window = colour(scene.pick(("ffd890", "ffe8b8", "ffc870", "d8ecff")))
    elif scene.facts.low_sun:
        window = mix(scene.palette.sun, scene.palette.sky[2], 0.4)
    else:
        window = mix(scene.palette.sky[0], WHITE, 0.25)
    return wall, shade, mix(scene.palette.haze, window, 0.35 + 0.65 * form.nearness)


def _windows(scene: Scene, form: _Tower, across: np.ndarray, down: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Which pixels are glass: bands, or panes of which some are lit."""
    pitch = max(5.0 * scene.pixel, form.width / 9)
    columns, rows = (
        across / np.float32(pitch) + np.float32(64.5),
        down / np.float32(pitch * scene.between(1.0, 1.5)) + np.float32(64),
    )
    bands = scene.chance(0.3)
    column, row = columns.astype(int), rows.astype(int)
    open_row = (rows - row) > 0.42
    open_column = np.ones_like(columns, bool) if bands else (columns - column) > 0.38
    share = {"夜晚": 0.55, "黄昏": 0.75, "清晨": 0.9, "白天": 1.0}[scene.facts.time]
    lit = scene.rng.random((row.max() + 1, column.max() + 1)) < share
    inside = np.abs(across) < edge - 2 * scene.pixel
    return open_row & open_column & lit[row, column] & inside


def television_tower(scene: Scene, x: float, y: float, height: float, nearness: float = 1.0) -> None:
    """A tower with spheres on slanted legs, or a waisted one; `height` in pixels."""
    pearls = scene.chance(0.5)
    metal = scene.palette.lit(colour("9aa8b8"), 0.15)
    pink = scene.palette.lit(colour("c8607c"), 0.3 if not scene.facts.night else 0.7)
    if pearls:
        parts = [Part(stripe(np.array([[side * 0.13, 0.0], [0.0, 0.34]]), 0.022), metal) for side in (-1, 1)]
        parts += [Part(rectangle(at - 0.011, 0, at + 0.011, 0.62), metal) for at in (-0.03, 0.0, 0.03)]
        parts += [Part(disc(0, 0.24, 0.082), pink), Part(disc(0, 0.6, 0.06), pink), Part(disc(0, 0.73, 0.024), pink)]
        parts += [
            Part(rectangle(-0.083, 0.235, 0.083, 0.247), metal),
            Part(rectangle(-0.06, 0.595, 0.06, 0.605), metal),
        ]
        parts += [Part(polygon((-0.014, 0.64), (0, 1.0), (0.014, 0.64)), metal)]
    else:
        up = np.linspace(0, 0.8, 15)
        half = 0.035 + 0.055 * np.abs((up - 0.5) / 0.5) ** 1.6
        body = np.concatenate([np.stack([-half, up], 1), np.stack([half, up], 1)[::-1]])
        parts = [Part(body, mix(metal, pink, 0.25))]
        for i in range(len(up) - 1):
            parts.append(Part(stripe(np.array([[-half[i], up[i]], [half[i + 1], up[i + 1]]]), 0.008), metal))
            parts.append(Part(stripe(np.array([[half[i], up[i]], [-half[i + 1], up[i + 1]]]), 0.008), pink))
        parts.append(Part(polygon((-0.016, 0.8), (0, 1.0), (0.016, 0.8)), metal))
    with scene.thing("电视塔", "房屋"):
        scene.solid(parts, x, y, height, nearness)
    if scene.facts.night:
        for up_to in (0.24, 0.6) if pearls else (0.2, 0.55):
            scene.lamp(x, y - up_to * height, height * 0.13, "ff70b0")
        scene.lamp(x, y - height, height * 0.04, "ff5040")
