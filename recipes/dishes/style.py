"""The styles: how much light, gloss and shadow a piece of food shows, whether it has an outline, how pigment lies."""

from dataclasses import dataclass

import numpy as np

from recipes.drawing.colour import Colour, brightness, mix


@dataclass(frozen=True)
class Style:
    """A way to paint food.

    `contrast`: how much light models a form; `flat`: three tones with hard edges; `gloss`: of highlights;
    `shadow`: how dark contact shadows are; `soft`: how far they fade, in pixels of a 512-pixel picture; `contour`: the
    ink of outlines and `line` their width in such pixels; `paper`: what shows through pigment by the share `wash`;
    `rim`: how much pigment gathers at the edge of a wash; `bloom`: how much it varies inside; `table`: how much of the
    table is painted.
    """

    name: str
    words: tuple[str, ...]
    contrast: float = 1.0
    flat: bool = False
    gloss: float = 1.0
    shadow: float = 0.6
    soft: float = 7.0
    contour: Colour | None = None
    line: float = 2.0
    pressed: bool = False  # the brush is pressed on the side away from the light
    paper: Colour = (0.98, 0.96, 0.92)
    wash: float = 0.0
    rim: float = 0.0
    bloom: float = 0.0
    saturation: float = 1.0
    table: float = 1.0

    def pigment(self, ink: Colour) -> Colour:
        """A colour as this style lays it."""
        grey = brightness(ink)
        full = [float(np.clip(grey + (channel - grey) * self.saturation, 0, 1)) for channel in ink]
        return mix((full[0], full[1], full[2]), self.paper, self.wash)

    def tone(self, light: np.ndarray) -> np.ndarray:
        """Light around 1, the light on a level face, as the style shows it."""
        if self.flat:
            steps = np.where(light < 0.78, np.float32(0.84), np.float32(1.0))
            return np.where(light > 1.16, np.float32(1.08), steps)
        return 1 + (light - 1) * np.float32(self.contrast)

    def shine(self, highlight: np.ndarray) -> np.ndarray:
        """Highlights from 0 to 1 as the style shows them."""
        if self.flat:
            return np.where(highlight > 0.45, np.float32(self.gloss), np.float32(0))
        return highlight * np.float32(self.gloss)


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style("写实美食", ("写实美食", "写实风格的美食", "美食摄影")),
        Style(
            "手绘美食",
            ("手绘美食", "手绘风格的美食", "彩铅手绘美食"),
            contrast=0.62,
            gloss=0.75,
            shadow=0.34,
            soft=6.0,
            contour=(0.33, 0.22, 0.16),
            line=2.6,
            paper=(0.99, 0.975, 0.94),
            wash=0.10,
            rim=0.16,
            bloom=0.07,
            saturation=1.05,
            table=0.45,
        ),
        Style(
            "扁平美食",
            ("扁平美食", "扁平风格的美食", "扁平化美食"),
            flat=True,
            gloss=0.5,
            shadow=0.26,
            soft=0.0,
            rim=0.17,
            saturation=1.08,
        ),
        Style(
            "国风美食",
            ("国风美食", "国风水墨美食", "国画风格的美食"),
            contrast=0.34,
            gloss=0.0,
            shadow=0.20,
            soft=9.0,
            contour=(0.07, 0.07, 0.08),
            line=2.6,
            pressed=True,
            paper=(0.945, 0.905, 0.815),
            wash=0.20,
            rim=0.0,
            bloom=0.12,
            saturation=1.0,
            table=0.0,
        ),
    )
}
