"""The prompt grammar of AUTOMATIC1111's WebUI: (word), [word], (word:1.3), escapes and BREAK.

https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features#attentionemphasis
"""

import re
import unicodedata

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import shorten, visible

ROUND, SQUARE = 1.1, 1 / 1.1
BREAK = ("BREAK", -1.0)  # what `parse_weights` gives where a new chunk must begin

# Full-width forms are what a Chinese keyboard types; 【】 are left alone, Chinese uses them as quotation marks.
# Every alternative takes linear time: no two stretches that both may hold spaces or digits touch.
_TOKEN = re.compile(
    r"(?P<escape>\\[()（）\[\]［］\\])"
    r"|(?P<backslash>\\)"
    r"|(?P<open_round>[(（])"
    r"|(?P<open_square>[\[［])"
    r"|[:：]\s*+(?P<weight>[+-]?(?:\d++(?:[.．]\d*+)?+|[.．]\d++))\s*+[)）]"
    r"|(?P<close_round>[)）])"
    r"|(?P<close_square>[\]］])"
    r"|(?<![A-Za-z0-9_])(?P<break>BREAK)(?![A-Za-z0-9_])\s*+"
    r"|(?P<space>\s++)"
    r"|(?P<text>[^\\()（）\[\]［］:：B\s]++|.)",
    re.DOTALL,
)


def parse_weights(prompt: str) -> list[tuple[str, float]]:
    """Split a prompt into stretches of text with their weights, in order; `BREAK` where a new chunk must begin.

    (x) multiplies by 1.1, [x] divides by it, (x:1.3) multiplies by 1.3, and they nest. A bracket that is never
    closed counts to the end, one that was never opened is text, as are \\( \\) \\[ \\] and \\\\. Any other backslash
    is left out, as the WebUI does, and so are characters of no width.

    Raises:
        UserError: more than `limits.PROMPT_BRACKETS` open at once, a weight beyond `limits.PROMPT_WEIGHT`.
    """
    parts: list[tuple[str, float]] = []
    rounds: list[int] = []  # where each open bracket began
    squares: list[int] = []
    after_space = False
    for match in _TOKEN.finditer(visible(prompt)):
        kind, text = match.lastgroup, match.group()
        if kind == "open_round":
            rounds.append(len(parts))
        elif kind == "open_square":
            squares.append(len(parts))
        elif kind == "weight" and rounds:
            _scale(parts, rounds.pop(), float(unicodedata.normalize("NFKC", match["weight"])))
        elif kind == "close_round" and rounds:
            _scale(parts, rounds.pop(), ROUND)
        elif kind == "close_square" and squares:
            _scale(parts, squares.pop(), SQUARE)
        elif kind == "break":
            if after_space:
                parts.pop()
            parts.append(BREAK)
        elif kind != "backslash":
            parts.append((text[1:] if kind == "escape" else text, 1.0))
        after_space = kind == "space"
        if len(rounds) + len(squares) > limits.PROMPT_BRACKETS:  # each costs a pass over what it holds
            raise too_many_brackets(prompt)
    for start in rounds:
        _scale(parts, start, ROUND)
    for start in squares:
        _scale(parts, start, SQUARE)
    return _merge(prompt, parts)


def too_many_brackets(prompt: str) -> UserError:
    """What to raise for more than `limits.PROMPT_BRACKETS` within each other."""
    return UserError(
        f"The text {shorten(prompt)!r} opens more than {limits.PROMPT_BRACKETS} brackets within each other: close "
        "them, or write \\( for a bracket to draw."
    )


def _scale(parts: list[tuple[str, float]], start: int, factor: float) -> None:
    parts[start:] = [part if part == BREAK else (part[0], part[1] * factor) for part in parts[start:]]


def _merge(prompt: str, parts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Join neighbours of equal weight, so that an unweighted prompt is one stretch and is tokenized as a whole."""
    merged: list[tuple[list[str], float]] = []
    for text, weight in parts:
        if not abs(weight) <= limits.PROMPT_WEIGHT:
            raise UserError(
                f"The text {shorten(prompt)!r} gives {shorten(text)!r} the weight {weight:g}; valid are up to "
                f"{limits.PROMPT_WEIGHT:g}, and 0.5 to 1.5 is usual."
            )
        breaks = (text, weight) == BREAK or (merged and merged[-1] == ([BREAK[0]], BREAK[1]))
        if merged and merged[-1][1] == weight and not breaks:
            merged[-1][0].append(text)
        else:
            merged.append(([text], weight))
    return [("".join(texts), weight) for texts, weight in merged]


def plain_text(prompt: str) -> str:
    """Leave the grammar's signs out of a prompt."""
    return " ".join(text for text, weight in parse_weights(prompt) if (text, weight) != BREAK)
