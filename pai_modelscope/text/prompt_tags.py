"""LoRAs named in a prompt, as in the WebUI: `一首诗 <lora:poem:0.4>`."""

import math
import re

from pai_modelscope.errors import Fault, UserError
from pai_modelscope.text.characters import visible

_ANGLES = re.compile(r"<[^<>]*+>")
# `<lyco:` is what an extension of the WebUI wanted for LyCORIS files until the WebUI itself read them.
_TAG = re.compile(r"<(?:lora|lyco):([^:<>]+)(?::([^<>]*))?>", re.IGNORECASE)


def split_loras(prompt: str) -> tuple[str, dict[str, float]]:
    """Split a prompt into the text without tags and the weight of each LoRA named, 1 where none is given.

    Raises:
        UserError: for a weight that is no number, and for a LoRA named twice.
    """
    weights: dict[str, float] = {}
    pieces, end = list[str](), 0
    for match in _ANGLES.finditer(prompt):
        tag = _TAG.fullmatch(visible(match[0]))
        if not tag:
            continue
        name, weight = tag[1].strip(), _weight(tag)
        if name in weights:
            raise _wrong(f"the LoRA {name!r} is named twice in the prompt: give it once, with the weight you mean")
        weights[name] = weight
        pieces.append(prompt[end : match.start()].rstrip(" ,，"))
        end = match.end()
    if not weights:
        return prompt, weights
    return "".join([*pieces, prompt[end:]]).strip(" ,，"), weights


def lora_tags(text: str) -> list[str]:
    """List the tags that stand in a text."""
    return [match[0] for match in _ANGLES.finditer(text) if _TAG.fullmatch(visible(match[0]))]


def _weight(tag: re.Match[str]) -> float:
    number = tag[2] or ""
    try:
        weight = float(number) if number.strip() else 1.0
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or "_" in number:
        raise _wrong(f"{tag[0]} has no weight that is a number: write <lora:{tag[1].strip()}:0.8>")
    return weight


def _wrong(message: str) -> UserError:
    return UserError(message, [Fault("loras", message)])
