"""版画: woodblock prints, Chinese and Japanese: bold contours, few inks, a sky that is wiped from dark to pale."""

from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np

from recipes.drawing.colour import WHITE, Colour, colour, colours, lit, mix
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import MATERIALS, Palette, choose_leaves, natural_palette
from recipes.landscapes.parts import bars
from recipes.landscapes.parts.mountains import Ridge
from recipes.landscapes.parts.water import Surface
from recipes.landscapes.scene import Disc, Scene
from recipes.landscapes.styles.clean import CleanStyle, light_bars, snow_cap
from recipes.landscapes.things.seal import seal

_LINE = colour("1b2030")
_PAPER = colour("f3e6c8")
_SKIES = {
    "清晨": ("6f93ac e6dcc4 f2d4aa ea9474", "5f8f9a e9e2c8 f6e0b4 f0aa78", "8a86a8 ead9c8 f4cdb0 e88a70"),
    "白天": ("2a5c96 a9c6d2 efe4c6 f3e6c8", "1f6a86 a0c8c6 ece6c8 f3e6c8", "3a6fa8 bcd0d6 f2e4c4 f0d8ac"),
    "黄昏": ("2b3c68 c9a88e e88e58 cf4a34", "3a3a5c b08a86 ec9c5c e0603a", "24506a c8b48c f0a850 d8562e"),
    "夜晚": ("0e1b3c 1b3562 35608a 86a2ac", "101c34 20405c 3f6f7c 8faea2", "181a3c 2c3562 50608c a09cac"),
}
_WIPED = (0.0, 0.34, 0.72, 1.0)  # where the four colours of the sky lie
_LIGHT: dict[str, Colour] = {
    "清晨": (1.0, 0.97, 0.93),
    "白天": WHITE,
    "黄昏": (0.92, 0.78, 0.70),
    "夜晚": (0.46, 0.56, 0.76),
}
_GROUND = {
    "春": "a9bc70 5f8550",
    "夏": "84a45e 3f6b48",
    "秋": "d4a44c 9a5a30",
    "冬": "cabd9a 8f866e",
    "雪": "f4ecda b4c2ca",
}
_WATER = {"清晨": "7fa6b0", "白天": "3f78a6", "黄昏": "5a6c8c", "夜晚": "1d3a60"}
_SEALED = 1 / 3


