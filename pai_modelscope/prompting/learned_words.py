"""The words that a model has learned, which its folder may list in `vocabulary.json`.

    {"words": ["日出", ...], "styles": ["扁平插画风格", ...], "scene_styles": ["水墨画", ...],
     "backgrounds": ["浅蓝色", ...], "read_past": ["画面里有", ...]}

Every list may be missing. `words`: names of what it draws, of times, seasons and weathers; `styles`: of pictures of
things, `scene_styles`: of pictures of places; `backgrounds`: colours that '浅蓝色背景' may name; `read_past`: words
that its captions had around their subject and that show nothing.
"""

import dataclasses
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.files import write_text
from pai_modelscope.untrusted import read_json

FILE = "vocabulary.json"


@dataclass(frozen=True)
class LearnedWords:
    """What `vocabulary.json` lists."""

    words: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    scene_styles: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    read_past: tuple[str, ...] = ()

    @cached_property
    def shown(self) -> frozenset[str]:
        """All words that show something."""
        grounds = (f"{colour}{end}" for colour in self.backgrounds for end in ("背景", ""))
        return frozenset((*self.words, *self.styles, *self.scene_styles, *grounds))

    def __contains__(self, word: str) -> bool:
        return word in self.shown


def read_learned_words(folder: Path) -> LearnedWords | None:
    """What a model folder lists; None where it has no list.

    Raises:
        UserError: a file that is no such list, or more than `limits.VOCABULARY_BYTES`.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    value = read_json(file, limits.VOCABULARY_BYTES)
    names = [field.name for field in dataclasses.fields(LearnedWords)]
    if not isinstance(value, dict) or not all(
        isinstance(words, list) and all(isinstance(word, str) and word for word in words)
        for words in (value.get(name, []) for name in names)
    ):
        raise UserError(f"{file} is no list of learned words: give an object with lists of words, {', '.join(names)}.")
    lists = {name: tuple(str(word) for word in _list(value.get(name))) for name in names}
    return LearnedWords(**lists)


def write_learned_words(folder: Path, learned: LearnedWords) -> Path:
    """Write a model folder's list, one list a line; empty lists are left out."""
    lists = {name: words for name, words in dataclasses.asdict(learned).items() if words}
    lines = [f"{json.dumps(name)}: {json.dumps(words, ensure_ascii=False)}" for name, words in lists.items()]
    file = folder / FILE
    write_text(file, "{\n" + ",\n".join(lines) + "\n}\n")
    return file


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def pieces(
    text: str, words: Container[str], breaks: Container[int] = (), longest: int = 12
) -> Iterator[tuple[str, bool]]:
    """Cut a text into known words, as few as can be, and the stretches between them; whether each is known.

    A cut that leaves fewer characters unknown is better, then one of fewer words, then one whose words run over fewer
    of the places in `breaks`, then one whose first words are longer.
    """
    best: list[tuple[int, int, int, int, bool]] = [(0, 0, 0, 0, True)]  # unknown, words, run over, -start, known
    for end in range(1, len(text) + 1):
        unknown, count, over, _, known = best[end - 1]
        options = [(unknown + 1, count + known, over, 1 - end, False)]
        for start in range(max(0, end - longest), end):
            if text[start:end] in words:
                unknown, count, over, _, _ = best[start]
                over += sum(place in breaks for place in range(start + 1, end))
                options.append((unknown, count + 1, over, -start, True))
        best.append(min(options, key=lambda option: option[:4]))
    cuts: list[tuple[int, int, bool]] = []
    end = len(text)
    while end:
        *_, start, known = best[end]
        if cuts and not known and not cuts[-1][2]:
            cuts[-1] = (-start, cuts[-1][1], False)
        else:
            cuts.append((-start, end, known))
        end = -start
    for start, end, known in reversed(cuts):
        yield text[start:end], known
