"""The texts that judge version 2: their counts, keys and closed lists, and that no text occurs twice."""

import json
import re
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from pai_modelscope import model_dir
from recipes.landscapes.facts import SEASONS, TIMES, WEATHERS
from recipes.landscapes.styles import STYLES

FOLDER = Path(__file__).parents[2] / "recipes/mini_v2/texts"
COUNTS = {
    "prompts64": 64,
    "article_prompts": 1,
    "paraphrases": 200,
    "poem_lines": 300,
    "ambiguous": 300,
}
CLOSED = {
    key: set(values) for key, values in json.loads((FOLDER / "closed_lists.json").read_text(encoding="utf-8")).items()
}
SINGLE = ("style", "time", "season", "weather", "place")  # the keys that hold one value, not a list


def rows(name):
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def facts(row):
    """All pairs of a kind and a value that a row states."""
    single = [(key, row[key]) for key in SINGLE if key in row]
    return single + [("things", thing) for thing in row.get("things", [])]


def letters(text):
    """The text without spaces and punctuation, by which two texts are compared."""
    return re.sub(r"\W", "", text)


def test_the_closed_lists_are_those_of_the_painter():
    assert {key: CLOSED[key] for key in ("style", "time", "season", "weather")} == {
        "style": set(STYLES),
        "time": set(TIMES),
        "season": set(SEASONS),
        "weather": set(WEATHERS),
    }


def test_each_file_has_its_count_of_lines():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(COUNTS)
    assert {name: len(rows(name)) for name in COUNTS} == COUNTS


def test_no_text_occurs_twice_within_or_between_files():
    texts = Counter(letters(row.get("text") or row["prompt"]) for row in chain(*map(rows, COUNTS)))
    assert [text for text, count in texts.items() if count > 1 or not text] == []


def test_the_card_shows_all_prompts_in_their_order():
    card = (model_dir("pai-diffusion-mini-zh") / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\d+\. (.+)$", card, re.MULTILINE) == [row["prompt"] for row in rows("prompts64")]


@pytest.mark.parametrize("name", ["prompts64", "article_prompts"])
def test_a_prompt_has_three_to_five_different_facts(name):
    prompts = rows(name)
    assert len({row["id"] for row in prompts}) == len(prompts)
    for row in prompts:
        assert set(row) == {"id", "prompt", "facts"}
        assert 3 <= len(set(row["facts"])) == len(row["facts"]) <= 5, row


def test_the_prompts_cover_what_the_model_paints():
    prompts = rows("prompts64")
    kinds = Counter(row["id"].rpartition("-")[0] for row in prompts)
    assert kinds == {
        "landscape": 28,
        "poem": 8,
        "portrait": 6,
        "object": 8,
        "relation": 6,
        "surreal": 4,
        "dish": 4,
    }
    assert prompts[0]["prompt"] == "雾蒙蒙的日出在湖面上"
    words = "".join(chain.from_iterable(row["facts"] for row in prompts))
    styles = {name: name.removesuffix("风景") for name in STYLES}
    assert [name for name, word in styles.items() if f"{word}风格" not in words] == []


@pytest.mark.parametrize(
    ("name", "required"), [("paraphrases", {"text"}), ("poem_lines", {"text", "author", "title", "mood"})]
)
def test_facts_are_from_the_closed_lists(name, required):
    for row in rows(name):
        assert required <= set(row) <= required | set(CLOSED) and set(row) & set(CLOSED), row
        assert [key for key in required if not row[key]] == []
        assert all(row[key] in CLOSED[key] for key in SINGLE if key in row), row
        things = row.get("things", [])
        assert ("things" in row) == bool(things) and len(set(things)) == len(things), row
        assert set(things) <= CLOSED["things"], row


def test_paraphrases_state_every_fact_and_half_are_sentences():
    paraphrases = rows("paraphrases")
    counts = Counter(chain.from_iterable(map(facts, paraphrases)))
    listed = [(key, value) for key, values in CLOSED.items() for value in values]
    assert [pair for pair in listed if counts[pair] < 3] == []
    assert max(counts.values()) <= 10
    assert sum(row["text"].endswith("。") for row in paraphrases) == 100


def test_a_poem_line_names_two_things_to_paint():
    for row in rows("poem_lines"):
        assert len(row.get("things", [])) + ("place" in row) + ("weather" in row) >= 2, row
        assert "style" not in row
        assert re.fullmatch(r"[\u4e00-\u9fff]+(，[\u4e00-\u9fff]+)+", row["text"]), row


def test_ambiguous_texts_are_short_and_of_the_four_domains():
    ambiguous = rows("ambiguous")
    assert all(set(row) == {"text", "domain"} and len(row["text"]) <= 10 for row in ambiguous)
    counts = Counter(row["domain"] for row in ambiguous)
    assert set(counts) == {"icon", "scene", "portrait", "dish"} and min(counts.values()) >= 45
    domains = {row["text"]: row["domain"] for row in ambiguous}
    assert {text: domains[text] for text in ("日出", "灯塔", "湖上的日出", "水墨画的松树", "夜晚的灯塔")} == {
        "日出": "icon",
        "灯塔": "icon",
        "湖上的日出": "scene",
        "水墨画的松树": "scene",
        "夜晚的灯塔": "scene",
    }
