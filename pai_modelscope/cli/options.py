"""Command-line flags made from `GenerationOptions`, so that a default lives in `config` alone."""

import argparse
import dataclasses
import math
import os
from collections.abc import Callable

from pai_modelscope import limits
from pai_modelscope.config import GenerationOptions
from pai_modelscope.config.labels import LabelOptions
from pai_modelscope.config.option import declaration_of, flag_of, kind_of

# Asked for by `--size`, or of no meaning on a command line that writes PNG files.
ELSEWHERE = {"height", "width", "output_type", "batch_pos"}


def add_generation_options(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each field of `GenerationOptions`, and `--size` for height and width."""
    group = parser.add_argument_group("picture options")
    group.add_argument("--size", type=_size, metavar="N|WxH", help="pixels; default: the model's own")
    for field in dataclasses.fields(GenerationOptions):
        if field.name in ELSEWHERE:
            continue
        flag, declaration = flag_of(field), declaration_of(field)
        text = f"{declaration.help}; default: {declaration.absent or field.default}"
        if field.type is bool:
            action = argparse.BooleanOptionalAction
            group.add_argument(flag, dest=field.name, action=action, default=argparse.SUPPRESS, help=text)
            continue
        group.add_argument(
            flag,
            dest=field.name,
            action="append" if field.name in ("control", "loras", "embeddings") else "store",
            type=_parser_of(field),
            metavar=flag.rsplit("-", 1)[-1].upper(),
            default=argparse.SUPPRESS,
            help=text,
        )


def add_label_options(group: argparse._ArgumentGroup) -> None:
    """Add one flag for each field of `LabelOptions`."""
    for field in dataclasses.fields(LabelOptions):
        flag, declaration = flag_of(field), declaration_of(field)
        group.add_argument(
            flag,
            dest=field.name,
            metavar=flag.rsplit("-", 1)[-1].upper(),
            help=f"{declaration.help}; default: {declaration.absent}",
        )


def generation_flags() -> dict[str, str]:
    """The flag of each of these options."""
    return {
        field.name: flag_of(field) for field in dataclasses.fields(GenerationOptions) if field.name not in ELSEWHERE
    }


def options_of(args: argparse.Namespace) -> dict[str, object]:
    """The options that the user set, by the names of `GenerationOptions`; those left out are absent."""
    names = {field.name for field in dataclasses.fields(GenerationOptions)}
    options = {name: value for name, value in vars(args).items() if name in names}
    if "loras" in options:
        options["loras"] = dict(options["loras"])
    if getattr(args, "size", None):
        options["width"], options["height"] = args.size
    return options


def _parser_of(field: dataclasses.Field[object]) -> Callable[[str], object]:
    """What makes the option's value of a text; a picture is a file's name on a command line."""
    by_name: dict[str, Callable[[str], object]] = {
        "seed": _seeds,
        "outpaint": _sides,
        "control": _control,
        "loras": lora_and_weight,
    }
    by_kind: dict[object, Callable[[str], object]] = {int: whole_number, float: number}
    return by_name.get(field.name) or by_kind.get(kind_of(field), str)


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


def _control(text: str) -> dict[str, object]:
    """`canny=photo.png,scale=0.8` as an entry of `GenerationOptions.control`.

    Names of files may hold commas: the longest one that exists is the file.
    """
    kind, _, rest = text.partition("=")
    image, parts = _file(rest.split(","))
    entry: dict[str, object] = {"kind": kind.strip(), "image": image}
    readers: dict[str, Callable[[str], object]] = {**dict.fromkeys(("scale", "start", "end"), number), "annotate": _yes}
    while parts:
        name, _, value = parts[0].partition("=")
        name = name.strip()
        try:
            if name == "model":
                entry[name], parts = _file([value, *parts[1:]])
            else:
                entry[name], parts = readers[name](value.strip()), parts[1:]
        except (KeyError, argparse.ArgumentTypeError):
            valid = ", ".join(("model", *readers))
            message = f"{cut(parts[0])} in {cut(text)} is not understood: after KIND=FILE there may be {valid}"
            raise argparse.ArgumentTypeError(message) from None
    if not entry["kind"] or not entry["image"]:
        raise argparse.ArgumentTypeError(f"{cut(text)} is not KIND=FILE, as in canny=photo.png")
    return entry


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
