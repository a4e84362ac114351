"""What a configuration describes compared with the weights beside it, before any memory is taken for either.

A configuration of a few bytes may name a million layers. The header of the weights says how many tensors there are and
how large: the model is built without memory, and only where its layers can be as many.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError, reason
from pai_modelscope.model_layout import AGAIN, read_json, weight_files
from pai_modelscope.tensor_files import header_length, read_pickle
from pai_modelscope.untrusted import check_regular, parse_json

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from transformers import PreTrainedModel

    ModelClass = type[ModelMixin] | type[PreTrainedModel]

Shapes = dict[str, tuple[int, ...]]

# What would have a library load more than the part: code of the folder, kernels of a hub, another way of storing.
_FOREIGN = ("auto_map", "attn_implementation", "_attn_implementation", "experts_implementation", "quantization_config")


class TensorEntry(TypedDict):
    """What a safetensors header says of a tensor; its bytes lie from `data_offsets[0]` to `data_offsets[1]`."""

    dtype: str
    shape: list[int]
    data_offsets: list[int]


def check_config(part: Path, cls: "ModelClass") -> None:
    """Compare `config.json` of a part of a model with the weights beside it.

    cls: the class of diffusers or transformers that opens it.

    Raises:
        UserError: a configuration that is not understood, or describes another model than the weights are of.
    """
    path = part / "config.json"
    config, stored = read_json(path), stored_shapes(part)
    if (part / "adapter_config.json").exists():  # transformers would open the model that it names
        raise UserError(f"{part} holds an adapter_config.json: it is an adapter's folder, no part of a model.")
    if wrong := config_problem(config, max(len(stored), 1)):
        raise UserError(f"{path} {wrong}: it does not belong to the weights beside it. {AGAIN}")
    try:
        wanted = model_shapes(cls, config)
    except Exception as error:  # whatever a damaged configuration sets off in there
        raise UserError(f"{path} is not understood ({reason(error)[:200]}). {AGAIN}") from None
    plain = {_plain(name): shape for name, shape in stored.items()}
    for name, shape in wanted.items():
        if _plain(name) in plain and _count(plain[_plain(name)]) != _count(shape):
            raise UserError(
                f"{path} describes another model than the weights in {part}: by it, {name} is {list(shape)}, stored "
                f"is {list(plain[_plain(name)])}. {AGAIN}"
            )
    if sum(map(_count, wanted.values())) > 2 * sum(map(_count, plain.values())) + limits.UNSTORED_NUMBERS:
        raise UserError(f"{path} describes a model far larger than the weights in {part}. {AGAIN}")


def model_shapes(cls: "ModelClass", config: Mapping[str, object]) -> Shapes:
    """Give the names and shapes of the model that a class of diffusers or transformers makes of a configuration.

    It is built without its memory. Raises whatever a configuration sets off in there.
    """
    with torch.device("meta"):
        if hasattr(cls, "from_config"):
            model = cls.from_config(dict(config))
        else:
            values: Any = config.get("text_config", config)
            model = cls(cls.config_class.from_dict(dict(values)))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def stored_shapes(part: Path) -> Shapes:
    """Read the names and shapes of the tensors in the weight files of a part of a model. Raises `UserError`."""
    shapes: Shapes = {}
    for file in weight_files(part):
        if file.suffix == ".safetensors":
            shapes |= {name: tuple(entry["shape"]) for name, entry in safetensors_header(file).items()}
        else:
            content = read_pickle(file, shapes_only=True)
            tensors = content.items() if isinstance(content, dict) else ()
            shapes |= {str(name): tuple(value.shape) for name, value in tensors if isinstance(value, torch.Tensor)}
    return shapes


def safetensors_header(path: Path) -> dict[str, "TensorEntry"]:
    """Read the header of a safetensors file that is whole: every tensor lies in it, and nothing else.

    Raises `UserError` for a file that is cut short, no safetensors file, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    size, length = check_regular(path), header_length(path)
    with path.open("rb") as file:
        file.seek(8)
        text = file.read(length)
    header: Any = parse_json(text, f"the header of {path}")  # of any form until safetensors has opened the file
    try:
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        if size != end:
            how = "cut short" if size < end else "corrupt"
            raise UserError(f"{path} is {how}: it has {size} bytes, its header says {end}. {AGAIN}")
        with safe_open(path, framework="pt"):  # holes, overlaps, dtypes and shapes
            return entries
    except (SafetensorError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise UserError(f"{path} is no safetensors file or a corrupt one ({reason(error)[:200]}). {AGAIN}") from None


def config_problem(config: Mapping[str, object], tensors: int) -> str | None:
    """Say what no honest configuration of a model of so many tensors has in it; None where nothing is wrong."""
    if foreign := [key for key, _ in _walk(config) if key in _FOREIGN]:
        return f"names {foreign[0]}, which is not opened"
    layers, blocks = 1, 1
    for key, value in _walk(config):
        if isinstance(value, list):
            blocks = max(blocks, len(value))
        if isinstance(value, float) and not math.isfinite(value):
            return f"gives {key} as {value}"
        if isinstance(value, int) and not isinstance(value, bool):
            most = tensors if "layers" in key else limits.CONFIG_NUMBER
            if value > most or (value < 0 and not key.endswith("_id")):
                return f"gives {key} as {str(value)[:40]}"
    for key in {key for key, value in _walk(config) if "layers" in key and "vision" not in key}:
        numbers = [value for name, value in _walk(config) if name == key and type(value) is int]
        layers *= max([1, *numbers])
    if layers * blocks > max(tensors, 64) * 4:
        return f"describes {layers * blocks} layers or more"
    return None


def _walk(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Each value with the name under which it stands, those within lists and objects among them."""
    yield key, value
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, key)


def _plain(name: str) -> str:
    """CLIP's tensors are called with and without this by several versions of transformers."""
    return name.removeprefix("text_model.")


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
