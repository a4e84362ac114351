"""Command-line flags made from `GenerationOptions`, so that a default lives in `config.py` alone."""

import argparse
import dataclasses
import typing
from typing import Any

from pai_modelscope.config import GenerationOptions

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
        group.add_argument(
            flag,
            dest=field.name,
            type=_parser_of(field),
            default=argparse.SUPPRESS,
            metavar=flag.rsplit("-", 1)[-1].upper(),
            help=f"{text}; default: {default or field.default}",
        )


def given(args: argparse.Namespace) -> dict[str, Any]:
    """The options that the user set, by the names of `GenerationOptions`; those left out are absent."""
    names = {field.name for field in dataclasses.fields(GenerationOptions)}
    options = {name: value for name, value in vars(args).items() if name in names}
    if getattr(args, "size", None):
        options["width"], options["height"] = args.size
    return options


def _parser_of(field: dataclasses.Field[Any]) -> Any:
    if field.name == "seed":
        return _seeds
    kinds = typing.get_args(field.type) or (field.type,)
    return next(kind for kind in kinds if kind is not type(None))


def _seeds(text: str) -> int | list[int]:
    try:
        seeds = [int(part) for part in text.replace("\uff0c", ",").split(",")]
    except ValueError:
        message = f"{text!r} is no whole number: give one as in 42, or several as in 1,2,3"
        raise argparse.ArgumentTypeError(message) from None
    return seeds if len(seeds) > 1 else seeds[0]


def _size(text: str) -> tuple[int, int]:
    """`256` or `384x256`, width first."""
    parts = text.lower().replace("×", "x").replace("*", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give 256, or width x height as in 384x256")
    return int(parts[0]), int(parts[-1])
