"""What styles of flat shapes have in common: few tones, clean edges, nothing soft."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np

from recipes.drawing.colour import WHITE, Colour, colour, mix
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette
from recipes.landscapes.parts import bars, finish
from recipes.landscapes.parts.ground import Ground
from recipes.landscapes.parts.mountains import Ridge
from recipes.landscapes.parts.water import Surface, light_falls
from recipes.landscapes.scene import Disc, Scene
from recipes.landscapes.style import Style

_TONES = np.array([0.12, 0.52, 0.95], np.float32)
_EDGES = (0.36, 0.66)  # of light, between the tones
_VEILS = ((0.14, 0.28), (0.46, 0.34))  # of what is thin: from this cover on, so much more
_SUNS = {"清晨": ("ff9a4a", 0.7), "白天": ("ffd24a", 0.6), "黄昏": ("fff0a0", 0.4), "夜晚": ("fff6d0", 0.4)}
_RAINY_NIGHT: Colour = (0.56, 0.68, 0.86)
_CUTS = ((0.2, 0.4), (0.5, 0.57))  # and of what is solid


class CleanStyle(Style):
    """Shapes of one tone, or of two or three with clean edges between."""

    flat: ClassVar[bool] = True
    texture: ClassVar[float] = 0.0
    solid_texture: ClassVar[float] = 0.0
    modelling: ClassVar[float] = 0.0
    roughness: ClassVar[float] = 0.0
    undergrowth: ClassVar[float] = 1.0

    def tone(self, light: np.ndarray) -> np.ndarray:
        toned: np.ndarray = _TONES[np.digitize(light, _EDGES)]
        return toned

    def veil(self, cover: np.ndarray) -> np.ndarray:
        return _steps(cover, _VEILS)

    def cut(self, cover: np.ndarray) -> np.ndarray:
        return _steps(cover, _CUTS)

    def halo(self, scene: Scene, disc: Disc, strength: float) -> None:
        """Two discs behind the disc."""
        distance = np.hypot(scene.columns - np.float32(disc.x), scene.rows - np.float32(disc.y))
        for reach in (2.7, 1.7):
            glow = np.clip(disc.radius * reach - distance + np.float32(0.5), 0, 1) * np.float32(0.26 * strength)
            scene.glaze(glow, scene.palette.sun)

    def ground(self, scene: Scene, ground: Ground) -> None:
        """One tone and a darker one below it, with a few tufts of grass."""
        palette, pixel, far = scene.palette, scene.pixel, (1 - ground.nearness) * 0.45
        depth = scene.rows[ground.top : ground.bottom] - ground.crest[None]
        cover = np.clip(depth * np.float32(0.8) + np.float32(0.5), 0, 1)
        wave = scene.noise(1, scene.width, 0.8) * np.float32(7 * pixel)
        shade = (depth < 26 * pixel + wave).astype(np.float32)
        dark, light = mix(palette.grass_dark, palette.haze, far), mix(palette.grass_light, palette.haze, far)
        scene.blend(
            cover, [a + (b - a) * shade for a, b in zip(mix(light, dark, 0.55), light, strict=True)], ground.top
        )
        if ground.grass and not scene.facts.snow:
            _tufts(scene, ground, dark)

    def ridge(self, scene: Scene, ridge: Ridge) -> None:
        """A lit and a shaded side that meet in a zigzag below every summit; caps of snow."""
        pixel = scene.pixel
        depth = scene.rows[ridge.top : ridge.bottom] - ridge.crest[None]
        cover = np.clip(depth + np.float32(0.5), 0, 1)
        falls = cv2.GaussianBlur(np.gradient(ridge.crest)[None].astype(np.float32), (0, 0), 9 * pixel)[0]
        period = np.float32(34 * pixel)
        zigzag = np.abs((np.maximum(depth, 0) / period) % 2 - 1) * np.float32(13 * pixel)
        columns = np.clip(scene.columns + zigzag, 0, scene.width - 1).astype(np.int32)
        lit = (falls[columns] * np.float32(scene.light) > 0).astype(np.float32)
        dark, light = ridge_tones(scene, ridge)
        inks = [a + (b - a) * lit for a, b in zip(dark, light, strict=True)]
        if scene.facts.snow or ridge.kind == "snow":
            cap = snow_cap(scene, ridge, depth)
            shaded = mix(scene.snow_ink(0.0), scene.palette.haze, 0.3 * (1 - ridge.nearness))
            white = mix(scene.snow_ink(1.0), scene.palette.haze, 0.2 * (1 - ridge.nearness))
            inks = [ink + (a + (b - a) * lit - ink) * cap for ink, a, b in zip(inks, shaded, white, strict=True)]
        scene.blend(cover, inks, ridge.top)

    def water(self, scene: Scene, surface: Surface) -> None:
        """One colour, the things on the shore upside down in it, slit by ripples, and bars of light."""
        palette, top = scene.palette, surface.top
        depth = scene.rows[top:] - surface.line[None]
        cover = np.clip(depth + np.float32(0.5), 0, 1)
        body = water_ink(scene)
        image, there = _mirror(scene, surface)
        near = np.clip((scene.rows[top:] - top) / max(scene.height - top, 1), 0, 1)
        slit = ((np.log1p(np.maximum(depth, 0) / np.float32(16 * scene.pixel)) * 4.2) % 1) < 0.16 + 0.3 * near
        share = np.where(there & ~slit, np.float32(0.5), np.float32(0))
        share = cv2.blur(share, (3, 3))
        scene.blend(cover, [body[i] + (image[i] - body[i]) * share for i in range(3)], top)
        light_bars(scene, surface, cover)
        ripple = bars.ripples(scene, float(surface.line.max()), int(9 * surface.waves * scene.width / scene.side))
        scene.glaze(ripple[top:] * cover * np.float32(0.7), mix(body, mix(palette.sky[3], WHITE, 0.4), 0.6), top)

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        return finish.shrink(scene, image)


def _steps(cover: np.ndarray, steps: Sequence[tuple[float, float]]) -> np.ndarray:
    """(h, w) in steps, whose edges are one pixel of the finished picture wide."""
    stepped = np.zeros_like(cover, np.float32)
    for least, share in steps:
        stepped += np.float32(share) * (cover > least)
    return cv2.blur(stepped, (3, 3)) if min(stepped.shape) > 2 else stepped


def lifted(palette: Palette, facts: Facts) -> Palette:
    """The palette with more light on rainy nights, when neither moon nor tones part flat things from each other."""
    if not (facts.night and facts.rain):
        return palette

    def raised(ink: Colour) -> Colour:
        return mix(ink, _RAINY_NIGHT, 0.2)

    return replace(
        palette,
        sky=[mix(band, _RAINY_NIGHT, 0.1 + 0.08 * i) for i, band in enumerate(palette.sky)],
        far=mix(palette.far, _RAINY_NIGHT, 0.22),
        near=mix(palette.near, _RAINY_NIGHT, 0.1),
        mist=raised(palette.mist),
        water=mix(palette.water, _RAINY_NIGHT, 0.12),
        grass_light=raised(palette.grass_light),
        grass_dark=mix(palette.grass_dark, _RAINY_NIGHT, 0.1),
        leaves=[raised(leaf) for leaf in palette.leaves],
        evergreen=[raised(leaf) for leaf in palette.evergreen],
        bark=mix(palette.bark, _RAINY_NIGHT, 0.12),
        materials={name: raised(ink) for name, ink in palette.materials.items()},
    )


def clear_sun(palette: Palette, facts: Facts) -> Colour:
    """A sun that stands out from a pale sky without any glow."""
    code, share = _SUNS[facts.time]
    return mix(palette.sun, colour(code), share)


def ridge_tones(scene: Scene, ridge: Ridge) -> tuple[Colour, Colour]:
    """The shaded and the lit tone of a ridge: pale far away, green and strong when near."""
    palette, near = scene.palette, ridge.nearness
    base = mix(palette.far, palette.near, near**1.15)
    day = {"清晨": 0.45, "白天": 0.7, "黄昏": 0.12, "夜晚": 0.08}[scene.facts.time]
    if ridge.kind != "rock":
        base = mix(base, mix(palette.grass_dark, palette.near, 0.15), day * min(1.0, near * 1.6))
    light = mix(mix(base, palette.sun, 0.08 if scene.facts.night else 0.2), palette.grass_light, day * 0.5 * near)
    return mix(base, palette.near, 0.18 + 0.15 * near), light


def snow_cap(scene: Scene, ridge: Ridge, depth: np.ndarray) -> np.ndarray:
    """(h, W) 1 where snow lies: thick on high summits, thin on the slopes beside them, down to a wavy line."""
    wave = scene.noise(1, scene.width, 3.2) * np.float32(9 * scene.pixel)
    share = 0.22 if ridge.kind == "rock" else 0.48
    level = ridge.crest.min() + float(np.ptp(ridge.crest)) * share
    thickness = np.clip((level - ridge.crest[None]) * np.float32(0.9), 7 * scene.pixel, None) + wave
    return (depth < np.maximum(thickness, 3 * scene.pixel)).astype(np.float32)


def water_ink(scene: Scene) -> Colour:
    """The colour of flat water."""
    palette = scene.palette
    return mix(palette.water, palette.sky[2], 0.3 if scene.facts.night else 0.45)


def light_bars(scene: Scene, surface: Surface, cover: np.ndarray) -> None:
    """The way to sun or moon."""
    sun, top = scene.sun, surface.top
    if sun is None or not light_falls(scene, surface):
        return
    way = bars.glitter(scene, sun.x, float(surface.line[int(np.clip(sun.x, 0, scene.width - 1))]), sun.radius)
    scene.glaze(way[top:] * cover * np.float32(0.85), mix(scene.palette.sun, WHITE, 0.15), top)


def _mirror(scene: Scene, surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """(3, h, W) what stands above the water, upside down, and (h, W) where something does."""
    top = surface.top
    line = cv2.GaussianBlur(surface.line[None].astype(np.float32), (0, 0), 18 * scene.pixel)
    rows = np.rint(2 * line - scene.rows[top:] - 1).astype(np.int32)
    rows = np.clip(rows, 0, scene.height - 1)
    columns = np.arange(scene.width)[None]
    solid = np.array([False, *(thing.label not in ("日月", "云", "水") for thing in scene.things)])
    return scene.rgb[:, rows, columns], solid[scene.owner[rows, columns]] & (rows > 0)


def _tufts(scene: Scene, ground: Ground, ink: Colour) -> None:
    """Tufts of three blades."""
    rng, pixel = scene.rng, scene.pixel
    count = int(16 * ground.grass * scene.width / scene.side)
    xs = rng.uniform(0, scene.width, count)
    ys = ground.crest[xs.astype(int)] + rng.uniform(6, 90, count) * pixel
    xs, ys = xs[ys < ground.bottom - 4], ys[ys < ground.bottom - 4]
    if not len(xs):
        return
    foot = np.stack([xs, ys], 1)
    blades = [
        np.stack([foot, foot + np.array([lean, -length]) * pixel], 1) for lean, length in ((-5, 8), (0, 11), (5, 8))
    ]
    scene.strokes(np.concatenate(blades), np.full(3 * len(xs), 2.4 * pixel), ink)
