"""The parameters of a picture as options: A1111's name for a value, and how it becomes options of ours.

A reader raises `ValueError`, with the reason, for a value that can't be read. Numbers are finite and of few digits.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

from pai_modelscope import limits
from pai_modelscope.config import GenerationOptions
from pai_modelscope.config.option import Bounds, kind_of, problem, problem_of_number
from pai_modelscope.errors import UserError
from pai_modelscope.images.remembered import RememberedFile
from pai_modelscope.images.upscalers.registry import upscaler_of_infotext
from pai_modelscope.untrusted import Json, parse_json

_LONGEST_NUMBER = 40  # characters
_POSTPROCESSED = "Postprocess upscale by"
# Bounds beyond which nobody's value is honest. Options' own are compared where flags may stand for a picture's values.
_HONEST = {
    "batch_size": Bounds(minimum=1, maximum=limits.BATCH),
    "batch_pos": Bounds(minimum=0, maximum=limits.BATCH - 1),
    "width": Bounds(minimum=0, maximum=2**20),
    "height": Bounds(minimum=0, maximum=2**20),
    "upscale": Bounds(minimum=0, maximum=64),
}
_SHARES, _SHARE = ("scale", "start", "end"), Bounds(minimum=0, maximum=4)
_DTYPES = ("float32", "float16", "bfloat16")


def options_of(values: Mapping[str, str]) -> dict[str, object]:
    """Give the options that the values of a picture's parameters mean; names that have no meaning here are left out.

    Raises:
        UserError: naming the parameter whose value can't be.
    """
    options: dict[str, object] = {}
    for name, reader in _READERS.items():
        if name in values:
            try:
                parsed = reader(values[name])
                wrong = next(filter(None, (_problem(option, value) for option, value in parsed.items())), "")
            except ValueError as error:
                raise unreadable(name, values[name], str(error)) from None
            if wrong:
                raise unreadable(name, values[name], wrong)
            options |= parsed
    if _POSTPROCESSED in values:
        options["upscaler"] = upscaler_of_infotext(values.get("Postprocess upscaler", "")).name
    return options


def _problem(name: str, value: object) -> str | None:
    """One phrase on why no picture has the value."""
    if name not in _HONEST:
        return None
    return problem_of_number(name, value, whole=name != "upscale", bounds=_HONEST[name])


def check_bounds(options: Mapping[str, object]) -> None:
    """Compare what a picture remembers with the options' own bounds. Raises `UserError`, naming all that can't be."""
    fields = {field.name: field for field in dataclasses.fields(GenerationOptions)}
    single = (int, float, str, bool)
    problems = (problem(fields[name], value) for name, value in options.items() if kind_of(fields[name]) in single)
    if wrong := [fault for fault in problems if fault]:
        raise UserError("; ".join(wrong))


def unreadable(name: str, value: str, reason: str = "") -> UserError:
    """Make the error for a parameter whose value can't be; `reason`: one phrase."""
    excerpt = value if len(value) <= 80 else f"{value[:60]}… ({len(value)} characters)"
    why = f" ({' '.join(reason.split())[:200]})" if reason else ""
    return UserError(f"The picture's parameters hold {name}: {excerpt!r}, which can't be read{why}.")


