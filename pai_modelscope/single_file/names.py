"""The original names of a model's tensors, as CompVis's code and the WebUI know them.

diffusers knows how to read the original layout, not how to write it. So its own reader is given a mark under every name
that the layout could hold, and where a mark comes out is that name's counterpart here: one table for both directions.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    DIFFUSERS_TO_LDM_MAPPING,
    convert_controlnet_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from pai_modelscope.errors import UserError, reason

PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
    "controlnet": "control_model.",
}
TEXT_TOWERS = ("CLIPTextModel", "BertModel")
_CLASSES = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "controlnet": ControlNetModel}
# The modules of a residual block, of a block of attention, and of the autoencoder's two, in the original's words.
_RESNET = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection")
_VAE_RESNET = ("norm1", "conv1", "norm2", "conv2", "nin_shortcut")
_VAE_ATTENTION = ("norm", "q", "k", "v", "proj_out")
_ATTENTION = re.compile(r".*\.attentions\.\d+\.(.+)\.(?:weight|bias)")
_OPTIONAL = "pooler."  # a head that no picture passes through: a file may lack it


@dataclass(frozen=True)
class Slot:
    """A tensor's place: its name in a single file, its shape in the model, and whether a file may lack it."""

    original: str
    shape: torch.Size
    optional: bool = False


def slots(part: str, config: dict[str, Any], tower: str = "") -> dict[str, Slot]:
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


def _shapes(part: str, config: dict[str, Any], tower: str) -> dict[str, torch.Size]:
    """Names and shapes of a model that is built without its memory."""
    with torch.device("meta"):
        if part != "text_encoder":
            model = _CLASSES[part].from_config(config)
        else:
            cls: Any = getattr(importlib.import_module("transformers"), tower)
            model = cls(cls.config_class.from_dict(config.get("text_config", config)))
    clip = part == "text_encoder" and tower == "CLIPTextModel"
    return {clip_name(name) if clip else name: tensor.shape for name, tensor in model.state_dict().items()}


def controlnet_config(unet: dict[str, Any]) -> dict[str, Any]:
    """Of a ControlNet that was copied from a UNet with this configuration, and reads pictures as the first ones did."""
    with _understood("unet"), torch.device("meta"):
        net: Any = ControlNetModel.from_unet(UNet2DConditionModel.from_config(unet), load_weights_from_unet=False)
    config: dict[str, Any] = json.loads(net.to_json_string())
    return config


# Every stem of a name that a part's layout could hold; what the model at hand does not have is left alone.


def _unet(config: dict[str, Any], shapes: Iterable[str]) -> dict[str, str]:
    layers, attention = config["layers_per_block"] + 1, _attention(shapes)
    stems = [*_encoder(config, attention), *_middle(attention)]
    for i in range(layers * len(config["up_block_types"])):
        attends = "Attn" in config["up_block_types"][i // layers]
        stems += [f"output_blocks.{i}.0.{module}" for module in _RESNET]
        stems += [f"output_blocks.{i}.1.{module}" for module in attention if attends]
        stems.append(f"output_blocks.{i}.{2 if attends else 1}.conv")  # the upsampler comes last
    table = DIFFUSERS_TO_LDM_MAPPING["unet"]["layers"]
    return _marked(stems, table, PREFIXES["unet"], lambda marks: convert_ldm_unet_checkpoint(marks, config))


def _controlnet(config: dict[str, Any], shapes: Iterable[str]) -> dict[str, str]:
    attention = _attention(shapes)
    stems = [*_encoder(config, attention), *_middle(attention), "middle_block_out.0"]
    stems += [f"zero_convs.{i}.0" for i in range(_input_blocks(config))]
    hints = 2 * (len(config["conditioning_embedding_out_channels"]) - 1)
    stems += [f"input_hint_block.{2 * i}" for i in range(1, hints + 1)]
    table = DIFFUSERS_TO_LDM_MAPPING["controlnet"]["layers"]
    return _marked(stems, table, "", lambda marks: convert_controlnet_checkpoint(marks, config))


def _encoder(config: dict[str, Any], attention: list[str]) -> Iterator[str]:
    for i in range(1, _input_blocks(config)):
        yield f"input_blocks.{i}.0.op"
        yield from (f"input_blocks.{i}.0.{module}" for module in _RESNET)
        yield from (f"input_blocks.{i}.1.{module}" for module in attention)


def _input_blocks(config: dict[str, Any]) -> int:
    """The first convolution, each layer, and a downsampler between each two levels."""
    return int((config["layers_per_block"] + 1) * len(config["down_block_types"]))


def _middle(attention: list[str]) -> Iterator[str]:
    yield from (f"middle_block.{i}.{module}" for i in (0, 2) for module in _RESNET)
    yield from (f"middle_block.1.{module}" for module in attention)


def _attention(names: Iterable[str]) -> list[str]:
    """The modules inside attention, which are called the same in both layouts."""
    return list(dict.fromkeys(match[1] for name in names if (match := _ATTENTION.fullmatch(name))))


def _vae(config: dict[str, Any], shapes: Iterable[str]) -> dict[str, str]:
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
    return _marked(stems, table, PREFIXES["vae"], lambda marks: convert_ldm_vae_checkpoint(marks, config))


def _text_encoder(config: dict[str, Any], shapes: Iterable[str]) -> dict[str, str]:
    return {name: name for name in shapes}


def _marked(
    stems: Iterable[str], table: dict[str, str], prefix: str, convert: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, str]:
    """diffusers' names to the original ones, as its reader turns one into the other."""
    names = [*(f"{stem}.{kind}" for stem in stems for kind in ("weight", "bias")), *table.values()]
    marks = {prefix + name: torch.tensor(i) for i, name in enumerate(names)}
    return {ours: names[int(mark)] for ours, mark in convert(marks).items() if mark is not None}


_RENAMINGS: dict[str, Callable[[dict[str, Any], Iterable[str]], dict[str, str]]] = {
    "unet": _unet,
    "vae": _vae,
    "text_encoder": _text_encoder,
    "controlnet": _controlnet,
}
