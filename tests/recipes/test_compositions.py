"""Compositions of art: what captions say is what was set down, and nothing that is held out gets in."""

import colorsys
import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from recipes.collections.leaks import chinese_leak
from recipes.compositions import plain, scenes
from recipes.compositions.art import Library, library_of
from recipes.compositions.backdrops import BACKDROPS
from recipes.compositions.captions import captions
from recipes.compositions.facts import NUMBERS, RELATIONS, sample_wish
from recipes.compositions.nouns import AIR, LAND, NOUNS, WATER
from recipes.compositions.paint import Composition, paint, wish_of
from recipes.compositions.painted import ACTORS
from recipes.compositions.placed import MOST_COVERED
from recipes.compositions.staging import UNDER
from recipes.compositions.surreal import DESIGNS
from recipes.landscapes.scene import Scene
from recipes.landscapes.styles import STYLES
from recipes.mini.dataset.splits import HELD_CONCEPTS
from recipes.mini_v2 import domains

SIZE = (128, 128)
NAMES = (
    *(
        "猫",
        "狗",
        "兔子",
        "龟",
        "奶牛",
        "房子",
        "汽车",
        "公交车",
        "鸽",
        "飞机",
        "气球",
        "天鹅",
        "快艇",
        "鲸鱼",
        "热带鱼",
    ),
    *("鲸鱼", "热带鱼", "郁金香", "门", "蒸汽火车", "泰迪熊", "星星", "钥匙"),
)
# Colours that no named ground has and that keep apart under the scene's light.
INKS = {
    name: tuple(round(255 * c) for c in colorsys.hsv_to_rgb(i / len(NAMES), 0.93, 0.62 + 0.3 * (i % 2)))
    for i, name in enumerate(NAMES)
}
COMMON = {"aliases": [], "keywords": [], "base": True, "food_test": False, "split": "train"}
NUMBER = "|".join(NUMBERS.values())


def record(name: str, source: str = "twemoji", style: str = "扁平插画风格", **others) -> dict:
    red, green, blue = INKS.get(name, (200, 30, 30))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
        f'<path d="M20 2 L34 12 L36 38 L4 38 L8 10 Z" fill="rgb({red},{green},{blue})"/></svg>'
    )
    return {**COMMON, "id": f"{source}/{name}", "name": name, "source": source, "style": style, "svg": svg, **others}


@pytest.fixture(scope="module")
def art() -> Library:
    """One hand with twenty-one things, each of a colour of its own."""
    return library_of([record(name) for name in NAMES], Path())


@pytest.fixture(scope="module")
def made(art) -> list[Composition]:
    """Of every kind a few."""
    kinds = [("count", 14), ("relation", 21), ("size", 5), ("scene", 12)]
    return [paint(seed, SIZE, art, kind=kind) for kind, number in kinds for seed in range(number)]


def blots(image: np.ndarray, word: str) -> np.ndarray:
    """(n, 2) the middles of the separate areas that have a thing's colour."""
    ink = np.array(next(INKS[name] for name in NAMES if NOUNS[name].word == word), float)
    mask = (np.abs(image - ink).max(-1) < 14).astype(np.uint8)
    _, _, stats, middles = cv2.connectedComponentsWithStats(mask)
    return middles[1:][stats[1:, cv2.CC_STAT_AREA] > 25]


def plain_ones(made: list[Composition], kind: str) -> list[Composition]:
    return [one for one in made if one.facts.kind == kind]


def texts(one: Composition, seed: int = 0) -> dict[str, str]:
    return captions(one, np.random.default_rng(seed))


def test_there_are_as_many_as_captions_say(made):
    for one in plain_ones(made, "count"):
        for group in one.facts.groups:
            assert len(blots(one.image, group.word)) == group.count, one.facts
        counts = Counter(thing.group for thing in one.things)
        assert [counts[i] for i in range(len(one.facts.groups))] == [group.count for group in one.facts.groups]


def test_numbers_in_captions_are_those_of_the_picture(made):
    for one in made:
        groups = (*one.facts.groups, *([one.facts.holder] if one.facts.holder else []))
        counts: dict[str, set[int]] = {}
        for group in groups:
            counts.setdefault(group.word, set()).add(group.count)
        for seed in range(3):
            for text in texts(one, seed).values():
                for group in groups:
                    pattern = f"({NUMBER})(?:{'|'.join(group.measures)})(?:大|小|巨大的|小小的)?{group.word}"
                    said = {number for number, word in NUMBERS.items() for m in re.findall(pattern, text) if m == word}
                    assert said <= counts[group.word], text


