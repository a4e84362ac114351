"""The words that version 1 learned, as `vocabulary.json` in its folder: what its prompt check and beautifier go by.

    python -m recipes.mini.vocabulary --out FOLDER

Names, other names and keywords of the shipped pictures that the UNet was trained on, in whatever style; what captions
say around them. Food and the held-out concepts are not among them.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pai_modelscope.data import shipped_records
from pai_modelscope.data.shipped import Record as ShippedRecord
from pai_modelscope.images.colors import NAMED_COLOURS
from pai_modelscope.prompting.learned_words import LearnedWords, write_learned_words
from recipes.mini import captions
from recipes.mini.dataset.sources import SOURCES

_TRAINED = ("train", "held_pair")  # a held-out pair's name was seen in other styles
_HELD_STYLE = "streamline-emojis"
_NOT_WORDS = re.compile(r"\{\w*\}|[^\u4e00-\u9fff]+")


def learned_words() -> LearnedWords:
    """The lists, each in the order of its source."""
    records = [record for record in shipped_records() if record["base"] and record["split"] in _TRAINED]
    return LearnedWords(
        words=names(records),
        styles=distinct(source.style for source in SOURCES if source.base and source.name != _HELD_STYLE),
        backgrounds=tuple(NAMED_COLOURS),
        read_past=read_past(captions.MODIFIERS, captions.PLACES),
    )


def names(records: Iterable[captions.Record | ShippedRecord]) -> tuple[str, ...]:
    """Names, other names and keywords of drawings."""
    return distinct(
        captions.clean(word) for record in records for word in (record["name"], *record["aliases"], *record["keywords"])
    )


def read_past(modifiers: Sequence[str], places: Sequence[str]) -> tuple[str, ...]:
    """What captions of icons say around their subject; its modifiers and places among it."""
    around = (*captions.OPENINGS, *captions.ASKING, *captions.FRAMES, *captions.STYLED, *captions.GROUNDS)
    parts = (part for text in (*around, *captions.PAIRS, *captions.QUALITIES) for part in _NOT_WORDS.split(text))
    return distinct((*modifiers, *places, *parts))


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """The words that are none but Chinese characters, each once."""
    return tuple(dict.fromkeys(word for word in words if word and not _NOT_WORDS.search(word)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini.vocabulary")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_learned_words(args.out, learned_words())


if __name__ == "__main__":
    main()
