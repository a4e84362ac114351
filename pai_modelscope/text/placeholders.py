"""Embeddings' words in a text: found as the WebUI finds them, and written out as the tokenizer wants them.

An embedding of several vectors is several tokens: `<小奶猫>` stands for `<小奶猫> <小奶猫>_1 ...`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import shorten, visible

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ASCII_WORD = re.compile(r"[A-Za-z0-9_]")
_NUMBER = re.compile(r"_[0-9]+\Z")


def expand(tokenizer: "PreTrainedTokenizerBase", text: str) -> str:
    """Follow each embedding's token in `text` by its others, as diffusers' `maybe_convert_prompt` does.

    Unlike it, expanding twice is the same as once, and a token inside another token is left alone. A Latin word is
    set apart by spaces, so that the tokenizer finds it beside Chinese characters, and written as the embedding is
    called, for case does not matter.

    Raises:
        UserError: with all vectors the text has more than `limits.PROMPT_CHARACTERS`.
    """
    return expand_all(tokenizer, [text])[0]


def expand_all(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[str]:
    """Expand several texts, as `expand` does one."""
    words = _words(tokenizer)
    return [_expand(words, text) for text in texts] if words else list(texts)


def _expand(words: dict[str, list[str]], text: str) -> str:
    text, made, size, end = visible(text), list[str](), 0, 0
    for start, stop, token in _occurrences(text, words):
        full = " ".join([token, *words[token]])
        if single_word(token):
            before = " " if start and not text[start - 1].isspace() else ""
            after = " " if stop < len(text) and not text[stop].isspace() else ""
            full = before + full + after
        made += [text[end:start], full]
        size, end = size + start - end + len(full), stop
        if size > limits.PROMPT_CHARACTERS:
            raise UserError(
                f"The text {shorten(text)!r} has more than {limits.PROMPT_CHARACTERS} characters once all vectors of "
                f"{token!r} are written out: say the word less often."
            )
    return "".join([*made, text[end:]])


def mentioned_tokens(tokenizer: "PreTrainedTokenizerBase", text: str) -> set[str]:
    """Find the embeddings' tokens that stand in a text, by the names of their first vectors."""
    return {token for _, _, token in _occurrences(visible(text), _words(tokenizer))}


def vector_names(tokenizer: "PreTrainedTokenizerBase", token: str) -> list[str]:
    """List the tokens of all vectors of an embedding's word; none where the tokenizer has not learned it."""
    added = tokenizer.added_tokens_encoder
    return [token, *_others(token, added)] if token in added else []


def single_word(token: str) -> bool:
    """Whether a token begins or ends as a Latin word, which must not be found inside other words as `<...>` may."""
    return not token.startswith("<") and bool(_ASCII_WORD.match(token) or _ASCII_WORD.match(token[-1:]))


def _words(tokenizer: "PreTrainedTokenizerBase") -> dict[str, list[str]]:
    """Each token that was added to the tokenizer's own, and the tokens of its other vectors; the longest first."""
    added, special = tokenizer.added_tokens_encoder, set(tokenizer.all_special_tokens)
    return {token: _others(token, added) for token in sorted(added, key=len, reverse=True) if token not in special}


def _occurrences(text: str, words: dict[str, list[str]]) -> Iterator[tuple[int, int, str]]:
    """Where tokens stand: start, end with the others where they follow already, and the token as it was added."""
    if not words:
        return
    by_case = {token.casefold(): token for token in reversed(words)} | {token: token for token in words}
    further = {name for others in words.values() for name in others}
    # The tokenizer takes the longest token that begins at a place, and so do alternatives in this order. Further
    # vectors are no alternatives of their own: a word may have a thousand.
    pattern = re.compile("|".join(_pattern(token) for token in words if token not in further), re.IGNORECASE)
    place = 0
    while match := pattern.search(text, place):
        number = _NUMBER.search(match[0])
        ends = [match.end()] if number is None else [match.end(), match.start() + number.start()]
        place = match.end()
        for end in ends:
            word = text[match.start() : end]
            token = by_case.get(word, by_case.get(word.casefold()))
            if token and not (end < match.end() and single_word(token)):  # inkcat_7 is another word
                others = words[token]
                place = rest.end() if others and (rest := _rest(tuple(others)).match(text, end)) else end
                yield match.start(), place, token
                break


def _pattern(token: str) -> str:
    """A token, maybe with the number of a further vector.

    One that begins or ends as a Latin word does so at no ASCII letter, digit or `_`.
    """
    alone = single_word(token)
    before = r"(?<![A-Za-z0-9_])" if alone and _ASCII_WORD.match(token) else ""
    after = r"(?![A-Za-z0-9_])" if alone and _ASCII_WORD.match(token[-1]) else ""
    return f"{before}{re.escape(token)}(?:_[0-9]++)?{after}"


def _rest(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("".join(rf"\s+{re.escape(name)}" for name in names), re.IGNORECASE)


def _others(token: str, added: dict[str, int]) -> list[str]:
    names: list[str] = []
    while (name := f"{token}_{len(names) + 1}") in added:
        names.append(name)
    return names
