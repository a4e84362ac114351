"""How a picture was made, written into the PNG as AUTOMATIC1111's WebUI does, and read back.

The text is `prompt`, a line `Negative prompt: ...` and a line `Steps: 20, Sampler: DDIM, ...`; WebUI tools read it.
"""

import os
from collections.abc import Mapping

from pai_modelscope.errors import UserError
from pai_modelscope.images.foreign import translated, warn_of_others
from pai_modelscope.images.infotext_syntax import NEGATIVE, Parameters, quote, split_infotext
from pai_modelscope.images.infotext_values import options_of
from pai_modelscope.images.picture_text import read_parameters, write_png
from pai_modelscope.images.remembered import RememberedFile

__all__ = ["RememberedFile", "format_infotext", "parse_infotext", "read_png", "write_png"]


def format_infotext(prompt: str, negative_prompt: str, values: Mapping[str, object]) -> str:
    """Write the text of a picture; `values` are by A1111's names, in order; those that are None are left out."""
    pairs = (f"{name}: {quote(value)}" for name, value in values.items() if value is not None)
    lines = [prompt, f"{NEGATIVE} {negative_prompt}"] if negative_prompt else [prompt]
    return "\n".join([*lines, ", ".join(pairs)])


def parse_infotext(text: str) -> dict[str, object]:
    """Read the options that draw the picture again: `text`, names of `GenerationOptions`, `model` and `torch_dtype`.

    Reads what A1111 and its kin write, too. One warning names what changed the picture and has no meaning here.

    Raises:
        UserError: no parameters, or one whose value can't be.
    """
    return _options(split_infotext(text))


def read_png(path: str | os.PathLike[str]) -> dict[str, object]:
    """Read the options that draw the picture in a file again, see `parse_infotext`: a PNG, JPEG, WebP, AVIF or GIF.

    Raises:
        UserError: no picture, or one that holds no parameters that can be read.
    """
    parameters = read_parameters(path)
    try:
        return _options(parameters)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _options(parameters: Parameters) -> dict[str, object]:
    values = translated(parameters.values)
    if not {"Steps", "Seed"} <= values.keys():  # of InvokeAI
        raise UserError("The parameters in the picture name no steps and seed.")
    options: dict[str, object] = {
        "text": parameters.prompt,
        "negative_prompt": parameters.negative_prompt,
        **options_of(values),
    }
    if "batch_pos" not in options:  # the WebUI writes a batch size alone where it meant the whole batch
        options.pop("batch_size", None)
    warn_of_others(values)
    return options
