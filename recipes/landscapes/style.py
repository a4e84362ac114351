"""What a style decides: colours, tones, how mountains, ground and water look, and how a picture is finished."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from recipes.drawing.colour import Colour
from recipes.landscapes.facts import Facts
from recipes.landscapes.palette import Palette, natural_palette

if TYPE_CHECKING:
    from recipes.landscapes.parts.ground import Ground
    from recipes.landscapes.parts.mountains import Ridge
    from recipes.landscapes.parts.water import Surface
    from recipes.landscapes.scene import Disc, Scene


class Style(ABC):
    """A way to paint. Places and things are drawn alike in all of them, through a `Scene` that asks its style."""

    name: ClassVar[str]  # in Chinese, as captions say it
    words: ClassVar[tuple[str, ...]]  # other ways to say it
    chinese: ClassVar[bool] = False  # traditional painting: paper or silk, a red sun, no stars, no aurora
    shows_time: ClassVar[bool] = True  # the time of day can be seen without sun or moon
    dry: ClassVar[float] = 0.0  # how much a brush's bristles leave bare
    texture: ClassVar[float] = 0.16  # how much colour varies along a stroke
    solid_texture: ClassVar[float] = 0.05  # and on what people make
    modelling: ClassVar[float] = 0.30  # how much light models a solid from side to side
    roughness: ClassVar[float] = 1.0  # how much noise there is in mountains, ground and water
    undergrowth: ClassVar[float] = 0.92  # how dense the shaded leaves behind the lit ones are
    reflection: ClassVar[float] = 0.8  # how much of a boat its mirror image shows
    contour: ClassVar[Colour | None] = None  # lines around solids
    flat: ClassVar[bool] = False  # shapes of one tone with clean edges: nothing is soft

    def palette(self, facts: Facts, rng: np.random.Generator) -> Palette:
        """The colours of a scene."""
        return natural_palette(facts, rng)

    def tone(self, light: np.ndarray) -> np.ndarray:
        """Light from 0 to 1 as the style shows it: a flat style has few tones."""
        return light

    def veil(self, cover: np.ndarray) -> np.ndarray:
        """How much of light, shade or mist the style shows, 0 to 1: a flat style has few steps."""
        return cover

    def cut(self, cover: np.ndarray) -> np.ndarray:
        """The shape of a layer whose edges may be soft, 0 to 1: a flat style cuts it out."""
        return cover

    # A hook before and after every layer, for shadows of paper and for lines along edges.

    def under(self, scene: "Scene", alpha: np.ndarray, y: int, x: int) -> None:
        """Paint below a layer that is about to cover `alpha` (h, w) from row `y` and column `x` on."""
        return

    def over(self, scene: "Scene", alpha: np.ndarray, y: int, x: int) -> None:
        """Paint over a layer that was just laid."""
        return

    @abstractmethod
    def sky(self, scene: "Scene") -> None:
        """The empty sky, on the whole canvas."""

    @abstractmethod
    def halo(self, scene: "Scene", disc: "Disc", strength: float) -> None:
        """The light around sun or moon; `strength`: 1 in clear air."""

    @abstractmethod
    def ridge(self, scene: "Scene", ridge: "Ridge") -> None:
        """One range of mountains, hills or rocks."""

    @abstractmethod
    def ground(self, scene: "Scene", ground: "Ground") -> None:
        """Near land."""

    @abstractmethod
    def water(self, scene: "Scene", surface: "Surface") -> None:
        """Water that mirrors what is above it."""

    def sign(self, scene: "Scene") -> None:
        """What the painter leaves on a finished picture, such as a seal."""
        return

    @abstractmethod
    def finish(self, scene: "Scene", image: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) of the canvas, float32 from 0 to 1, as a picture (h, w, 3) of half its size."""
