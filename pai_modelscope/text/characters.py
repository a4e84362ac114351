"""What a text is made of: half characters and endless texts are refused, characters that nobody sees are left out."""

import re
import unicodedata
from functools import lru_cache

from pai_modelscope import limits
from pai_modelscope.errors import UserError

# Zero-width spaces and joiners, soft hyphens, marks of the writing's direction (Unicode's category Cf). They come with
# copied text, show nothing, and BERT reads none of them.
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x061C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)

_HALVES = re.compile("[\ud800-\udfff]")  # lone surrogates, which no encoding can write


def problem_of_text(text: str) -> str | None:
    """Say in one phrase why no tokenizer can read a text: a half character, or too many; None if it can."""
    if len(text) > limits.PROMPT_CHARACTERS:
        return f"{shorten(text)!r} has {len(text)} characters; valid are up to {limits.PROMPT_CHARACTERS}: shorten it"
    if _HALVES.search(text):
        return f"{shorten(text)!r} holds half a character: give UTF-8"
    return None


def check_text(text: str) -> str:
    """Return the text. Raises `UserError` for what `problem_of_text` names."""
    if problem := problem_of_text(text):
        raise UserError(f"The text {problem}.")
    return text


def visible(text: str) -> str:
    """Leave out characters of no width."""
    return text if text.isascii() else text.translate(_INVISIBLE)


def plain_forms(text: str) -> str:
    """Full-width and other compatibility forms as the plain ones, each character alone: Unicode's NFKC of a whole text
    takes quadratic time where marks follow each other."""
    return text if text.isascii() else "".join(map(_plain_form, text))


@lru_cache(2**14)
def _plain_form(character: str) -> str:
    return unicodedata.normalize("NFKC", character)


def shorten(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
