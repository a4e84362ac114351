"""Many pictures on one page, each over its label; Chinese labels in the font that ships."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from pai_modelscope.errors import UserError
from pai_modelscope.images.fonts import PLAIN, shipped_font

_MARGIN, _LINES, _LARGEST = 8, 2, 512  # pixels, lines of a label, pixels
_NOT_FIRST = tuple("，。、；：！？,.;:!?)）】》")  # no line begins with these
_PAPER, _INK = (255, 255, 255), (32, 32, 32)


def contact_sheet(images: Sequence[Image.Image], labels: Sequence[str], columns: int = 4) -> Image.Image:
    """Draw an RGB page of `columns` pictures a row, each centred in an equal cell over up to two lines of its label.

    Longer labels end in an ellipsis; pictures above 512 pixels are scaled down. Raises `UserError` if there are no
    pictures or as many labels as pictures are not given.
    """
    if not images or len(images) != len(labels) or columns < 1:
        raise UserError(
            f"A contact sheet of {len(images)} pictures, {len(labels)} labels and {columns} columns: give at least one "
            "picture, a label for each, and one column or more."
        )
    pictures = [_fit(image) for image in images]
    columns = min(columns, len(pictures))
    width, height = (max(picture.size[axis] for picture in pictures) for axis in (0, 1))
    font = shipped_font(PLAIN, max(12, min(24, width // 14)))
    line = sum(font.getmetrics())
    cell = (width + _MARGIN, height + _LINES * line + 2 * _MARGIN)
    rows = math.ceil(len(pictures) / columns)
    page = Image.new("RGB", (columns * cell[0] + _MARGIN, rows * cell[1] + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(page)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = _MARGIN + i % columns * cell[0], _MARGIN + i // columns * cell[1]
        page.paste(picture, (left + (width - picture.width) // 2, top + height - picture.height))
        for number, text in enumerate(_wrap(label, font, width)):
            draw.text((left + width / 2, top + height + 2 + number * line), text, _INK, font, anchor="ma")
    return page


def _fit(image: Image.Image) -> Image.Image:
    """RGB on paper, at most `_LARGEST` pixels a side."""
    image = image.convert("RGBA")
    picture = Image.new("RGB", image.size, _PAPER)
    picture.paste(image, mask=image.getchannel("A"))
    picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    return picture


def _wrap(label: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Up to `_LINES` lines no wider than `width`; Chinese breaks anywhere."""
    lines: list[str] = []
    rest = " ".join(label.split())
    while rest and len(lines) < _LINES:
        fitting = next((n for n in range(len(rest), 1, -1) if font.getlength(rest[:n]) <= width), 1)
        if fitting < len(rest) and len(lines) == _LINES - 1:
            while fitting > 1 and font.getlength(rest[:fitting] + "…") > width:
                fitting -= 1
            return [*lines, rest[:fitting] + "…"]
        while 1 < fitting < len(rest) and rest[fitting] in _NOT_FIRST:
            fitting -= 1
        lines.append(rest[:fitting].strip())
        rest = rest[fitting:].strip()
    return lines
