"""Command-line flags made from `GenerationOptions`, so that a default lives in `config` alone."""

import argparse
import dataclasses
import math
import os
from collections.abc import Callable
from typing import Any

from pai_modelscope import limits
from pai_modelscope.config import UPSCALE_STRENGTH, UPSCALER, GenerationOptions
from pai_modelscope.config.option import kind_of

# The customary flag, what it means, and what is drawn without it; any other option gets `--its-name`.
FLAGS = {
    "negative_prompt": ("--negative-prompt", "what the picture should not show", "nothing"),
    "num_inference_steps": ("--steps", "denoising steps", "the model's own"),
    "guidance_scale": ("--guidance-scale", "how strongly the text steers; 1 is off", "the model's own"),
    "guidance_rescale": ("--guidance-rescale", "0 to 1, holds back the contrast of guidance", "the model's own"),
    "num_images_per_prompt": ("--num-images", "pictures for each text", None),
    "seed": ("--seed", "whole number, or several with commas between, one a picture", "random"),
    "scheduler": ("--scheduler", "name of the sampling method, such as 'DPM++ 2M'", "the model's own"),
    "clip_skip": ("--clip-skip", "last layers of the text encoder to leave out", "none"),
    "batch_size": ("--batch-size", "pictures drawn at once", "1 on a CPU, 8 on a GPU"),
    "image": ("--image", "picture to start from, a file", "none"),
    "strength": ("--strength", "how far from the image to go, 0 to 1", "0.6, with a mask 1.0"),
    "resize": ("--resize", "how the image comes to the size: crop, fit or stretch", None),
    "mask": ("--mask", "what of the image to draw anew: a picture of the same size, white there", "none"),
    "mask_blur": ("--mask-blur", "pixels over which new and old blend", None),
    "mask_only": ("--mask-only", "draw just the surroundings of the mask, at full size", None),
    "outpaint": ("--outpaint", "pixels to draw around the image: left,right,top,bottom", "none"),
    "mask_padding": ("--mask-padding", "pixels around the mask that --mask-only draws too", None),
    "loras": ("--lora", "FILE or FILE=WEIGHT; prompts may say <lora:name:0.8> instead; may be repeated", "none"),
    "embeddings": ("--embedding", "FILE whose word the texts may use, such as <小奶猫>; may be repeated", "none"),
    "control": (
        "--control",
        "a picture that steers, KIND=FILE, as in canny=photo.png; more after commas: model=FOLDER, scale=0.8, start=0, "
        "end=0.7, annotate=no (the file already shows edges); may be repeated",
        "none",
    ),
    "upscale": ("--upscale", "how many times larger per side the finished picture is made: 2 or 4", "none"),
    "upscaler": ("--upscaler", "hires (drawn over at the large size) or realesrgan (where installed)", UPSCALER),
    "upscale_strength": ("--upscale-strength", "how far hires goes from the picture, 0 to 1", str(UPSCALE_STRENGTH)),
}
# Asked for by `--size`, or of no meaning on a command line that writes PNG files.
ELSEWHERE = {"height", "width", "output_type", "batch_pos"}


def add_generation_options(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each field of `GenerationOptions`, and `--size` for height and width."""
    group = parser.add_argument_group("picture options")
    group.add_argument("--size", type=_size, metavar="N|WxH", help="pixels; default: the model's own")
    for field in dataclasses.fields(GenerationOptions):
        if field.name in ELSEWHERE:
            continue
        flag, text, default = FLAGS.get(field.name, (f"--{field.name.replace('_', '-')}", "", None))
        settings: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        settings["help"] = f"{text}; default: {default or field.default}"
        if field.type is bool:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings |= {"type": _parser_of(field), "metavar": flag.rsplit("-", 1)[-1].upper()}
        if field.name in ("control", "loras", "embeddings"):
            settings |= {"action": "append"}
        group.add_argument(flag, **settings)


def given(args: argparse.Namespace) -> dict[str, Any]:
    """The options that the user set, by the names of `GenerationOptions`; those left out are absent."""
    names = {field.name for field in dataclasses.fields(GenerationOptions)}
    options = {name: value for name, value in vars(args).items() if name in names}
    if "loras" in options:
        options["loras"] = dict(options["loras"])
    if getattr(args, "size", None):
        options["width"], options["height"] = args.size
    return options


def _parser_of(field: dataclasses.Field[Any]) -> Any:
    if field.name == "seed":
        return _seeds
    if field.name == "outpaint":
        return _sides
    if field.name == "control":
        return _control
    if field.name == "loras":
        return lora_and_weight
    if field.type is Any:  # a picture: on a command line, a file
        return str
    return {int: whole_number, float: number}.get(kind_of(field), kind_of(field))


def whole_number(text: str) -> int:
    """As `int`, but for what no number is too long."""
    try:
        return int(text)
    except ValueError:  # also of thousands of digits, which Python does not read
        raise argparse.ArgumentTypeError(f"{cut(text)} is no whole number: give one as in 42") from None


def number(text: str) -> float:
    """A finite number: `nan` and `inf` are none that an option can have."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{cut(text)} is no number: give one as in 0.8")
    return value