def number(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number too long")
    try:
        value = float(text)
    except ValueError:
        raise ValueError("no number") from None
    if not math.isfinite(value):
        raise ValueError("no finite number")
    return value


def whole(text: str) -> int:
    """Read a whole number; `4.0` is 4, as some versions of the WebUI write it."""
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number too long")
    try:
        return int(text)
    except ValueError:
        value = number(text)
        if not value.is_integer() or abs(value) > 2**53:
            raise ValueError("no whole number") from None
        return int(value)


def size(text: str) -> tuple[int, int]:
    """Read width and height of `512x768`."""
    width, times, height = text.lower().partition("x")
    if not times:
        raise ValueError("no width x height")
    return whole(width), whole(height)


def factor(text: str) -> float:
    value = number(text)
    return int(value) if value.is_integer() else value


def _flag(text: str) -> bool:
    if text not in ("True", "False"):
        raise ValueError("True or False is right")
    return text == "True"


def _layers_left_out(text: str) -> int:
    """The WebUI counts the layers used from the end (1 is all), diffusers the layers left out."""
    return whole(text) - 1 if text.strip() != "0" else 0


def _size(text: str) -> dict[str, object]:
    width, height = size(text)
    return {"width": width, "height": height}


def _model(text: str) -> dict[str, object]:
    if len(text) > limits.PATH_CHARACTERS or "\0" in text:
        raise ValueError("no name of a model")
    return {"model": text}


def _dtype(text: str) -> dict[str, object]:
    if text not in _DTYPES:
        raise ValueError(f"valid are {', '.join(_DTYPES)}")
    return {"torch_dtype": text}


def _sides(text: str) -> dict[str, object]:
    sides = tuple(whole(side) for side in text.split())
    if len(sides) != 4:
        raise ValueError("four numbers of pixels are right")
    return {"outpaint": sides}


def _list(text: str) -> list[Json]:
    items = parse_json(text, "it")
    if not isinstance(items, list):
        raise ValueError("no list")
    if len(items) > limits.INFOTEXT_FILES:
        raise ValueError(f"more than {limits.INFOTEXT_FILES} files")
    return items


def _file(value: Json) -> RememberedFile:
    if not isinstance(value, str):
        raise ValueError("no path with the digest of a file's content")
    return RememberedFile.read(value)


def _files(text: str) -> list[RememberedFile]:
    return [_file(item) for item in _list(text)]


def _embeddings(text: str) -> dict[str, object]:
    # SD.Next lists words by that name, no files; `foreign` tells of it.
    return {"embeddings": _files(text)} if text.startswith("[") else {}


def _controls(text: str) -> dict[str, object]:
    return {"control": [_control(item) for item in _list(text)]}


def _control(entry: Json) -> dict[str, object]:
    """What `GenerationOptions.control` takes; sampling/controls.py knows the ranges of its numbers."""
    if not isinstance(entry, dict):
        raise ValueError("no list of controls")
    for key, kind in (("kind", str), ("model", str), ("annotate", bool)):
        if not isinstance(entry.get(key, kind()), kind):
            raise ValueError(f"{key} is of another type")
    numbers = (
        problem_of_number(share, entry[share], whole=False, bounds=_SHARE) for share in _SHARES if share in entry
    )
    if wrong := next(filter(None, numbers), None):
        raise ValueError(wrong)
    return {**entry, "image": _file(entry.get("image"))}


_READERS: dict[str, Callable[[str], dict[str, object]]] = {
    "Steps": lambda text: {"num_inference_steps": whole(text)},
    "Sampler": lambda text: {"scheduler": text},
    "CFG scale": lambda text: {"guidance_scale": number(text)},
    "Seed": lambda text: {"seed": whole(text)},
    "Size": _size,
    "Model": _model,
    "Precision": _dtype,
    "CFG rescale": lambda text: {"guidance_rescale": number(text)},
    "Clip skip": lambda text: {"clip_skip": _layers_left_out(text)},
    "Batch size": lambda text: {"batch_size": whole(text)},
    "Batch pos": lambda text: {"batch_pos": whole(text)},
    "Denoising strength": lambda text: {"strength": number(text)},
    "Init image": lambda text: {"image": RememberedFile.read(text)},
    "Resize": lambda text: {"resize": text},
    "Mask": lambda text: {"mask": RememberedFile.read(text)},
    "Mask blur": lambda text: {"mask_blur": whole(text)},
    "Mask only": lambda text: {"mask_only": _flag(text)},
    "Outpaint": _sides,
    "Controls": _controls,
    "Embeddings": _embeddings,
    "Lora files": lambda text: {"loras": dict.fromkeys(_files(text))},
    "Mask padding": lambda text: {"mask_padding": whole(text)},
    "Hires upscale": lambda text: {"upscale": factor(text), "upscaler": "hires"},
    "Hires denoising strength": lambda text: {"upscale_strength": number(text)},
    "Poem": lambda text: {"poem": text},
    "Scroll date": lambda text: {"scroll": True, "scroll_date": text},
    "Scroll seal": lambda text: {"scroll_seal": text},
    _POSTPROCESSED: lambda text: {"upscale": factor(text)},
}
READ = frozenset(_READERS)
