"""Things of landscapes: each is seen when it is drawn large, owns what it paints, and is the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest

from recipes.landscapes.captions.lexicon import WORDS
from recipes.landscapes.facts import Facts
from recipes.landscapes.paint import facts_of, paint
from recipes.landscapes.parts import ground
from recipes.landscapes.parts.path import path
from recipes.landscapes.places import PLACES
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles import STYLES
from recipes.landscapes.things.near_tree import near_tree
from recipes.landscapes.things.subjects import SUBJECTS, Subject
from recipes.mini.dataset.splits import HELD_CONCEPTS

DAY = Facts("动漫风景", "白天", "夏", "晴", "study")
# Their mirror images are water's, and strands of willows are thinner than what counts as covered.
MIRRORED = [name for name, subject in SUBJECTS.items() if subject.stands in ("water", "shallows")]


def seeds(season: str, count: int) -> range:
    return range("春夏秋冬".index(season) * 1000, "春夏秋冬".index(season) * 1000 + count)


def sees(name: str, season: str, seed: int, size: int) -> bool:
    seen = paint(seed, (size, size), place="study", subject=name, season=season)
    assert seen.facts.season == season
    return any(known in seen.sights for known in SUBJECTS[name].names)


def empty_scene(facts: Facts, seed: int) -> Scene:
    """A scene of one colour that no thing has."""
    scene = Scene(facts, (192, 192), STYLES[facts.style], np.random.default_rng(seed))
    scene.rgb[:] = np.array([0.8, 0.1, 0.8], np.float32)[:, None, None]
    return scene


def facts_for(name: str, subject: Subject) -> Facts:
    time = "白天" if "白天" in subject.times else subject.times[0]
    return replace(DAY, season=subject.seasons[0], time=time, subject=name)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_is_seen_under_its_name(name):
    draws = [(season, seed) for season in SUBJECTS[name].seasons for seed in seeds(season, 2)]
    missed = [draw for draw in draws if not sees(name, *draw, size=128)]
    assert len(missed) <= 1, missed


@pytest.mark.slow
@pytest.mark.parametrize("season", "春夏秋冬")
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_is_seen_in_nineteen_of_twenty_pictures_of_each_season(name, season):
    if season in SUBJECTS[name].seasons:
        assert sum(sees(name, season, seed, 256) for seed in seeds(season, 20)) >= 19


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_is_the_main_thing_and_whole(name):
    subject = SUBJECTS[name]
    for seed in range(2):
        facts = facts_of(seed, place="study", subject=name)
        scene = Scene(facts, (128, 128), STYLES[facts.style], np.random.default_rng([seed, 1]))
        PLACES["study"].compose(scene)
        mask = np.isin(scene.owner, [thing.number for thing in scene.things if thing.name in subject.names])
        rows, columns = np.nonzero(mask)
        reach = max(np.ptp(rows) / scene.height, np.ptp(columns) / scene.width)
        assert reach > 0.22, (seed, reach)
        if subject.stands != "edge":
            assert not mask[:, 0].any() and not mask[:, -1].any() and not mask[0].any(), seed


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in (*MIRRORED, "村庄", "蒙古包")])
def test_what_a_subject_paints_is_its_own(name):
    subject = SUBJECTS[name]
    for seed in range(2):
        scene = empty_scene(facts_for(name, subject), seed)
        before = scene.rgb.copy()
        middle, foot = scene.width / 2, scene.height * (0.5 if subject.stands == "air" else 0.8)
        subject.draw(scene, middle, foot, scene.side * 0.5 / max(subject.width, subject.height))
        changed = np.abs(scene.rgb - before).max(0) > 0.25
        owned = scene.owner > 0
        assert owned.any()
        assert (changed & ~owned).sum() <= 0.2 * owned.sum()
        assert {thing.name for thing in scene.things} & set(subject.names)


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_same_seed_draws_the_same_subject(name):
    first, second = (paint(11, (64, 64), place="study", subject=name) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert first.facts == second.facts and first.sights == second.sights
    assert not np.array_equal(first.image, paint(12, (64, 64), place="study", subject=name).image)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["bamboo", "plum", "lotus", "flower_field", "grassland", "terraces", "forest"])
@pytest.mark.parametrize("size", [(96, 96), (192, 64), (64, 192)])
def test_places_of_nature_show_what_they_are_called_by(place, size):
    shown = {
        "bamboo": {"竹子"},
        "plum": {"梅花"},
        "lotus": {"荷叶", "残荷"},
        "grassland": {"草原", "雪原"},
        "terraces": {"梯田"},
        "forest": {"森林"},
    }
    pictures = [paint(seed, size, place=place) for seed in range(3)]
    for picture in pictures:
        assert picture.image.shape == (size[1], size[0], 3)
        assert place == "flower_field" or shown[place] & picture.sights.keys()
        if place == "flower_field":
            assert "花海" in picture.air and any(sight.label == "花" for sight in picture.sights.values())
    assert np.array_equal(pictures[0].image, paint(0, size, place=place).image)


def test_a_place_keeps_its_seasons_and_weathers():
    for seed in range(60):
        facts = facts_of(seed, place="lotus")
        assert facts.season in ("夏", "秋") and facts.weather != "雪"
        assert facts_of(seed, place="study", subject="菊花").season == "秋"
        assert facts_of(seed, place="grassland", season="夏").weather != "雪"


def test_all_that_subjects_are_called_by_is_in_the_lexicon_and_nothing_is_held_out():
    names = {name for subject in SUBJECTS.values() for name in subject.names}
    assert names <= WORDS.keys()
    words = {noun for word in WORDS.values() for noun in word.nouns} | names | set(SUBJECTS)
    assert not [word for word in words for held in HELD_CONCEPTS.values() if held in word]


@pytest.mark.parametrize("season", "春夏秋冬")
def test_a_near_tree_fits_the_season(season):
    drawn = set()
    for seed in range(60):
        scene = empty_scene(replace(DAY, season=season), seed)
        near_tree(scene, scene.width / 2, scene.height * 0.9, scene.side * 0.5)
        drawn |= {thing.name for thing in scene.things}
    assert len(drawn) >= 5
    assert season != "冬" or not drawn & {"芭蕉", "绿树", "花树", "红叶", "黄叶"}
    assert ("红叶" in drawn or "黄叶" in drawn) == (season == "秋")


def test_a_path_lies_on_land_alone():
    scene = empty_scene(DAY, 0)
    crest = np.full(scene.width, scene.height * 0.6, np.float32)
    ground.land(scene, crest, 1.0)
    land = scene.owner > 0
    path(scene, scene.height * 0.3, scene.width * 0.5, scene.width * 0.4, scene.side * 0.3)
    way = next(thing for thing in scene.things if thing.name == "小路")
    taken = scene.owner == way.number
    assert taken.any() and land[taken].all()
    widths = taken.sum(1)
    assert widths[-1] > 2 * widths[int(scene.height * 0.65)] > 0
