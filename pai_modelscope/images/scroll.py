"""A picture mounted as a scroll of 3:1, with verse in a brush font, date and seal.

A picture wider than high becomes a handscroll, read from right to left; any other a hanging scroll, under its verse.
The same input gives the same bits.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pai_modelscope.images.fonts import BRUSH, shipped_font

LONGEST, LONGEST_DATE, LONGEST_SEAL = 120, 12, 4  # characters
_SHORT = 768  # pixels of the short side, at least
_WIDE = 1.15  # of width to height, from which on a scroll lies
_NOT_HAN = re.compile(r"[^\u3400-\u9fff\u3007\U00020000-\U0003ffff]+")
_WALL, _PAPER, _INK = (233, 230, 223), (245, 239, 224), (34, 31, 30)
_SILK, _STRIP, _WOOD, _SEAL = (171, 181, 170), (206, 192, 152), (74, 48, 34), (176, 42, 34)
_NOUGHT = "〇"  # which the font lacks: a ring
_DIGITS = "〇一二三四五六七八九"
_SEASONS = (((2, 4), "冬"), ((5, 6), "春"), ((8, 8), "夏"), ((11, 8), "秋"), ((13, 1), "冬"))  # each up to this day


@dataclass(frozen=True)
class ScrollText:
    """What is written on a scroll: `verse` in phrases, a column each or several in one; a date; a seal's characters."""

    verse: tuple[str, ...]
    date: str
    seal: str


