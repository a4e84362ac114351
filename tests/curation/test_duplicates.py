"""Which pictures are the same, and which only look so."""

import math

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from pai_modelscope.curation.duplicates import fine, same

SIDE = 256


def clock(hour: float) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 20, 236, 236), fill="lightsteelblue", outline="slategray", width=14)
    for turn, length in ((hour / 12, 60), (hour % 1, 90)):
        angle = turn * 2 * math.pi
        draw.line((128, 128, 128 + length * math.sin(angle), 128 - length * math.cos(angle)), "black", 10)
    return picture


def heart(colour: str) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(picture).polygon([(128, 230), (20, 90), (70, 30), (128, 70), (186, 30), (236, 90)], fill=colour)
    return picture


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (clock(3), clock(3.5)),
        (clock(1), clock(2)),
        (clock(5), clock(7).transpose(Image.Transpose.ROTATE_180)),
        (heart("red"), heart("saddlebrown")),
        (heart("purple"), heart("gray")),
        (heart("gold"), heart("green")),
        (heart("gray"), Image.new("RGB", (SIDE, SIDE), "white")),
    ],
)
def test_what_only_looks_alike(one: Image.Image, other: Image.Image) -> None:
    assert not same(fine(one), fine(other)) and not same(fine(other), fine(one))


@pytest.mark.parametrize("picture", [clock(4.5), heart("crimson")])
def test_copies(picture: Image.Image) -> None:
    copies = [
        picture.resize((100, 100)),
        picture.resize((300, 200)),
        ImageEnhance.Brightness(picture).enhance(0.75),
        ImageEnhance.Color(picture).enhance(0.7),
    ]
    assert all(same(fine(picture), fine(copy)) for copy in copies)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert same(fine(picture), fine(mirrored), mirrored=True)
    assert not same(fine(picture), None) and not same(None, None)


def test_a_mirrored_clock_is_another_as_it_stands() -> None:
    assert not same(fine(clock(3)), fine(clock(9)))
