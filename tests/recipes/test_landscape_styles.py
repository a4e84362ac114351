"""The styles of landscapes: all paint every time and weather, repeatably, and each unlike the others."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from recipes.drawing.colour import brightness
from recipes.landscapes.facts import TIMES, WEATHERS
from recipes.landscapes.paint import paint
from recipes.landscapes.parts import mist
from recipes.landscapes.parts.ground import land
from recipes.landscapes.parts.mountains import ridge
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.things.seal import seal

SIZE = (128, 128)
CLEAN = ("扁平风景", "剪纸")


def colours_of(image: np.ndarray, share: float = 0.75) -> int:
    """How many colours, of 64 levels a channel, fill this share of a picture."""
    levels = (image >> 2).astype(np.int64)
    codes = levels[..., 0] << 12 | levels[..., 1] << 6 | levels[..., 2]
    counts = np.sort(np.unique(codes, return_counts=True)[1])[::-1]
    return int(np.searchsorted(np.cumsum(counts), share * codes.size)) + 1


def still_share(image: np.ndarray) -> float:
    """The share of pixels that equal the pixel above and the pixel on their left."""
    above = (image[1:, 1:] == image[:-1, 1:]).all(-1)
    left = (image[1:, 1:] == image[1:, :-1]).all(-1)
    return float((above & left).mean())


def grain_of(image: np.ndarray) -> float:
    """The median difference of a pixel to the mean of its neighbours, 0 to 255: what a VAE can't code."""
    grey = image.astype(float).mean(-1)
    around = (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]) / 4
    return float(np.median(np.abs(grey[1:-1, 1:-1] - around)))


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("style", STYLES)
def test_every_style_paints_every_time_and_weather(style, time):
    for i, weather in enumerate(WEATHERS):
        painting = paint(i, SIZE, style=style, time=time, weather=weather, place="lake")
        assert painting.image.shape == (128, 128, 3) and painting.image.dtype == np.uint8
        assert painting.image.std() > 8, f"{style} {time} {weather} is empty"
        assert (painting.facts.style, painting.facts.time, painting.facts.weather) == (style, time, weather)


@pytest.mark.parametrize("style", STYLES)
def test_a_scene_stays_in_bounds(style, monkeypatch):
    """No layer drives a colour far out of its range, where the clip at the end would hide it."""
    seen = []
    finish = type(STYLES[style]).finish

    def watched(self, scene, image):
        seen.append((float(scene.rgb.min()), float(scene.rgb.max())))
        return finish(self, scene, image)

    monkeypatch.setattr(type(STYLES[style]), "finish", watched)
    for time in TIMES:
        paint(7, SIZE, style=style, time=time, place="lake")
    assert min(low for low, _ in seen) > -0.05 and max(high for _, high in seen) < 1.6


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_bits(style):
    first, second = (paint(3, SIZE, style=style, place="lake") for _ in range(2))
    assert np.array_equal(first.image, second.image) and np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.image, paint(4, SIZE, style=style, place="lake").image)


def test_flat_has_few_colours_and_oil_has_many():
    counts = {
        style: np.mean([colours_of(paint(seed, style=style, place="lake").image) for seed in range(8)])
        for style in ("扁平风景", "油画")
    }
    assert counts["扁平风景"] < 150 and counts["油画"] > 1000


def test_only_clean_styles_have_no_gradient():
    """Most of their pixels equal their neighbours."""
    for style in STYLES:
        still = [still_share(paint(seed, style=style, weather="晴", place="lake").image) for seed in range(4)]
        if style in CLEAN:
            assert np.mean(still) > 0.45, style
        elif style != "版画":  # its sky is wiped, all else is flat
            assert np.mean(still) < 0.25, style


def test_a_flat_sky_and_flat_land_have_tones_not_gradients():
    for time in TIMES:
        facts = paint(0, SIZE, style="扁平风景", time=time, place="lake").facts
        scene = Scene(facts, SIZE, STYLES["扁平风景"], np.random.default_rng(1))
        scene.style.sky(scene)
        ridge(scene, scene.outline(150, 60), 0.5, 60)
        land(scene, scene.outline(200, 20, "hill"), 1.0, grass=0)
        pixels = (np.clip(scene.rgb, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        assert colours_of(pixels, 0.95) <= 8


@pytest.mark.parametrize("style", [name for name in STYLES if name != "油画"])
def test_no_style_has_grain(style):
    assert np.mean([grain_of(paint(seed, style=style, place="lake").image) for seed in range(4)]) < 2.5


def test_styles_differ_from_each_other():
    images = {style: paint(5, style=style, time="白天", weather="晴", place="lake").image / 255 for style in STYLES}
    for first, second in combinations(images, 2):
        assert np.abs(images[first] - images[second]).mean() > 0.03, (first, second)


@pytest.mark.slow
def test_a_third_of_chinese_paintings_bear_a_seal():
    for style in ("水墨画", "青绿山水", "版画"):
        sealed = sum("印章" in paint(seed, SIZE, style=style, place="lake").sights for seed in range(60))
        assert 9 <= sealed <= 31
    assert not any("印章" in paint(seed, SIZE, style="油画", place="lake").sights for seed in range(12))


def test_a_seal_is_red_and_lies_in_a_corner():
    facts = paint(0, SIZE, style="水墨画", place="lake").facts
    scene = Scene(facts, SIZE, STYLES["水墨画"], np.random.default_rng(0))
    scene.rgb[:] = 0.9
    seal(scene)
    rows, columns = np.nonzero(scene.owner)
    red, green = scene.rgb[0][scene.owner > 0], scene.rgb[1][scene.owner > 0]
    assert (red - green).mean() > 0.2
    assert all(np.ptp(at) < 0.1 * scene.side and not 0.2 < at.mean() / scene.side < 0.8 for at in (rows, columns))


@pytest.mark.parametrize("style", ["扁平风景", "剪纸", "油画"])
def test_bars_of_mist_pass_behind_houses_where_nothing_is_soft(style):
    scene = Scene(paint(0, SIZE, style=style, place="lake").facts, SIZE, STYLES[style], np.random.default_rng(0))
    scene.rgb[:] = 0.2
    with scene.thing("民居", "房屋"):
        scene.claim(np.ones((scene.height, scene.width // 2), np.float32))
    for row in (0.3, 0.5, 0.7):
        mist.band(scene, scene.height * row, scene.side * 0.2, 0.8, ink=(1.0, 1.0, 1.0))
    house, beside = scene.rgb[:, :, : scene.width // 2], scene.rgb[:, :, scene.width // 2 :]
    assert beside.max() > 0.5
    assert (house.max() > 0.5) == (not STYLES[style].flat)


def test_flat_rainy_nights_are_not_black():
    facts = paint(0, SIZE, style="扁平风景", time="夜晚", weather="雨", place="lake").facts
    for seed in range(6):
        palette = STYLES["扁平风景"].palette(facts, np.random.default_rng(seed))
        dry = STYLES["扁平风景"].palette(replace(facts, weather="晴"), np.random.default_rng(seed))
        assert brightness(palette.grass_light) > brightness(dry.grass_light)
        assert brightness(palette.sky[3]) - brightness(palette.near) > 0.12, "what is near stands before the sky"
