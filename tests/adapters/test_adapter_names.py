"""LoRAs under the names of CompVis' code, of lora_pti and others; the words that files bring along."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, adapters
from pai_modelscope.adapters.lora_io.file import LoraFile
from pai_modelscope.errors import UserError
from tests.support.adapter_files import (
    ATTENTION,
    MODEL,
    WIDTH,
    Q,
    State,
    make_kohya,
    random_lora,
    rows_read,
    same_state,
)
from tests.support.command_line import generate, names, pixels

TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
# Original names and diffusers' of modules from every corner of Stable Diffusion 1.x.
LDM = {
    "input_blocks.0.0": "conv_in",
    "input_blocks.1.1.proj_in": "down_blocks.0.attentions.0.proj_in",
    "input_blocks.4.1.transformer_blocks.0.attn2.to_k": TO_K,
    "input_blocks.6.0.op": "down_blocks.1.downsamplers.0.conv",
    "middle_block.1.transformer_blocks.0.ff.net.0.proj": "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "middle_block.2.in_layers.2": "mid_block.resnets.1.conv1",
    "output_blocks.2.1.conv": "up_blocks.0.upsamplers.0.conv",
    "output_blocks.3.0.skip_connection": "up_blocks.1.resnets.0.conv_shortcut",
    "output_blocks.5.2.conv": "up_blocks.1.upsamplers.0.conv",
    "output_blocks.11.1.transformer_blocks.0.attn1.to_out.0": (
        "up_blocks.3.attentions.2.transformer_blocks.0.attn1.to_out.0"
    ),
    "time_embed.2": "time_embedding.linear_2",
    "out.2": "conv_out",
}
CLIP = "text_model.encoder.layers.3.self_attn.q_proj"


@pytest.fixture(scope="module")
def small_unet() -> Any:
    """A UNet with Stable Diffusion 1.x's blocks, few channels, and the width of its text."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 8, 16, 16), norm_num_groups=4, attention_head_dim=4, cross_attention_dim=768
    )


def pair(layer: Any, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    out, *rest = layer.weight.shape
    up = torch.randn(out, 2, *[1] * (len(rest) - 1), generator=random)
    return torch.randn(2, *rest, generator=random), up


def ldm_file(unet: Any, layout: str) -> tuple[State, State]:
    """Tensors as a program writes them, and what must be read."""
    state, read = {}, {}
    for seed, (original, ours) in enumerate(LDM.items()):
        down, up = pair(unet.get_submodule(ours), seed)
        read[f"{ours}.lora_A.weight"], read[f"{ours}.lora_B.weight"] = down, up
        flat = "lora_unet_" + original.replace(".", "_")
        name = {"kohya": flat, "comfy": f"diffusion_model.{original}", "whole": f"model.diffusion_model.{original}"}[
            layout
        ]
        state[f"{name}.lora_{'A' if layout == 'whole' else 'down'}.weight"] = down
        state[f"{name}.lora_{'B' if layout == 'whole' else 'up'}.weight"] = up
        state[f"{name}.alpha"] = torch.tensor(4.0)
    clip = {
        "kohya": "lora_te_" + CLIP.replace(".", "_"),
        "comfy": f"text_encoders.clip_l.transformer.{CLIP}",
        "whole": f"cond_stage_model.transformer.{CLIP}",
    }[layout]
    state[f"{clip}.lora_down.weight"], state[f"{clip}.lora_up.weight"] = torch.ones(2, 768), torch.ones(768, 2)
    return state, read


@pytest.mark.parametrize("layout", ["kohya", "comfy", "whole"])
def test_the_original_names_of_stable_diffusion_1(layout: str, small_unet: Any, tmp_path: Path) -> None:
    state, read = ldm_file(small_unet, layout)
    save_file(state, tmp_path / "a.safetensors")
    lora = adapters.read_lora(tmp_path / "a.safetensors")
    assert same_state(lora.unet, read) and set(lora.text_encoder) == {
        f"{CLIP.removeprefix('text_model.')}.lora_{side}.weight" for side in "AB"
    }
    seen = adapters.inspect(tmp_path / "a.safetensors")
    assert (seen["ranks"], seen["base"]) == ([2], "SD 1.x or PAI-Diffusion (cross_attention_dim 768)")
    assert set(lora.alphas.values()) == {4.0} and len(lora.alphas) == len(LDM)
    pipe = type("Pipe", (), {"unet": small_unet})()
    before = {key: tensor.clone() for key, tensor in small_unet.state_dict().items()}
    lora.text_encoder = {}
    adapters.merge_lora(pipe, lora)
    for module in LDM.values():
        down, up = read[f"{module}.lora_A.weight"], read[f"{module}.lora_B.weight"]
        wanted = before[f"{module}.weight"] + 4 / 2 * torch.einsum("or...,ri...->oi...", up, down)
        torch.testing.assert_close(small_unet.state_dict()[f"{module}.weight"], wanted)
    small_unet.load_state_dict(before)


@pytest.mark.parametrize("name", ["input_blocks_13_1_proj_in", "input_blocks_4_7_proj_in", "out_9", "middle_block_x"])
def test_blocks_that_stable_diffusion_1_has_not(name: str, tmp_path: Path) -> None:
    sides = ("down", "up")
    save_file({f"lora_unet_{name}.lora_{side}.weight": torch.ones(2, 2) for side in sides}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"holds no LoRA|missing in the model"):
        adapters.load_lora(type("Pipe", (), {})(), adapters.read_lora(tmp_path / "a.safetensors"), "a")


@pytest.mark.parametrize("words", [("lora.down", "lora.up"), ("lora_down", "lora_up"), ("lora_A", "lora_B")])
@pytest.mark.parametrize("prefix", ["unet.", "base_model.model.unet.", ""])
def test_dotted_names(words: tuple[str, str], prefix: str, pipe: Any, tmp_path: Path) -> None:
    state = random_lora(pipe.unet, ATTENTION)
    old = ("lora_A", "lora_B")
    renamed = {prefix + key.replace(old[0], words[0]).replace(old[1], words[1]): t for key, t in state.items()}
    renamed[f"{prefix}{Q}.alpha"] = torch.tensor(3.0)
    if prefix.startswith("base"):
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4}))
    save_file(renamed, tmp_path / "adapter_model.safetensors")
    lora = adapters.read_lora(tmp_path)
    assert same_state(lora.unet, state) and lora.alphas == {f"unet.{Q}": 3.0}


