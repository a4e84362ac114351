"""The text that programs write into pictures, taken apart: prompt, negative prompt, and the pairs of the last line.

AUTOMATIC1111's WebUI began it, and Forge, reForge, SD.Next and savers for ComfyUI write the same. Every step here takes
time in proportion to the text, which may be anybody's.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from pai_modelscope import limits
from pai_modelscope.errors import UserError

NEGATIVE = "Negative prompt:"
_FIRST = "Steps:"
_NAME = re.compile(r"\w[\w \-/]*$")
_LONGEST_NAME = 64  # characters
# A JSON string (RFC 8259, section 7) that may hold line breaks. Python's reader is asked for whole ones alone: each of
# its errors counts the lines of all the text before it. The quantifiers don't step back.
_STRING = re.compile(r'"[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+"')


class Parameters(NamedTuple):
    """What a picture says; `values` by A1111's names, quotes undone."""

    prompt: str
    negative_prompt: str
    values: dict[str, str]


def split_infotext(text: str) -> Parameters:
    """Split a picture's text into its parts.

    The parameters are the last line that begins with `Steps:` and names a seed, or the very last one if it names both;
    what other programs write below them (`Template: ...`) says nothing of the picture itself.

    Raises:
        UserError: no such line, or more than `limits.INFOTEXT_CHARACTERS`.
    """
    if len(text) > limits.INFOTEXT_CHARACTERS:
        raise UserError(
            f"The text in the picture has {len(text)} characters; valid are up to {limits.INFOTEXT_CHARACTERS}."
        )
    lines = text.strip().split("\n")
    for number in range(len(lines) - 1, -1, -1):
        if number == len(lines) - 1 or lines[number].lstrip().startswith(_FIRST):
            values = dict(_pairs(lines[number].strip()))
            if "Steps" in values and "Seed" in values:
                return Parameters(*_prompts(lines[:number]), values)
    raise UserError("The text in the picture is no generation parameters: it names no Steps and Seed.")


def quote(value: object) -> str:
    """Write a value as the WebUI writes it: in JSON's quotes if a reader could take it for several."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n]', text) else text


def _prompts(lines: list[str]) -> tuple[str, str]:
    cut = next((i for i, line in enumerate(lines) if line.lstrip().startswith(NEGATIVE)), len(lines))
    negative = "\n".join(lines[cut:]).lstrip().removeprefix(NEGATIVE).strip()
    return "\n".join(lines[:cut]).strip(), negative


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """`Name: value` between commas, the value perhaps a JSON string that holds commas."""
    here, colon, comma = 0, line.find(":"), line.find(",")
    while colon >= 0:
        if 0 <= comma < colon:  # no name
            here = comma + 1
        else:
            name = _NAME.search(line[max(here, colon - _LONGEST_NAME) : colon].rstrip())
            value, here = _value(line, colon + 1, comma)
            if name:
                yield name.group(), value
        if here > colon >= 0:
            colon = line.find(":", here)
        if here > comma >= 0:
            comma = line.find(",", here)


def _value(line: str, start: int, comma: int) -> tuple[str, int]:
    """The value from `start` on, and where the next pair begins; `comma`: the next one, or -1."""
    begin = start
    while line[begin : begin + 1].isspace():
        begin += 1
    if quoted := _STRING.match(line, begin):
        end = quoted.end()
        while line[end : end + 1].isspace():
            end += 1
        if line[end : end + 1] in ("", ","):
            text: str = json.loads(quoted.group(), strict=False)
            return text, end + 1
    end = comma if comma >= 0 else len(line)
    return line[begin:end].strip(), end + 1
