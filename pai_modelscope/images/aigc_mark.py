"""The visible label of generated pictures: `AI生成` in a corner (GB 45438-2025, 5.2)."""

import math
from functools import lru_cache

from PIL import Image, ImageDraw

from pai_modelscope.images.fonts import PLAIN, shipped_font

MARK = "AI生成"
SHARE = 0.05  # of the picture's shorter side, which no letter's height may fall below
_CAPITALS = 0.72  # of the font's size: the height of its A and I, the lowest letters of the mark
_SMALLEST = 12  # pixels of the font: below, 生成 can't be read
_DARK = 176  # of 255: how far the plate under the letters hides the picture


def marked(image: Image.Image) -> Image.Image:
    """The picture with the mark at its lower right, white on a dark plate, to be read on any ground."""
    shown = image.convert("RGBA" if "A" in image.getbands() else "RGB")
    plate, letters = _mark(math.ceil(SHARE * min(image.size)))
    margin = plate.height // 5
    corner = (image.width - plate.width - margin, image.height - plate.height - margin)
    for colour, mask in (("black", plate), ("white", letters)):
        shown.paste(colour, corner, mask)
    return shown


@lru_cache(16)
def _mark(height: int) -> tuple[Image.Image, Image.Image]:
    """How far the plate and the letters cover the picture; `height`: pixels of the lowest letter, at least."""
    font = shipped_font(PLAIN, max(_SMALLEST, math.ceil(height / _CAPITALS)))
    left, top, right, bottom = (round(side) for side in font.getbbox(MARK))
    pad = max(3, (bottom - top) // 4)
    plate = Image.new("L", (right - left + 2 * pad, bottom - top + 2 * pad), 0)
    letters = plate.copy()
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, plate.width - 1, plate.height - 1), pad, _DARK)
    ImageDraw.Draw(letters).text((pad - left, pad - top), MARK, 255, font)
    return plate, letters