class Box(NamedTuple):
    """A rectangle in pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def phrases(verse: str) -> tuple[str, ...]:
    """The phrases of a text without punctuation."""
    return tuple(phrase for phrase in _NOT_HAN.split(verse) if phrase)


def season_date(day: date) -> str:
    """Year and season as a signature has them, 二〇二六年冬; seasons begin at 立春, 立夏, 立秋 and 立冬."""
    season = next(name for before, name in _SEASONS if (day.month, day.day) < before)
    return "".join(_DIGITS[int(digit)] for digit in str(day.year)) + "年" + season


def missing_characters(text: str) -> list[str]:
    """Which characters the font lacks, each once."""
    font = shipped_font(BRUSH, 32)
    drawn = (character for character in dict.fromkeys(text) if character != _NOUGHT)
    return [character for character in drawn if font.getmask(character).getbbox() is None]


def scroll(picture: Image.Image, text: ScrollText) -> Image.Image:
    """Mount a picture. RGB, 3:1 or 1:3, at least `_SHORT` pixels on the short side, larger for large pictures."""
    lying = picture.width > _WIDE * picture.height
    short = max(_SHORT, round((picture.height if lying else picture.width) / 0.7))
    width, height = (3 * short, short) if lying else (short, 3 * short)
    page = Image.new("RGB", (width, height), _WALL)
    if lying:
        silk, painting, panel = _lying(picture, short, text)
    else:
        silk, painting, panel = _hanging(picture, short)
    unit = short / 100
    _shadow(page, silk, unit)
    page.paste(_woven(silk.width, silk.height), silk[:2])
    for box in (painting, panel):
        _framed(page, box, unit)
    page.paste(picture.convert("RGB").resize((painting.width, painting.height), Image.Resampling.LANCZOS), painting[:2])
    page.paste(_papered(panel.width, panel.height), panel[:2])
    _write(page, panel, text, unit)
    _rods(page, silk, unit, lying)
    return page


def _hanging(picture: Image.Image, short: int) -> tuple[Box, Box, Box]:
    """Silk, painting and the panel of the verse above it; more silk above than below."""
    silk = Box(round(0.07 * short), round(0.17 * short), round(0.93 * short), round(2.9 * short))
    width = round(0.68 * short)
    height = round(width * picture.height / picture.width)
    most = round(1.3 * short)
    if height > most:
        width, height = round(width * most / height), most
    panel_width = max(width, round(0.5 * short))
    room = silk.height - height - round(0.07 * short)
    panel_height = min(round(0.95 * short), round(room * 0.62))
    free = room - panel_height
    top = silk.top + round(free * 0.58)
    middle = short // 2
    panel = Box(middle - panel_width // 2, top, middle - panel_width // 2 + panel_width, top + panel_height)
    below = panel.bottom + round(0.07 * short)
    left = middle - width // 2
    return silk, Box(left, below, left + width, below + height), panel


def _lying(picture: Image.Image, short: int, text: ScrollText) -> tuple[Box, Box, Box]:
    """Silk, painting to the right and the panel of the verse to its left."""
    silk = Box(round(0.12 * short), round(0.09 * short), round(2.88 * short), round(0.91 * short))
    height = round(0.63 * short)
    width = round(height * picture.width / picture.height)
    most = round(1.75 * short)
    if width > most:
        width, height = most, round(height * most / width)
    panel_height, gap = max(height, round(0.5 * short)), round(0.07 * short)
    room = silk.width - width - gap - round(0.2 * short)
    wanted = round(max(0.5, min(1.0, 0.18 * (len(text.verse) + 1.4))) * short)
    panel_width = min(wanted, room)
    gap = max(gap, min(round(0.25 * short), (silk.width - width - panel_width) // 3))
    left = silk.left + (silk.width - width - gap - panel_width) // 2
    middle = short // 2
    panel = Box(left, middle - panel_height // 2, left + panel_width, middle - panel_height // 2 + panel_height)
    top = middle - height // 2
    return silk, Box(panel.right + gap, top, panel.right + gap + width, top + height), panel


def _write(page: Image.Image, panel: Box, text: ScrollText, unit: float) -> None:
    """The verse in columns from right to left, then the date in a narrow column, then the seal under it."""
    columns, size = _columns(text.verse, panel, unit)
    step, pitch = 1.14 * size, 1.42 * size
    small = max(12, round(0.5 * size))
    breadth = len(columns) * pitch + 1.9 * small
    right = (panel.left + panel.right + breadth) / 2
    length = max(map(len, columns)) * step
    top = panel.top + (panel.height - length) / 2
    for number, column in enumerate(columns):
        for place, character in enumerate(column):
            _character(page, (right - (number + 0.5) * pitch, top + (place + 0.5) * step), character, size)
    middle = right - len(columns) * pitch - small
    seal = round(1.5 * small)
    signature = len(text.date) * 1.1 * small
    start = max(panel.top + 3 * unit, min(top + 0.3 * length, top + length - signature - 1.3 * seal))
    for place, character in enumerate(text.date):
        _character(page, (middle, start + (place + 0.5) * 1.1 * small), character, small)
    stamp = _stamp(text.seal, seal)
    page.paste(stamp, (round(middle - seal / 2), round(start + signature + 0.3 * small)), stamp)


def _character(page: Image.Image, middle: tuple[float, float], character: str, size: int) -> None:
    if character != _NOUGHT:
        ImageDraw.Draw(page).text(middle, character, _INK, shipped_font(BRUSH, size), anchor="mm")
        return
    big = 4 * size  # drawn large, for smooth edges
    ring = Image.new("L", (big, big), 0)
    edge = (0.26 * big, 0.3 * big)
    ImageDraw.Draw(ring).ellipse((*edge, big - edge[0], big - edge[1]), None, 255, round(0.09 * big))
    ring = ring.resize((size, size), Image.Resampling.LANCZOS)
    page.paste(Image.new("RGB", ring.size, _INK), (round(middle[0] - size / 2), round(middle[1] - size / 2)), ring)


def _columns(verse: Sequence[str], panel: Box, unit: float) -> tuple[list[str], int]:
    """The columns, and the size of the characters: as large as fits, with as many phrases in a column as that takes."""
    best = (8, list(verse))
    for together in range(1, len(verse) + 1):
        columns = ["".join(verse[i : i + together]) for i in range(0, len(verse), together)]
        across = 0.84 * panel.width / (1.42 * len(columns) + 0.95)
        down = 0.86 * panel.height / (1.14 * max(map(len, columns)))
        size = int(min(across, down, 13 * unit))
        if size > best[0]:
            best = size, columns
    return best[1], best[0]


def _stamp(characters: str, size: int) -> Image.Image:
    """A seal: up to four characters cut out of red, from right to left, its edges worn. RGBA, `size` pixels square."""
    big = 4 * size
    seal = Image.new("L", (big, big), 0)
    draw = ImageDraw.Draw(seal)
    draw.rounded_rectangle((big // 24, big // 24, big - big // 24, big - big // 24), big // 10, 255)
    rows = 1 if len(characters) == 1 else 2
    columns = -(-len(characters) // rows)
    cell = 0.84 * big / max(rows, columns)
    font = shipped_font(BRUSH, round(0.98 * cell))
    for number, character in enumerate(characters):
        column, row = divmod(number, rows)
        x = big / 2 + ((columns - 1) / 2 - column) * cell
        y = big / 2 + (row - (rows - 1) / 2) * cell
        draw.text((x, y), character, 0, font, anchor="mm", stroke_width=max(1, big // 90), stroke_fill=0)
    worn = np.random.default_rng(7).random((24, 24)) * 255
    grain = Image.fromarray(worn.astype(np.uint8)).resize((big, big), Image.Resampling.BICUBIC)
    ink = np.asarray(seal, np.float32) * np.where(np.asarray(grain) < 34, 0.45, 1.0)
    alpha = Image.fromarray((0.93 * ink).astype(np.uint8)).resize((size, size), Image.Resampling.LANCZOS)
    stamp = Image.new("RGBA", (size, size), (*_SEAL, 0))
    stamp.putalpha(alpha)
    return stamp


def _papered(width: int, height: int) -> Image.Image:
    """Paper with fibres: light and dark drift over it."""
    return _textured(width, height, _PAPER, coarse=3.0, fine=1.6, seed=1)


def _woven(width: int, height: int) -> Image.Image:
    """Silk: two directions of threads, and a pattern of lozenges that one sees from near."""
    silk = np.asarray(_textured(width, height, _SILK, coarse=2.0, fine=2.2, seed=2), np.float32)
    y, x = np.mgrid[0:height, 0:width]
    period = 28
    lozenges = np.cos(2 * np.pi * (x + y) / period) * np.cos(2 * np.pi * (x - y) / period)
    threads = np.where((x + y) % 4 < 2, 1.2, -1.2)
    return Image.fromarray((silk + (3.4 * lozenges + threads)[..., None]).clip(0, 255).astype(np.uint8))


def _textured(
    width: int, height: int, colour: tuple[int, int, int], coarse: float, fine: float, seed: int
) -> Image.Image:
    random = np.random.default_rng(seed)
    clouds = random.standard_normal((max(2, height // 48), max(2, width // 48))).astype(np.float32)
    drift = np.asarray(Image.fromarray(clouds).resize((width, height), Image.Resampling.BICUBIC))
    grain = random.standard_normal((height, width)).astype(np.float32)
    light = (coarse * drift + fine * grain)[..., None]
    return Image.fromarray((np.array(colour, np.float32) + light).clip(0, 255).astype(np.uint8))


def _framed(page: Image.Image, box: Box, unit: float) -> None:
    """A strip of lighter silk around a sheet, with a thin dark line at either side."""
    draw, wide = ImageDraw.Draw(page), round(1.4 * unit)
    outer = (box.left - wide, box.top - wide, box.right + wide - 1, box.bottom + wide - 1)
    draw.rectangle(outer, _STRIP, tuple(channel * 2 // 3 for channel in _STRIP), max(1, round(0.25 * unit)))
    draw.rectangle((box.left - 1, box.top - 1, box.right, box.bottom), tuple(channel * 2 // 3 for channel in _STRIP))


def _shadow(page: Image.Image, silk: Box, unit: float) -> None:
    shade = Image.new("L", page.size, 0)
    offset = round(1.2 * unit)
    ImageDraw.Draw(shade).rectangle(
        (silk.left + offset, silk.top + offset, silk.right + offset, silk.bottom + offset), 110
    )
    shade = shade.filter(ImageFilter.GaussianBlur(1.6 * unit))
    page.paste(Image.new("RGB", page.size, (90, 84, 76)), (0, 0), shade)


def _rods(page: Image.Image, silk: Box, unit: float, lying: bool) -> None:
    """Wood at both ends; a hanging scroll has a cord, and a roller with knobs."""
    draw = ImageDraw.Draw(page)
    if lying:
        for edge in (silk.left, silk.right):
            ends = round(silk.top - 4 * unit), round(silk.bottom + 4 * unit)
            _rod(page, Box(round(edge - 2.2 * unit), ends[0], round(edge + 2.2 * unit), ends[1]), False)
        return
    middle, peak = (silk.left + silk.right) / 2, silk.top - 12 * unit
    for side in (silk.left + 0.22 * silk.width, silk.right - 0.22 * silk.width):
        draw.line((side, silk.top, middle, peak), (112, 92, 70), max(2, round(0.5 * unit)))
    draw.ellipse((middle - unit, peak - unit, middle + unit, peak + unit), (92, 72, 52))
    _rod(page, Box(silk.left, round(silk.top - 1.2 * unit), silk.right, round(silk.top + 1.2 * unit)), True)
    knobs = round(silk.left - 4 * unit), round(silk.right + 4 * unit)
    _rod(page, Box(knobs[0], round(silk.bottom - 2.4 * unit), knobs[1], round(silk.bottom + 2.4 * unit)), True)


def _rod(page: Image.Image, box: Box, lying: bool) -> None:
    """A round rod: lightest a third of the way across."""
    across = box.height if lying else box.width
    place = (np.arange(across) + 0.5) / across
    light = 0.72 + 0.6 * np.exp(-(((place - 0.35) / 0.22) ** 2)) - 0.35 * place
    shade = (np.array(_WOOD, np.float32) * light[:, None]).clip(0, 255).astype(np.uint8)
    strip = np.broadcast_to(shade[:, None] if lying else shade[None], (box.height, box.width, 3))
    page.paste(Image.fromarray(np.ascontiguousarray(strip)), box[:2])
