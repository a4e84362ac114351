"""Syntax of other programs in a prompt: found and counted, because it is drawn as plain text here.

Prompt editing, alternation and AND are drawn as the WebUI does; they are found where the WebUI's grammar can't read
them, and AND in negative prompts, which it doesn't split.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pai_modelscope.text.characters import plain_forms, shorten, visible
from pai_modelscope.text.prompt_schedule import AND as JOINED
from pai_modelscope.text.prompt_schedule import count_constructs
from pai_modelscope.text.prompt_tags import lora_tags

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EDITING = "prompt editing [a:b:0.5]"
ALTERNATION = "alternation [a|b]"
AND = "AND"
CHOICE = "a choice {a|b}"
WILDCARD = "a wildcard __name__"

_SIGN = re.compile(r"\\.|[(\[{)\]}|:]", re.DOTALL)
_CLOSES = {")": "(", "]": "[", "}": "{"}
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*")
_AND = re.compile(r"(?<![A-Za-z0-9_])AND(?![A-Za-z0-9_])")
_TAG = re.compile(r"<([A-Za-z]\w{0,30}):[^<>]++>", re.ASCII)
_WILDCARD = re.compile(r"[\w*/.-]+")
_LONGEST_NUMBER = 32  # characters


def foreign_syntax(text: str, known: Sequence[str] = (), *, negative: bool = False) -> Counter[str]:
    """Count the syntax in a text that is drawn as plain text, by its kind.

    Brackets count as they nest, a backslash takes the meaning of the character after it, and full-width forms are
    read as the others. `known`: embeddings' words, which are no tags though they look it; `negative`: whether it is a
    negative prompt.
    """
    plain = plain_forms(visible(text))
    counts, wildcards = Counter(_in_brackets(plain)), _wildcards(plain)
    drawn = count_constructs(text)
    counts.subtract({EDITING: drawn.editing, ALTERNATION: drawn.alternation})
    counts[AND] += len(_AND.findall(plain)) - (0 if negative else len(JOINED.findall(text)))
    counts[WILDCARD] += wildcards
    for tag in _TAG.finditer(plain):
        if tag[0] not in known and tag[1].lower() not in ("lora", "lyco"):
            counts[f"<{tag[1].lower()}:...>"] += 1
    return +counts


def warn_of_syntax(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[tuple[str, str]]) -> None:
    """Give one warning of all syntax that is drawn as plain text, and one of LoRAs named in negative prompts.

    texts: prompt and negative prompt of each text of a call, in order; the prompts without their tags.
    """
    total: Counter[str] = Counter()
    places: dict[str, dict[int, None]] = {}
    tags: dict[str, dict[int, None]] = {}
    known = tuple(tokenizer.added_tokens_encoder)
    for number, pair in enumerate(texts, 1):
        counts = foreign_syntax(pair[0], known) + foreign_syntax(pair[1], known, negative=True)
        total += counts
        for kind in counts:
            places.setdefault(kind, {})[number] = None
        for tag in lora_tags(pair[1]):
            tags.setdefault(tag, {})[number] = None
    if total:
        kinds = ", ".join(f"{kind} {_times(count)}{_where(places[kind], texts)}" for kind, count in total.items())
        warnings.warn(
            f"Syntax of other programs is drawn as plain text here: {kinds}. Write what you mean without it; a "
            f"backslash before a bracket makes it a character to draw.{_hints(total)}",
            stacklevel=3,
        )
    if tags:
        named = ", ".join(f"{shorten(tag)}{_where(numbers, texts)}" for tag, numbers in list(tags.items())[:5])
        warnings.warn(
            f"A negative prompt takes no LoRA: {named} is read as text there. Name the LoRA in the prompt.",
            stacklevel=3,
        )


def _hints(counts: Counter[str]) -> str:
    """What to write instead."""
    hints = ""
    if counts[EDITING] or counts[ALTERNATION]:
        hints += " Beside a | outside of [a|b], or a \\ at the end of a line, nothing is edited: write \\| for a bar."
    if counts[AND]:
        hints += " AND joins texts in a prompt that is not negative, with spaces around it."
    return hints


def _in_brackets(text: str) -> Iterator[str]:
    """The kind of each pair of brackets that means something: colons and bars count for the innermost."""
    stack: list[tuple[str, dict[str, list[int]]]] = []  # each open bracket, and where its colons and bars stand
    for sign in _SIGN.finditer(text):
        character = sign[0]
        if character in _CLOSES:
            if not stack or stack[-1][0] != _CLOSES[character]:
                continue
            opening, signs = stack.pop()
            colons = signs[":"]
            if signs["|"] and opening in "[{":
                yield ALTERNATION if opening == "[" else CHOICE
            elif opening == "[" and len(colons) in (1, 2) and _is_number(text, colons[-1] + 1, sign.start()):
                yield EDITING
        elif character in "([{":
            stack.append((character, {":": [], "|": []}))
        elif stack and character in ":|":
            stack[-1][1][character].append(sign.start())


def _is_number(text: str, start: int, end: int) -> bool:
    return end - start <= _LONGEST_NUMBER and _NUMBER.fullmatch(text, start, end) is not None


def _wildcards(text: str) -> int:
    pieces, count, place = text.split("__"), 0, 1
    while place < len(pieces) - 1:
        if _WILDCARD.fullmatch(pieces[place]):
            count, place = count + 1, place + 1
        place += 1
    return count


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _where(numbers: dict[int, None], texts: Sequence[tuple[str, str]]) -> str:
    """' (text 2)' where there are several."""
    if len(texts) == 1:
        return ""
    listed = ", ".join(map(str, list(numbers)[:10])) + (", ..." if len(numbers) > 10 else "")
    return f" ({'text' if len(numbers) == 1 else 'texts'} {listed})"