class Woodcut(CleanStyle):
    name: ClassVar[str] = "版画"
    words: ClassVar[tuple[str, ...]] = ("版画", "木刻版画", "木版画", "套色木刻")
    chinese: ClassVar[bool] = True
    reflection: ClassVar[float] = 0.0
    contour: ClassVar[Colour | None] = _LINE

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        skies = _SKIES[facts.time]
        sky = colours(skies[int(rng.integers(len(skies)))])
        grey = colour("2a3648" if facts.night else "b4b4ac")
        sky = [mix(band, grey, {"晴": 0.0, "雾": 0.25, "雨": 0.5, "雪": 0.4}[facts.weather]) for band in sky]
        ambient = _LIGHT[facts.time]
        light, dark = (lit(part, ambient) for part in colours(_GROUND["雪" if facts.snow else facts.season]))
        palette = replace(
            natural_palette(facts, rng),
            paper=mix(sky[2], _PAPER, 0.4) if facts.night else _PAPER,
            ink=_LINE,
            sky=sky,
            far=mix(lit(colour("8fa9b4"), ambient), sky[2], 0.25),
            near=lit(colour("2b4a5e"), ambient),
            mist=mix(_PAPER, sky[3], 0.35) if not facts.night else mix(sky[3], sky[2], 0.3),
            ambient=ambient,
            sun=colour("f6ecc8" if facts.night else "d8432c"),
            water=colour(_WATER[facts.time]),
            grass_light=light,
            grass_dark=dark,
            bark=lit(colour("4c3626"), ambient),
            evergreen=[lit(part, ambient) for part in colours("20443a 3f6e52 86a26a")],
            materials={part: lit(colour(code), ambient) for part, code in MATERIALS.items()},
        )
        choose_leaves(palette, facts, rng)
        return palette

    def over(self, scene: Scene, alpha: np.ndarray, y: int, x: int) -> None:
        """A cut line around every shape that is not small or thin."""
        pixel = scene.pixel
        shape = (alpha > 0.5).astype(np.uint8)
        thick = cv2.morphologyEx(shape, cv2.MORPH_OPEN, _disc(8 * pixel))
        if not thick.any():
            return
        border = cv2.copyMakeBorder(thick, 1, 1, 1, 1, cv2.BORDER_REPLICATE)  # the picture's edge is no contour
        inner = cv2.erode(border, _disc(4.4 * pixel), borderType=cv2.BORDER_REPLICATE)[1:-1, 1:-1]
        line = cv2.blur((thick - inner).astype(np.float32), (3, 3))
        scene.glaze(line * np.float32(0.88) * alpha, _LINE, y, x)

    def sky(self, scene: Scene) -> None:
        """Ink wiped from the block: dark at the top, and a coloured band above the horizon."""
        depth = np.clip(np.arange(scene.height) / max(scene.horizon, 1.0), 0, 1)
        for channel, i in zip(scene.rgb, range(3), strict=True):
            channel[:] = np.interp(depth, _WIPED, [band[i] for band in scene.palette.sky])[:, None]

    def halo(self, scene: Scene, disc: Disc, strength: float) -> None:
        """None by day: the sun is a plain red disc."""
        if scene.facts.night:
            super().halo(scene, disc, 0.5 * strength)

    def ridge(self, scene: Scene, ridge: Ridge) -> None:
        """A flat ink with cut lines that run down the shaded slopes."""
        palette, near, pixel = scene.palette, ridge.nearness, scene.pixel
        depth = scene.rows[ridge.top : ridge.bottom] - ridge.crest[None]
        cover = np.clip(depth + np.float32(0.5), 0, 1)
        base = mix(palette.far, mix(palette.near, palette.grass_dark, 0.35), near**0.9)
        falls = cv2.GaussianBlur(np.gradient(ridge.crest)[None].astype(np.float32), (0, 0), 8 * pixel)[0]
        inks: list[np.ndarray] = [np.full_like(depth, channel) for channel in base]
        if scene.facts.snow or ridge.kind == "snow":
            cap = snow_cap(scene, ridge, depth)
            inks = [
                ink + (white - ink) * cap
                for ink, white in zip(inks, mix(scene.snow_ink(), palette.haze, 0.15), strict=True)
            ]
        cuts = _cuts(scene, depth, falls, ridge) * np.float32(0.25 + 0.5 * near)
        line = mix(base, _LINE, 0.75)
        scene.blend(cover, [ink + (dark - ink) * cuts for ink, dark in zip(inks, line, strict=True)], ridge.top)

    def water(self, scene: Scene, surface: Surface) -> None:
        """A wiped band along the shore, then lines of waves."""
        palette, top, pixel = scene.palette, surface.top, scene.pixel
        depth = np.maximum(scene.rows[top:] - surface.line[None], 0)
        cover = np.clip(scene.rows[top:] - surface.line[None] + np.float32(0.5), 0, 1)
        pale = mix(palette.water, palette.sky[3], 0.55)
        share = np.clip(1 - depth * np.float32(1 / (0.24 * scene.side)), 0, 1)
        low = np.clip((scene.rows[top:] - scene.height * 0.72) / (scene.height * 0.3), 0, 1) * np.float32(0.8)
        deep = mix(palette.water, palette.near, 0.6)
        inks = [palette.water[i] + (pale[i] - palette.water[i]) * share for i in range(3)]
        inks = [ink + (deep[i] - ink) * low for i, ink in enumerate(inks)]
        scene.blend(cover, inks, top)
        count = int(22 * surface.waves * scene.width / scene.side)
        for ink, part in ((mix(palette.water, _LINE, 0.6), 1.0), (mix(pale, _PAPER, 0.5), 0.5)):
            waves = bars.ripples(scene, float(surface.line.max() + 4 * pixel), int(count * part))
            scene.glaze(waves[top:] * cover * np.float32(0.75), ink, top)
        light_bars(scene, surface, cover)

    def sign(self, scene: Scene) -> None:
        if scene.chance(_SEALED):
            seal(scene)

    def finish(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        """Ink lies a little unevenly on paper, along the grain of the block."""
        image = super().finish(scene, image)
        grain = scene.noise(image.shape[0], image.shape[1], 0.4, 3.0)
        return image * (1 + np.float32(0.012) * grain)[..., None]


def _cuts(scene: Scene, depth: np.ndarray, falls: np.ndarray, ridge: Ridge) -> np.ndarray:
    """(h, W) 0 to 1: tapering lines down the slopes that are turned from the light."""
    pixel = scene.pixel
    below = np.maximum(depth, 0)
    away = np.clip(-falls * np.float32(scene.light) * 2.2 + 0.15, 0, 1)
    columns = scene.columns - np.tanh(falls[None] * 1.5) * below * np.float32(0.55)
    stripe = np.abs((columns / np.float32(13 * pixel)) % 1 - 0.5) * 2
    length = np.float32((26 + 60 * ridge.nearness) * pixel)
    width = away[None] * np.clip(1 - below / length, 0, 1)
    return cv2.blur((stripe < 0.62 * width).astype(np.float32), (3, 3))


def _disc(diameter: float) -> np.ndarray:
    side = max(3, round(diameter) | 1)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
