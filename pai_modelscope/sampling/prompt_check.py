"""What a model makes of a prompt, before anything is drawn."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pai_modelscope.families import ModelFamily
from pai_modelscope.prompting.concepts import CONCEPTS
from pai_modelscope.prompting.learned_words import LearnedWords, pieces
from pai_modelscope.prompting.poem import PhraseVectors, word_for
from pai_modelscope.prompting.verse import read_verse
from pai_modelscope.text.placeholders import mentioned_tokens
from pai_modelscope.text.prompt_schedule import composed_prompt
from pai_modelscope.text.prompt_tags import split_loras
from pai_modelscope.text.unknown_characters import unknown_characters
from pai_modelscope.text.weights import plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STEPS = 20  # a prompt that changes over the steps is looked at as it is drawn in so many
_STRETCH = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]+|[A-Za-z][A-Za-z0-9'-]+")
# Grammar and counting, which every caption has around its words.
GRAMMAR = frozenset("的了着过地得和与及在里上下中边有是一二两三四五几个只条张幅座棵朵片位头匹群把本对双轮") | {
    number + measure for number in "一两三四几" for measure in "个只条张幅座棵朵片位头匹群把本对双轮"
}
_NEAREST, _NEAR = 3, 0.6  # of the shipped model's tower: wrong words lie below as a rule


@dataclass(frozen=True)
class UnlearnedWord:
    """A stretch of a prompt that the model never learned, and the words nearest to it that it did, the nearest first;
    none where its text tower can't compare words."""

    text: str
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptCheck:
    """What a model makes of a prompt.

    `chunks`: what is read together, in order; a program that cuts prompts off reads the first alone. `unknown`:
    characters that the vocabulary lacks. `learned`, `unlearned`, `read_past`: words that the model knows, that it does
    not, and that show nothing; of a model without a list of its words, all are in `learned`. `words`: all but those
    that show nothing, in the prompt's order.
    """

    prompt: str
    chunks: tuple[str, ...]
    unknown: tuple[str, ...]
    words: tuple[str, ...]
    learned: tuple[str, ...]
    unlearned: tuple[UnlearnedWord, ...]
    read_past: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.unknown or self.unlearned or self.read_past or len(self.chunks) > 1)

    def report(self) -> str:
        """One line a finding."""
        lines = [f"unknown character: {character}" for character in self.unknown]
        for word in self.unlearned:
            near = f"; the nearest words that it knows: {'、'.join(word.nearest)}" if word.nearest else ""
            lines.append(f"never learned: {word.text}{near}")
        if self.read_past:
            lines.append(f"read past, shows nothing: {'、'.join(self.read_past)}")
        if len(self.chunks) > 1:
            lines.append(
                f"{len(self.chunks)} chunks; a program that cuts prompts off drops: {''.join(self.chunks[1:])}"
            )
        if self.learned:
            lines.append(f"known: {'、'.join(self.learned)}")
        return "\n".join(lines)


class WordFinder:
    """The words that a model knows: a text is cut into them, and words that it does not know are compared with them."""

    def __init__(self, learned: LearnedWords | None, vectors: PhraseVectors | None):
        """`learned`: None for a model that does not say what it has learned; nothing is unlearned then."""
        self.learned, self.vectors = learned, vectors
        self._concepts: dict[str, tuple[str, ...]] = {
            word: names for word, names in read_verse().shows.items() if names and len(word) > 1
        }
        self._concepts |= {word: (concept.name,) for concept in CONCEPTS.values() for word in concept.words}
        self.shown = frozenset(self._concepts) if learned is None else learned.shown
        self.read_past = frozenset() if learned is None else frozenset(learned.read_past) - learned.shown
        # Words that the model does not know are words, too: 骏马 is not 骏 and 马.
        self._all = self.shown | self.read_past | GRAMMAR | self._concepts.keys()

    def cut(self, text: str) -> list[str]:
        """The words of a stretch; what is no word takes in the single characters beside it."""
        words: list[tuple[str, bool]] = []
        for word, known in pieces(text, self._all):
            loose = not known or (len(word) == 1 and word not in GRAMMAR)
            if words and loose and words[-1][1] and not (known and words[-1][0] in self._all):
                words[-1] = (words[-1][0] + word, True)
            else:
                words.append((word, loose))
        return [word for word, _ in words]

    def knows(self, word: str) -> bool:
        return self.learned is None or word in self.learned

    def nearest(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """Of each word, those that the model knows and that mean the same or are nearest, at most three."""
        same = [
            [known for name in self._concepts.get(word, ()) if self.knows(known := word_for(name, self.learned))]
            for word in words
        ]
        near: list[list[str]] = [[] for _ in words]
        if self.vectors is not None and words:
            nearness = self.vectors(words) @ self._matrix.T
            best = np.argsort(-nearness, axis=1, kind="stable")[:, :_NEAREST]
            near = [
                [self._candidates[i] for i in places if row[i] >= _NEAR]
                for places, row in zip(best, nearness, strict=True)
            ]
        return [tuple(dict.fromkeys([*a, *b]))[:_NEAREST] for a, b in zip(same, near, strict=True)]

    @cached_property
    def _candidates(self) -> list[str]:
        return sorted(self.shown)

    @cached_property
    def _matrix(self) -> np.ndarray:
        assert self.vectors is not None
        return self.vectors(self._candidates)


def check_prompt(
    prompt: str, family: ModelFamily, tokenizer: "PreTrainedTokenizerBase", finder: WordFinder
) -> PromptCheck:
    """See `Sampler.check_prompt`."""
    parts = composed_prompt(split_loras(prompt)[0], _STEPS)
    texts = list(dict.fromkeys(text for part in parts for _, text in part.texts))
    chunks: list[str] = []
    for text in texts:
        ids = [ids for ids, _ in family.tokenize(tokenizer, text).chunks]
        if len(ids) > len(chunks):
            chunks = [tokenizer.decode(list(chunk)).replace(" ", "") for chunk in ids]
    unknown = dict.fromkeys(character for text in texts for character in unknown_characters(tokenizer, text))
    found: dict[str, bool] = {}
    for text in texts:
        plain = plain_text(text)
        for token in mentioned_tokens(tokenizer, plain):  # a word of an embedding is known by its file
            found[token] = True
            plain = plain.replace(token, " ")
        for stretch in _STRETCH.findall(plain):
            for word in finder.cut(stretch):
                found.setdefault(word, finder.knows(word))
    words = {word: known for word, known in found.items() if word not in GRAMMAR and word not in finder.read_past}
    unlearned = [word for word, known in words.items() if not known]
    return PromptCheck(
        prompt=prompt,
        chunks=tuple(chunks),
        unknown=tuple(unknown),
        words=tuple(words),
        learned=tuple(word for word, known in words.items() if known),
        unlearned=tuple(
            UnlearnedWord(word, near) for word, near in zip(unlearned, finder.nearest(unlearned), strict=True)
        ),
        read_past=tuple(word for word in found if word in finder.read_past and word not in GRAMMAR),
    )
