"""The table of the words of verse, `assets/prompting/verse.yaml`, as it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from pai_modelscope.prompting.simplified import simplified

_FILE = Path(__file__).parents[1] / "assets/prompting/verse.yaml"


@dataclass(frozen=True)
class Verse:
    """`shows`: the concepts of each word, none for a word without a picture. The others are words, too, that say of
    what stands near them that it is not there; the file says how."""

    shows: Mapping[str, tuple[str, ...]]
    absent_before: frozenset[str]
    absent_after: frozenset[str]
    unreal_after: frozenset[str]
    unreal: frozenset[str]


@cache
def read_verse() -> Verse:
    """Read the table; done once."""
    tables = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    marks = {
        name: frozenset(tables[name].split()) for name in ("absent_before", "absent_after", "unreal_after", "unreal")
    }
    plain = "".join(tables["plain"].split())
    shows: dict[str, list[str]] = {word: [] for word in (*tables["hollow"].split(), *plain)}
    shows |= {word: [] for words in marks.values() for word in words}
    for name, words in tables["shows"].items():
        for word in simplified(words).split():  # of rare characters, OpenCC has forms of its own
            shows.setdefault(word, []).append(name)
    return Verse({word: tuple(names) for word, names in shows.items()}, **marks)
