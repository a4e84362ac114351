"""水墨画: ink on paper. Washes melt into blank paper, wrinkles fan down the slopes, colour is a touch."""

from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np

from recipes.drawing.brushes import ellipse
from recipes.drawing.colour import WHITE, Colour, colour, colours, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette, natural_palette
from recipes.landscapes.parts.ground import Ground, blades
from recipes.landscapes.parts.mountains import Relief, Ridge, relief
from recipes.landscapes.parts.water import Mirror, Surface, light_path, mirror, shore_line
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.traditional import TraditionalStyle

_PAPERS = colours("faf6ec f7f0e0 f6f4ee f2e8d2 fcf9f2")
_INKS = colours("1b1e22 23211f 18222a")
_WARMTH = {"清晨": "dfeaee", "白天": "f8f4ea", "黄昏": "f2cfa4", "夜晚": "9aa8b8"}
_MOONLIGHT: Colour = (0.66, 0.69, 0.74)
_MOONLIT = colour("8496a8")  # a wash that makes paper night
# How dense the ink of the sky is, from its top to the horizon. Falling snow and rain show on a darker sky.
_SKY = {
    "晴": (0.07, 0.04, 0.01, 0.0),
    "雾": (0.09, 0.06, 0.03, 0.01),
    "雨": (0.24, 0.17, 0.10, 0.05),
    "雪": (0.36, 0.30, 0.24, 0.17),
}
_NIGHT_SKY = (0.72, 0.52, 0.28, 0.08)
_TINTS = (None, None, None, *colours("6d8f96 8aa08a b59a72"))
_MATERIALS = {
    "roof": "33363a",
    "ridge": "1d1f22",
    "wall": "e9e2d2",
    "wood": "4a4642",
    "pillar": "5a4a44",
    "stone": "c9c2b4",
    "old stone": "77736c",
    "thatch": "8f8471",
    "dark": "1f2022",
    "hull": "2b2b2c",
    "robe": "efe9dc",
    "red": "b8402f",
    "white": "f1ebdd",
    "canopy": "3a3a3a",
    "sand": "d8cfba",
    "brick": "8a6f62",
    "gold": "b8964a",
    "skin": "d8b79c",
    "wool": "f2ecde",
}


class Ink(TraditionalStyle):
    name: ClassVar[str] = "水墨画"
    words: ClassVar[tuple[str, ...]] = ("水墨画", "水墨", "中国水墨画", "水墨风格", "国画水墨")
    dry: ClassVar[float] = 0.5
    solid_texture: ClassVar[float] = 0.09
    undergrowth: ClassVar[float] = 0.5
    reflection: ClassVar[float] = 0.45

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        paper = _PAPERS[int(rng.integers(len(_PAPERS)))]
        ink = _INKS[int(rng.integers(len(_INKS)))]
        ground = mix(paper, colour(_WARMTH[facts.time]), 0.38)
        if facts.night:
            ground = mix(paper, _MOONLIT, 0.62)
        density = _NIGHT_SKY if facts.night else _SKY[facts.weather]
        dim = 0.68 if facts.night else 1.0
        base = natural_palette(facts, rng)
        palette = replace(
            base,
            paper=mix(ground, paper, 0.4) if facts.night else paper,
            ink=ink,
            mist=mix(ground, WHITE, 0.35) if facts.snow else ground,
            sky=[mix(ground, ink, share) for share in density],
            far=mix(ground, ink, 0.3),
            near=mix(ground, ink, 0.86),
            ambient=_MOONLIGHT if facts.night else WHITE,
            tint=_TINTS[int(rng.integers(len(_TINTS)))],
            monochrome=0.4,
            sun=mix(paper, (1.0, 1.0, 0.96), 0.6) if facts.night else colour("cf4a35"),
            water=ground,
            grass_light=mix(ground, ink, 0.1),
            grass_dark=mix(ground, ink, 0.45),
            bark=mix(ink, paper, 0.12),
            evergreen=[mix(ink, paper, share) for share in (0.0, 0.15, 0.42)],
            materials={name: mix(ink, colour(code), dim) for name, code in _MATERIALS.items()},
        )
        _choose_leaves(palette, facts, rng, dim)
        return palette

    def ridge(self, scene: Scene, ridge: Ridge) -> None:
        palette, facts, near, pixel = scene.palette, scene.facts, ridge.nearness, scene.pixel
        surface = relief(scene, ridge, 1.0)
        soft = 1 + 4 * (1 - near) * pixel
        cover = np.clip(surface.depth * np.float32(1 / soft) + np.float32(0.5), 0, 1)
        scene.blend(cover * np.float32(0.96), palette.mist, ridge.top)
        wash = (1 - smoothstep(surface.melting, 0, 1)) * np.float32(0.12 + 0.42 * near**1.2)
        density = wash * (1 - surface.slope * np.float32(0.45) + surface.noise * np.float32(0.18))
        if near > 0.15:
            density += _wrinkles(scene, surface, near) + _contour(scene, surface, near)
        if facts.snow:
            density *= 0.42 + np.float32(0.36) * smoothstep(surface.melting, 0.1, 0.6)
        scene.soak(np.clip(density, 0, 0.93) * cover, palette.ink, ridge.top)
        if palette.tint is not None:
            share = (1 - smoothstep(surface.melting, 0.05, 0.95)) * np.float32(0.16 + 0.2 * near)
            scene.soak(share * cover, palette.tint, ridge.top)
        if near > 0.4:
            _moss(scene, ridge)

    def ground(self, scene: Scene, ground: Ground) -> None:
        palette, pixel = scene.palette, scene.pixel
        height = ground.bottom - ground.top
        depth = scene.rows[ground.top : ground.bottom] - ground.crest[None]
        cover = np.clip(depth * np.float32(0.8) + np.float32(0.5), 0, 1)
        scene.blend(cover * np.float32(0.96), palette.mist, ground.top)
        noise = scene.noise(height, scene.width, 1.4, 2.8)
        edge = np.clip(1 - np.abs(depth - 3 * pixel) * np.float32(1 / (3 * pixel)), 0, 1)
        density = 0.10 + smoothstep(noise, -0.2, 1.6) * np.float32(0.3) + edge * np.clip(0.4 + 0.4 * noise, 0, 1)
        density *= np.float32((0.34 if scene.facts.snow else 0.85) * (0.5 + 0.5 * ground.nearness))
        density *= 1 - smoothstep(depth, 30 * pixel, 130 * pixel) * np.float32(0.6)
        scene.soak(np.clip(density, 0, 0.93) * cover, palette.ink, ground.top)
        if palette.tint is not None:
            scene.soak(cover * np.float32(0.12), palette.tint, ground.top)
        if ground.grass and not scene.facts.snow:
            sparse = replace(ground, grass=ground.grass * 0.25)
            blades(scene, sparse, [palette.ink, mix(palette.ink, palette.mist, 0.6)], 0.5)

    def water(self, scene: Scene, surface: Surface) -> None:
        """Mostly blank paper: a pale mirror below the shore and a few lines of ripples."""
        palette, top = scene.palette, surface.top
        seen = mirror(scene, surface)
        share = np.clip(0.42 - seen.nearness * np.float32(0.36), 0, 1)
        scene.blend(seen.cover, [palette.water[i] * (1 - share) + seen.image[..., i] * share for i in range(3)], top)
        if scene.facts.night:
            scene.soak(seen.cover * (np.float32(0.06) + np.float32(0.42) * seen.nearness), palette.ink, top)
        _ripples(scene, seen, top)
        shore_line(scene, surface, seen, 0.4)
        light_path(scene, surface, seen, 0.75 if scene.facts.night else 0.4)


