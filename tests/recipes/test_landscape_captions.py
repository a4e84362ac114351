"""Captions of painted landscapes say what can be seen, and nothing else."""

from collections import Counter
from functools import cache

import numpy as np
import pytest

from recipes.landscapes.captions import KINDS, captions
from recipes.landscapes.captions.lexicon import AIR, FALLING, SEASONS, TIMES, WORDS
from recipes.landscapes.facts import TIMES as ALL_TIMES
from recipes.landscapes.facts import WEATHERS, sample_facts
from recipes.landscapes.paint import Painting, paint
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES

SEEDS = range(40)
VERSE = ("verse", "verse with style")


@cache
def painting(seed: int) -> Painting:
    return paint(seed, (128, 128))


def texts(seed: int) -> dict[str, str]:
    return captions(painting(seed), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_caption_names_what_is_not_seen(seed):
    seen, allowed = painting(seed), set()
    names = {*seen.sights, *seen.air}
    for table in (WORDS, AIR):
        allowed |= {noun for name in names & table.keys() for noun in table[name].nouns}
    allowed |= {word for place in (PLACES[seen.facts.place],) for word in place.words}
    allowed |= {*STYLES[seen.facts.style].words, seen.facts.style}
    if seen.facts.weather in FALLING:
        allowed |= set(FALLING[seen.facts.weather].nouns)
    absent = {noun for word in (*WORDS.values(), *FALLING.values()) for noun in word.nouns}
    absent = {noun for noun in absent - allowed if not any(noun in word for word in allowed)}
    for kind, text in texts(seed).items():
        if kind not in VERSE:
            bare = text
            for word in sorted(allowed, key=len, reverse=True):
                bare = bare.replace(word, "·")
            assert not [noun for noun in absent if len(noun) > 1 and noun in bare], (text, names)


@pytest.mark.parametrize("seed", SEEDS)
def test_times_and_seasons_are_those_of_the_picture(seed):
    facts = painting(seed).facts
    for text in texts(seed).values():
        for season in set(SEASONS) - {facts.season}:
            assert not any(word in text for word in SEASONS[season]), text
        wrong = [word for time in set(ALL_TIMES) - {facts.time} for word in TIMES[time]]
        assert not any(word in text for word in wrong), text


def test_all_kinds_are_written_and_a_bare_noun_is_never_a_caption():
    kinds: Counter[str] = Counter()
    nouns = {noun for word in WORDS.values() for noun in word.nouns} | {w for p in PLACES.values() for w in p.words}
    for seed in SEEDS:
        written = texts(seed)
        kinds.update(written.keys())
        assert not nouns & set(written.values())
    assert set(kinds) == set(KINDS)
    assert all(kinds[kind] >= len(SEEDS) * 0.4 for kind in KINDS), kinds


def test_every_name_that_a_painting_shows_has_words():
    names = {name for seed in SEEDS for name in painting(seed).sights}
    assert names <= WORDS.keys()
    for name in names:
        assert WORDS[name].nouns


def test_the_same_chance_gives_the_same_captions():
    assert texts(3) == texts(3)
    assert captions(painting(3), np.random.default_rng(4)) != texts(3)


def test_facts_are_sampled_evenly():
    """Every style, time and weather that go together in at least half of their even share of the scenes."""
    rng = np.random.default_rng(0)
    rules = {name: place.rules for name, place in PLACES.items()}
    count = 12000
    drawn = Counter(
        (f.style, f.time, f.weather) for f in (sample_facts(rng, list(STYLES), rules) for _ in range(count))
    )
    even = count / (len(STYLES) * len(ALL_TIMES) * len(WEATHERS))
    for style in STYLES:
        for time in ALL_TIMES:
            for weather in WEATHERS:
                assert drawn[style, time, weather] >= 0.5 * even
