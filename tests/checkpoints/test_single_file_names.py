"""The names of a single file's tensors: those of Stable Diffusion's own files, for every shape that has them."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from pai_modelscope.checkpoints.single_file import from_single_file, to_single_file
from pai_modelscope.checkpoints.single_file.names import slots
from tests.support.adapter_files import MODEL, VOCABULARY, same_state
from tests.support.single_files import TEXT, UNET, VAE, WEIGHTS, control, copied, picture, same_bits, weights

# Sorted and joined by line ends: the names in the rename tables of modelscope/DiffSynth-Studio (commit e3f8a576), which
# list every tensor of the released Stable Diffusion 1.5 and ControlNet 1.1.
ORIGINAL = {
    "unet": (686, "a635fa777e57c17aa014b0cb53066680"),
    "vae": (248, "21416c5ccb2f84d7fd9e0d9d7f17876a"),
    "controlnet": (340, "02955973f599f43d4f28b63dcc5f8c8f"),
}
KNOWN = {
    "unet": {
        "conv_in.weight": "input_blocks.0.0.weight",
        "time_embedding.linear_2.bias": "time_embed.2.bias",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight": (
            "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
        ),
        "down_blocks.0.downsamplers.0.conv.weight": "input_blocks.3.0.op.weight",
        "down_blocks.1.resnets.0.conv_shortcut.weight": "input_blocks.4.0.skip_connection.weight",
        "down_blocks.3.resnets.1.time_emb_proj.bias": "input_blocks.11.0.emb_layers.1.bias",
        "mid_block.resnets.1.conv2.weight": "middle_block.2.out_layers.3.weight",
        "mid_block.attentions.0.proj_in.weight": "middle_block.1.proj_in.weight",
        "up_blocks.0.upsamplers.0.conv.weight": "output_blocks.2.1.conv.weight",
        "up_blocks.1.upsamplers.0.conv.bias": "output_blocks.5.2.conv.bias",
        "up_blocks.3.attentions.2.transformer_blocks.0.ff.net.0.proj.weight": (
            "output_blocks.11.1.transformer_blocks.0.ff.net.0.proj.weight"
        ),
        "conv_norm_out.weight": "out.0.weight",
    },
    "vae": {
        "encoder.down_blocks.1.resnets.0.conv_shortcut.weight": "encoder.down.1.block.0.nin_shortcut.weight",
        "encoder.mid_block.attentions.0.to_out.0.weight": "encoder.mid.attn_1.proj_out.weight",
        "decoder.up_blocks.0.upsamplers.0.conv.bias": "decoder.up.3.upsample.conv.bias",
        "decoder.conv_norm_out.bias": "decoder.norm_out.bias",
        "post_quant_conv.weight": "post_quant_conv.weight",
    },
    "controlnet": {
        "controlnet_down_blocks.11.weight": "zero_convs.11.0.weight",
        "controlnet_mid_block.bias": "middle_block_out.0.bias",
        "controlnet_cond_embedding.conv_in.weight": "input_hint_block.0.weight",
        "controlnet_cond_embedding.blocks.5.weight": "input_hint_block.12.weight",
        "controlnet_cond_embedding.conv_out.bias": "input_hint_block.14.bias",
        "down_blocks.2.resnets.1.norm1.weight": "input_blocks.8.0.in_layers.0.weight",
    },
}
VAE_BLOCKS: dict[str, Any] = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("part", ORIGINAL)
def test_stable_diffusions_own_shape_has_its_own_names(part: str, linear: bool) -> None:
    """Built without memory: the full shapes."""
    with torch.device("meta"):
        model: Any = {
            "unet": lambda: UNet2DConditionModel(cross_attention_dim=768, use_linear_projection=linear),
            "vae": lambda: AutoencoderKL(block_out_channels=(128, 256, 512, 512), **VAE_BLOCKS),
            "controlnet": lambda: ControlNetModel(cross_attention_dim=768, use_linear_projection=linear),
        }[part]()
    places = slots(part, dict(model.config))
    prefix = {"unet": UNET, "vae": VAE, "controlnet": "control_model."}[part]
    assert {name: places[name].original.removeprefix(prefix) for name in KNOWN[part]} == KNOWN[part]
    names = sorted(place.original for place in places.values())
    assert all(name.startswith(prefix) for name in names)
    assert (len(names), hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]) == ORIGINAL[part]


def test_diffusers_reads_the_same_tensors(shipped: Any, tmp_path: Path) -> None:
    single = to_single_file("pai-diffusion-mini-zh", tmp_path / "mini.safetensors")
    tensors = load_file(single)
    for part, convert in (
        ("unet", single_file_utils.convert_ldm_unet_checkpoint),
        ("vae", single_file_utils.convert_ldm_vae_checkpoint),
    ):
        config = json.loads((MODEL / part / "config.json").read_text())
        assert same_bits(convert(dict(tensors), config=config), load_file(MODEL / part / WEIGHTS[part]))
    text = single_file_utils.convert_ldm_clip_checkpoint(tensors)
    assert same_bits(text, load_file(MODEL / "text_encoder" / WEIGHTS["text_encoder"]))
    theirs = UNet2DConditionModel.from_single_file(str(single), config=str(MODEL), subfolder="unet")
    assert same_state(theirs.state_dict(), shipped.unet.state_dict())
    net = control(shipped.unet)
    net.save_pretrained(tmp_path / "canny")
    file = to_single_file(tmp_path / "canny", tmp_path / "canny.safetensors")
    theirs = ControlNetModel.from_single_file(str(file), config=str(tmp_path / "canny"))
    assert same_state(theirs.state_dict(), net.state_dict())


# Other shapes.


@pytest.mark.parametrize("linear", [False, True])
def test_a_unet_of_stable_diffusions_shape(linear: bool, shipped: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    narrow = {"block_out_channels": (8, 8, 16, 16), "norm_num_groups": 4, "attention_head_dim": 4}
    unet = UNet2DConditionModel(cross_attention_dim=256, use_linear_projection=linear, sample_size=32, **narrow)
    folder = copied(tmp_path / "model", "unet", unet.to(torch.bfloat16))
    file = to_single_file(folder, tmp_path / "a.safetensors")
    assert load_file(file)[f"{UNET}input_blocks.1.1.proj_in.weight"].ndim == (2 if linear else 4)
    config = dict(unet.config)
    theirs = single_file_utils.convert_ldm_unet_checkpoint(load_file(file), config=config)
    assert same_bits(theirs, load_file(folder / "unet" / WEIGHTS["unet"]))
    back = from_single_file(file, tmp_path / "back")
    assert same_bits(weights(back), weights(folder))  # bfloat16 here, what ships beside it
    assert {t.dtype for t in weights(back).values()} == {torch.bfloat16, torch.float16, torch.float8_e4m3fn}


@pytest.mark.parametrize("old", [False, True], ids=["today", "2022"])
def test_an_autoencoder_with_attention(old: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL(block_out_channels=(8, 8, 8, 16), norm_num_groups=4, **VAE_BLOCKS)
    folder = copied(tmp_path / "model", "vae", vae)
    stored = load_file(folder / "vae" / WEIGHTS["vae"])
    if old:
        words = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        older = copy.copy(stored)
        for new, word in words.items():
            older = {name.replace(f".0.{new}.", f".0.{word}."): tensor for name, tensor in older.items()}
        assert older.keys() != stored.keys()
        save_file(older, folder / "vae" / WEIGHTS["vae"])
    file = to_single_file(folder, tmp_path / "a.safetensors")
    tensors = load_file(file)
    assert tensors[f"{VAE}decoder.mid.attn_1.q.weight"].shape == (16, 16, 1, 1)
    theirs = single_file_utils.convert_ldm_vae_checkpoint(dict(tensors), config=dict(vae.config))
    assert same_bits(theirs, stored)
    back = from_single_file(file, tmp_path / "back")
    assert same_bits(load_file(back / "vae" / WEIGHTS["vae"]), stored)


def test_a_bert_text_tower(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 32}
    bert = BertModel(BertConfig(vocab_size=VOCABULARY, max_position_embeddings=32, **sizes))
    folder = copied(tmp_path / "model", "text_encoder", bert, text_encoder=["transformers", "BertModel"])
    file = to_single_file(folder, tmp_path / "a.safetensors")
    tensors = load_file(file)
    assert f"{TEXT}encoder.layer.0.attention.self.query.weight" in tensors
    assert same_bits(weights(from_single_file(file, tmp_path / "back")), weights(folder))
    # A head that no picture passes through may be missing.
    save_file({name: t for name, t in tensors.items() if "pooler" not in name}, tmp_path / "b.safetensors")
    headless = from_single_file(tmp_path / "b.safetensors", tmp_path / "headless", base=folder)
    assert np.array_equal(picture(headless), picture(folder))
