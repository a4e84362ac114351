"""What prompts bring along: other programs' syntax, and characters that nobody sees."""

import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.text import parse_weights
from pai_modelscope.text.prompt_tags import split_loras
from pai_modelscope.text.syntax import ALTERNATION, AND, CHOICE, EDITING, WILDCARD, foreign_syntax
from tests.sampling.test_loras import lora_file
from tests.support.command_line import generate, names
from tests.support.command_line import pixels as file_pixels

QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 1}


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler.from_pretrained(model_dir("pai-diffusion-mini-zh"), device="cpu")


def drawn(sampler: Sampler, text: str, **options) -> np.ndarray:
    return np.asarray(sampler(text, **QUICK, **options)[0].image)


# Tags


@pytest.mark.parametrize(
    ("prompt", "text", "weights"),
    [
        ("猫<LORA:ink:0.5>", "猫", {"ink": 0.5}),
        ("猫 <lyco:ink:0.5>, <Lyco:poem>", "猫", {"ink": 0.5, "poem": 1.0}),
        ("<lora:ink_v1.5:0.5>猫", "猫", {"ink_v1.5": 0.5}),
        ("猫,<lora:my ink (v2):-1>,狗", "猫,狗", {"my ink (v2)": -1.0}),
        ("猫<lora:in\u200bk:0.5\ufeff>", "猫", {"ink": 0.5}),
        ("猫<lora>, <lora:>, <loras:a:1>", "猫<lora>, <lora:>, <loras:a:1>", {}),
    ],
)
def test_tags_of_all_spellings_are_read(prompt, text, weights):
    assert split_loras(prompt) == (text, weights)


def test_a_lora_is_found_by_the_name_that_its_file_has_and_the_picture_made_again(tmp_path: Path):
    for number, name in enumerate(("ink_v1.5", "my ink")):
        file, out = lora_file(tmp_path, name, 1), tmp_path / str(number)
        flags = ["--lora", file, "--steps", "1", "--size", "64", "--seed", "1"]
        assert generate(f"猫<lora:{name}:0.5>", *flags, "--output", out / "a") == 0
        assert generate("猫", "--lora", f"{file}=0.5", *flags[2:], "--output", out / "b") == 0
        first = out / "a" / names(out / "a")[0]
        assert generate("--like", first, "--output", out / "c") == 0
        for other in ("b", "c"):
            assert np.array_equal(file_pixels(first), file_pixels(out / other / names(out / other)[0]))


def test_a_lora_named_twice_by_two_spellings_is_refused():
    with pytest.raises(UserError, match="'ink' is named twice"):
        split_loras("猫<lora:ink:1><LYCO:ink:1>")


# Syntax that is drawn as text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[猫:狗:0.5] 猫|狗", {EDITING: 1}),
        ("[狗:0.5], [猫::10] ［猫：狗：０.５］ \\", {EDITING: 3}),
        ("[a:[b:c:0.2]:0.8] | AND [a:b:3]", {EDITING: 2}),
        ("[(猫:1.2:3):狗:.5]", {EDITING: 1}),
        ("[猫|狗|(鸟|鱼)]", {ALTERNATION: 1}),
        ("[猫|狗:3]", {ALTERNATION: 1}),
        ("{猫|狗} ｛猫｜狗｝", {CHOICE: 2}),
        ("猫AND狗,ＡＮＤ", {AND: 2}),
        ("__颜色__猫,__a/b-c*__", {WILDCARD: 2}),
        ("猫<hypernet:ink:0.5><HyperNet:b:1>", {"<hypernet:...>": 2}),
        ("[猫:狗:0.5] AND {a|b}", {CHOICE: 1}),
        ("[猫:狗:0.5] {a|b}", {EDITING: 1, CHOICE: 1}),
        ("[猫:狗:\u200b0.5] |", {EDITING: 1}),
    ],
)
def test_other_programs_syntax_is_found_and_counted(text, found):
    assert foreign_syntax(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "BRANDY",
        "[猫]",
        "(猫:1.3)",
        "时间:12",
        "[猫:好]",
        r"\[猫:狗:0.5\]",
        r"{猫\|狗}",
        "{猫}",
        "a|b",
        "(a|b)",
        "a__b",
        "<小奶猫>",
        "[[猫]:(狗:1.2)]",
        "<lora:a:1>",
        "____",
        "1 < 2 > 0",
        "【猫:狗:0.5】",
        "STAND",
        "[a:b:c:0.5]",
    ],
)
def test_plain_text_is_no_syntax(text):
    assert not foreign_syntax(text)
    assert not foreign_syntax(text, negative=True)


@pytest.mark.parametrize(
    "text",
    [
        "[猫:狗:0.5]",
        "[狗:0.5], [猫::10] ［猫：狗：０.５］",
        "[a:[b:c:0.2]:0.8]",
        "[(猫:1.2):狗:.5]",
        "[猫|狗|(鸟:1.1)]",
        "猫 AND 狗 AND 鸟",
        "[猫:狗:0.5] AND [a|b]",
        "[猫:狗:\u200b0.5]",
    ],
)
def test_what_is_drawn_is_not_warned_of(text):
    assert not foreign_syntax(text)


def test_a_negative_prompt_is_not_split():
    assert foreign_syntax("[猫:狗:0.5] AND 鸟", negative=True) == {AND: 1}


