"""The prompt grammar of AUTOMATIC1111's WebUI: (word), [word], (word:1.3), escapes and BREAK.

https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features#attentionemphasis
"""

import re
import unicodedata

ROUND, SQUARE = 1.1, 1 / 1.1
BREAK = ("BREAK", -1.0)  # what `parse_weights` gives where a new chunk must begin

# Full-width forms are what a Chinese keyboard types; 【】 are left alone, Chinese uses them as quotation marks.
_TOKEN = re.compile(
    r"(?P<escape>\\[()（）\[\]［］\\])"
    r"|(?P<open_round>[(（])"
    r"|(?P<open_square>[\[［])"
    r"|[:：]\s*(?P<weight>[+-]?(?:\d+(?:[.．]\d*)?|[.．]\d+))\s*[)）]"
    r"|(?P<close_round>[)）])"
    r"|(?P<close_square>[\]］])"
    r"|\s*(?<![A-Za-z0-9_])(?P<break>BREAK)(?![A-Za-z0-9_])\s*"
    r"|(?P<text>[^\\()（）\[\]［］:：B\s]+|.)",
    re.DOTALL,
)


def parse_weights(prompt: str) -> list[tuple[str, float]]:
    """Stretches of text with their weights, in order; `BREAK` where a new chunk must begin.

    (x) multiplies by 1.1, [x] divides by it, (x:1.3) multiplies by 1.3, and they nest. A bracket that is never
    closed counts to the end, one that was never opened is text, as are \\( \\) \\[ \\] and \\\\.
    """
    parts: list[list] = []
    rounds: list[int] = []  # where each open bracket began
    squares: list[int] = []
    for match in _TOKEN.finditer(prompt):
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
            parts.append(list(BREAK))
        else:
            parts.append([text[1:] if kind == "escape" else text, 1.0])
    for start in rounds:
        _scale(parts, start, ROUND)
    for start in squares:
        _scale(parts, start, SQUARE)
    return _merge(parts)


def _scale(parts: list[list], start: int, factor: float) -> None:
    for part in parts[start:]:
        if tuple(part) != BREAK:
            part[1] *= factor


def _merge(parts: list[list]) -> list[tuple[str, float]]:
    """Join neighbours of equal weight, so that an unweighted prompt is one stretch and is tokenized as a whole."""
    merged: list[tuple[str, float]] = []
    for text, weight in parts:
        if merged and merged[-1][1] == weight and (text, weight) != BREAK:
            merged[-1] = (merged[-1][0] + text, weight)
        else:
            merged.append((text, weight))
    return merged


def plain_text(prompt: str) -> str:
    """The words of a prompt without the grammar's signs."""
    return " ".join(text for text, weight in parse_weights(prompt) if (text, weight) != BREAK)
