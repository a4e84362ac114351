"""Lines of verse become the names of what they show; the rest is listed, never dropped."""

import re

import numpy as np
import pytest

from pai_modelscope import UserError
from pai_modelscope.prompting.concepts import BROADER, CONCEPTS
from pai_modelscope.prompting.learned_words import LearnedWords
from pai_modelscope.prompting.poem import NEAR, read_poem, word_for
from pai_modelscope.prompting.verse import read_verse


@pytest.mark.parametrize(
    ("poem", "prompt"),
    [
        ("空山新雨后,天气晚来秋", "山,秋天,傍晚,雨后,水墨画"),  # compounds
        ("孤帆远影碧空尽,唯见长江天际流", "河流,小船,水墨画"),  # metonymy
        ("千里黄云白日曛,北风吹雁雪纷纷", "沙漠,大雁,冬天,傍晚,雪,水墨画"),  # an allusion over two words
        ("忽如一夜春风来，千树万树梨花开", "雪,水墨画"),  # a likeness: no spring, no blossoms
        ("大漠孤烟直，长河落日圆", "沙漠,河流,炊烟,日落,水墨画"),
        ("枯藤老樹昏鴉，小橋流水人家", "小桥流水,枯树,乌鸦,房屋,傍晚,水墨画"),  # traditional characters
    ],
)
def test_a_poem_becomes_a_prompt(poem: str, prompt: str):
    assert read_poem(poem).prompt() == prompt


@pytest.mark.parametrize(
    ("poem", "absent", "shown"),
    [
        ("千山鸟飞绝", "飞鸟", "群山"),  # gone
        ("床前明月光,疑是地上霜", "霜", "明月"),  # a likeness
        ("铁马冰河入梦来", "马", None),  # a dream
        ("晚来天欲雪", "雪", "黄昏"),  # to come
        ("不见长安见尘雾", "古城", "雾"),  # denied
        ("待到重阳日,还来就菊花", "秋", "菊花"),  # a phrase of its own is read by itself
    ],
)
def test_what_is_not_there_is_not_shown_but_listed(poem: str, absent: str, shown: str | None):
    reading = read_poem(poem)
    assert absent not in reading.concepts
    assert any(absent in word.concepts for word in reading.words if word.way == "absent")
    assert (shown in reading.concepts) if shown else not reading.concepts


@pytest.mark.parametrize(
    "poem", ["无边落木萧萧下,不尽长江滚滚来", "道是无晴却有晴", "岁暮阴阳催短景", "江南好,风景旧曾谙"]
)
def test_words_that_only_look_like_a_thing(poem: str):
    names = read_poem(poem).concepts
    assert {"无边落木萧萧下,不尽长江滚滚来": {"黄叶", "河"}}.get(poem, set()) <= set(names)
    assert "春" not in names and "黄昏" not in names


def test_nothing_is_dropped():
    poem = "月落乌啼霜满天，江枫渔火对愁眠；姑苏城外寒山寺、夜半钟声到客船。璠辑"
    reading = read_poem(poem)
    assert "".join(word.text for word in reading.words) == "".join(re.findall(r"[\u4e00-\u9fff]", poem))
    assert reading.of_way("unread") == ("璠辑",) and "璠辑" in reading.report()
    for word in reading.words:
        assert bool(word.concepts) == (word.way in ("table", "absent")), word
        assert word.text in reading.report()


def test_a_tower_reads_what_the_table_lacks():
    """Its nearest word counts from a threshold on; what can't be read has no vector."""
    asked: list[str] = []

    def vectors(phrases):
        asked.extend(phrases)
        angles = {"璠辑": 0.0, "骏马": np.arccos(NEAR) - 0.01, "阓嵎": np.pi / 2, "猫": np.pi}
        return np.array([[np.cos(a), np.sin(a)] if (a := angles.get(p)) is not None else [0, 0] for p in phrases])

    reading = read_poem("璠辑明月,阓嵎清泉", vectors)
    assert reading.concepts == ("马", "明月", "泉水") and reading.of_way("tower") == ("璠辑",)
    assert reading.of_way("unread") == ("阓嵎",) and "明月" not in asked[:2]
    calls = len(asked)
    read_poem("明月松间照", vectors)
    assert len(asked) == calls, "nothing is asked where the table knows all"


def test_the_prompt_says_what_a_model_knows():
    reading = read_poem("孤帆远影愁,白鹭一行")
    assert reading.prompt() == "小船,白鹭,忧伤,水墨画"
    assert reading.prompt(LearnedWords(words=("船", "小鸟"))) == "船,小鸟", "the kind, no mood and no style"
    assert reading.prompt(LearnedWords(words=("忧愁",), scene_styles=("水彩画",))) == "小船,白鹭,忧愁,水彩画"
    assert reading.prompt(style="油画").endswith(",油画")
    assert read_poem("之乎者也").prompt() == ""


@pytest.mark.parametrize("poem", ["", "  ", "spring", "，。"])
def test_no_chinese_is_no_poem(poem: str):
    with pytest.raises(UserError, match="no Chinese"):
        read_poem(poem)


def test_the_tables_are_of_concepts_and_hold_no_word_in_vain():
    verse = read_verse()
    assert {name for names in verse.shows.values() for name in names} <= CONCEPTS.keys()
    assert set(BROADER) | set(BROADER.values()) <= CONCEPTS.keys()
    for word, names in verse.shows.items():
        (first, *others) = read_poem(word).words
        assert first.concepts == names and not others, word
    assert all(word_for(name, None) == concept.words[0] for name, concept in CONCEPTS.items())
