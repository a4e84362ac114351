"""The list of words in a model's folder: read, written, refused; and text cut into words."""

import json
import lzma
from pathlib import Path

import pytest

from pai_modelscope import UserError, model_dir
from pai_modelscope.prompting.concepts import CONCEPTS
from pai_modelscope.prompting.learned_words import FILE, LearnedWords, pieces, read_learned_words, write_learned_words
from recipes.landscapes.captions.lexicon import SEASONS, TIMES, WORDS
from recipes.mini import vocabulary
from recipes.mini_v2 import vocabulary as vocabulary_2
from recipes.mini_v2.domains import COLLECTIONS, ICONS


def test_it_comes_back_as_it_was_written(tmp_path: Path):
    learned = LearnedWords(words=("日出", "山"), backgrounds=("红色",))
    assert read_learned_words(tmp_path) is None
    assert write_learned_words(tmp_path, learned) == tmp_path / FILE
    assert read_learned_words(tmp_path) == learned
    assert "红色背景" in learned and "日出" in learned and "猫" not in learned


@pytest.mark.parametrize("value", [[], {"words": "山"}, {"words": [3]}, {"styles": [""]}])
def test_another_file_is_refused(tmp_path: Path, value: object):
    (tmp_path / FILE).write_text(json.dumps(value))
    with pytest.raises(UserError, match="no list of learned words"):
        read_learned_words(tmp_path)


def test_the_shipped_list_is_the_recipe_s():
    """Names of drawings come from pictures that the package lacks; the painter's words and their order do not."""
    learned = read_learned_words(model_dir("pai-diffusion-mini-zh"))
    painted = vocabulary.distinct((*vocabulary_2.scene_words(), *vocabulary_2.composition_words()))
    assert learned and learned.words[: len(painted)] == painted
    assert learned.scene_styles == vocabulary_2.scene_styles() and learned.read_past == vocabulary_2.icon_read_past()
    assert {"熊猫", "三维立体风格", "蓝色背景", "水墨画", "雾蒙蒙"} <= learned.shown
    assert not {"饺子", "大象", "向日葵", "描边卡通风格"} & learned.shown, "food, held-out concepts and styles"


def test_version_2_lists_the_words_of_all_that_it_learns(tmp_path: Path):
    drawing = {"aliases": ["大熊猫"], "keywords": [], "style": "扁平插画风格", "split": "train", "source": "twemoji"}
    icons = [
        {**drawing, "name": "熊猫", "family": "1F43C", "base": True},
        {**drawing, "name": "饺子", "family": "1F95F", "base": False},
    ]
    portrait = {"name": "女人头像", "attributes": {"person": "女", "hair": "马尾辫"}, "captions": ["马尾辫女孩头像"]}
    collected = [
        {**drawing, "name": "沙发", "captions": [], "attributes": {}, "style": "三维模型风格"},
        {**drawing, **portrait, "style": "像素头像风格"},
    ]
    for file, records in ((ICONS, icons), (COLLECTIONS, collected)):
        with lzma.open(tmp_path / file, "wt", encoding="utf-8") as lines:
            lines.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    learned = vocabulary_2.learned_words(tmp_path)
    assert {"水墨画", "青绿山水", "小船", "清晨", "秋天", "细雨", "荷塘", "雾蒙蒙"} <= learned.shown, "scenes"
    assert {"熊猫", "大熊猫", "沙发", "三维模型风格"} <= learned.shown, "things"
    assert {"女孩", "头像", "戴", "马尾辫", "像素头像风格"} <= learned.shown, "portraits"
    assert {"左边", "上方", "两只"} <= learned.shown, "compositions"
    assert not {"牛肉面", "饺子"} & learned.shown


def test_concepts_are_called_as_the_painter_calls_them():
    """A prompt from a poem says what captions say: the painter's things have a concept of a word that it knows."""
    for name in ("明月", "落日", "小船", "远山", "松树", "荷花", "寺塔", "渔翁", "草地", "雪山"):
        assert set(WORDS[name].nouns) & set(CONCEPTS[name].words), name
    assert set(TIMES) == {c.name for c in CONCEPTS.values() if c.kind == "time"}
    assert set(SEASONS) == {c.name for c in CONCEPTS.values() if c.kind == "season"}
    assert all(set(words) & set(CONCEPTS[name].words) for name, words in (TIMES | SEASONS).items())


def test_text_is_cut_into_as_few_known_words_as_can_be():
    words = {"雪", "雪山", "山", "山上", "上"}
    assert list(pieces("雪山上", words)) == [("雪山", True), ("上", True)], "the first words are longer"
    assert list(pieces("雪山上", words, (1,))) == [("雪", True), ("山上", True)], "but none runs over a break"
    assert list(pieces("飞在山上空", words)) == [("飞在", False), ("山上", True), ("空", False)]
    assert list(pieces("", words)) == []
