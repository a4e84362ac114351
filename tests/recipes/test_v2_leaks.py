"""No text that judges version 2 is a caption of its training: the texts of recipes/mini_v2/texts, bare nouns aside."""

import json
import lzma
import re
from pathlib import Path
from random import Random

import pytest

from recipes.collections.portrait_captions import captions as portrait_captions
from recipes.collections.portrait_styles import STYLES
from recipes.collections.portraits import draft
from recipes.compositions.nouns import NOUNS
from recipes.landscapes.captions.lexicon import WORDS
from recipes.mini_v2.domains import COLLECTIONS, DOMAINS, ICONS

FOLDER = Path(__file__).parents[2] / "recipes/mini_v2/texts"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M4 0L8 8L0 7Z" fill="#c33"/></svg>'
SMALL = {"compositions": (96, 96)}  # a composition needs room
MEASURES = "只条头匹个把张棵朵座辆艘盘碗份盏件架本颗支"
QUICK = {"landscapes": 30, "dishes": 30, "compositions": 50, "portraits": 60}


def letters(text: str) -> str:
    return re.sub(r"\W", "", text)


def texts() -> dict[str, str]:
    """By its letters, each text and where it stands; without bare nouns, which pictures are named by."""
    kept = {}
    for path in FOLDER.glob("*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            text = row.get("text") or row["prompt"]
            bare = path.stem == "ambiguous" and row["domain"] in ("icon", "dish") and not says_more(text)
            if not bare:
                kept[letters(text)] = path.stem
    return kept


def says_more(text: str) -> bool:
    """Whether a short text is no bare noun: it holds a number, a colour, a ground."""
    return bool(re.match(f"[一两三四][{MEASURES}]", text)) or "的" in text or "底" in text


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A recipe folder with all names that compositions know, things, and drafted portraits, all of one shape."""
    folder, chance = tmp_path_factory.mktemp("leaks"), Random(0)
    words = [*NOUNS, *(noun for word in WORDS.values() for noun in word.nouns), "婴儿", "日出", "笑脸"]
    common = {"svg": SVG, "aliases": [], "keywords": ["东西"]}
    icon = {**common, "style": "扁平插画风格", "source": "twemoji", "split": "train", "base": True, "food_test": False}
    icons = [{**icon, "name": name, "id": f"icon/{name}"} for name in dict.fromkeys(words)]
    thing = {**common, "style": "剪贴画风格", "source": "openclipart", "captions": [], "bare": True}
    things = [{**thing, "name": name, "id": f"thing/{name}"} for name in NOUNS]
    for number in range(200):
        style = STYLES[number % len(STYLES)]
        person = draft(style, chance)
        attributes = {"person": person.person} | {one.attribute: one.phrase for one in person.chosen if one.phrase}
        written = portrait_captions(attributes, style.phrase, chance)
        things.append({**thing, "name": "人像", "id": f"portrait/{number}", "captions": written})
    for name, records in ((ICONS, icons), (COLLECTIONS, things)):
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / name).write_bytes(lzma.compress(lines.encode(), preset=0))
    return folder


def leaks(work: Path, domain: str, seeds: int) -> dict[str, str]:
    judged, found = texts(), {}
    for seed in range(seeds):
        for text in DOMAINS[domain](work, seed, SMALL.get(domain, (48, 48))).captions.values():
            if letters(text) in judged:
                found[text] = judged[letters(text)]
    return found


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_no_text_of_the_evaluation_is_a_caption(work, domain):
    assert leaks(work, domain, QUICK.get(domain, 300)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("domain", list(QUICK))
def test_no_text_of_the_evaluation_is_among_the_captions_of_300_seeds(work, domain):
    assert leaks(work, domain, 300) == {}


def test_what_counts_as_a_bare_noun():
    kept = texts()
    assert letters("一把椅子") in kept and letters("一盘饺子") in kept and letters("湖上的日出") in kept
    assert "日出" not in kept and "红烧肉" not in kept and len(kept) > 700
