"""The original names of a Stable Diffusion 1.x UNet's modules, as CompVis's code, the WebUI and many LoRAs know them.

diffusers knows how to read the original layout, not how to write it. So its own reader is given a mark under every name
that the layout could hold, and where a mark comes out is that name's counterpart here: one table for both directions.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypedDict

import torch
from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING, convert_ldm_unet_checkpoint

from pai_modelscope.adapters.kinds import State


class BlockConfig(TypedDict):
    """What a network's configuration says of its blocks."""

    layers_per_block: int
    down_block_types: Sequence[str]
    up_block_types: Sequence[str]


UNET_PREFIX = "model.diffusion_model."
# The modules of a residual block in the original's words.
_RESNET = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection")
_ATTENTION = re.compile(r".*\.attentions\.\d+\.(.+)\.(?:weight|bias)")
# Stable Diffusion 1.x: four levels, of which the last one has no attention.
SD1: BlockConfig = {
    "layers_per_block": 2,
    "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
}
_BLOCK = (*(f"attn{i}.{layer}" for i in (1, 2) for layer in ("to_q", "to_k", "to_v", "to_out.0")), "ff.net.0.proj")
_SD1_ATTENTION = ["norm", "proj_in", "proj_out"] + [
    f"transformer_blocks.0.{module}" for module in (*_BLOCK, "ff.net.2", "norm1", "norm2", "norm3")
]


@functools.cache
def sd1_modules() -> dict[str, str]:
    """Map original names of the modules of a Stable Diffusion 1.x UNet to diffusers' names.

    'input_blocks.4.1.proj_in' to 'down_blocks.1.attentions.0.proj_in'.
    """
    known = _names(SD1, _SD1_ATTENTION)
    return {old.removesuffix(".weight"): new.removesuffix(".weight") for new, old in known.items() if "weight" in new}


def unet_names(config: BlockConfig, shapes: Iterable[str]) -> dict[str, str]:
    """Map diffusers' names of a UNet's tensors to the original ones; `shapes`: all names of the UNet at hand.

    What the UNet at hand does not have may be among them.
    """
    return _names(config, attention_modules(shapes))


def _names(config: BlockConfig, attention: list[str]) -> dict[str, str]:
    layers = config["layers_per_block"] + 1
    stems = [*encoder(config, attention), *middle(attention)]
    for i in range(layers * len(config["up_block_types"])):
        attends = "Attn" in config["up_block_types"][i // layers]
        stems += [f"output_blocks.{i}.0.{module}" for module in _RESNET]
        stems += [f"output_blocks.{i}.1.{module}" for module in attention if attends]
        stems.append(f"output_blocks.{i}.{2 if attends else 1}.conv")  # the upsampler comes last
    table = DIFFUSERS_TO_LDM_MAPPING["unet"]["layers"]
    return marked(stems, table, UNET_PREFIX, lambda marks: convert_ldm_unet_checkpoint(marks, config))


def encoder(config: BlockConfig, attention: list[str]) -> Iterator[str]:
    for i in range(1, input_blocks(config)):
        yield f"input_blocks.{i}.0.op"
        yield from (f"input_blocks.{i}.0.{module}" for module in _RESNET)
        yield from (f"input_blocks.{i}.1.{module}" for module in attention)


def input_blocks(config: BlockConfig) -> int:
    """The first convolution, each layer, and a downsampler between each two levels."""
    return (config["layers_per_block"] + 1) * len(config["down_block_types"])


def middle(attention: list[str]) -> Iterator[str]:
    yield from (f"middle_block.{i}.{module}" for i in (0, 2) for module in _RESNET)
    yield from (f"middle_block.1.{module}" for module in attention)


def attention_modules(names: Iterable[str]) -> list[str]:
    """The modules inside attention, which are called the same in both layouts."""
    return list(dict.fromkeys(match[1] for name in names if (match := _ATTENTION.fullmatch(name))))


def marked(
    stems: Iterable[str],
    table: dict[str, str],
    prefix: str,
    convert: Callable[[State], Mapping[str, torch.Tensor | None]],
) -> dict[str, str]:
    """Map diffusers' names to the original ones, as its reader turns one into the other."""
    names = [*(f"{stem}.{kind}" for stem in stems for kind in ("weight", "bias")), *table.values()]
    marks = {prefix + name: torch.tensor(i) for i, name in enumerate(names)}
    return {name: names[int(mark)] for name, mark in convert(marks).items() if mark is not None}
