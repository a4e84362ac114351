"""Mountains: ridges one behind the other, with mist between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse, fir_shape
from recipes.drawing.colour import Colour, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.parts import mist
from recipes.landscapes.scene import Scene

_DAYLIGHT = {"清晨": 0.42, "白天": 0.62, "黄昏": 0.16, "夜晚": 0.1}


@dataclass(frozen=True)
class Ridge:
    """One layer of mountains.

    `crest`: (W,) its rows; `nearness`: 0 far to 1 near; `fade`: pixels below the crest where it melts into mist;
    `bottom`: the row where it ends; `kind`: 'range', or 'rock', on which nothing grows and little snow lies.
    """

    crest: np.ndarray
    nearness: float
    fade: float
    bottom: int
    kind: str = "range"

    @property
    def top(self) -> int:
        return int(max(0, self.crest.min() - 4))


@dataclass(frozen=True)
class Relief:
    """A ridge's surface, (h, W) each: `depth` below the crest in pixels (negative above it), `slope` from -1 to 1 (1 is
    turned to the light), `noise` of deviation 1, `melting` from 0 at the crest to 1 where it is lost in mist."""

    depth: np.ndarray
    slope: np.ndarray
    noise: np.ndarray
    melting: np.ndarray
    steepness: np.ndarray  # (W,) of the crest, smoothed widely


def ridge(
    scene: Scene,
    crest: np.ndarray,
    nearness: float,
    fade: float,
    bottom: int | None = None,
    kind: str = "range",
    forest: float = 0.0,
) -> None:
    """Paint one ridge, and small trees along it where `forest` (0 to 1) is above 0."""
    layer = Ridge(crest, nearness, fade, int(bottom or scene.height), kind)
    if layer.bottom - layer.top < 4:
        return
    scene.style.ridge(scene, layer)
    if forest:
        trees_along(scene, crest, nearness, forest)


def relief(scene: Scene, layer: Ridge, light: float) -> Relief:
    """The surface of a ridge: slopes go down from its crest and grow wider. `light`: as `Scene.light`."""
    height, pixel = layer.bottom - layer.top, scene.pixel
    depth = scene.rows[layer.top : layer.bottom] - layer.crest[None]
    noise = scene.noise(height, scene.width, 0.9 + 0.9 * layer.nearness) * np.float32(scene.style.roughness)
    falls = np.gradient(layer.crest)
    smoothed = [
        np.tanh(cv2.GaussianBlur(falls[None], (0, 0), blur * pixel)[0] * gain)
        for blur, gain in ((1.5, 0.8), (5, 1.2), (12, 1.6), (26, 2.2))
    ]
    slopes = np.stack(smoothed).astype(np.float32)
    below = np.maximum(depth, 0)
    columns = scene.columns + noise * (below * np.float32(0.16) + 2)
    slope = cv2.remap(
        slopes,
        columns.astype(np.float32),
        np.sqrt(below * np.float32(1 / (22 * pixel))).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    melting = np.clip(below * np.float32(1 / layer.fade), 0, 1)
    return Relief(depth, slope * np.float32(light), noise, melting, slopes[3])


def natural_ridge(scene: Scene, layer: Ridge) -> None:
    """Lit from the side, greener and darker when near, melting into haze below: as painters of light do it."""
    palette, facts, near = scene.palette, scene.facts, layer.nearness
    surface = relief(scene, layer, scene.light)
    edge = 1 + 1.5 * (1 - near) * scene.pixel
    cover = np.clip(surface.depth * np.float32(1 / edge) + np.float32(0.5), 0, 1)
    base = mix(palette.far, palette.near, near**1.15)
    day = _DAYLIGHT[facts.time]
    if layer.kind != "rock":
        green = day * float(smoothstep(np.array([near]), 0.3, 1.0)[0])
        base = mix(base, mix(palette.grass_dark, palette.near, 0.2), green)
    light = mix(mix(base, palette.sun, 0.10 if facts.night else 0.28), palette.grass_light, day * 0.5 * near)
    dark = mix(base, palette.near, 0.35 + 0.2 * near)
    shade = scene.style.tone(np.clip(0.42 + surface.slope * 0.36 + surface.noise * 0.10, 0, 1))
    inks = [a + (b - a) * shade for a, b in zip(dark, light, strict=True)]
    if facts.snow or layer.kind == "snow":
        inks = _snowed(scene, layer, surface, shade, inks)
    melting = smoothstep(surface.melting, 0.15, 1.05) * np.float32(min(1, (0.92 - 0.55 * near) * (0.75 + facts.fog)))
    melting = scene.style.tone(melting)
    inks = [ink + (haze - ink) * melting for ink, haze in zip(inks, palette.haze, strict=True)]
    scene.blend(cover, inks, layer.top)
    if scene.sun is not None:
        _sunlit_crest(scene, layer, surface, cover)


def _snowed(scene: Scene, layer: Ridge, surface: Relief, shade: np.ndarray, inks: list[np.ndarray]) -> list[np.ndarray]:
    line = 0.55 + surface.noise * 0.22 + surface.slope * 0.42 - surface.melting * 0.55 - 0.45 * (layer.kind == "rock")
    snow = smoothstep(line, 0, 0.22) * np.float32(0.94)
    far, palette = 1 - layer.nearness, scene.palette
    dark = mix(mix(palette.lit((0.66, 0.77, 0.93)), palette.near, 0.12), palette.haze, 0.35 * far)
    light = mix(mix(palette.lit((1.0, 1.0, 1.0)), palette.sun, 0.25), palette.haze, 0.2 * far)
    bright = np.clip(shade * np.float32(1.3), 0, 1)
    return [ink + (a + (b - a) * bright - ink) * snow for ink, a, b in zip(inks, dark, light, strict=True)]


def _sunlit_crest(scene: Scene, layer: Ridge, surface: Relief, cover: np.ndarray) -> None:
    """A rim of light below the sun."""
    assert scene.sun is not None
    strength = {"清晨": 0.5, "黄昏": 0.62, "夜晚": 0.3, "白天": 0.12}[scene.facts.time] * (0.5 + 0.5 * layer.nearness)
    beside = np.clip(1 - np.abs(scene.columns - scene.sun.x) * np.float32(1.6 / scene.side), 0, 1)
    below = np.maximum(surface.depth, 0)
    rim = np.clip(1 - below * np.float32(1 / ((4 + 7 * layer.nearness) * scene.pixel)), 0, 1) ** 2
    scene.tint(
        (cover * rim * beside * strength).astype(np.float32),
        mix(scene.palette.sun, scene.palette.sky[3], 0.3),
        layer.top,
    )


def trees_along(scene: Scene, crest: np.ndarray, nearness: float, density: float) -> None:
    """Small trees along and below a crest."""
    palette, rng = scene.palette, scene.rng
    count = int(density * 90 * scene.width / 512 / scene.pixel)
    xs = rng.uniform(0, scene.width, count)
    xs = xs[scene.noise(1, scene.width, 1.4)[0][xs.astype(int)] > -0.35]
    side = int((9 + 18 * nearness) * scene.pixel)
    ys = crest[xs.astype(int)] + np.abs(rng.normal(0, side * 0.8, len(xs))) - side * 0.25
    if scene.style.chinese or (scene.facts.season in ("秋", "春") and not scene.facts.snow):
        beside = [xs + rng.normal(0, side * 0.5, len(xs)) for _ in range(2)]
        xs, ys = np.r_[xs, beside[0], beside[1]], np.r_[ys, ys + side * 0.1, ys + side * 0.25]
        shapes = [
            ellipse(side * 0.38, side * 0.34),
            ellipse(side * 0.3, side * 0.36),
            ellipse(side * 0.24, side * 0.24),
        ]
        inks: Sequence[Colour] = palette.evergreen if scene.facts.snow else palette.leaves
    else:
        shapes, inks = [fir_shape(max(3, int(side * share))) for share in (1.0, 0.75, 0.6)], palette.evergreen
    inks = [mix(mix(ink, palette.near, 0.25), palette.haze, (1 - nearness) * 0.75) for ink in inks]
    if scene.facts.snow:
        inks[-1] = mix(inks[-1], (0.95, 0.97, 1.0), 0.6)
    scene.dabs(xs, ys, rng.uniform(0, 1, len(xs)), shapes, inks, 0.9)


def ranges(
    scene: Scene,
    base: float,
    count: int,
    height: float,
    kinds: Sequence[str] = ("range",),
    far: float = 0.05,
    near: float = 0.6,
    forest: float = 0.0,
    bottom: int | None = None,
    name: str = "远山",
) -> None:
    """`count` ridges from far to near, mist between them, as one thing. `bottom`: where they all end, as at a shore."""
    with scene.thing("雪山" if scene.facts.snow else name, "山"):
        for i in range(count):
            share = i / max(count - 1, 1)
            nearness = far + (near - far) * share
            amplitude = height * (1.15 - 0.6 * share) * scene.between(0.8, 1.15)
            foot = base + (height * 0.10 * share if bottom else share * height * 0.9)
            crest = scene.outline(foot, amplitude, scene.pick(kinds))
            wooded = forest if nearness > 0.3 else 0.0
            ridge(scene, crest, nearness, amplitude * (1.0 - 0.2 * share), bottom, forest=wooded)
            mist.band(
                scene, foot - amplitude * 0.12, amplitude * 0.22, (0.35 + 0.5 * scene.facts.fog) * (1 - 0.4 * share)
            )
