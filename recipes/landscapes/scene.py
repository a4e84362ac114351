"""A scene: a canvas with its facts, its palette and the style that it is painted in."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recipes.drawing import brushes
from recipes.drawing.brushes import Polygon
from recipes.drawing.canvas import Canvas, Ink
from recipes.drawing.colour import Colour, colour, mix
from recipes.drawing.noise import fractal
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette
from recipes.landscapes.style import Style


@dataclass(frozen=True)
class Disc:
    """The sun or the moon, in canvas pixels."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Glow:
    """A lamp, whose light is added when everything is painted."""

    x: float
    y: float
    radius: float
    ink: Colour
    since: int  # how many things there were when it was lit: later ones may hide it


@dataclass(frozen=True)
class Part:
    """A polygon of a solid thing: points (n, 2), x to the right, y up, in units of its size; a colour or a material."""

    points: np.ndarray
    ink: Colour | str


class Scene(Canvas):
    """What places and things paint on.

    `horizon`: the row where the sky ends; `light`: 1 where light comes from the right, -1 from the left; `focus`: 1 or
    -1, the side of the main mass.
    """

    def __init__(self, facts: Facts, size: tuple[int, int], style: Style, rng: np.random.Generator):
        super().__init__(size, rng)
        self.facts, self.style = facts, style
        self.palette: Palette = style.palette(facts, rng)
        self.light = float(rng.choice([-1, 1]))
        self.focus = float(rng.choice([-1, 1]))
        self.horizon = self.height * 0.55
        self.sun: Disc | None = None
        self.glows: list[Glow] = []
        self.says: list[str] = []  # of the air and the whole: '星空', '霞光', '云海'

    def say(self, name: str) -> None:
        """Note what fills the scene and is no thing of its own."""
        if name and name not in self.says:
            self.says.append(name)

    # Chance

    def between(self, low: float, high: float) -> float:
        """A number between two, all alike."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return bool(self.rng.random() < share)

    def pick(self, names: Sequence[str], shares: Sequence[float] | None = None) -> str:
        """One of several names."""
        weights = None if shares is None else np.array(shares) / np.sum(shares)
        return names[int(self.rng.choice(len(names), p=weights))]

    # Colours

    def material(self, ink: Colour | str) -> Colour:
        """The colour of a material by its name, or the colour itself."""
        return self.palette.materials[ink] if isinstance(ink, str) else ink

    def faded(self, ink: Colour, nearness: float) -> Colour:
        """A colour at a distance: 0 is lost in haze, 1 is near."""
        return mix(self.palette.haze, ink, nearness)

    # Painting

    def blend(self, alpha: np.ndarray, ink: Ink, y: int = 0, x: int = 0) -> None:
        """Lay a layer as `Canvas.blend` does, with what the style does below and over it."""
        self.style.under(self, alpha, y, x)
        super().blend(alpha, ink, y, x)
        self.style.over(self, alpha, y, x)

    def tint(self, alpha: np.ndarray, ink: Ink, y: int = 0, x: int = 0) -> None:
        """Lay light, shade or mist as `Canvas.tint` does; a flat style gives it clean edges."""
        super().tint(self.style.veil(alpha), ink, y, x)

    def glaze(self, alpha: np.ndarray, ink: Ink, y: int = 0, x: int = 0) -> None:
        """As `tint`, in just this cover in every style: for shapes whose edges are clean already."""
        super().tint(alpha, ink, y, x)

    def noise(self, height: int, width: int, frequency: float = 1.0, vertical: float | None = None) -> np.ndarray:
        """As `Canvas.noise`; in a flat style it is smooth, so that its steps have clean edges."""
        if not self.style.flat:
            return super().noise(height, width, frequency, vertical)
        scale = 1 / self.pixel
        vertical = frequency if vertical is None else vertical
        return fractal(self.rng, height, width, frequency * scale, vertical * scale, octaves=4)

    def cover(self, alpha: np.ndarray, dark: Colour, light: Colour, shade: np.ndarray, y: int = 0, x: int = 0) -> None:
        """An area whose colour lies between `dark` and `light` by `shade` (0 to 1), as the style shows tones."""
        k = self.style.tone(np.clip(shade, 0, 1))
        self.blend(self.style.cut(alpha), [a + (b - a) * k for a, b in zip(dark, light, strict=True)], y, x)

    def dabs(
        self,
        xs: np.ndarray,
        ys: np.ndarray,
        light: np.ndarray,
        shapes: Sequence[np.ndarray],
        inks: Sequence[Colour],
        alpha: float = 0.93,
        soft: bool = True,
    ) -> None:
        """Foliage, flowers, stars: see `brushes.dabs`."""
        small = max(shape.shape[0] for shape in shapes) < 24 * self.pixel
        merge = self.style.flat and small and not any(brushes.slender(shape) for shape in shapes)
        brushes.dabs(self, xs, ys, light, shapes, inks, alpha, soft, self.style.tone, merge)

    def strokes(self, segments: np.ndarray, widths: np.ndarray, ink: Colour, alpha: float = 0.95) -> None:
        """Trunks, boughs, stems: see `brushes.strokes`."""
        brushes.strokes(self, segments, widths, ink, alpha, self.style.dry, self.style.texture)

    def solid(
        self,
        parts: Sequence[Part],
        x: float,
        y: float,
        size: float,
        nearness: float = 1.0,
        face: float = 1.0,
        snow: bool = True,
    ) -> None:
        """Polygons as one lit solid that stands at (x, y), `size` pixels for each unit, mirrored where `face` is -1.

        `snow`: it lies on the solid where it snows.
        """
        points = np.concatenate([part.points for part in parts])
        region = self.region(x + points[:, 0] * size * face, y - points[:, 1] * size, 3)
        if region is None:
            return
        polygons: list[Polygon] = [
            (
                np.stack([x + part.points[:, 0] * size * face, y - part.points[:, 1] * size], 1),
                self.faded(self.material(part.ink), nearness),
            )
            for part in parts
        ]
        contour = self.style.contour if size > 40 * self.pixel else None
        outline = None if contour is None else mix(self.palette.haze, contour, 0.8 * nearness)
        cover, inks = brushes.fill(self, polygons, region, outline)
        across = (self.columns[:, region.left : region.right] - (region.left + region.right) / 2) / max(region.width, 1)
        shading = 1 + self.style.modelling * np.float32(self.light) * across
        if self.style.solid_texture:
            shading = shading + self.style.solid_texture * self.noise(region.height, region.width, 2.0)
        self.blend(cover, [inks[..., i] * shading for i in range(3)], region.top, region.left)
        if snow and self.facts.snow:
            self._snow_on(cover, size, region.top, region.left)

    def _snow_on(self, cover: np.ndarray, size: float, y: int, x: int) -> None:
        """Snow lies on whatever faces up."""
        depth = max(2, int(size * 0.035))
        above = np.zeros_like(cover)
        above[depth:] = cover[:-depth]
        cap = ((cover > 0.5) & (above < 0.5)).astype(np.float32)
        self.tint(cv2.blur(cap, (3, 3)) * np.float32(0.9), self.snow_ink(), y, x)

    def snow_ink(self, shade: float = 1.0) -> Colour:
        """Snow in the scene's light; `shade`: 0 is in shadow."""
        base = mix((0.72, 0.81, 0.94), (0.97, 0.98, 1.0), shade)
        return self.palette.lit(base, 0.35)

    def lamp(self, x: float, y: float, radius: float, code: str = "ffb850") -> None:
        """Light that glows at (x, y)."""
        self.glows.append(Glow(x, y, radius, colour(code), len(self.things)))

    # Forms

    def outline(self, base: float, height: float, kind: str = "range", peak: float | None = None) -> np.ndarray:
        """(W,) float32: the rows of a crest that rises up to `height` pixels above `base`.

        `kind`: 'range' of jagged ridges, 'karst' of steep cones, 'peak' with one summit (`peak`: where, 0 to 1),
        'hill' of gentle waves, 'cloud' of heaps.
        """
        x = np.linspace(0, 1, self.width) * self.width / self.side
        waves = _OUTLINES[kind](self, x, peak)
        if self.style.flat:
            waves = cv2.GaussianBlur(waves[None], (0, 0), 3.5 * self.pixel)[0]
        waves = (waves - waves.min()) / max(float(np.ptp(waves)), 1e-6)
        return (base - height * waves).astype(np.float32)

    def at(self, crest: np.ndarray, x: float) -> float:
        """The row of a crest at a column, which may lie outside."""
        return float(crest[int(np.clip(x, 0, self.width - 1))])


