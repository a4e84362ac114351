"""Prompt editing, alternation and composition: what is drawn at which step, and as a second reading of the WebUI's."""

import random

import pytest

from pai_modelscope import UserError, limits
from pai_modelscope.text.prompt_schedule import composed_prompt, count_constructs, prompt_schedule
from tests.support.webui_prompts import parts_of, texts_of_steps


@pytest.mark.parametrize(
    ("prompt", "schedule"),
    [
        ("熊猫", [(10, "熊猫")]),
        ("[熊猫:老虎:0.5]在雪地", [(5, "熊猫在雪地"), (10, "老虎在雪地")]),
        ("[熊猫:老虎:3]", [(3, "熊猫"), (10, "老虎")]),
        ("[ 熊猫 : 老虎 : 3 ]", [(3, " 熊猫 "), (10, " 老虎 ")]),
        ("雪地[老虎:0.3]", [(3, "雪地"), (10, "雪地老虎")]),
        ("雪地[老虎::0.3]", [(3, "雪地老虎"), (10, "雪地")]),
        ("[a:[b:c:6]:.3]", [(3, "a"), (6, "b"), (10, "c")]),
        ("[[a:b:2]:c:0.4]", [(2, "a"), (4, "b"), (10, "c")]),
        ("[a:b:0.25]", [(2, "a"), (10, "b")]),  # of ten steps, two and a half: rounded down
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:1.0]", [(10, "a")]),  # a share: all steps
        ("[a:b:1]", [(1, "a"), (10, "b")]),  # a step
        ("[a:a:5]", [(10, "a")]),
        ("[(猫:1.2):[狗]:5]", [(5, "(猫:1.2)"), (10, "[狗]")]),
        ("[a:b:5][c:d:8]", [(5, "ac"), (8, "bc"), (10, "bd")]),
        ("[a:b:5]BREAK[c::5]", [(5, "aBREAKc"), (10, "bBREAK")]),
        (r"\[a:b:5\] [\[c\]:d:5]", [(5, r"\[a:b:5\] \[c\]"), (10, r"\[a:b:5\] d")]),
        (r"[a\:b:c:5]", [(5, r"a\:b"), (10, "c")]),
        ("[猫:狗:\u200b0.5]", [(5, "猫"), (10, "狗")]),
        ("［猫：狗：０.５］", [(5, "猫"), (10, "狗")]),  # full-width, as from a Chinese keyboard
        ("【猫:狗:0.5】", [(10, "【猫:狗:0.5】")]),
        ("[猫]", [(10, "[猫]")]),
        ("[猫:好]", [(10, "[猫:好]")]),
        ("[a:b:c:0.5]", [(10, "[a:b:c:0.5]")]),
        ("[(a:b:c):d:0.5]", [(10, "[(a:b:c):d:0.5]")]),
        ("[a:b:5", [(10, "[a:b:5")]),
        ("[[a:b:5]", [(5, "[a"), (10, "[b")]),
        ("a:b:5] [c:d:5]", [(5, "a:b:5] c"), (10, "a:b:5] d")]),
        ("[a:b:5] c|d", [(10, "[a:b:5] c|d")]),  # the WebUI can't read a bar outside of brackets
        ("[a:b:5]\\", [(10, "[a:b:5]\\")]),
        (r"[a:b:5] c\|d", [(5, r"a c\|d"), (10, r"b c\|d")]),
    ],
)
def test_the_text_of_each_step(prompt, schedule):
    assert prompt_schedule(prompt, 10) == tuple(schedule)


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("[猫|狗]", "猫 狗 猫 狗 猫"),
        ("[猫|狗|鸟]在家", "猫在家 狗在家 鸟在家 猫在家 狗在家"),
        ("[猫|[狗:鸟:3]]", "猫 狗 猫 鸟 猫"),
        ("[小|]猫", "小猫 猫 小猫 猫 小猫"),
        ("［猫｜狗］", "猫 狗 猫 狗 猫"),
        ("[[猫|狗]:鸟:3]", "猫 狗 猫 鸟 鸟"),
        ("[a|b][c|d|e]", "ac bd ae bc ad"),
    ],
)
def test_alternation_begins_with_the_first(prompt, texts):
    (part,) = composed_prompt(prompt, 5)
    assert [part.at(step) for step in range(1, 6)] == texts.split()


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("猫 AND 狗", [("猫", 1), (" 狗", 1)]),
        ("猫 :0.7 AND 狗 : 1.2 AND 鸟:-.5", [("猫", 0.7), (" 狗", 1.2), (" 鸟", -0.5)]),
        ("(猫:1.2) AND (狗:1.3):2", [("(猫:1.2)", 1), (" (狗:1.3)", 2)]),
        ("猫 AND 狗 ：１．５", [("猫", 1), (" 狗", 1.5)]),
        ("猫,AND,狗", [("猫,", 1), (",狗", 1)]),
        ("猫AND狗", [("猫AND狗", 1)]),
        ("猫 and 狗, BRAND, ANDY", [("猫 and 狗, BRAND, ANDY", 1)]),
        ("猫 AND", [("猫", 1), ("", 1)]),
        ("时间:12", [("时间:12", 1)]),  # text: a weight belongs to AND
        ("16:9", [("16:9", 1)]),
        ("猫 AND 狗:a", [("猫", 1), (" 狗:a", 1)]),
    ],
)
def test_and_joins_texts_with_weights(prompt, parts):
    assert [(part.at(1), part.weight) for part in composed_prompt(prompt, 1)] == parts


