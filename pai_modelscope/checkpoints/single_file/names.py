"""The original names of a model's tensors, as CompVis's code and the WebUI know them.

diffusers knows how to read the original layout, not how to write it. So its own reader is given a mark under every name
that the layout could hold, and where a mark comes out is that name's counterpart here: one table for both directions.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    DIFFUSERS_TO_LDM_MAPPING,
    convert_controlnet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from pai_modelscope import limits
from pai_modelscope.adapters.lora_io.ldm_names import (
    UNET_PREFIX,
    BlockConfig,
    attention_modules,
    encoder,
    input_blocks,
    marked,
    middle,
    unet_names,
)
from pai_modelscope.adapters.shapes import config_problem, model_shapes
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import Json

PREFIXES = {
    "unet": UNET_PREFIX,
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
    "controlnet": "control_model.",
}
TEXT_TOWERS = ("CLIPTextModel", "BertModel")
_CLASSES = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "controlnet": ControlNetModel}
# The modules of the autoencoder's residual blocks and of its attention, in the original's words.
_VAE_RESNET = ("norm1", "conv1", "norm2", "conv2", "nin_shortcut")
_VAE_ATTENTION = ("norm", "q", "k", "v", "proj_out")
_OPTIONAL = "pooler."  # a head that no picture passes through: a file may lack it


@dataclass(frozen=True)
class Slot:
    """A tensor's place: its name in a single file, its shape in the model, and whether a file may lack it."""

    original: str
    shape: torch.Size
    optional: bool = False


def slots(part: str, config: dict[str, Json], tower: str = "") -> dict[str, Slot]:
    """By diffusers' name, every tensor of a part with this configuration.

    `part`: 'unet', 'vae', 'text_encoder' (whose class is `tower`) or 'controlnet'. Raises `UserError` for a
    configuration that is not understood, and for a shape that the original layout has no names for.
    """
    with _understood(part):
        shapes = _shapes(part, config, tower)
        known = _RENAMINGS[part](config, shapes)
    if nameless := sorted(shapes.keys() - known.keys()):
        raise UserError(
            f"the {part} has {len(nameless)} tensors that the original layout has no names for, such as {nameless[0]}: "
            "only models of Stable Diffusion 1.x's kind can be a single file."
        )
    start = PREFIXES[part]
    return {name: Slot(start + known[name], shape, name.startswith(_OPTIONAL)) for name, shape in shapes.items()}


@contextmanager
def _understood(part: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a damaged configuration sets off in there
        raise UserError(
            f"the {part}'s config.json is not understood ({reason(error)}): it is damaged, or of a shape that the "
            "original layout does not have."
        ) from None


def clip_name(name: str) -> str:
    """CLIP's tensors under the `text_model.` that single files, plain diffusers and older transformers expect."""
    return name if name.startswith("text_model.") else f"text_model.{name}"


def _shapes(part: str, config: dict[str, Json], tower: str) -> dict[str, torch.Size]:
    """Names and shapes of a model that is built without its memory."""
    if wrong := config_problem(config, limits.PART_TENSORS):
        raise ValueError(f"it {wrong}")
    cls = _CLASSES[part] if part != "text_encoder" else getattr(importlib.import_module("transformers"), tower)
    clip = part == "text_encoder" and tower == "CLIPTextModel"
    shapes = model_shapes(cls, config)
    return {clip_name(name) if clip else name: torch.Size(shape) for name, shape in shapes.items()}


def controlnet_config(unet: dict[str, Json]) -> dict[str, Json]:
    """Of a ControlNet that was copied from a UNet with this configuration, and reads pictures as the first ones did."""
    with _understood("unet"), torch.device("meta"):
        if wrong := config_problem(unet, limits.PART_TENSORS):
            raise ValueError(f"it {wrong}")
        net = ControlNetModel.from_unet(UNet2DConditionModel.from_config(unet), load_weights_from_unet=False)
    config: dict[str, Json] = json.loads(net.to_json_string())
    return config


# Every stem of a name that a part's layout could hold; what the model at hand does not have is left alone.


class _ControlNetConfig(BlockConfig):
    conditioning_embedding_out_channels: list[int]


def _controlnet(config: _ControlNetConfig, shapes: Iterable[str]) -> dict[str, str]:
    attention = attention_modules(shapes)
    stems = [*encoder(config, attention), *middle(attention), "middle_block_out.0"]
    stems += [f"zero_convs.{i}.0" for i in range(input_blocks(config))]
    hints = 2 * (len(config["conditioning_embedding_out_channels"]) - 1)
    stems += [f"input_hint_block.{2 * i}" for i in range(1, hints + 1)]
    table = DIFFUSERS_TO_LDM_MAPPING["controlnet"]["layers"]
    return marked(stems, table, "", lambda marks: convert_controlnet_checkpoint(marks, config))


def _vae(config: BlockConfig, shapes: Iterable[str]) -> dict[str, str]:
    stems = []
    for i in range(len(config["down_block_types"])):
        for j in range(config["layers_per_block"] + 1):
            stems += [
                f"{side}.{i}.block.{j}.{module}" for side in ("encoder.down", "decoder.up") for module in _VAE_RESNET
            ]
        stems += [f"encoder.down.{i}.downsample.conv", f"decoder.up.{i}.upsample.conv"]
    for side in ("encoder", "decoder"):
        stems += [f"{side}.mid.block_{i}.{module}" for i in (1, 2) for module in _VAE_RESNET]
        stems += [f"{side}.mid.attn_1.{module}" for module in _VAE_ATTENTION]
    table = DIFFUSERS_TO_LDM_MAPPING["vae"]
    return marked(stems, table, PREFIXES["vae"], lambda marks: convert_ldm_vae_checkpoint(marks, config))


def _text_encoder(config: object, shapes: Iterable[str]) -> dict[str, str]:
    return {name: name for name in shapes}


# Of each part, with the entries of its configuration that tell how many blocks there are.
_RENAMINGS: dict[str, Callable[[Any, Iterable[str]], dict[str, str]]] = {
    "unet": unet_names,
    "vae": _vae,
    "text_encoder": _text_encoder,
    "controlnet": _controlnet,
}
