"""Scrolls: 3:1 whatever the picture, verse and seal drawn whole, the same bits each time."""

from datetime import date

import numpy as np
import pytest
from PIL import Image

from pai_modelscope.images.scroll import ScrollText, missing_characters, phrases, scroll, season_date

TEXT = ScrollText(("孤帆远影碧空尽", "唯见长江天际流"), "二〇二六年冬", "派")
BLUE = (40, 90, 200)


def ink(page: Image.Image) -> np.ndarray:
    """Where the page is as dark as ink."""
    return np.asarray(page.convert("L"), np.int32) < 60


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((256, 256), (768, 2304)),
        ((256, 384), (768, 2304)),
        ((64, 1024), (768, 2304)),
        ((768, 256), (2304, 768)),
        ((384, 256), (2304, 768)),
        ((2048, 64), (2304, 768)),
        ((1024, 1024), (1463, 4389)),
    ],
)
def test_the_whole_picture_is_mounted(size: tuple[int, int], expected: tuple[int, int]):
    page = scroll(Image.new("RGB", size, BLUE), TEXT)
    assert page.size == expected and page.mode == "RGB"
    blue = (np.abs(np.asarray(page, np.int32) - BLUE) < 3).all(-1)
    rows, columns = np.flatnonzero(blue.any(1)), np.flatnonzero(blue.any(0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert blue[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "in one piece"
    assert width / height == pytest.approx(size[0] / size[1], rel=0.04), "in its proportions"
    assert min(rows[0], columns[0], page.height - rows[-1], page.width - columns[-1]) > 0.05 * min(page.size)


def test_the_verse_stands_in_columns_from_right_to_left():
    picture = Image.new("RGB", (256, 256), BLUE)
    panel = (slice(560, 1330), slice(140, 620))  # of its paper, above the picture
    both = ink(scroll(picture, TEXT))[panel]
    first = ink(scroll(picture, ScrollText(("孤帆远影碧空尽", "一一一一一一一"), TEXT.date, TEXT.seal)))[panel]
    changed = np.flatnonzero((both != first).any(0))
    unchanged = np.flatnonzero((both & first).any(0))
    assert changed.max() < unchanged.max(), "the second phrase stands to the left of the first"
    assert both.sum() > 4000


@pytest.mark.parametrize("count", [1, 2, 4, 8, 12, 20])
def test_any_length_fits_its_paper(count: int):
    verse = ("空山新雨后",) * count
    for size in ((256, 256), (768, 256)):
        page = scroll(Image.new("RGB", size, BLUE), ScrollText(verse, "二〇二六年冬", "山水之间"))
        red = np.asarray(page, np.int32)
        seal = (red[..., 0] > 140) & (red[..., 1] < 90) & (red[..., 2] < 90)
        assert seal.sum() > 60
        paper = (np.abs(red - (245, 239, 224)) < 14).all(-1)
        rows, columns = np.flatnonzero(paper.sum(1) > 40), np.flatnonzero(paper.sum(0) > 40)
        dark = ink(page)
        dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = False
        dark &= ~(np.abs(red - (74, 48, 34)) < 60).all(-1)  # the rods
        assert not dark.any(), "no ink beside the paper"


def test_the_same_input_gives_the_same_bits():
    picture = Image.effect_mandelbrot((256, 256), (-2, -1, 1, 1), 20)
    assert scroll(picture, TEXT).tobytes() == scroll(picture, TEXT).tobytes()
    assert scroll(picture, TEXT).tobytes() != scroll(picture, ScrollText(TEXT.verse, TEXT.date, "诗")).tobytes()


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2026, 11, 30), "二〇二六年冬"),
        (date(2026, 2, 3), "二〇二六年冬"),
        (date(2026, 2, 4), "二〇二六年春"),
        (date(2026, 5, 6), "二〇二六年夏"),
        (date(2030, 8, 7), "二〇三〇年夏"),
        (date(2030, 8, 8), "二〇三〇年秋"),
        (date(1999, 12, 31), "一九九九年冬"),
    ],
)
def test_the_date_is_year_and_season(day: date, text: str):
    assert season_date(day) == text


def test_what_the_font_lacks_is_known():
    assert missing_characters("空山〇派二〇二六年春夏秋冬甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥零") == []
    assert missing_characters("山𠀀山𠀁") == ["𠀀", "𠀁"]
    assert phrases("月落，乌啼。霜满天!") == ("月落", "乌啼", "霜满天")