def test_lora_and_dora_in_one_file(pipe: Any, tmp_path: Path) -> None:
    """Each module as what it is; kohya's form holds both, the others say that they don't."""
    plain = LoraFile("PEFT", random_lora(pipe.unet, ATTENTION))
    mixed = LoraFile("PEFT", {**plain.unet, f"{Q}.lora_magnitude_vector": torch.full((WIDTH,), 2.0)})
    with pytest.warns(UserWarning, match=r"holds DoRA \(1 modules"):
        file = adapters.write_lora(mixed, tmp_path / "a.safetensors", "kohya")
    lora = adapters.read_lora(file)
    assert lora.kinds == {"LoRA": len(plain.ranks) - 1, "DoRA": 1}
    before = {key: tensor.clone() for key, tensor in pipe.unet.state_dict().items()}
    adapters.merge_lora(pipe, lora, 0.5)
    weight, name = before[f"{Q}.weight"], f"{Q}.weight"
    moved = weight + plain.unet[f"{Q}.lora_B.weight"] @ plain.unet[f"{Q}.lora_A.weight"]
    whole = 2.0 * moved / moved.norm(dim=1, keepdim=True)
    torch.testing.assert_close(pipe.unet.state_dict()[name], weight + 0.5 * (whole - weight))
    for form in ("diffusers", "peft"):
        with pytest.raises(UserError, match="can't hold LoRA and DoRA in one unet"):
            adapters.write_lora(lora, tmp_path / form, form)


# Words.


def bundled(folder: Path, pipe: Any, word: str = "sksink", width: int = 256) -> Path:
    kohya = load_file(make_kohya(pipe, folder)[0])
    rows = torch.randn(2, width, generator=torch.Generator().manual_seed(3))
    save_file({**kohya, f"bundle_emb.{word}.string_to_param.*": rows}, folder / "b.safetensors")
    return folder / "b.safetensors"


def test_a_bundled_word_is_learned_with_its_lora(pipe: Any, tmp_path: Path) -> None:
    file = bundled(tmp_path, pipe)
    seen = adapters.inspect(file)
    assert seen["bundled_embeddings"] == {"sksink": 2} and seen["trigger_words"][0] == "sksink"
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    sampler.add_lora(file, "b")
    assert torch.equal(rows_read(sampler, "sksink"), load_file(file)["bundle_emb.sksink.string_to_param.*"])
    with pytest.warns(UserWarning, match="'sksink', which is learned already"):
        sampler.add_lora(bundled(tmp_path, pipe), "again")
    again = adapters.read_lora(adapters.write_lora(adapters.read_lora(file), tmp_path / "c.safetensors", "kohya"))
    assert same_state(again.words, adapters.read_lora(file).words)
    with pytest.raises(UserError, match=r"can't hold the embeddings that the file bundles \(sksink\)"):
        adapters.write_lora(again, tmp_path / "d", "diffusers")


def test_a_bundled_word_is_not_merged_without_a_word(pipe: Any, tmp_path: Path) -> None:
    lora = adapters.read_lora(bundled(tmp_path, pipe))
    with pytest.warns(UserWarning, match=r"bundles embeddings \(sksink\), which are not merged"):
        adapters.merge_lora(pipe, lora, 0.5)


