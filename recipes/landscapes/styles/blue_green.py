"""青绿山水: azurite, malachite and ochre on silk, with dark contours and threads of gold."""

from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np

from recipes.drawing.colour import WHITE, Colour, colour, colours, lit, mix
from recipes.drawing.noise import smoothstep
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import MATERIALS, Palette, natural_palette
from recipes.landscapes.parts.ground import Ground, blades
from recipes.landscapes.parts.mountains import Ridge, relief
from recipes.landscapes.parts.water import Surface, light_path, mirror, shore_line
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.traditional import TraditionalStyle

_SILKS = colours("ecd8a4 e6ce94 f1e3bd e4d0a2")
_AZURITE = "123f78 2470b4 68acc8"
_MALACHITE = {"秋": "5a5a30 8f9450 c0b070", "": "1a5f4e 38a07e 86c69a"}
_OCHRE = "8a5a30 b98a4e d8b878"
_GOLD = colour("f0d890")
_LINE = colour("2a2a26")
_MOONLIGHT: Colour = (0.50, 0.58, 0.70)
_NIGHT_SILK = colour("1c4257")
_SKY = {
    "晴": (0.16, 0.07, 0.02, 0.0),
    "雾": (0.14, 0.08, 0.04, 0.02),
    "雨": (0.46, 0.36, 0.26, 0.16),
    "雪": (0.34, 0.28, 0.22, 0.15),
}
_SKY_INK = colour("4f8690")
_BUILT = {"roof": "2f5a68", "ridge": "1f3f4c", "wall": "f2e6c8", "pillar": "b03c2a"}


