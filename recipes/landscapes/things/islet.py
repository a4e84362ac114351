"""Small islands in water, with what stands on them."""

import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.scene import Scene
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.pagoda import pagoda
from recipes.landscapes.things.pavilion import pavilion
from recipes.landscapes.things.pine import pine
from recipes.landscapes.things.reeds import reeds
from recipes.landscapes.things.rock import rocks


def islet(scene: Scene, x: float, y: float, half: float, kind: str = "", nearness: float = 1.0) -> None:
    """An island whose shore lies at row y, of this half width in pixels; the water is painted already.

    `kind`: 'pavilion', 'pagoda' or 'trees' stand on it, chosen unless said.
    """
    kind = kind or scene.pick(("pavilion", "trees", "pagoda"), (0.45, 0.4, 0.15))
    unit = scene.side
    high = half * 0.22
    _shade(scene, x, y, half, half * (1.5 if kind == "trees" else 1.2))
    side = 1.0 if scene.chance(0.5) else -1.0
    with scene.thing("小岛", "地"):
        _land(scene, x, y, half, high)
        tall = min(half * 1.5, unit * 0.42)
        tree = pine if scene.facts.snow or scene.style.chinese else near_tree
        tree(scene, x + side * half * 0.42, y - high * 0.72, tall * scene.between(0.85, 1.1))
        if kind == "trees":
            near_tree(scene, x - side * half * 0.25, y - high * 0.8, tall * scene.between(0.6, 0.8))
        elif kind == "pagoda":
            pagoda(scene, x - side * half * 0.18, y - high * 0.75, half * 0.36, nearness)
        else:
            pavilion(scene, x - side * half * 0.18, y - high * 0.75, half * 0.62, nearness)
        rocks(scene, x - side * half * 0.72, y + half * 0.02, half * 0.16, nearness)
    if scene.chance(0.5) and not scene.facts.snow:
        reeds(scene, x + side * half * 0.8, y + half * 0.02, half * 0.36, nearness, 0.2)


def _land(scene: Scene, x: float, y: float, half: float, high: float) -> None:
    """A low mound with a stony shore."""
    region = scene.region([x - half, x + half], [y - high * 1.2, y + high * 0.5], 3)
    if region is None:
        return
    across, down = scene.offsets(region, x, y)
    t = across / np.float32(half)
    wobble = scene.noise(1, region.width, 2.5) * np.float32(0.10 * max(scene.style.roughness, 0.5))
    crest = -np.float32(high) * np.clip(1 - np.abs(t) ** 2.4, 0, 1) * (1 + wobble)
    foot = np.float32(high * 0.34) * np.clip(1 - t**4, 0, 1) * (1 + wobble)
    cover = (
        np.clip(down - crest + np.float32(0.5), 0, 1) * np.clip(foot - down + np.float32(0.5), 0, 1) * (np.abs(t) < 1)
    )
    noise = scene.noise(region.height, region.width, 2.0) * np.float32(0.16 * scene.style.roughness)
    shade = np.float32(0.85) - (down - crest) / np.float32(high * 1.4) + noise
    palette = scene.palette
    stony = smoothstep(down / np.float32(high), 0.0, 0.16)
    light, dark = palette.grass_light, palette.grass_dark
    scene.cover(cover.astype(np.float32), dark, light, shade.astype(np.float32), region.top, region.left)
    stone = scene.material("old stone")
    scene.tint((cover * stony * np.float32(0.9)).astype(np.float32), stone, region.top, region.left)
    line = np.clip(1 - np.abs(down - foot) * np.float32(0.6 / scene.pixel), 0, 1) * (np.abs(t) < 0.98)
    foam = mix(palette.sky[3], palette.paper, 0.4)
    scene.tint((line * np.float32(0.5)).astype(np.float32), foam, region.top, region.left)
    if not scene.facts.snow:
        count = 60
        xs = x + scene.rng.uniform(-0.85, 0.85, count) * half
        ys = y - high * (1 - np.abs((xs - x) / half) ** 2.4) * scene.rng.uniform(0.3, 1.0, count)
        scene.dabs(
            xs, ys, scene.rng.random(count), [ellipse(2, half * 0.08, lean) for lean in (-15, 10)], [dark, light], 0.8
        )


def _shade(scene: Scene, x: float, y: float, half: float, depth: float) -> None:
    """The dark image of the island and its trees in the water."""
    region = scene.region([x - half * 1.1, x + half * 1.1], [y, y + depth], 2)
    if region is None or not scene.style.reflection:
        return
    across, down = scene.offsets(region, x, y)
    ripple = scene.noise(region.height, region.width, 0.8, 4.0) * np.float32(0.09 * scene.style.roughness)
    t = across / np.float32(half) + ripple
    cover = smoothstep(1 - t**2 - (np.maximum(down, 0) / np.float32(depth)) ** 1.2, 0, 0.5)
    ink = mix(mix(scene.palette.grass_dark, scene.palette.evergreen[0], 0.5), scene.palette.water, 0.4)
    scene.tint((cover * np.float32(0.5 * scene.style.reflection)).astype(np.float32), ink, region.top, region.left)