def test_a_word_that_does_not_fit_loads_nothing(pipe: Any, tmp_path: Path) -> None:
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    before = {key: tensor.clone() for key, tensor in sampler.pipe.unet.state_dict().items()}
    with pytest.raises(UserError, match="vectors of width 768"):
        sampler.add_lora(bundled(tmp_path, pipe, width=768))
    assert same_state(sampler.pipe.unet.state_dict(), before) and not adapters.loaded_loras(sampler.pipe)


# lora_pti.


def pti_file(unet: Any, classes: set[str], folder: Path) -> tuple[Path, list[str]]:
    """As cloneofsimo's `save_safeloras_with_embeds` writes it: layers in the order in which the model has them."""
    modules = [
        f"{name}.{inner}"
        for name, module in unet.named_modules()
        if type(module).__name__ in classes
        for inner, layer in module.named_modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    state, header = {"<s1>": torch.ones(768)}, {"<s1>": "<embed>", "unet": json.dumps(sorted(classes))}
    for i, name in enumerate(modules):
        state[f"unet:{i}:down"], state[f"unet:{i}:up"] = pair(unet.get_submodule(name), i)
        header[f"unet:{i}:rank"] = "2"
    for i in range(48):
        state[f"text_encoder:{i}:down"], state[f"text_encoder:{i}:up"] = torch.ones(2, 768), torch.ones(768, 2)
    save_file(state, folder / "pti.safetensors", header)
    return folder / "pti.safetensors", modules


@pytest.mark.parametrize("classes", [{"Attention", "GEGLU"}, {"Attention"}])
def test_lora_pti(classes: set[str], small_unet: Any, tmp_path: Path) -> None:
    file, modules = pti_file(small_unet, classes, tmp_path)
    lora = adapters.read_lora(file)
    assert len(modules) == 16 * (8 + ("GEGLU" in classes)) and lora.kind == "lora_pti"
    wanted = {}
    for i, name in enumerate(modules):
        wanted[f"{name}.lora_A.weight"], wanted[f"{name}.lora_B.weight"] = pair(small_unet.get_submodule(name), i)
    assert same_state(lora.unet, wanted)
    assert len(lora.text_encoder) == 96 and "encoder.layers.11.self_attn.out_proj.lora_A.weight" in lora.text_encoder
    assert list(lora.words) == ["<s1>"] and lora.words["<s1>"].shape == (1, 768)
    lora.text_encoder = {}
    adapters.merge_lora(type("Pipe", (), {"unet": small_unet})(), lora, 0)  # it fits


@pytest.mark.parametrize("left_out", ["unet:3:up", "unet:143:", "text_encoder:47:"])
def test_a_part_of_lora_pti_is_refused(left_out: str, small_unet: Any, tmp_path: Path) -> None:
    file, _ = pti_file(small_unet, {"Attention", "GEGLU"}, tmp_path)
    state = {key: tensor for key, tensor in load_file(file).items() if not key.startswith(left_out)}
    save_file(state, file, {"<s1>": "<embed>"})
    with pytest.raises(UserError, match=r"lacks some of|changes 143 layers|changes 47 layers"):
        adapters.read_lora(file)


# Names in tags.


@pytest.mark.parametrize(
    ("file", "tag"), [("ink_v1.5", "ink_v1.5"), ("ink_v1.5", "ink_v1_5"), ("my ink 2.0", "my ink 2.0"), ("pop", "pop")]
)
def test_names_with_dots_and_spaces_in_tags(file: str, tag: str, pipe: Any, tmp_path: Path) -> None:
    lora = LoraFile("PEFT", random_lora(pipe.unet, ATTENTION))
    path = adapters.write_lora(lora, tmp_path / f"{file}.safetensors", "kohya")
    options = ["--lora", str(path), "--steps", "1", "--size", "64", "--seed", "1"]
    assert generate(f"猫<lora:{tag}:0.5>", *options, "--output", tmp_path / "a") == 0
    drawn = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("猫", "--lora", f"{path}=0.5", *options[2:], "--output", tmp_path / "b") == 0
    assert generate("--like", drawn, "--output", tmp_path / "c") == 0
    others = [pixels(tmp_path / folder / names(tmp_path / folder)[0]) for folder in "bc"]
    assert all(np.array_equal(pixels(drawn), other) for other in others)


def test_two_loras_whose_names_differ_by_a_dot(pipe: Any, tmp_path: Path) -> None:
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    for seed, name in enumerate(("a.b", "a_b")):
        lora = LoraFile("PEFT", random_lora(pipe.unet, ATTENTION, seed=seed))
        assert sampler.add_lora(adapters.write_lora(lora, tmp_path / f"{name}.safetensors", "kohya")) == name
    options = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 1}
    drawn = [np.asarray(sampler(f"猫<lora:{name}>", **options)[0].image) for name in ("a.b", "a_b")]
    assert not np.array_equal(*drawn)
