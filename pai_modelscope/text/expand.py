"""Embeddings of several vectors are several tokens: `<小奶猫>` stands for `<小奶猫> <小奶猫>_1 ...`."""

import re
from typing import Any


def expand(tokenizer: Any, text: str) -> str:
    """`text` with each embedding's token followed by its others, as diffusers' `maybe_convert_prompt` does.

    Unlike it, expanding twice is the same as once, and a token inside another token is left alone.
    """
    added = tokenizer.added_tokens_encoder
    others = {token: _others(token, added) for token in sorted(added, key=len, reverse=True)}
    if not any(others.values()):
        return text
    # The tokenizer takes the longest token that begins at a place, and so do alternatives in this order.
    pattern = "|".join(_pattern(token, rest) for token, rest in others.items())
    return re.sub(pattern, lambda match: _full(match[0].split()[0], others), text)


def single_word(token: str) -> bool:
    """Whether a token is a bare Latin word, which must not be found inside other words as `<...>` may."""
    return re.fullmatch(r"[A-Za-z0-9_]+", token) is not None


def _pattern(token: str, rest: list[str]) -> str:
    """The token, with its others where they follow already."""
    found = re.escape(token) + ("(?:" + "".join(rf"\s+{re.escape(name)}" for name in rest) + ")?" if rest else "")
    return rf"(?<!\w){found}(?!\w)" if single_word(token) else found


def _full(token: str, others: dict[str, list[str]]) -> str:
    return " ".join([token, *others[token]])


def _others(token: str, added: dict[str, int]) -> list[str]:
    names: list[str] = []
    while (name := f"{token}_{len(names) + 1}") in added:
        names.append(name)
    return names
