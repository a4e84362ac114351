"""Files of cloneofsimo's lora_diffusion (`lora_pti`): matrices by number, in the order of the model's own modules.

https://github.com/cloneofsimo/lora: 'unet:0:up' and 'unet:0:down' belong to the first linear layer within the attention
and the GEGLU of Stable Diffusion 1.x as diffusers builds it, and so on; words that were learned beside them are tensors
by themselves, which the header marks.
"""

import re
from itertools import pairwise
from pathlib import Path

import torch

from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import A, B, LoraFile
from pai_modelscope.errors import UserError, first_few

_KEY = re.compile(r"(?P<part>unet|text_encoder):(?P<number>\d{1,6}):(?P<side>up|down)")
_WORD = "<embed>"
# diffusers registers the middle after both sides.
_BLOCKS = [
    *(f"down_blocks.{level}.attentions.{i}" for level in range(3) for i in range(2)),
    *(f"up_blocks.{level}.attentions.{i}" for level in range(1, 4) for i in range(3)),
    "mid_block.attentions.0",
]
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_CLIP = ("k_proj", "v_proj", "q_proj", "out_proj")


def is_pti(tensors: State) -> bool:
    return any(_KEY.fullmatch(key) for key in tensors)


def read(tensors: State, metadata: dict[str, str], file: Path) -> LoraFile:
    """Read a file of `lora_pti`.

    Raises `UserError` for what is incomplete, or made for other layers than those of Stable Diffusion 1.x.
    """
    lora = LoraFile("lora_pti", metadata={key: value for key, value in metadata.items() if value != _WORD})
    parts: dict[str, dict[int, dict[str, torch.Tensor]]] = {"unet": {}, "text_encoder": {}}
    rest = []
    for key, tensor in tensors.items():
        if match := _KEY.fullmatch(key):
            parts[match["part"]].setdefault(int(match["number"]), {})[match["side"]] = tensor
        elif metadata.get(key) == _WORD and tensor.ndim in (1, 2):
            lora.words[key] = tensor.reshape(-1, tensor.shape[-1])
        else:
            rest.append(key)
    if rest:
        raise UserError(f"{file} holds {len(rest)} tensors whose names mean nothing here ({first_few(rest)}).")
    for part, pairs in parts.items():
        if sorted(pairs) != list(range(len(pairs))) or any(len(pair) != 2 for pair in pairs.values()):
            raise UserError(f"{file} lacks some of the {part}'s matrices: the file is incomplete. Download it again.")
        ordered = [pairs[number] for number in range(len(pairs))]
        names = _unet(ordered, file) if part == "unet" else _text_encoder(ordered, file)
        for name, pair in zip(names, ordered, strict=True):
            getattr(lora, part).update({name + A: pair["down"], name + B: pair["up"]})
    return lora


def _unet(pairs: list[dict[str, torch.Tensor]], file: Path) -> list[str]:
    """The modules of attention alone, or with the first layer of each feed-forward; old diffusers had it in between."""
    if not pairs:
        return []
    pairs_per_block, left = divmod(len(pairs), len(_BLOCKS))
    if left or pairs_per_block not in (8, 9):
        raise UserError(
            f"{file} changes {len(pairs)} layers of the UNet; known are the {8 * len(_BLOCKS)} of the attention of "
            f"Stable Diffusion 1.x and the {9 * len(_BLOCKS)} with its GEGLU. Ask its author for another form."
        )
    attention = [[f"attn{i}.{layer}" for layer in _ATTENTION] for i in (1, 2)]
    names = []
    for block, (start, end) in zip(_BLOCKS, pairwise(range(0, len(pairs) + 1, pairs_per_block)), strict=True):
        heights = [pair["up"].shape[0] if pair["up"].ndim else 0 for pair in pairs[start:end]]
        between = pairs_per_block == 9 and heights[4] == 8 * heights[0]
        gate = ["ff.net.0.proj"] if pairs_per_block == 9 else []
        order = [*attention[0], *gate, *attention[1]] if between else [*attention[0], *attention[1], *gate]
        names += [f"{block}.transformer_blocks.0.{layer}" for layer in order]
    return names


def _text_encoder(pairs: list[dict[str, torch.Tensor]], file: Path) -> list[str]:
    if len(pairs) % len(_CLIP):
        raise UserError(f"{file} changes {len(pairs)} layers of the text encoder, not {len(_CLIP)} of each of its own.")
    return [f"encoder.layers.{i}.self_attn.{layer}" for i in range(len(pairs) // len(_CLIP)) for layer in _CLIP]
