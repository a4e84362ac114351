"""The moving sea: swells, breakers that roll onto a beach, and its wet sand."""

import numpy as np

from recipes.drawing.colour import WHITE, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.parts.dunes import sand_inks
from recipes.landscapes.scene import Scene


def breakers(scene: Scene, horizon: float, beach: float) -> None:
    """Three lines of foam from the horizon to row `beach`; below the last lies sand."""
    for share in (0.35, 0.62, 1.0):
        crest = horizon + (beach - horizon) * share + scene.outline(0, scene.side * 0.05 * share, "hill")
        if share == 1.0:
            _beach(scene, crest)
        _foam(scene, crest, share)


def _foam(scene: Scene, crest: np.ndarray, share: float) -> None:
    unit = scene.side
    top = int(max(0, crest.min() - unit * 0.05))
    bottom = int(min(scene.height, crest.max() + unit * 0.07 * share + 3))
    if bottom - top < 3:
        return
    noise = scene.noise(bottom - top, scene.width, 2.2, 3.5)
    depth = scene.rows[top:bottom] - crest[None]
    rough = np.float32(0.5 if scene.style.roughness else 0.25)
    edge = smoothstep(1 - np.abs(depth) / np.float32(unit * 0.012 * share) + noise * rough, 0, 1)
    lace = smoothstep(noise, 0.2, 1.1) * np.clip(
        1 - np.abs(depth + unit * 0.026 * share) / np.float32(unit * 0.035 * share), 0, 1
    )
    shadow = np.clip(1 - np.abs(depth + unit * 0.05 * share) / np.float32(unit * 0.022 * share), 0, 1)
    scene.soak((shadow * np.float32(0.18)).astype(np.float32), scene.palette.water, top)
    white = scene.palette.lit(WHITE, 0.45)
    cover = np.clip(edge * np.float32(0.9) + lace * np.float32(0.6), 0, 0.95).astype(np.float32)
    with scene.thing("海浪", "水"):
        scene.cover(cover, mix(white, scene.palette.water, 0.25), white, np.full_like(cover, 0.9), top)


def _beach(scene: Scene, crest: np.ndarray) -> None:
    top = int(max(0, crest.min() - 2))
    depth = scene.rows[top:] - crest[None]
    light, _ = sand_inks(scene)
    wet = mix(mix(light, scene.palette.sky[2], 0.35), scene.palette.near, 0.22)
    noise = scene.noise(scene.height - top, scene.width, 3.0, 5.0) * np.float32(0.06 * scene.style.roughness)
    shade = smoothstep(depth, 0, scene.side * 0.14) * np.float32(0.85) + noise
    with scene.thing("沙滩", "沙"):
        scene.cover(np.clip(depth, 0, 1).astype(np.float32), wet, light, shade.astype(np.float32), top)


def swells(scene: Scene, top: float, bottom: float, height: float, rows: int) -> None:
    """Waves one behind the other, larger towards the viewer; `height`: of the nearest, in pixels."""
    palette = scene.palette
    white = palette.lit(WHITE, 0.45)
    for row in range(rows):
        share = (row + 1) / rows
        base = top + (bottom - top) * share**1.5
        high = height * (0.25 + 0.75 * share)
        crest = base + _wave_form(scene, high, share)
        start = int(max(0, crest.min() - 3))
        if scene.height - start < 4:
            continue
        depth = scene.rows[start:] - crest[None]
        body = np.clip(depth + np.float32(0.5), 0, 1) * (1 - smoothstep(depth, high * 0.7, high * 2.4))
        noise = scene.noise(scene.height - start, scene.width, 1.6, 3.0)
        shade = np.clip(np.float32(0.85) - depth / np.float32(high * 1.5) + noise * np.float32(0.12), 0, 1)
        deep, light = mix(palette.water, palette.near, 0.3), mix(palette.water, palette.sky[3], 0.45)
        with scene.thing("海浪", "水"):
            scene.cover((body * np.float32(0.9)).astype(np.float32), deep, light, shade.astype(np.float32), start)
            crown = smoothstep(
                1 - np.abs(depth - high * 0.05) / np.float32(high * 0.12) + noise * np.float32(0.5), 0.25, 1
            )
            slope = np.clip(np.gradient(crest)[None] * np.float32(-scene.light * 3.0) + np.float32(0.55), 0, 1)
            streak = (
                smoothstep(noise, 0.7, 1.6)
                * np.clip(1 - np.abs(depth - high * 0.4) / np.float32(high * 0.5), 0, 1)
                * np.float32(0.6)
            )
            foam = np.clip(crown * slope + streak, 0, 0.95).astype(np.float32)
            scene.cover(foam, mix(white, palette.water, 0.3), white, np.full_like(foam, 0.9), start)


def _wave_form(scene: Scene, height: float, share: float) -> np.ndarray:
    """Sharp crests and flat troughs: a trochoid's look."""
    x = np.arange(scene.width) / scene.side * (9 - 4.5 * share)
    phase = scene.between(0, 6.3)
    wander = 0.7 * np.sin(x * 0.37 + scene.between(0, 6.3))
    wave = np.abs(np.sin(x + phase + wander)) ** 0.75 * (0.75 + 0.25 * np.sin(x * 0.61 + scene.between(0, 6.3)))
    return ((1 - wave) * -height + height * 0.5).astype(np.float32)
