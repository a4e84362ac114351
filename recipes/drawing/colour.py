"""Colours as three numbers from 0 to 1: red, green, blue."""

import colorsys
from collections.abc import Sequence

import numpy as np

Colour = tuple[float, float, float]
BLACK: Colour = (0.0, 0.0, 0.0)
WHITE: Colour = (1.0, 1.0, 1.0)


def colour(code: str) -> Colour:
    """The colour of six hexadecimal digits: 'ff8000' is orange."""
    return int(code[0:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:6], 16) / 255


def colours(codes: str) -> list[Colour]:
    """Colours of codes between spaces."""
    return [colour(code) for code in codes.split()]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    a, b = first, second
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def lit(surface: Colour, light: Colour) -> Colour:
    """A surface under coloured light."""
    return surface[0] * light[0], surface[1] * light[1], surface[2] * light[2]


def vary(
    base: Colour, rng: np.random.Generator, hue: float = 0.0, saturation: float = 0.0, value: float = 0.0
) -> Colour:
    """A neighbour of a colour: hue turned by up to `hue` of the circle, the others changed by up to these shares."""
    h, s, v = colorsys.rgb_to_hsv(*base)
    h = (h + rng.uniform(-hue, hue)) % 1
    s, v = (float(np.clip(x * (1 + rng.uniform(-by, by)), 0, 1)) for x, by in ((s, saturation), (v, value)))
    return colorsys.hsv_to_rgb(h, s, v)


def brightness(value: Colour) -> float:
    """Luma from 0 to 1 (ITU-R BT.601)."""
    return 0.299 * value[0] + 0.587 * value[1] + 0.114 * value[2]


def ramp(stops: Sequence[Colour], size: int = 256) -> np.ndarray:
    """(3, size) float32: the colours from the first stop to the last, evenly apart."""
    places = np.linspace(0, size - 1, len(stops))
    every = np.arange(size)
    return np.stack([np.interp(every, places, [stop[i] for stop in stops]) for i in range(3)]).astype(np.float32)