def _choose_leaves(palette: Palette, facts: Facts, rng: np.random.Generator, dim: float) -> None:
    """Leaves are ink, or a touch of the season's colour."""
    code = ""
    if palette.foliage == "花":
        code = "b8606c d898a0 f0d0d0"
    elif facts.season == "秋":
        code, palette.foliage = ("8a2a20 b8442c d8845a", "红") if rng.random() < 0.7 else ("8a6420 c09038 dcb868", "黄")
    elif palette.foliage == "绿" and rng.random() < 0.5:
        code = "2f4a3a 5f8a64 98b884"
    elif palette.foliage == "绿":
        palette.foliage = "墨"
    shades = colours(code) if code else [mix(palette.ink, palette.paper, share) for share in (0.05, 0.25, 0.5)]
    palette.leaves = [mix(palette.ink, shade, dim) for shade in shades]


def _wrinkles(scene: Scene, surface: Relief, near: float) -> np.ndarray:
    """Texture strokes (皴) that fan down the slopes."""
    pixel = scene.pixel
    height, width = surface.depth.shape
    fibres = scene.noise(height, width, 2.4, 0.6)
    below = np.maximum(surface.depth, 0)
    columns = scene.columns - surface.steepness[None] * below * np.float32(0.5) + surface.noise * np.float32(3 * pixel)
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    fibres = cv2.remap(fibres, columns.astype(np.float32), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    fibres = cv2.blur(fibres, (int(3 * pixel) | 1, int(5 * pixel) | 1)) * np.float32(1.12)
    marks = smoothstep(fibres + surface.noise * np.float32(0.45) - surface.slope * np.float32(0.8), 0.3, 1.15)
    return marks * (1 - smoothstep(surface.melting, 0.05, 0.8)) * np.float32(0.62 * near)


def _contour(scene: Scene, surface: Relief, near: float) -> np.ndarray:
    """A line of uneven weight along the crest."""
    weight = 0.45 + 0.55 * scene.noise(1, scene.width, 1.6)
    width = (1.6 + (1 + 3.6 * near) * np.clip(weight, 0, 2)) * np.float32(scene.pixel)
    line = np.clip(1 - np.abs(surface.depth - width * np.float32(0.6)) / width, 0, 1)
    return line * np.clip(0.62 + 0.4 * surface.noise, 0, 1) * np.float32(0.35 + 0.6 * near)


def _moss(scene: Scene, ridge: Ridge) -> None:
    """Dots of moss (苔点) in groups along a crest."""
    rng, near, pixel = scene.rng, ridge.nearness, scene.pixel
    xs = rng.integers(0, scene.width, int(120 * scene.width / 512 * near / pixel))
    xs = xs[scene.noise(1, scene.width, 1.5)[0][xs] > 0.3]
    ys = ridge.crest[xs] + rng.exponential(9 * pixel, len(xs)) - 1
    size = (3.4 + 2.6 * near) * pixel
    inks = [scene.palette.ink, mix(scene.palette.ink, scene.palette.mist, 0.45)]
    shapes = [ellipse(size, size * 0.8), ellipse(size * 1.5, size, 20)]
    scene.dabs(xs.astype(float), ys, rng.uniform(0, 0.8, len(xs)), shapes, inks, 0.55 + 0.3 * near)


def _ripples(scene: Scene, seen: Mirror, top: int) -> None:
    scene.soak(smoothstep(seen.ripple, 1.25, 2.0) * seen.cover * np.float32(0.18), scene.palette.ink, top)
