"""Shapes, crops, mirrors, tags and rhythms: all of them functions of sizes and keys."""

import collections

import pytest
import torch
from PIL import Image

from pai_modelscope.data.augmentation import STREAMS, CaptionSettings, caption, draw, shuffled
from pai_modelscope.data.geometry import Geometry, box, crop, cycle
from pai_modelscope.errors import UserError
from pai_modelscope.methods import denoising
from pai_modelscope.training import Order
from tests.support.picture_files import picture

KEYS = torch.arange(1000, dtype=torch.int64) * 7919 - 400


@pytest.mark.parametrize(("resolution", "step"), [(512, 64), (768, 64), (256, 32), (64, 8), (200, 8)])
def test_buckets_keep_area_aspect_and_multiples(resolution, step) -> None:
    sizes = Geometry(resolution, buckets=True).sizes
    assert (resolution, resolution) in sizes and len(sizes) >= 5
    for width, height in sizes:
        assert (height, width) in sizes
        assert 0.75 * resolution**2 < width * height <= resolution**2
        assert max(width, height) <= 2 * min(width, height)
        assert width % step == height % step == 0 or (width, height) == (resolution, resolution)


def test_the_buckets_of_512_by_hand() -> None:
    sizes = Geometry(512, buckets=True).sizes
    assert sizes == ((384, 640), (448, 576), (512, 512), (576, 448), (640, 384))
    assert Geometry(512).sizes == ((512, 512),)
    assert Geometry(512, buckets=True, step=8, max_aspect=1).sizes == ((512, 512),)


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((1000, 1000), (512, 512)),
        ((1100, 1000), (512, 512)),
        ((1138, 1000), (576, 448)),  # of ratios, not of differences
        ((1300, 1000), (576, 448)),
        ((4000, 100), (640, 384)),
        ((30, 50), (384, 640)),
    ],
)
def test_a_picture_goes_to_the_nearest_aspect(size, bucket) -> None:
    assert Geometry(512, buckets=True).size_for(size) == bucket
    assert Geometry(512, buckets=True).size_for(size[::-1]) == bucket[::-1]
    assert Geometry(512).size_for(size) == (512, 512)


@pytest.mark.parametrize(
    "options",
    [{"resolution": 0}, {"resolution": 100}, {"resolution": 64, "max_aspect": 0.5}]
    + [{"resolution": 64, "step": step} for step in (0, 12, 128)],
)
def test_bad_geometry_is_refused(options) -> None:
    with pytest.raises(UserError, match=next(name for name in reversed(options))):
        Geometry(**options)


def test_the_box_has_the_targets_aspect_and_its_place() -> None:
    assert box((200, 100), (64, 64)) == (50, 0, 150, 100)
    assert box((200, 100), (64, 64), 0.0, 0.3) == (0, 0, 100, 100)
    assert box((200, 100), (64, 64), 1.0, 0.3) == (100, 0, 200, 100)
    assert box((90, 300), (96, 64), 0.5, 0.25) == (0, 60, 90, 120)


def test_crops_are_antialiased_and_in_place() -> None:
    lines = Image.new("L", (256, 128))
    lines.paste(255, (128, 0, 256, 128))
    for x in range(0, 128, 2):
        lines.paste(255, (x, 0, x + 1, 128))
    left = crop(lines, (32, 32), 0.0)
    assert abs(left.getpixel((16, 16)) - 127) < 8  # lines as wide as a pixel are grey, not black or white
    assert crop(lines, (32, 32), 1.0).crop((4, 0, 32, 32)).getextrema() == (255, 255)
    assert crop(lines, (64, 32), flip=True).getpixel((10, 5)) == 255
    assert crop(lines, (64, 32)).getpixel((50, 5)) == 255
    assert crop(picture(0), (96, 96)).tobytes() == picture(0).tobytes()
    assert crop(picture(0), (192, 192)).size == (192, 192)  # small ones are scaled up


def test_draws_follow_from_the_key_alone() -> None:
    geometry = Geometry(64, random_crop=True, random_flip=True)
    all_at_once = draw(KEYS, geometry)
    assert [draw(KEYS[i : i + 1], geometry)[0] for i in range(20)] == all_at_once[:20]
    assert len({(one.across, one.down) for one in all_at_once}) == 1000
    for values in ([one.across for one in all_at_once], [one.down for one in all_at_once]):
        assert abs(sum(values) / 1000 - 0.5) < 0.05 and min(values) < 0.01 and max(values) > 0.99
    assert abs(sum(one.flip for one in all_at_once) - 500) < 60
    fixed = draw(KEYS, Geometry(64))
    assert {(one.across, one.down, one.flip) for one in fixed} == {(0.5, 0.5, False)}


def test_streams_are_those_of_no_method() -> None:
    """A flip that shared a stream with the timestep would tie mirrored pictures to late steps."""
    taken = {value for name, value in vars(denoising).items() if name.isupper() and isinstance(value, int)}
    assert len(taken) >= 3 and not taken & set(STREAMS) and len(set(STREAMS)) == 5


def test_each_of_several_captions_is_drawn_as_often() -> None:
    drawn = draw(KEYS, Geometry(64))
    counts = collections.Counter(caption(("一", "二", "三"), one, CaptionSettings()) for one in drawn)
    assert set(counts) == {"一", "二", "三"} and min(counts.values()) > 270


def test_tags_are_shuffled_but_the_first() -> None:
    text = "小狗, 红色，雪地、 奔跑,  "
    orders = {shuffled(text, key, 1) for key in range(200)}
    assert len(orders) == 6
    for order in orders:
        tags = order.split(", ")
        assert tags[0] == "小狗" and sorted(tags[1:]) == sorted(["红色", "雪地", "奔跑"])
    assert shuffled(text, 5, 1) == shuffled(text, 5, 1)
    assert shuffled(text, 5, 3) == text and shuffled("小狗", 5, 0) == "小狗"
    assert len({shuffled(text, key, 0).split(",")[0] for key in range(50)}) == 4


@pytest.mark.parametrize("options", [{"keep_tags": -1}, {"chunks": 0}, {"chunks": 9}, {"max_chunks": 0}])
def test_bad_caption_settings_are_refused(options) -> None:
    with pytest.raises(UserError, match=next(iter(options))):
        CaptionSettings(**options)


def test_the_cycle_is_in_proportion_and_spread() -> None:
    assert cycle([12]) == [0]
    assert cycle([6, 2]) == [0, 0, 1, 0]
    found = cycle([500, 300, 7])
    assert collections.Counter(found) == {0: 500, 1: 300, 2: 7}
    assert max(found[i : i + 10].count(0) for i in range(0, 800, 10)) <= 7
    large = collections.Counter(cycle([3_000_000, 1_000_000, 10]))
    assert large[2] == 1 and large[0] == 3 * large[1] == 7500


def test_every_picture_is_shown_as_often_even_of_tiny_buckets() -> None:
    lengths = [9, 3, 1]
    order = Order(lengths, 4, seed=1, cycle=cycle(lengths))
    counts: collections.Counter = collections.Counter()
    for step in range(13 * 9):
        counts.update((order.bucket(step), place) for place in order.indices(step).tolist())
    assert set(counts.values()) == {36} and len(counts) == 13
