"""How a picture was made, written into the PNG as AUTOMATIC1111's WebUI does, and read back.

The text is `prompt`, a line `Negative prompt: ...` and a line `Steps: 20, Sampler: DDIM, ...`; WebUI tools read it.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from pai_modelscope.errors import UserError
from pai_modelscope.files import new

_NEGATIVE = "Negative prompt: "
_PAIR = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')


class RememberedFile(str):
    """The path of a picture that another was made from (empty where it had none), and the digest of its content."""

    digest: str

    @classmethod
    def read(cls, text: str) -> "RememberedFile":
        path, _, digest = text.rpartition("#")
        found = cls(path)
        found.digest = digest
        return found

    @staticmethod
    def write(path: str, digest: str) -> str:
        return f"{path}#{digest}"


def _size(text: str) -> dict[str, int]:
    width, height = text.lower().split("x")
    return {"width": int(width), "height": int(height)}


def _factor(text: str) -> float:
    factor = float(text)  # the WebUI's may be broken: 1.5 is then refused as any other
    return int(factor) if factor.is_integer() else factor


def _controls(text: str) -> dict[str, Any]:
    return {"control": [{**each, "image": RememberedFile.read(each["image"])} for each in json.loads(text)]}


# A1111's name for a value, and how it becomes options of ours.
_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "Steps": lambda text: {"num_inference_steps": int(text)},
    "Sampler": lambda text: {"scheduler": text},
    "CFG scale": lambda text: {"guidance_scale": float(text)},
    "Seed": lambda text: {"seed": int(text)},
    "Size": _size,
    "Model": lambda text: {"model": text},
    "Precision": lambda text: {"torch_dtype": text},
    "CFG rescale": lambda text: {"guidance_rescale": float(text)},
    # The WebUI counts the layers used from the end (1 is all), diffusers the layers left out.
    "Clip skip": lambda text: {"clip_skip": int(text) - 1},
    "Batch size": lambda text: {"batch_size": int(text)},
    "Batch pos": lambda text: {"batch_pos": int(text)},
    "Denoising strength": lambda text: {"strength": float(text)},
    "Init image": lambda text: {"image": RememberedFile.read(text)},
    "Resize": lambda text: {"resize": text},
    "Mask": lambda text: {"mask": RememberedFile.read(text)},
    "Mask blur": lambda text: {"mask_blur": int(text)},
    "Mask only": lambda text: {"mask_only": text == "True"},
    "Outpaint": lambda text: {"outpaint": tuple(int(side) for side in text.split())},
    "Controls": _controls,
    "Embeddings": lambda text: {"embeddings": [RememberedFile.read(file) for file in json.loads(text)]},
    "Lora files": lambda text: {"loras": {RememberedFile.read(file): None for file in json.loads(text)}},
    "Mask padding": lambda text: {"mask_padding": int(text)},
    "Hires upscale": lambda text: {"upscale": _factor(text), "upscaler": "hires"},
    "Hires denoising strength": lambda text: {"upscale_strength": float(text)},
    "Postprocess upscale by": lambda text: {"upscale": _factor(text), "upscaler": "realesrgan"},
}


def format_infotext(prompt: str, negative_prompt: str, values: Mapping[str, Any]) -> str:
    """The text of a picture; `values` are A1111's names in the order to be written, those that are None left out."""
    pairs = (f"{name}: {_quote(value)}" for name, value in values.items() if value is not None)
    lines = [prompt, _NEGATIVE + negative_prompt] if negative_prompt else [prompt]
    return "\n".join([*lines, ", ".join(pairs)])


def parse_infotext(text: str) -> dict[str, Any]:
    """The options that draw the picture again: `text`, names of `GenerationOptions`, `model` and `torch_dtype`.

    Reads what A1111 writes, too. Names that have no meaning here are left out. Raises `UserError` for other texts.
    """
    *lines, last = text.strip().split("\n")
    pairs = {name: _unquote(value) for name, value in _PAIR.findall(last)}
    if "Steps" not in pairs or "Seed" not in pairs:
        raise UserError("The text in the picture is no generation parameters: it names no Steps and Seed.")
    if "Schedule type" in pairs and pairs["Schedule type"] != "Automatic":  # newer WebUIs split the sampler's name
        pairs["Sampler"] = f"{pairs.get('Sampler', '')} {pairs['Schedule type']}".strip()
    if "Init image" not in pairs and "Denoising strength" in pairs and any(name.startswith("Hires") for name in pairs):
        # Drawn from text, a picture has no strength but its second pass's, which the WebUI calls so.
        pairs["Hires denoising strength"] = pairs.pop("Denoising strength")
    cut = next((i for i, line in enumerate(lines) if line.startswith(_NEGATIVE.strip())), len(lines))
    negative = "\n".join(lines[cut:]).removeprefix(_NEGATIVE.strip()).strip()
    options: dict[str, Any] = {"text": "\n".join(lines[:cut]).strip(), "negative_prompt": negative}
    for name, reader in _READERS.items():
        if name in pairs:
            try:
                options |= reader(pairs[name])
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    f"The picture's parameters hold {name}: {pairs[name]!r}, which can't be read."
                ) from None
    if "batch_pos" not in options:  # the WebUI writes a batch size alone where it meant the whole batch
        options.pop("batch_size", None)
    return options


def write_png(image: Image.Image, path: str | os.PathLike[str], text: str) -> None:
    """Save the picture with its text. Appears whole under its name or not at all, and never replaces a file.

    Raises `UserError` if `path` exists or can't be written.
    """
    path = Path(path)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", text)  # UTF-8; Latin-1 chunks could not hold Chinese
    try:
        with new(path) as made:
            image.save(made, format="PNG", pnginfo=info)
    except FileExistsError:
        raise UserError(f"{path} exists and is not overwritten: give another name.") from None
    except OSError as error:
        raise UserError(
            f"{path} can't be written ({error.strerror or error}): free space or give another folder."
        ) from None


def read_png(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The options that draw the picture again, see `parse_infotext`. Raises `UserError` if the file holds none."""
    try:
        with Image.open(path) as image:
            image.load()
            text = getattr(image, "text", image.info).get("parameters")
    except FileNotFoundError:
        raise UserError(f"There is no picture {path}.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} can't be read as a picture ({error}).") from None
    if not text:
        raise UserError(f"{path} holds no generation parameters: only PNG files as saved by the program keep them.")
    try:
        return parse_infotext(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _quote(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n]', text) else text


def _unquote(text: str) -> str:
    text = text.strip()
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