def test_captions_name_what_is_there_and_nothing_else(made):
    known = sorted({noun.word for noun in NOUNS.values()} | {actor.word for actor in ACTORS}, key=len, reverse=True)
    for one in made:
        there = {group.word for group in one.facts.groups} | ({one.facts.holder.word} if one.facts.holder else set())
        for kind, text in texts(one).items():
            rest = text
            for word in sorted(there, key=len, reverse=True):
                rest = rest.replace(word, "")
            for word in (one.facts.style, *(w for style in STYLES.values() for w in (style.name, *style.words))):
                rest = rest.replace(word or "\0", "")
            assert not [word for word in known if len(word) > 1 and word in rest], (kind, text)
            assert any(word in text for word in there), (kind, text)


def test_a_picture_has_five_captions_of_different_kinds(made):
    for one in made:
        assert len(texts(one)) >= 5 and len(set(texts(one).values())) >= 4, texts(one)
        assert all(len(text) <= 90 and ",," not in text and "。," not in text for text in texts(one).values()), texts(
            one
        )


def test_left_is_left_and_above_is_above(art):
    axes = {"左边": (0, -1), "右边": (0, 1), "上面": (1, -1), "下面": (1, 1)}
    checked = Counter()
    for relation, (axis, sign) in axes.items():
        for seed in range(24):
            one = paint(seed, SIZE, art, kind="relation", relation=relation)
            if one.facts.holder or checked[relation] == 4:
                continue
            first, second = (blots(one.image, group.word) for group in one.facts.groups)
            # the nearest of the one is still further along than the farthest of the other
            assert (sign * first[:, axis]).min() > (sign * second[:, axis]).max() + 8, one.facts
            checked[relation] += 1
    assert all(checked[relation] > 1 for relation in axes)


def test_what_is_in_on_and_under_something_is_there(art):
    for relation in ("里面", "上面", "下面"):
        held = [paint(seed, SIZE, art, kind="relation", relation=relation) for seed in range(8)]
        held = [one for one in held if one.facts.holder]
        assert held
        for one in held:
            left, top, right, bottom = next(thing.box for thing in one.things if thing.group < 0)
            for thing in one.things:
                if thing.group < 0:
                    continue
                a, b, c, d = thing.box
                assert left <= a and c <= right and top - 2 <= b and d <= bottom + 2
                middle = (top + bottom) / 2
                assert {"上面": (b + d) / 2 < middle, "下面": d > middle, "里面": True}[relation]


def test_before_is_lower_and_over_and_hides_little(art):
    for seed in range(6):
        one = paint(seed, SIZE, art, kind="relation", relation="前面")
        behind = next(thing for thing in one.things if thing.group == 1)
        for thing in one.things:
            if thing.group == 0:
                assert thing.box[3] > behind.box[3] > thing.box[1] and thing.covered == 0
        assert 0 <= behind.covered <= MOST_COVERED


def test_a_large_thing_is_much_larger_than_a_small_one(made):
    for one in plain_ones(made, "size"):
        sizes = {}
        for thing, group in zip(one.things, one.facts.groups, strict=True):
            left, top, right, bottom = thing.box
            sizes[group.size] = max(right - left, bottom - top)
        large = sizes.get("大") or sizes["巨大的"]
        assert large > 1.6 * (sizes.get("小") or sizes["小小的"])


def test_nothing_is_cut_or_hidden(made):
    for one in made:
        for thing in one.things:
            left, top, right, bottom = thing.box
            assert left >= 0 and top >= 0 and right <= SIZE[0] and bottom <= SIZE[1]
            assert thing.group < 0 or thing.covered <= MOST_COVERED


def test_the_same_seed_gives_the_same_bits(art):
    for kind in ("count", "relation", "scene", "surreal"):
        first, second = (paint(5, SIZE, art, kind=kind) for _ in range(2))
        assert np.array_equal(first.image, second.image) and texts(first) == texts(second)
        assert not np.array_equal(first.image, paint(6, SIZE, art, kind=kind).image)


def test_facts_are_drawn_evenly():
    wishes = [sample_wish(np.random.default_rng([seed, 0]), tuple(DESIGNS)) for seed in range(6000)]
    relations = Counter(wish.relation for wish in wishes if wish.kind == "relation")
    designs = Counter(wish.design for wish in wishes if wish.kind == "surreal")
    counts = Counter(count for wish in wishes if wish.kind == "count" for count in wish.counts)
    for table, least in ((relations, 0.7), (designs, 0.5)):
        assert len(table) in (len(RELATIONS), len(DESIGNS)) and min(table.values()) > least * max(table.values())
    assert set(counts) == {1, 2, 3, 4} and min(counts[n] for n in (2, 3, 4)) > 0.7 * max(counts[n] for n in (2, 3, 4))
    assert wish_of(3) == wish_of(3) and wish_of(3, kind="surreal").design in DESIGNS