def test_one_warning_names_kinds_counts_and_texts(sampler):
    with pytest.warns(UserWarning) as caught:
        texts = ["猫", "[猫:狗:0.5]|[鸟:鱼:0.5] 猫AND狗", {"text": "猫AND狗"}]
        sampler(texts, negative_prompt="{a|b}", **QUICK)
    said = [str(each.message) for each in caught if "Syntax" in str(each.message)]
    assert len(said) == 1
    for part in (
        "prompt editing [a:b:0.5] 2 times (text 2)",
        "AND 2 times (texts 2, 3)",
        "a choice {a|b} 3 times (texts 1, 2, 3)",
        "write \\| for a bar",
        "AND joins texts in a prompt that is not negative",
    ):
        assert part in said[0]
    with pytest.warns(UserWarning, match=r"takes no LoRA: <LORA:ink:0.5> is read as text"):
        drawn(sampler, "猫", negative_prompt="丑<LORA:ink:0.5>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler(["[猫]在(雪地:1.3)", "[猫:狗:0.5]", "[猫|狗] AND 鸟 :1.2"], **QUICK)


def test_the_command_line_and_the_modelscope_pipeline_show_the_warning(tmp_path: Path, capsys):
    assert generate("[猫:狗:0.5]|", "--steps", "1", "--size", "64", "--output", tmp_path) == 0
    assert "warning: Syntax of other programs is drawn as plain text here: prompt editing" in capsys.readouterr().err
    from modelscope.pipelines import pipeline

    drawing = pipeline("text-to-image-synthesis", str(model_dir("pai-diffusion-mini-zh")))
    with pytest.warns(UserWarning, match="prompt editing .* once"):
        drawing({"text": "[猫:狗:0.5]|", **QUICK})


# Weights


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("熊\\猫", [("熊猫", 1)]),
        ("熊猫\\", [("熊猫", 1)]),
        ("\\熊(\\猫:1.3)", [("熊", 1), ("猫", 1.3)]),
        ("熊\\\\猫", [("熊\\猫", 1)]),
        ("(猫\\:1.3)", [("猫", 1.3)]),
        ("a\\nb", [("anb", 1)]),
        ("(猫:1.3\u200b)", [("猫", 1.3)]),
        ("(猫:\ufeff1\u200d.3\u2060)", [("猫", 1.3)]),
        ("熊\u200b猫BRE\u00adAK狗", [("熊猫", 1), ("BREAK", -1), ("狗", 1)]),
        ("猫 BREAK  狗", [("猫", 1), ("BREAK", -1), ("狗", 1)]),
        ("猫BREAK(狗:-1)", [("猫", 1), ("BREAK", -1), ("狗", -1)]),
        # The examples of the WebUI's documentation.
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("\\(literal\\]", [("(literal]", 1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                *(("a ", 1), ("house", 1.573), (" ", 1.1), ("on", 1), (" a ", 1.1), ("hill", 0.55)),
                *((", sun, ", 1.1), ("sky", 1.4641), (".", 1.1)),
            ],
        ),
    ],
)
def test_weights_are_read_as_in_the_webui(prompt, parts):
    got = parse_weights(prompt)
    assert [text for text, _ in got] == [text for text, _ in parts]
    assert [weight for _, weight in got] == pytest.approx([weight for _, weight in parts])


def by_character(prompt: str) -> list[tuple[str, float]]:
    """The grammar once more, character by character with the factor of each: (x), [x], (x:1.3), escapes."""
    letters: list[list] = []
    open_at: dict[str, list[int]] = {"(": [], "[": []}
    place = 0
    while place < len(prompt):
        character = prompt[place]
        following = prompt[place + 1 : place + 2]
        place += 1
        if character == "\\":
            if following and following in "()[]\\":
                letters.append([following, 1.0])
                place += 1
            continue
        if character in "([":
            open_at[character].append(len(letters))
            continue
        factor, end = {")": 1.1, "]": 1 / 1.1}.get(character), place
        if character == ":":
            end = prompt.find(")", place) + 1
            number = prompt[place : end - 1].strip() if end else ""
            digits = number.lstrip("+-") if number[:2] not in ("++", "--", "+-", "-+") else ""
            plain = digits.replace(".", "", 1)
            factor = float(number) if plain.isdigit() else None
        starts = open_at["[" if character == "]" else "("]
        if factor is None or not starts:
            letters.append([character, 1.0])
            continue
        for letter in letters[starts.pop() :]:
            letter[1] *= factor
        place = end
    for starts, factor in ((open_at["("], 1.1), (open_at["["], 1 / 1.1)):
        for start in starts:
            for letter in letters[start:]:
                letter[1] *= factor
    return [(letter, weight) for letter, weight in letters]


def test_weights_agree_with_a_second_reading_of_the_grammar():
    made = random.Random(0)
    pieces = ["(", ")", "[", "]", ":", "\\", "1", ".", "3", ":1.3)", ":0.5)", " ", "猫", "a", "(狗", "+", "-"]
    several = 0
    for _ in range(3000):
        prompt = "".join(made.choices(pieces, k=made.randint(1, 24)))
        got = [(character, weight) for text, weight in parse_weights(prompt) for character in text]
        assert got == by_character(prompt), prompt
        several += len({weight for _, weight in got}) > 1
    assert several > 1000


def test_weights_that_no_model_bears_are_refused(sampler):
    for prompt, message in (
        ("(猫:" + "9" * 400 + ")", "the weight inf; valid are up to 10000"),
        ("(猫:20000)", "the weight 20000"),
        ("(" * 65 + "猫", "more than 64 brackets"),
    ):
        with pytest.raises(UserError, match=message):
            drawn(sampler, prompt)
    assert parse_weights("(" * 64 + "猫")[0][1] == pytest.approx(1.1**64)
