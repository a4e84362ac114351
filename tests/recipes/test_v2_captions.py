"""Words of icons and words of scenes are kept apart."""

import numpy as np

from recipes.landscapes.captions.lexicon import ADJECTIVES, AIR, FALLING, SEASONS, TIMES, WORDS
from recipes.landscapes.places import PLACES as SCENE_PLACES
from recipes.landscapes.styles import STYLES
from recipes.mini.captions import MODIFIERS as V1_MODIFIERS
from recipes.mini.captions import CaptionWriter
from recipes.mini.dataset.sources import SOURCES
from recipes.mini_v2.icon_captions import MODIFIERS, PLACES, icon_captions
from recipes.mini_v2.tokenizer import SHIPPED, make_tokenizer, poem_characters, scene_texts

RECORD = {"name": "雨伞", "aliases": [], "keywords": ["伞"], "style": "扁平插画风格"}


def scene_words() -> set[str]:
    """Everything that captions of scenes say of what is seen."""
    nouns = {noun for table in (WORDS, AIR, FALLING) for word in table.values() for noun in word.nouns}
    words = {word for table in (ADJECTIVES, TIMES, SEASONS) for group in table.values() for word in group}
    return nouns | words | {word for place in SCENE_PLACES.values() for word in place.words}


def test_what_icons_say_beside_their_subject_no_scene_shows():
    roots = {word.rstrip("的").removesuffix("里").removesuffix("中") for word in scene_words()}
    for noise in (*MODIFIERS, *PLACES):
        assert not [root for root in roots if root and root in noise.rstrip("的")], noise


def test_version_1_did_say_such_words():
    roots = {word.rstrip("的") for word in scene_words()}
    assert any(noise.rstrip("的") in roots for noise in V1_MODIFIERS), "the test above could not fail"


def test_no_painting_style_is_called_like_a_style_of_icons():
    icons = {source.style for source in SOURCES}
    painted = {name for style in STYLES.values() for name in (style.name, *style.words)}
    assert not [(a, b) for a in icons for b in painted if a in b or b in a]


def test_icons_are_captioned_in_many_ways_with_these_words_alone():
    writer = icon_captions(0)
    texts = [writer.write(RECORD, None, None) for _ in range(400)]
    assert len(set(texts)) > 150
    assert not [text for text in texts for noise in set(V1_MODIFIERS) - set(MODIFIERS) if noise in text]
    assert sum(any(place in text for place in PLACES) for text in texts) > 20


def test_version_1_writes_as_before():
    """Its captions are part of the recipe behind weights that ship."""
    writer = CaptionWriter(7)
    texts = [writer.write(RECORD, None, "红色") for _ in range(50)]
    again = CaptionWriter(7, modifiers=V1_MODIFIERS)
    assert texts == [again.write(RECORD, None, "红色") for _ in range(50)]
    assert np.unique(texts).size > 30


def test_the_vocabulary_knows_scenes_and_poems(tmp_path):
    tokenizer = make_tokenizer(tmp_path, ["鷪"])
    for text in (*scene_texts(), poem_characters(), "鷪", "接天莲叶无穷碧", "两个黄鹂鸣翠柳,一行白鹭上青天。", "abc 9"):
        assert tokenizer.unk_token_id not in tokenizer(text).input_ids, text
    assert tokenizer.unk_token_id in tokenizer("𠮷").input_ids
    assert len(set(poem_characters())) == len(poem_characters()) == 1800
    make_tokenizer(tmp_path / "again", [])
    assert (tmp_path / "again/vocab.txt").read_text(encoding="utf-8") == SHIPPED.read_text(encoding="utf-8")
