"""What InvokeAI writes into its PNG files, as A1111's parameters.

Version 3 and later write the chunk `invokeai_metadata`, a JSON object; version 2 wrote `sd-metadata`, JSON as well, and
`Dream`, a command line. There, the negative prompt stands within the prompt, in square brackets.
"""

import itertools
import re
from collections.abc import Mapping

from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext_syntax import Parameters
from pai_modelscope.untrusted import Json, parse_json

_NAMES = {
    "steps": "Steps",
    "scheduler": "Sampler",
    "sampler": "Sampler",
    "cfg_scale": "CFG scale",
    "cfg_rescale_multiplier": "CFG rescale",
    "seed": "Seed",
    "strength": "Denoising strength",
    "-s": "Steps",
    "-S": "Seed",
    "-C": "CFG scale",
    "-A": "Sampler",
    "-f": "Denoising strength",
}
_OTHERS = {"positive_prompt", "negative_prompt", "width", "height", "model", "prompt", "clip_skip", "-W", "-H"}
# What changes no picture, or says again what another field says.
_HARMLESS = {
    "app_version", "canvas_v2_metadata", "generation_mode", "metadata_version", "negative_style_prompt",
    "positive_style_prompt", "type", "rand_device", "hash", "mode", "qwen_vl_encoder", "grid",
}  # fmt: skip
_EMPTY: tuple[Json, ...] = (None, False, 0, "", [], {})
_IN_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def read_invokeai(chunks: Mapping[str, str]) -> Parameters | None:
    """Read the parameters in a PNG's text chunks, None where InvokeAI wrote none.

    Raises:
        UserError: a chunk that can't be read.
    """
    if "invokeai_metadata" in chunks:
        metadata = _object(parse_json(chunks["invokeai_metadata"], "invokeai_metadata"), "invokeai_metadata")
        return Parameters(
            _text(metadata.get("positive_prompt")), _text(metadata.get("negative_prompt")), _values(metadata)
        )
    if "sd-metadata" in chunks:
        whole = _object(parse_json(chunks["sd-metadata"], "sd-metadata"), "sd-metadata")
        metadata = _object(whole.get("image"), "sd-metadata")
        return Parameters(
            *_split_prompt(metadata.get("prompt")), _values(metadata | {"model": whole.get("model_weights")})
        )
    line = chunks.get("Dream", chunks.get("dream"))
    return None if line is None else _command(line)


def _object(value: Json, name: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UserError(f"{name} holds no object of parameters")
    return value


def _text(value: Json) -> str:
    return value.strip() if isinstance(value, str) else ""


def _values(metadata: Mapping[str, Json]) -> dict[str, str]:
    values = {name: str(metadata[key]) for key, name in _NAMES.items() if metadata.get(key) is not None}
    if metadata.get("width") is not None and metadata.get("height") is not None:
        values["Size"] = f"{metadata['width']}x{metadata['height']}"
    model = metadata.get("model")
    model = (model.get("name") or model.get("model_name")) if isinstance(model, dict) else model
    if isinstance(model, str) and model:
        values["Model"] = model
    clip_skip = metadata.get("clip_skip")
    if isinstance(clip_skip, int) and clip_skip:
        values["Clip skip"] = str(int(clip_skip) + 1)  # InvokeAI counts the layers left out
    if "Sampler" in values:
        values["Sampler"] = re.sub(r"_k$", " Karras", values["Sampler"][:100])
    if str(metadata.get("rand_device", "cpu")) != "cpu":
        values["RNG"] = "GPU"
    known = _NAMES.keys() | _OTHERS | _HARMLESS
    return values | {
        key: _in_words(value) for key, value in metadata.items() if key not in known and value not in _EMPTY
    }


def _in_words(value: Json) -> str:
    return f"{len(value)} entries" if isinstance(value, list | dict) else str(value)


def _split_prompt(prompt: Json) -> tuple[str, str]:
    """A prompt of version 2, a text or a list of {'prompt': text, 'weight': number}: what to draw, and what not to."""
    parts = prompt if isinstance(prompt, list) else [{"prompt": prompt}]
    text = ", ".join(_text(part.get("prompt")) for part in parts if isinstance(part, dict))
    negative = ", ".join(part.strip() for part in _IN_BRACKETS.findall(text) if part.strip())
    return _IN_BRACKETS.sub("", text).strip(" ,"), negative


def _command(line: str) -> Parameters:
    """`"a cat [dog]" -s 50 -S 7 -W 512 -H 512 -C 7.5 -A k_lms`, the prompt's quotes absent in some versions."""
    prompt, dash, switches = line.partition('" -s') if line.startswith('"') else line.partition(" -s ")
    words = f"-s {switches}".split() if dash else []
    flags = dict(itertools.pairwise(words))
    values = {word: flags[word] for word in flags if word.startswith("-") and not flags[word].startswith("-")}
    size = {name: values[flag] for flag, name in (("-W", "width"), ("-H", "height")) if flag in values}
    return Parameters(*_split_prompt(prompt.strip('" ')), _values(values | size))
