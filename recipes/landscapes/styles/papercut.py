"""剪纸: layers of coloured paper, each of which casts a soft shadow on what lies below it."""

import colorsys
from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np

from recipes.drawing.colour import WHITE, Colour, mix
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette, natural_palette
from recipes.landscapes.parts.ground import Ground
from recipes.landscapes.parts.mountains import Ridge
from recipes.landscapes.parts.water import Surface
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.clean import CleanStyle, clear_sun, lifted, light_bars, ridge_tones, snow_cap, water_ink

_SHADOW: Colour = (0.30, 0.26, 0.36)


class Papercut(CleanStyle):
    name: ClassVar[str] = "剪纸"
    words: ClassVar[tuple[str, ...]] = ("剪纸", "剪纸风格", "剪纸画", "层叠剪纸", "纸雕")
    reflection: ClassVar[float] = 0.0

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        palette = lifted(natural_palette(facts, rng), facts)
        return replace(
            palette,
            sky=[paper(band) for band in palette.sky],
            far=paper(palette.far),
            near=paper(palette.near, 0.06),
            sun=clear_sun(palette, facts),
            mist=paper(palette.mist),
            water=paper(palette.water),
            grass_light=paper(palette.grass_light),
            grass_dark=paper(palette.grass_dark),
            leaves=[paper(leaf) for leaf in palette.leaves],
            evergreen=[paper(leaf) for leaf in palette.evergreen],
            bark=paper(palette.bark),
            materials={name: paper(ink) for name, ink in palette.materials.items()},
        )

    def tone(self, light: np.ndarray) -> np.ndarray:
        return np.where(light > 0.5, np.float32(0.8), np.float32(0.3))

    def under(self, scene: Scene, alpha: np.ndarray, y: int, x: int) -> None:
        """A shadow to the side and below."""
        pixel = scene.pixel
        reach, drop, aside = round(12 * pixel), round(5 * pixel), round(-4 * scene.light * pixel)
        top, left = max(0, y - reach), max(0, x - reach)
        bottom, right = min(scene.height, y + alpha.shape[0] + reach), min(scene.width, x + alpha.shape[1] + reach)
        shadow = np.zeros((bottom - top, right - left), np.float32)
        rows = slice(max(0, y - top + drop), min(bottom - top, y - top + drop + alpha.shape[0]))
        columns = slice(max(0, x - left + aside), min(right - left, x - left + aside + alpha.shape[1]))
        cut_y, cut_x = rows.start - (y - top + drop), columns.start - (x - left + aside)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if height <= 0 or width <= 0:
            return
        shadow[rows, columns] = alpha[cut_y : cut_y + height, cut_x : cut_x + width]
        window = (int(7 * pixel) | 1, int(7 * pixel) | 1)
        shadow = cv2.blur(cv2.blur(shadow, window), window)
        scene.soak(shadow * np.float32(0.62), _SHADOW, top, left)

    def over(self, scene: Scene, alpha: np.ndarray, y: int, x: int) -> None:
        """The cut edge catches the light."""
        step, aside = max(1, round(1.6 * scene.pixel)), round(scene.light * scene.pixel)
        moved = np.zeros_like(alpha)
        moved[step:] = alpha[:-step]
        moved = np.roll(moved, -aside, 1)
        if y == 0:
            moved[:step] = alpha[:step]
        scene.glaze(np.clip(alpha - moved, 0, 1) * np.float32(0.28), WHITE, y, x)

    def sky(self, scene: Scene) -> None:
        """Sheets that hang from above, cut in waves: the topmost lies nearest."""
        palette = scene.palette
        scene.rgb[:] = np.array(palette.sky[3], np.float32)[:, None, None]
        for share, ink in ((0.78, palette.sky[2]), (0.5, palette.sky[1]), (0.22, palette.sky[0])):
            edge = scene.outline(scene.horizon * share, scene.side * scene.between(0.04, 0.08), "cloud")
            edge = 2 * scene.horizon * share - edge
            scene.blend(np.clip(edge[None] - scene.rows, 0, 1).astype(np.float32), ink)

    def ridge(self, scene: Scene, ridge: Ridge) -> None:
        """Two sheets, the lower one in front."""
        dark, light = ridge_tones(scene, ridge)
        depth = scene.rows[ridge.top : ridge.bottom] - ridge.crest[None]
        scene.blend(np.clip(depth + np.float32(0.5), 0, 1), light, ridge.top)
        if scene.facts.snow or ridge.kind == "snow":
            cap = snow_cap(scene, ridge, depth) * np.clip(depth + np.float32(0.5), 0, 1)
            scene.blend(cv2.blur(cap, (3, 3)), mix(scene.snow_ink(), scene.palette.haze, 0.2), ridge.top)
        inner = cv2.GaussianBlur(ridge.crest[None], (0, 0), 9 * scene.pixel)[0]
        inner = np.maximum(inner, ridge.crest) + (16 + 14 * ridge.nearness) * scene.pixel
        depth = scene.rows[ridge.top : ridge.bottom] - inner[None]
        scene.blend(np.clip(depth + np.float32(0.5), 0, 1), mix(light, dark, 0.7), ridge.top)

    def ground(self, scene: Scene, ground: Ground) -> None:
        """Sheets one before the other, darker towards the viewer."""
        palette, far = scene.palette, (1 - ground.nearness) * 0.4
        dark, light = mix(palette.grass_dark, palette.haze, far), mix(palette.grass_light, palette.haze, far)
        wave = scene.noise(1, scene.width, 1.0)[0] * np.float32(6 * scene.pixel)
        for i in range(3):
            crest = ground.crest + (i * 24 * scene.pixel + (wave * i if i else 0))
            depth = scene.rows[ground.top : ground.bottom] - crest[None]
            cover = np.clip(depth + np.float32(0.5), 0, 1)
            if cover.any():
                scene.blend(cover, mix(light, dark, i * 0.4), ground.top)

    def water(self, scene: Scene, surface: Surface) -> None:
        """Sheets cut in waves, darker towards the viewer."""
        palette, top = scene.palette, surface.top
        far, near = mix(water_ink(scene), palette.sky[3], 0.35), mix(water_ink(scene), palette.near, 0.35)
        count = 5
        shore = np.clip(scene.rows[top:] - surface.line[None] + np.float32(0.5), 0, 1)
        for i in range(count):
            share = (i / count) ** 1.5
            row = top + share * (scene.height - top)
            length = scene.side * (0.05 + 0.12 * share)
            phase = scene.between(0, 6.3)
            waves = np.abs(np.sin(scene.columns * np.float32(3.1416 / length) + phase)) * np.float32(
                scene.side * (0.009 + 0.02 * share)
            )
            cover = shore if i == 0 else np.clip(scene.rows[top:] - row - waves, 0, 1) * shore
            scene.blend(cover.astype(np.float32), mix(far, near, i / (count - 1)), top)
        light_bars(scene, surface, shore)


def paper(ink: Colour, least: float = 0.15) -> Colour:
    """A colour as dyed paper has it: strong, no darker than `least`."""
    hue, pure, value = colorsys.rgb_to_hsv(*ink)
    return colorsys.hsv_to_rgb(hue, min(0.85, pure * 1.2), least + (1 - least) * value)
