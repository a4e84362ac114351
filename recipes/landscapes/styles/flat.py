"""扁平风景: flat illustration: bold colours, no gradient, no grain, clean edges."""

import colorsys
from dataclasses import replace
from typing import ClassVar

import numpy as np

from recipes.drawing.colour import Colour
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette, natural_palette
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles.clean import CleanStyle, clear_sun, lifted


class Flat(CleanStyle):
    name: ClassVar[str] = "扁平风景"
    words: ClassVar[tuple[str, ...]] = ("扁平风景", "扁平风景插画", "极简扁平风景", "矢量风景")

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        palette = lifted(natural_palette(facts, rng), facts)
        return replace(
            palette,
            sky=[bold(band) for band in palette.sky],
            far=bold(palette.far),
            near=bold(palette.near),
            sun=clear_sun(palette, facts),
            mist=bold(palette.mist),
            water=bold(palette.water),
            grass_light=bold(palette.grass_light),
            grass_dark=bold(palette.grass_dark),
            leaves=[bold(leaf) for leaf in palette.leaves],
            evergreen=[bold(leaf) for leaf in palette.evergreen],
            materials={name: bold(ink, 1.2) for name, ink in palette.materials.items()},
        )

    def sky(self, scene: Scene) -> None:
        """Three bands that part in long, gentle waves."""
        palette = scene.palette
        scene.rgb[:] = np.array(palette.sky[1], np.float32)[:, None, None]
        for share, ink in ((0.48, palette.sky[2]), (0.8, palette.sky[3])):
            edge = scene.outline(scene.horizon * share, scene.side * 0.03, "hill")
            below = np.clip(scene.rows - edge[None], 0, 1)
            for channel, value in zip(scene.rgb, ink, strict=True):
                channel += (np.float32(value) - channel) * below


def bold(ink: Colour, saturation: float = 1.4) -> Colour:
    """A stronger colour of the same hue."""
    hue, pure, value = colorsys.rgb_to_hsv(*ink)
    return colorsys.hsv_to_rgb(hue, min(1.0, pure * saturation), min(1.0, value * 1.02))
