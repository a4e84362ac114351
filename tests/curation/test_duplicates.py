"""Which pictures are the same, and which only look so."""

import math

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from pai_modelscope.curation.duplicates import full, holds, is_mirrored, same

SIDE = 256


def clock(hour: float) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 20, 235, 235), fill="lightsteelblue", outline="slategray", width=14)
    for turn, length in ((hour / 12, 60), (hour % 1, 90)):
        angle = turn * 2 * math.pi
        draw.line((127.5, 127.5, 127.5 + length * math.sin(angle), 127.5 - length * math.cos(angle)), "black", 10)
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
    assert not same(full(one), full(other)) and not same(full(other), full(one))
    assert not holds(full(one), full(other)) and not holds(full(other), full(one))


@pytest.mark.parametrize("picture", [clock(4.5), heart("crimson")])
def test_copies(picture: Image.Image) -> None:
    copies = [
        picture.resize((100, 100)),
        picture.resize((300, 200)),
        ImageEnhance.Brightness(picture).enhance(0.75),
        ImageEnhance.Color(picture).enhance(0.7),
    ]
    assert all(same(full(picture), full(copy)) for copy in copies)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert is_mirrored(full(picture), full(mirrored))


@pytest.mark.parametrize("box", [(0, 0, 236, 236), (20, 5, 250, 235), (10, 10, 246, 246), (13, 20, 256, 256)])
def test_a_part_is_a_copy_of_the_whole(box: tuple[int, int, int, int]) -> None:
    for picture in (clock(4.5), heart("crimson")):
        part = picture.crop(box)
        assert holds(full(picture), full(part)) and not holds(full(part), full(picture))
        assert not holds(full(clock(8.5)), full(part))


def test_a_mirrored_clock_is_another_as_it_stands() -> None:
    three = clock(3)
    nine = three.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert not same(full(three), full(nine)) and is_mirrored(full(three), full(nine))
