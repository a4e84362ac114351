"""The sun of mornings and evenings is seen as often as the moon at night, in all styles."""

import pytest

from recipes.landscapes.paint import paint
from recipes.landscapes.styles import STYLES

SEEDS = range(8)


def seen(style: str, time: str) -> int:
    """In how many of the pictures sun or moon is among the sights."""
    pictures = [paint(seed, (48, 48), style=style, time=time, weather="晴") for seed in SEEDS]
    return sum(any(sight.label == "日月" for sight in picture.sights.values()) for picture in pictures)


@pytest.mark.slow
def test_low_suns_are_as_frequent_as_moons():
    suns = {style: seen(style, "黄昏") for style in STYLES}
    moons = {style: seen(style, "夜晚") for style in STYLES}
    assert sum(suns.values()) > 0.85 * sum(moons.values()), (suns, moons)
    assert min(suns.values()) >= 1, suns
