"""Every place paints in every style and format, shows what makes it that place, and lights no lamp through a wall."""

from functools import cache

import numpy as np
import pytest

from recipes.landscapes.facts import Facts
from recipes.landscapes.paint import Painting, facts_of, paint
from recipes.landscapes.parts import finish
from recipes.landscapes.places import PLACES
from recipes.landscapes.scene import Part, Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.things.shapes import rectangle

SQUARE, WIDE, TALL = (96, 96), (192, 64), (64, 192)
# What makes a place itself: one of these must be seen in it.
MAKES = {
    "lake": {"湖面"},
    "peaks": {"群山", "雪山"},
    "waterfall": {"瀑布"},
    "river": {"小桥", "木桥", "廊桥", "长桥"},
    "village": {"村庄"},
    "sea": {"灯塔", "帆船"},
    "desert": {"沙漠"},
    "garden": {"月洞门", "长廊", "水榭", "亭子", "太湖石", "曲桥"},
    "ancient city": {"城楼"},
    "modern city": {"高楼"},
}


@cache
def painting(place: str, seed: int, size: tuple[int, int] = SQUARE) -> Painting:
    return paint(seed, size, place=place)


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("place", MAKES)
def test_a_place_is_painted_in_every_style_and_format(place, style):
    for seed, size in enumerate((SQUARE, WIDE, TALL)):
        result = paint(seed, size, place=place, style=style)
        assert result.image.shape == (size[1], size[0], 3)
        assert result.labels.shape == (size[1], size[0])
        assert result.facts.style == style
        assert result.image.std() > 4, "empty"
        for sight in result.sights.values():
            assert 0 < sight.area <= 1
            assert 0 <= sight.x <= 1
            assert 0 <= sight.y <= 1
            assert 0 < sight.width <= 1


@pytest.mark.parametrize("place", MAKES)
def test_what_makes_a_place_is_seen(place):
    seen = [bool(MAKES[place] & painting(place, seed, (128, 128)).sights.keys()) for seed in range(20)]
    assert sum(seen) >= 19, [seed for seed, there in enumerate(seen) if not there]


@pytest.mark.parametrize("place", MAKES)
def test_what_makes_a_place_is_seen_in_scrolls(place):
    for size in (WIDE, TALL):
        seen = [bool(MAKES[place] & painting(place, seed, size).sights.keys()) for seed in range(5)]
        assert sum(seen) >= 4, size


@pytest.mark.parametrize("place", MAKES)
def test_the_same_seed_gives_the_same_bits(place):
    first, second = (paint(7, SQUARE, place=place) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.labels, second.labels)
    assert first.sights == second.sights


@pytest.mark.parametrize("place", MAKES)
def test_a_place_is_seen_when_its_rules_say(place):
    rules = PLACES[place].rules
    for seed in range(30):
        facts = facts_of(seed, place=place)
        assert facts.season in rules.seasons
        assert facts.weather in rules.weathers
        assert facts.time in rules.times


def test_wide_pictures_have_more_along_them():
    """A scroll shows more gate towers, boats and houses than the square picture of the same facts."""

    def count(size):
        kinds = ("帆船", "小船", "村庄", "亭子", "寺塔", "民居", "茅屋", "水榭", "长廊", "城楼", "瀑布")
        seen = 0
        for place in ("peaks", "sea", "garden", "village", "ancient city"):
            for seed in range(4):
                sights = painting(place, seed, size).sights
                seen += sum(sights[kind].count for kind in kinds if kind in sights)
        return seen

    assert count((288, 96)) > 1.5 * count((96, 96))


def _night() -> Scene:
    style = next(iter(STYLES.values()))
    scene = Scene(Facts(style.name, "夜晚", "夏", "晴", "lake"), (64, 64), style, np.random.default_rng(0))
    scene.rgb[:] = 0.1
    return scene


def test_a_lamp_does_not_shine_through_what_stands_before_it():
    scenes = [_night(), _night()]
    for scene in scenes:
        scene.lamp(64, 64, 20)
        with scene.thing("亭子", "房屋"):
            scene.solid([Part(rectangle(-1, -1, 1, 1), (0.1, 0.1, 0.1))], 64, 64, 10)
    wall = [Part(rectangle(-1, -1, 1, 1), (0.1, 0.1, 0.1))]
    before = [scene.rgb.copy() for scene in scenes]
    with scenes[1].thing("墙", "房屋"):
        scenes[1].solid(wall, 64, 64, 40)
    before[1] = scenes[1].rgb.copy()
    lit = [
        float((finish.picture(scene) - base.transpose(1, 2, 0)).max())
        for scene, base in zip(scenes, before, strict=True)
    ]
    assert lit[0] > 0.3
    assert lit[1] < 0.01
