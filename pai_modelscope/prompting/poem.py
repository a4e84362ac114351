"""A poem to a prompt: what its words show, by the table of `verse.py`, else by the nearest words that a tower knows.

read_poem("空山新雨后,天气晚来秋").prompt()  # '山,秋天,傍晚,雨后,水墨画'
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from pai_modelscope.errors import UserError
from pai_modelscope.prompting.concepts import BROADER, CONCEPTS, KINDS
from pai_modelscope.prompting.learned_words import LearnedWords, pieces
from pai_modelscope.prompting.simplified import simplified
from pai_modelscope.prompting.verse import read_verse
from pai_modelscope.text.characters import check_text, visible

PhraseVectors = Callable[[Sequence[str]], np.ndarray]
"""Vectors (n, D) of length 1 for n phrases, whose cosines say how near two are; 0 for one that can't be read."""

# How near to a concept's word a tower must put words that the table lacks. Of words that were tried on the shipped
# model's tower, 航船, 彩蝶, 孤灯, 轻舟 and 扁舟 lie at 0.80 to 0.88 beside the right concept, most wrong
# ones below 0.75.
NEAR = 0.8
STYLES = ("水墨画", "青绿山水", "水彩画")  # of a prompt from a poem: the first that the model knows
_CLAUSES = re.compile(r"[^\u3400-\u9fff\U00020000-\U0003ffff]+")  # simplified forms may be of the later planes
_CAESURAS = {5: (2,), 7: (2, 4)}  # where a line of so many characters pauses
_REACH = 3  # characters between a negation and what it denies
# Where both are named, the prompt says the first alone.
_WITHIN = {
    "群山": ("远山", "石头"),
    "雪山": ("远山",),
    "竹林": ("竹子",),
    "荷塘": ("池塘",),
    "花海": ("花树",),
    "雨后": ("雨",),
    "弯月": ("明月",),
    "小桥流水": ("小桥", "溪流", "河"),
}
Way = Literal["table", "tower", "absent", "plain", "unread"]


@dataclass(frozen=True)
class PoemWord:
    """A word of a poem, and the concepts that it shows.

    `way`: how it was read. 'table' and 'tower' show `concepts`; 'absent': what it names is denied, compared with,
    dreamt of or gone; 'plain': it has no picture; 'unread': nothing is known of it.
    """

    text: str
    way: Way
    concepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoemReading:
    """A poem in simplified characters, and what each of its words was read as. The words make up all its characters,
    but for punctuation."""

    poem: str
    words: tuple[PoemWord, ...]

    @property
    def concepts(self) -> tuple[str, ...]:
        """The names of what the poem shows, in its order."""
        return tuple(
            dict.fromkeys(name for word in self.words if word.way in ("table", "tower") for name in word.concepts)
        )

    def of_way(self, way: Way) -> tuple[str, ...]:
        """The words that were read in this way, each once."""
        if way not in get_args(Way):
            raise ValueError(way)
        return tuple(dict.fromkeys(word.text for word in self.words if word.way == way))

    def prompt(self, learned: LearnedWords | None = None, style: str | None = None) -> str:
        """Words between commas, in the order of `KINDS`, then a style; empty where the poem shows nothing.

        Args:
            learned: of several words for a concept, the first of these is taken; a mood or a style is left out where
                none is.
            style: None for the first of `STYLES` that is known.
        """
        hidden = {name for whole in self.concepts for name in _WITHIN.get(whole, ())}
        names = sorted(
            (name for name in self.concepts if name not in hidden), key=lambda name: KINDS.index(CONCEPTS[name].kind)
        )
        words = [word for name in names if (word := word_for(name, learned))]
        if not words:
            return ""
        if style is None:
            style = next((name for name in STYLES if learned is None or name in learned), "")
        return ",".join(dict.fromkeys((*words, *((style,) if style else ()))))

    def report(self) -> str:
        """One line a word that shows something, and a line each for what is not there and what was not understood."""
        lines = [
            f"{word.text}: {'、'.join(word.concepts)}" + (" (by the text tower)" if word.way == "tower" else "")
            for word in dict.fromkeys(self.words)
            if word.concepts and word.way in ("table", "tower")
        ]
        for way, label in _LABELS.items():
            if texts := self.of_way(way):
                lines.append(f"{label}: {'、'.join(texts)}")
        return "\n".join(lines)


