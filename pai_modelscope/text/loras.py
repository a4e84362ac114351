"""LoRAs named in a prompt, as in the WebUI: `一首诗 <lora:poem:0.4>`."""

import math
import re

from pai_modelscope.errors import UserError

_TAG = re.compile(r"<lora:([^:<>]+)(?::([^<>]*))?>")


def split_loras(prompt: str) -> tuple[str, dict[str, float]]:
    """The prompt without its tags, and the weight of each LoRA named, 1 where none is given.

    Raises:
        UserError: for a weight that is no number, and for a LoRA named twice.
    """
    weights: dict[str, float] = {}
    for name, given in _TAG.findall(prompt):
        name = name.strip()
        try:
            weight = float(given) if given.strip() else 1.0
        except ValueError:
            weight = math.nan
        if not math.isfinite(weight):
            raise UserError(f"<lora:{name}:{given}> has no weight that is a number: write <lora:{name}:0.8>")
        if name in weights:
            raise UserError(f"the LoRA {name!r} is named twice in the prompt: give it once, with the weight you mean")
        weights[name] = weight
    if not weights:
        return prompt, weights
    text = re.sub(r"[ ,，]*" + _TAG.pattern, "", prompt)
    return text.strip(" ,，"), weights