def _hill(scene: Scene, x: np.ndarray, peak: float | None) -> np.ndarray:
    waves = np.zeros_like(x)
    for octave in range(4):
        phase, stretch = scene.between(0, 6.3), scene.between(0.7, 1.3)
        waves += 0.5**octave * np.sin(x * (2.2 + 2.6 * octave) * stretch + phase)
    return waves


def _cloud(scene: Scene, x: np.ndarray, peak: float | None) -> np.ndarray:
    heaps = np.zeros_like(x)
    for octave in range(4):
        heaps += 0.55**octave * np.abs(np.sin(x * (3.2 * 2.1**octave) + scene.between(0, 6.3)))
    return heaps


def _range(scene: Scene, x: np.ndarray, peak: float | None) -> np.ndarray:
    """Midpoint displacement (Fournier, Fussell and Carpenter 1982)."""
    heights = scene.rng.normal(0, 1, int(4 * x[-1]) + 2)
    step = 0.9
    for _ in range(8):
        middles = (heights[1:] + heights[:-1]) / 2 + scene.rng.normal(0, step, len(heights) - 1) * 0.5
        heights = np.ravel(np.column_stack([heights[:-1], middles]))
        step *= 0.53
    return np.interp(np.linspace(0, len(heights) - 1, len(x)), np.arange(len(heights)), heights)


def _karst(scene: Scene, x: np.ndarray, peak: float | None) -> np.ndarray:
    ridge = _range(scene, x, None)
    ridge = (ridge - ridge.min()) / np.ptp(ridge) * 0.28
    count = max(1, int(scene.rng.integers(3, 6) * x[-1]))
    for centre in (np.arange(count) + scene.rng.uniform(0.1, 0.9, count)) / count * x[-1]:
        width, height = scene.between(0.07, 0.17), scene.between(0.35, 1)
        ridge = np.maximum(ridge, height / (1 + np.abs((x - centre) / width) ** 3.2) + ridge * 0.35)
    return ridge


def _peak(scene: Scene, x: np.ndarray, peak: float | None) -> np.ndarray:
    ridge = _range(scene, x, None)
    ridge = (ridge - ridge.min()) / np.ptp(ridge) * 0.35
    centre = (scene.between(0.3, 0.7) if peak is None else peak) * x[-1]
    return np.maximum(ridge, 1 - np.abs(x - centre) ** 0.85 * scene.between(1.5, 2.2) + 0.3 * ridge)


_OUTLINES = {"hill": _hill, "cloud": _cloud, "range": _range, "karst": _karst, "peak": _peak}