_LABELS: dict[Way, str] = {
    "absent": "named, but not there",
    "plain": "without a picture",
    "unread": "not understood",
}


def read_poem(poem: str, vectors: PhraseVectors | None = None) -> PoemReading:
    """What each word of a poem shows. Traditional characters are read as simplified ones.

    Args:
        poem: lines of verse, with or without punctuation.
        vectors: of a text tower, for words that the table lacks; None: such words are not understood.

    Raises:
        UserError: no Chinese text, half a character, more than `limits.PROMPT_CHARACTERS`.
    """
    text = simplified(visible(check_text(poem)))
    words = [word for clause in _CLAUSES.split(text) if clause for word in _read_clause(clause)]
    if not words:
        raise UserError("the poem holds no Chinese: give lines of verse, as in '空山新雨后,天气晚来秋'")
    return PoemReading(text, tuple(_by_tower(words, vectors) if vectors is not None else words))


def word_for(name: str, learned: LearnedWords | None) -> str:
    """What a prompt says for a concept: the first of its words that the model knows, else of what it is a kind of, else
    the plainest. A mood that the model does not know is ''."""
    concept = CONCEPTS[name]
    if learned is None:
        return concept.words[0]
    broader = CONCEPTS[BROADER[name]].words if name in BROADER else ()
    known = next((word for word in (*concept.words, *broader) if word in learned), None)
    return known or ("" if concept.kind == "mood" else concept.words[0])


def _read_clause(clause: str) -> list[PoemWord]:
    """The words of a stretch without punctuation."""
    table, words = read_verse().shows, []
    for text, known in pieces(clause, table, _CAESURAS.get(len(clause), ())):
        known = known or (len(text) == 2 and text[0] == text[1])  # doubled for the sound of it
        names = table.get(text, ())
        words.append(PoemWord(text, "table" if names else "plain" if known else "unread", names))
    return _without_absent(words)


def _without_absent(words: list[PoemWord]) -> list[PoemWord]:
    """The words with those set apart that name what is not there."""
    verse = read_verse()
    absent: set[int] = set()
    if any(word.text in verse.unreal for word in words):
        absent.update(range(len(words)))
    for place, word in enumerate(words):
        if word.text in verse.unreal_after and not word.concepts:
            absent.update(range(place + 1, len(words)))
        if word.text in verse.absent_before and not word.concepts:
            absent |= _first_shown(words, range(place + 1, len(words)))
    last = words[-1]
    if last.text in verse.absent_after and not last.concepts:
        absent |= _first_shown(words, range(len(words) - 2, -1, -1))
    return [
        replace(word, way="absent") if place in absent and word.concepts else word for place, word in enumerate(words)
    ]


def _first_shown(words: Sequence[PoemWord], places: Iterable[int]) -> set[int]:
    """The place of the first word that shows something, if it is within reach."""
    distance = 0
    for place in places:
        if words[place].concepts:
            return {place} if distance <= _REACH else set()
        distance += len(words[place].text)
    return set()


def _by_tower(words: Sequence[PoemWord], vectors: PhraseVectors) -> list[PoemWord]:
    """The words with those that were not understood read as the nearest concept, where one is near."""
    unread = list(dict.fromkeys(word.text for word in words if word.way == "unread" and len(word.text) > 1))
    if not unread:
        return list(words)
    phrases = [
        (word, concept.name) for concept in CONCEPTS.values() if concept.kind != "style" for word in concept.words
    ]
    nearness = vectors(unread) @ vectors([word for word, _ in phrases]).T
    nearest = {
        text: phrases[int(row.argmax())][1] for text, row in zip(unread, nearness, strict=True) if row.max() >= NEAR
    }
    return [
        replace(word, way="tower", concepts=(nearest[word.text],)) if word.text in nearest else word for word in words
    ]


__all__ = ["NEAR", "STYLES", "PhraseVectors", "PoemReading", "PoemWord", "read_poem", "word_for"]