def test_each_text_that_and_joins_changes_by_itself():
    first, second = composed_prompt("[a:b:5] AND [c|d] :0.5", 10)
    assert first.texts == ((5, "a"), (10, "b"))
    assert second.weight == 0.5 and [second.at(step) for step in (1, 2, 3)] == [" c", " d", " c"]


@pytest.mark.parametrize(
    ("prompt", "schedule"),
    [
        ("[a:b:0.5]", [(10, "b")]),
        ("[a:b:1.5]", [(5, "a"), (10, "b")]),
        ("[a:b:20]", [(10, "b")]),
        ("[a:b:23]", [(3, "a"), (10, "b")]),
    ],
)
def test_a_pass_over_the_picture_counts_on_from_the_first(prompt, schedule):
    """20 steps, then 10: as in the WebUI's hires fix."""
    assert prompt_schedule(prompt, 10, steps_before=20) == tuple(schedule)


PIECES = [
    *("[", "]", "[", "]", "(", ")", ":", ":", "|", "\\", " ", "\n", "1", ".", "-", "e", "猫", "a", "【", "，"),
    *("[a:b:3]", "[c::0.5]", "[d:2]", "[猫|狗]", "[|e]", ":0.4]", ": 2 ]", ":狗:.5]", "(猫:1.2)", "[猫", "\\[", "\\|"),
    *(" AND ", " AND ", " :1.2", "AND", " BREAK "),
]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_prompts_are_read_as_the_webui_defines_them(seed):
    """5,000 prompts for each seed. Full-width brackets, which are read here alone, are not among them."""
    made, changing, composed = random.Random(seed), 0, 0
    for _ in range(5000):
        prompt, steps = "".join(made.choices(PIECES, k=made.randint(1, 8))), made.choice([1, 4, 10])
        parts = composed_prompt(prompt, steps)
        expected = parts_of(prompt)
        assert [part.weight for part in parts] == [weight for _, weight in expected], prompt
        for part, (text, _) in zip(parts, expected, strict=True):
            texts = [part.at(step) for step in range(1, steps + 1)]
            assert texts == texts_of_steps(text, steps), prompt
            changing += len(set(texts)) > 1
        composed += len(parts) > 1
    assert changing > 500 and composed > 500


def test_constructs_are_counted():
    assert count_constructs("[a:[b:c:2]:5] AND [d|[e|f]] [g]") == (2, 2)
    assert count_constructs("[a:b:5] c|d") == (0, 0)


def test_what_is_too_much_is_refused():
    with pytest.raises(UserError, match="joins 33 texts by AND; valid are up to 32"):
        composed_prompt("猫 AND " * limits.PROMPT_PARTS + "狗", 10)
    with pytest.raises(UserError, match="gives '狗' the weight inf; valid are up to 10000"):
        composed_prompt("猫 AND 狗:" + "9" * 400, 10)
    with pytest.raises(UserError, match="more than 64 brackets"):
        prompt_schedule("[a:" * 65, 10)
    changing = "".join(f"[好:{step}]" for step in range(100))
    with pytest.raises(UserError, match="has 50000 characters and changes 100 times over 100 steps"):
        prompt_schedule(changing.ljust(50_000, "好"), 100)