def _seeds(text: str) -> int | list[int]:
    try:
        seeds = [int(part) for part in text.replace("\uff0c", ",").split(",")]
    except ValueError:
        message = f"{cut(text)} is no whole number: give one as in 42, or several as in 1,2,3"
        raise argparse.ArgumentTypeError(message) from None
    return seeds if len(seeds) > 1 else seeds[0]


def _sides(text: str) -> tuple[int, ...]:
    try:
        sides = tuple(int(part) for part in text.replace("\uff0c", ",").split(","))
    except ValueError:
        sides = ()
    if len(sides) != 4 or min(sides) < 0:
        message = f"{cut(text)} is not left,right,top,bottom in pixels: give four, as in 64,64,0,0"
        raise argparse.ArgumentTypeError(message)
    return sides


def _control(text: str) -> dict[str, Any]:
    """`canny=photo.png,scale=0.8` as an entry of `GenerationOptions.control`.

    Names of files may hold commas: the longest one that exists is the file.
    """
    kind, _, rest = text.partition("=")
    image, parts = _file(rest.split(","))
    found: dict[str, Any] = {"kind": kind.strip(), "image": image}
    readers: dict[str, Callable[[str], Any]] = {**dict.fromkeys(("scale", "start", "end"), number), "annotate": _yes}
    while parts:
        name, _, value = parts[0].partition("=")
        name = name.strip()
        try:
            if name == "model":
                found[name], parts = _file([value, *parts[1:]])
            else:
                found[name], parts = readers[name](value.strip()), parts[1:]
        except (KeyError, argparse.ArgumentTypeError):
            valid = ", ".join(("model", *readers))
            message = f"{cut(parts[0])} in {cut(text)} is not understood: after KIND=FILE there may be {valid}"
            raise argparse.ArgumentTypeError(message) from None
    if not found["kind"] or not found["image"]:
        raise argparse.ArgumentTypeError(f"{cut(text)} is not KIND=FILE, as in canny=photo.png")
    return found


def _file(parts: list[str]) -> tuple[str, list[str]]:
    """Of a text cut at its commas, the longest beginning that exists, else its first part; and the parts after it."""
    longest, name = 1, parts[0].strip()
    joined = parts[0]
    for count, part in enumerate(parts[1:], 2):
        joined = f"{joined},{part}"
        if len(joined) > limits.PATH_CHARACTERS:
            break
        if os.path.exists(joined.strip()):
            longest, name = count, joined.strip()
    return name, parts[longest:]


def lora_and_weight(text: str) -> tuple[str, float | None]:
    """`poem.safetensors=0.4` or `poem.safetensors`; what exists under the whole name is the file."""
    file, equals, weight = text.rpartition("=")
    if not equals or os.path.exists(text):
        return text, None
    try:
        return file, number(weight)
    except argparse.ArgumentTypeError:
        message = f"{cut(text)} is not there, and not FILE=WEIGHT, as in poem.safetensors=0.4"
        raise argparse.ArgumentTypeError(message) from None


def _yes(text: str) -> bool:
    return {"yes": True, "no": False, "true": True, "false": False}[text.lower()]


def _size(text: str) -> tuple[int, int]:
    """`256` or `384x256`, width first."""
    try:
        sides = [int(part) for part in text.lower().replace("×", "x").replace("*", "x").split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 0:
        raise argparse.ArgumentTypeError(f"{cut(text)} is no size: give 256, or width x height as in 384x256")
    return sides[0], sides[-1]


def cut(text: str) -> str:
    """A value in quotes as an error shows it, not at the length of a file."""
    return repr(text if len(text) <= 200 else f"{text[:150]}… ({len(text)} characters)")
