"""Near land: meadows, banks, snow fields."""

from dataclasses import dataclass

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.landscapes.scene import Scene


@dataclass(frozen=True)
class Ground:
    """`crest`: (W,) its upper rows; `nearness`: 0 far to 1 near; `bottom`: the row where it ends; `grass`: how much."""

    crest: np.ndarray
    nearness: float
    bottom: int
    grass: float

    @property
    def top(self) -> int:
        return int(max(0, self.crest.min() - 3))


def land(
    scene: Scene,
    crest: np.ndarray,
    nearness: float,
    bottom: int | None = None,
    grass: float = 1.0,
    name: str = "",
) -> None:
    """Land below a crest, with grass where there is no snow."""
    layer = Ground(crest, nearness, int(bottom or scene.height), grass)
    if layer.bottom - layer.top < 3:
        return
    with scene.thing(name or ("雪地" if scene.facts.snow else "草地"), "地"):
        scene.style.ground(scene, layer)


def natural_ground(scene: Scene, layer: Ground) -> None:
    """Grass that is lit at its crest, darker below."""
    palette, facts, near = scene.palette, scene.facts, layer.nearness
    height = layer.bottom - layer.top
    depth = scene.rows[layer.top : layer.bottom] - layer.crest[None]
    cover = np.clip(depth * np.float32(0.8) + np.float32(0.5), 0, 1)
    noise = scene.noise(height, scene.width, 1.1, 2.6) * np.float32(scene.style.roughness)
    shade = 0.72 + noise * np.float32(0.2) - depth * np.float32(1 / (150 * scene.pixel))
    dark = mix(palette.grass_dark, palette.haze, (1 - near) * 0.6)
    light = mix(palette.grass_light, palette.haze, (1 - near) * 0.5)
    if facts.time in ("黄昏", "夜晚"):
        dark, light = mix(dark, palette.near, 0.4), mix(light, palette.sky[3], 0.18)
    scene.cover(cover, dark, light, shade, layer.top)
    if layer.grass and not facts.snow:
        inks = [palette.grass_dark, palette.grass_light, mix(palette.grass_light, palette.sun, 0.25)]
        if facts.time in ("黄昏", "夜晚"):
            inks = [mix(ink, palette.near, 0.45) for ink in inks]
        blades(scene, layer, inks, 0.8)


def blades(scene: Scene, layer: Ground, inks: list[tuple[float, float, float]], alpha: float) -> None:
    """Blades of grass, dense at the crest."""
    pixel, rng = scene.pixel, scene.rng
    count = int(420 * layer.grass * scene.width / 512 / pixel)
    xs = rng.uniform(0, scene.width, count)
    ys = layer.crest[xs.astype(int)] + rng.exponential(26 * pixel, count)
    inside = ys < layer.bottom - 2
    shapes = [ellipse(2, 9 * pixel, lean) for lean in (-14, 8, 22)]
    scene.dabs(xs[inside], ys[inside], rng.uniform(0, 1, int(inside.sum())), shapes, inks, alpha)


def flowers(scene: Scene, top: float, bottom: float, codes: list[list[tuple[float, float, float]]]) -> None:
    """Wild flowers between two rows, larger towards the viewer."""
    rng, count = scene.rng, int(110 * scene.width / scene.side)
    with scene.thing("野花", "花"):
        for inks in codes:
            ys = bottom - rng.uniform(0, 1, count) ** 1.4 * (bottom - top)
            shapes = [ellipse(4 * scene.pixel, 3.5 * scene.pixel), ellipse(5 * scene.pixel, 4 * scene.pixel)]
            light = [scene.palette.lit(ink) for ink in inks]
            scene.dabs(rng.uniform(0, scene.width, count), ys, rng.random(count), shapes, light, 0.95)


def spit(
    scene: Scene, horizon: float, side: float, reach: float, drop: float, rise: float
) -> tuple[np.ndarray, np.ndarray]:
    """A tongue of land from the left (`side` -1) or the right (1) into water; its crest and its water line, (W,) each.

    `reach`: its length as a share of the width; `drop`, `rise`: pixels of the water line below the horizon, and of the
    crest above the water line.
    """
    x = np.arange(scene.width) / scene.width
    x = x if side < 0 else 1 - x
    share = np.clip((reach - x) / 0.2, 0, 1)
    share = share * share * (3 - 2 * share)
    wobble = cv2.GaussianBlur(scene.rng.standard_normal((1, scene.width)), (0, 0), 14 * scene.pixel)[0] * 6
    line = horizon + drop * share + wobble * share * scene.pixel
    crest = line - rise * share - np.abs(wobble) * share * scene.pixel
    crest, line = crest.astype(np.float32), line.astype(np.float32)
    top, bottom = int(max(0, crest.min() - 4)), int(min(scene.height, line.max() + 6))
    bottom = min(scene.height, bottom + int(0.02 * scene.side))
    before, owned = scene.rgb[:, top:].copy(), scene.owner[top:].copy()
    land(scene, crest, 0.7, bottom)
    water = (scene.rows[top:] > line[None] + 1) | (share[None] < 0.02)
    for channel, old in zip(scene.rgb[:, top:], before, strict=True):
        np.copyto(channel, old, where=water)
    np.copyto(scene.owner[top:], owned, where=water)
    return crest, line


def corner(scene: Scene, side: float, height: float) -> np.ndarray:
    """A bank in the lower left (`side` -1) or right (1) corner; its crest (W,)."""
    x = np.arange(scene.width) / scene.side
    x = x if side < 0 else scene.width / scene.side - x
    waves = scene.outline(0, scene.side * 0.03, "hill")
    slope = np.clip(1 - x / scene.between(0.7, 1.0), -0.3, 1)
    crest = (scene.height - height * slope + waves).astype(np.float32)
    land(scene, crest, 1.0, grass=1.4)
    return crest