class BlueGreen(TraditionalStyle):
    name: ClassVar[str] = "青绿山水"
    words: ClassVar[tuple[str, ...]] = ("青绿山水", "青绿山水画", "青绿国画", "青绿设色山水")

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        silk = _SILKS[int(rng.integers(len(_SILKS)))]
        ambient = _MOONLIGHT if facts.night else WHITE
        ground = mix(silk, colour("f0b080"), 0.3) if facts.time == "黄昏" else silk
        ground = mix(silk, _NIGHT_SILK, 0.85) if facts.night else ground
        malachite, ochre = _malachite(facts, ambient), [lit(part, ambient) for part in colours(_OCHRE)]
        azurite = [lit(part, ambient) for part in colours(_AZURITE)]
        base = natural_palette(facts, rng)
        palette = replace(
            base,
            paper=mix(ground, silk, 0.4) if facts.night else silk,
            ink=_LINE,
            sky=[mix(ground, colour("0c2230") if facts.night else _SKY_INK, share) for share in _SKY[facts.weather]],
            mist=mix(ground, colour("f6ecd0"), 0.2 if facts.night else 0.5),
            far=mix(azurite[1], ground, 0.6),
            near=azurite[0],
            ambient=ambient,
            sun=colour("fbf2d8" if facts.night else "d0452c"),
            water=mix(ground, lit(colour("4f8f98"), ambient), 0.5),
            grass_light=mix(malachite[2], ochre[2], 0.35),
            grass_dark=mix(malachite[1], ochre[0], 0.3),
            bark=lit(colour("4a3626"), ambient),
            evergreen=[lit(part, ambient) for part in colours("12362e 1f5a48 4f8f68")],
            materials={
                part: lit(colour(code), mix(ambient, WHITE, 0.12)) for part, code in (MATERIALS | _BUILT).items()
            },
        )
        palette.leaves = [lit(_daylit(leaf, base.ambient), ambient) for leaf in base.leaves]
        if facts.snow:
            palette.grass_light, palette.grass_dark = (lit(colour(code), ambient) for code in ("f2ead6", "b8b49c"))
        return palette

    def ridge(self, scene: Scene, ridge: Ridge) -> None:
        """Blue at the crest, green below, ochre at the foot, which melts into mist."""
        palette, facts, near, pixel = scene.palette, scene.facts, ridge.nearness, scene.pixel
        surface = relief(scene, ridge, scene.light)
        cover = np.clip(surface.depth * np.float32(1 / (1 + 1.5 * (1 - near) * pixel)) + np.float32(0.5), 0, 1)
        light = np.clip(0.5 + surface.slope * 0.5 + surface.noise * 0.14, 0, 1)
        down = np.clip(surface.melting * 1.25 + surface.noise * 0.05, 0, 1)
        to_middle, to_foot = smoothstep(down, 0.1, 0.5), smoothstep(down, 0.5, 0.95)
        fading = smoothstep(surface.melting, 0.45, 1.1) * np.float32(0.95 - 0.35 * near)
        distance = np.float32((1 - near) ** 1.4 * 0.36)
        inks = []
        for i in range(3):
            crest, middle, foot = (
                shades[0][i] + (shades[2][i] - shades[0][i]) * light for shades in _mineral(scene, near)
            )
            ink = crest + (middle - crest) * to_middle
            ink += (foot - ink) * to_foot
            ink += (palette.mist[i] - ink) * fading
            inks.append(ink + (palette.sky[3][i] - ink) * distance)
        if facts.snow:
            snow = smoothstep(0.45 + surface.noise * 0.08 + surface.slope * 0.15 - surface.melting, 0, 0.12) * 0.88
            white = lit((0.97, 0.95, 0.90), palette.ambient)
            inks = [ink + (part - ink) * snow for ink, part in zip(inks, white, strict=True)]
        scene.blend(cover, inks, ridge.top)
        fibres = cv2.blur(
            scene.noise(ridge.bottom - ridge.top, scene.width, 2.4, 0.7), (int(3 * pixel) | 1, int(5 * pixel) | 1)
        )
        marks = (
            smoothstep(fibres - surface.slope * 0.7, 0.65, 1.5) * (1 - smoothstep(surface.melting, 0.2, 0.8)) * cover
        )
        scene.soak(marks * np.float32(0.34 * near), palette.near, ridge.top)
        width = np.float32((1.3 + 1.3 * near) * pixel)
        line = np.clip(1 - np.abs(surface.depth - 1) / width, 0, 1)
        scene.soak(line * np.float32(0.3 + 0.5 * near), _LINE, ridge.top)
        gold = np.clip(1 - np.abs(surface.depth - 1 - width * 2) / (width * np.float32(1.2)), 0, 1)
        scene.tint(gold * np.float32(0.3 + 0.4 * near), lit(_GOLD, mix(palette.ambient, WHITE, 0.3)), ridge.top)

    def ground(self, scene: Scene, ground: Ground) -> None:
        """Malachite that is lit at its crest, in a dark contour with a thread of gold."""
        palette, pixel = scene.palette, scene.pixel
        height = ground.bottom - ground.top
        depth = scene.rows[ground.top : ground.bottom] - ground.crest[None]
        cover = np.clip(depth * np.float32(0.8) + np.float32(0.5), 0, 1)
        shade = 0.8 + scene.noise(height, scene.width, 0.9, 2.0) * 0.14 - depth * np.float32(1 / (150 * pixel))
        far = (1 - ground.nearness) * 0.5
        scene.cover(
            cover,
            mix(palette.grass_dark, palette.haze, far),
            mix(palette.grass_light, palette.haze, far),
            shade,
            ground.top,
        )
        width = np.float32(2.2 * pixel)
        scene.soak(np.clip(1 - np.abs(depth - 1) / width, 0, 1) * np.float32(0.6), _LINE, ground.top)
        gold = np.clip(1 - np.abs(depth - 1 - width * 2) / (width * np.float32(1.2)), 0, 1)
        scene.tint(gold * np.float32(0.5), lit(_GOLD, mix(palette.ambient, WHITE, 0.3)), ground.top)
        if ground.grass and not scene.facts.snow:
            blades(scene, replace(ground, grass=ground.grass * 0.45), [palette.evergreen[0], palette.grass_dark], 0.6)

    def water(self, scene: Scene, surface: Surface) -> None:
        """A green mirror on silk, with lines of waves."""
        palette, top, pixel = scene.palette, surface.top, scene.pixel
        seen = mirror(scene, surface)
        share = np.clip(0.62 - seen.nearness * np.float32(0.34), 0, 1)
        far = mix(palette.sky[3], palette.water, 0.35)
        inks = []
        for i in range(3):
            body = far[i] + (palette.water[i] - far[i]) * seen.nearness
            inks.append(body * (1 - share) + seen.image[..., i] * share)
        scene.blend(seen.cover, inks, top)
        crests = smoothstep(seen.ripple, 0.9, 2.1) * (0.34 - 0.12 * seen.nearness)
        scene.tint(seen.cover * crests, mix(palette.mist, WHITE, 0.2), top)
        lines = np.clip(1 - np.abs(seen.ripple - 0.8) * (4 - 2.5 * seen.nearness), 0, 1) * (0.1 + 0.18 * seen.nearness)
        scene.soak(seen.cover * cv2.blur(lines, (int(3 * pixel) | 1, 1)), palette.near, top)
        shore_line(scene, surface, seen, 0.4)
        light_path(scene, surface, seen, 0.7)


def _malachite(facts: Facts, ambient: Colour) -> list[Colour]:
    return [lit(part, ambient) for part in colours(_MALACHITE.get(facts.season, _MALACHITE[""]))]


def _mineral(scene: Scene, near: float) -> list[list[Colour]]:
    """Three pigments from the crest to the foot, each in three shades."""
    ambient = scene.palette.ambient
    azurite, ochre = ([lit(part, ambient) for part in colours(codes)] for codes in (_AZURITE, _OCHRE))
    malachite = _malachite(scene.facts, ambient)
    return [azurite, malachite, ochre] if near > 0.25 else [azurite, azurite, malachite]


def _daylit(leaf: Colour, ambient: Colour) -> Colour:
    """A leaf without the light that nature shows it in: time of day changes the silk, not the pigments."""
    return min(leaf[0] / ambient[0], 1.0), min(leaf[1] / ambient[1], 1.0), min(leaf[2] / ambient[2], 1.0)
