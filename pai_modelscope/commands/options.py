"""Command-line flags made from `GenerationOptions`, so that a default lives in `config` alone."""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

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
    return kind_of(field)


def _seeds(text: str) -> int | list[int]:
    try:
        seeds = [int(part) for part in text.replace("\uff0c", ",").split(",")]
    except ValueError:
        message = f"{text!r} is no whole number: give one as in 42, or several as in 1,2,3"
        raise argparse.ArgumentTypeError(message) from None
    return seeds if len(seeds) > 1 else seeds[0]


def _sides(text: str) -> tuple[int, ...]:
    parts = text.replace("\uff0c", ",").split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not left,right,top,bottom in pixels: give four, as in 64,64,0,0")
    return tuple(int(part) for part in parts)


def _control(text: str) -> dict[str, Any]:
    """`canny=photo.png,scale=0.8` as an entry of `GenerationOptions.control`."""
    first, *rest = text.split(",")
    kind, _, image = first.partition("=")
    found: dict[str, Any] = {"kind": kind.strip(), "image": image.strip()}
    readers: dict[str, Callable[[str], Any]] = dict.fromkeys(("scale", "start", "end"), float)
    readers |= {"model": str, "annotate": _yes}
    for part in rest:
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = readers[name.strip()](value.strip())
        except (KeyError, ValueError):
            message = f"{part!r} in {text!r} is not understood: after KIND=FILE there may be {', '.join(readers)}"
            raise argparse.ArgumentTypeError(message) from None
    if not found["kind"] or not found["image"]:
        raise argparse.ArgumentTypeError(f"{text!r} is not KIND=FILE, as in canny=photo.png")
    return found


def lora_and_weight(text: str) -> tuple[str, float | None]:
    """`poem.safetensors=0.4` or `poem.safetensors`."""
    file, equals, weight = text.rpartition("=")
    if not equals:
        return text, None
    try:
        return file, float(weight)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not FILE=WEIGHT, as in poem.safetensors=0.4") from None


def _yes(text: str) -> bool:
    return {"yes": True, "no": False, "true": True, "false": False}[text.lower()]


def _size(text: str) -> tuple[int, int]:
    """`256` or `384x256`, width first."""
    parts = text.lower().replace("×", "x").replace("*", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give 256, or width x height as in 384x256")
    return int(parts[0]), int(parts[-1])