@pytest.mark.parametrize("name", list(BACKDROPS))
def test_things_stand_on_ground_swim_in_water_and_fly_in_the_sky(art, name):
    drop = BACKDROPS[name]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        facts = scenes.scene_facts("扁平风景", drop.seasons, drop.weathers, rng)
        scene = Scene(facts, SIZE, STYLES["扁平风景"], rng)
        rows = drop.paint(scene)
        labels = np.array(["天", *(thing.label for thing in scene.things)])[scene.owner]
        cast = [scenes.from_art("twemoji", place, art, drop, [], rng) for place in drop.words]
        assert all(cast)
        staged = scenes._stage(scene, cast, [1] * len(cast), rows)
        if staged is not None:
            break
    assert staged is not None
    for one, (number,) in zip(cast, staged, strict=True):
        ys, xs = np.nonzero(scene.owner == number)
        beneath = labels[ys, xs] if one.place == AIR else labels[ys.max(), xs[ys >= ys.max() - 1]]
        assert np.isin(beneath, UNDER[one.place]).mean() > 0.9, (one.word, set(beneath))


def test_the_backdrops_have_all_places():
    assert {place for drop in BACKDROPS.values() for place in drop.words} == {LAND, WATER, AIR}


def test_icons_on_scenes_are_called_like_nothing_that_is_painted(art):
    painted = {actor.word for actor in ACTORS}
    assert painted & scenes.PAINTED_NOUNS, "the test could fail"
    for one in (paint(seed, SIZE, art, kind="scene") for seed in range(12)):
        if one.facts.style:
            assert not {group.word for group in one.facts.groups} & scenes.PAINTED_NOUNS


@pytest.mark.parametrize("design", list(DESIGNS))
def test_a_surreal_design_is_painted_and_captioned_in_several_ways(art, design):
    one = paint(1, SIZE, art, kind="surreal", design=design)
    assert one.image.shape == (*SIZE, 3) and one.image.std() > 8
    assert len(set(one.facts.texts)) >= 5 and one.things
    said = texts(one)
    assert len(set(said.values())) >= 4
    for seed in range(4):
        for text in texts(one, seed).values():
            assert any(told in text for told in one.facts.texts), text


def test_facts_of_the_domain_count_all_things(tmp_path, art, monkeypatch):
    monkeypatch.setattr(domains, "library", lambda work: art)
    for seed in range(40):
        if wish_of(seed).kind == "size":
            drawn = domains.DOMAINS["compositions"](tmp_path, seed, SIZE)
            assert sum(drawn.facts["things"].values()) == 2
    one = paint(1, SIZE, art, kind="surreal", design="气球带走的房子")
    words = {group.word: group.count for group in one.facts.groups}
    assert words["房子"] == 1 and words["气球"] in (3, 4)
    assert any(NUMBERS[words["气球"]] + "个气球" in text for text in one.facts.texts)


def test_there_are_ten_surreal_designs_and_more():
    assert len(DESIGNS) >= 10


def test_the_table_names_nothing_that_is_held_out():
    for noun in NOUNS.values():
        for text in (noun.record, noun.word):
            assert chinese_leak(text) is None and not any(held in text for held in HELD_CONCEPTS.values()), text
    assert chinese_leak("大象") and chinese_leak("饺子"), "the test could not fail"


def test_art_that_the_base_may_not_see_stays_out(art):
    records = [
        record("猫"),
        record("狗", split="held_pair"),
        record("兔子", split="held_style"),
        record("龟", split="food"),
        record("房子", base=False),
        record("汽车", split="held_concept"),
        record("郁金香", aliases=["向日葵"]),
        record("大象"),
    ]
    seen = library_of(records, Path())
    assert {name for names in seen.pieces.values() for name in names} == {"猫"}
    assert "狗" in art.names("twemoji"), "it is the split that keeps it out"


def test_a_picture_with_a_ground_of_its_own_is_no_thing(art):
    boxed = record("猫")
    boxed["svg"] = boxed["svg"].replace("<path", '<rect width="40" height="40" fill="navy"/><path')
    boxed["id"] = "boxed"
    only = library_of([boxed], Path())
    rng = np.random.default_rng(0)
    assert plain.compose(wish_of(0, kind="count"), SIZE, only, rng) is None
    with pytest.raises(RuntimeError, match="Nothing in the art fits"):
        paint(0, SIZE, only, kind="count")
