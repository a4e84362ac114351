"""LoRA files of every kind, read and written, against the libraries that own the formats; and what a file says."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers
from diffusers.utils.state_dict_utils import (
    convert_unet_state_dict_to_peft,
)
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from pai_modelscope import adapters
from pai_modelscope.adapters.lora_io.file import modules
from pai_modelscope.adapters.lora_io.key_formats import unflatten
from tests.support.adapter_files import (
    ATTENTION,
    CAT,
    MAKERS,
    TEXT,
    Q,
    drawn_with,
    make_diffusers,
    make_dora,
    make_embedding,
    make_kohya,
    make_legacy,
    make_peft,
    make_rslora,
    outputs,
    random_lora,
    same,
    same_state,
    spoilt,
    unet_output,
    vectors,
)

every_kind = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.removeprefix("make_"))


@every_kind
@pytest.mark.filterwarnings("ignore:.*holds DoRA")
def test_every_kind_reads_the_same_and_survives_every_form(make: Callable[..., Any], pipe: Any, tmp_path: Path) -> None:
    source, found = make(pipe, tmp_path)
    lora = adapters.read_lora(source)
    assert lora.kind == found["kind"]
    assert same_state(lora.unet, found.get("unet", {})) and same_state(lora.text_encoder, found.get("text_encoder", {}))
    assert lora.alphas == pytest.approx(found.get("alphas", {}))
    assert lora.trigger_words == found.get("trigger_words", [])
    plain, drawn = outputs(pipe), drawn_with(pipe, lora)
    assert (drawn[0] - plain[0]).abs().max() > 1e-2
    assert torch.equal(drawn[1], plain[1]) == (not lora.text_encoder)
    if "output" in found:  # PEFT's own, of the model that the file was saved from
        torch.testing.assert_close(drawn[0], found["output"], rtol=1e-4, atol=1e-4)
    for form in ("diffusers", "peft", "kohya"):
        written = adapters.write_lora(lora, tmp_path / "out" / (form + ".safetensors" * (form != "peft")), form)
        again = adapters.read_lora(written)
        assert same_state(again.unet, lora.unet) and same_state(again.text_encoder, lora.text_encoder)
        assert {name: again.alpha(name) for name in lora.ranks} == pytest.approx(
            {name: lora.alpha(name) for name in lora.ranks}
        )
        assert again.trigger_words == lora.trigger_words
        assert make is make_rslora or same(drawn_with(pipe, again), drawn)  # a root is no float32: off by rounding
        torch.testing.assert_close(drawn_with(pipe, again)[0], drawn[0])
    assert same(outputs(pipe), plain)


@pytest.mark.parametrize("make", [make_diffusers, make_kohya])
def test_diffusers_draws_the_same_where_it_can(make: Callable[..., Any], pipe: Any, tmp_path: Path) -> None:
    source, _ = make(pipe, tmp_path)
    ours = drawn_with(pipe, adapters.read_lora(source))
    if make is make_kohya:  # diffusers' alphas of text encoders go astray: the UNet alone is a reference
        file = load_file(source)
        save_file({key: t for key, t in file.items() if key.startswith("lora_unet_")}, source)
    pipe.load_lora_weights(source.parent, weight_name=source.name, adapter_name="theirs")
    theirs = outputs(pipe)
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-4, atol=1e-4)
    if make is make_diffusers:
        torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_diffusers_reads_what_is_written(form: str, pipe: Any, tmp_path: Path) -> None:
    lora = adapters.LoraFile("diffusers", random_lora(pipe.unet, f"{ATTENTION}|.*conv1"), metadata={"by": "我"})
    if form == "diffusers":  # it reads kohya's alphas of text encoders wrongly
        lora.text_encoder = random_lora(pipe.text_encoder, TEXT)
    lora.alphas = {name: 1.0 if re.search("conv|fc1|layers.1", name) else 2.0 for name in lora.ranks}
    ours = drawn_with(pipe, lora)
    file = adapters.write_lora(lora, tmp_path / "a.safetensors", form)
    pipe.load_lora_weights(tmp_path, weight_name=file.name, adapter_name="theirs")
    for theirs, expected in zip(outputs(pipe), ours, strict=True):
        torch.testing.assert_close(theirs, expected, rtol=1e-4, atol=1e-4)
    assert adapters.read_lora(file).metadata["by"] == "我"


def test_peft_reads_what_is_written(pipe: Any, tmp_path: Path) -> None:
    source, found = make_peft(pipe, tmp_path / "a")
    lora = adapters.read_lora(source)
    lora.text_encoder = random_lora(pipe.text_encoder, TEXT)
    folder = adapters.write_lora(lora, tmp_path / "b", "peft")
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(pipe.unet), folder / "unet").eval()
    torch.testing.assert_close(unet_output(theirs), found["output"])
    text = peft.PeftModel.from_pretrained(copy.deepcopy(pipe.text_encoder), folder / "text_encoder").eval()
    ids = torch.arange(1, 33)[None]
    assert torch.equal(text(ids)[0], drawn_with(pipe, lora)[1])


@pytest.mark.parametrize(
    ("form", "start"), [("diffusers", "text_encoder.text_model."), ("kohya", "lora_te_text_model_")]
)
def test_clip_is_written_as_others_know_it(form: str, start: str, pipe: Any, tmp_path: Path) -> None:
    lora = adapters.LoraFile("PEFT", {}, random_lora(pipe.text_encoder, TEXT))
    assert all(key.startswith(start) for key in load_file(adapters.write_lora(lora, tmp_path / "a.safetensors", form)))


def test_kohya_names_mean_what_diffusers_says(pipe: Any, tmp_path: Path) -> None:
    source, found = make_kohya(pipe, tmp_path)
    theirs, _ = _convert_non_diffusers_lora_to_diffusers(load_file(source))
    unet = {key.removeprefix("unet."): tensor for key, tensor in theirs.items() if key.startswith("unet.")}
    assert same_state(convert_unet_state_dict_to_peft(unet), found["unet"])
    newer = {key.replace("lora_te_", "lora_te1_"): tensor for key, tensor in load_file(source).items()}
    save_file(newer, source)
    assert same_state(adapters.read_lora(source).text_encoder, found["text_encoder"])


def test_every_layer_name_survives_kohya(pipe: Any) -> None:
    bert = BertModel(BertConfig(vocab_size=9, hidden_size=12, num_hidden_layers=2, intermediate_size=12))
    for model in (pipe.unet, pipe.text_encoder, bert):
        names = [n for n, layer in model.named_modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)]
        assert [unflatten(name.replace(".", "_")) for name in names] == names


@pytest.mark.filterwarnings("ignore:.*holds DoRA")
def test_kohya_without_alpha_and_dora(pipe: Any, tmp_path: Path) -> None:
    """dora_scale is (out, 1) there, and absent alphas mean the rank."""
    source, _ = make_dora(pipe, tmp_path / "a")
    lora = adapters.read_lora(source)
    drawn = drawn_with(pipe, lora)
    file = adapters.write_lora(lora, tmp_path / "b.safetensors", "kohya")
    tensors = load_file(file)
    key = "lora_unet_" + Q.replace(".", "_")
    assert tensors[f"{key}.dora_scale"].shape == (pipe.unet.get_submodule(Q).out_features, 1)
    assert same(drawn_with(pipe, adapters.read_lora(file)), drawn)
    save_file({name: t for name, t in tensors.items() if not name.endswith(".alpha")}, tmp_path / "c.safetensors")
    bare = adapters.read_lora(tmp_path / "c.safetensors")
    assert bare.alphas == {} and bare.alpha(f"unet.{Q}") == 4.0
    tensors[f"{key}.dora_scale"] = tensors[f"{key}.dora_scale"].T.contiguous()
    save_file(tensors, tmp_path / "d.safetensors")
    turned = adapters.read_lora(tmp_path / "d.safetensors")  # one number for each input
    assert turned.changes[f"unet.{Q}"].is_dora and not same(drawn_with(pipe, turned), drawn)


@pytest.mark.parametrize("infix", [".loramodule_default.lora_{}", ".loramodule_default.lora_{}.default.weight"])
def test_swift_before_1_5(infix: str, pipe: Any, tmp_path: Path) -> None:
    state = random_lora(pipe.unet, ATTENTION)
    old = {re.sub(r"\.lora_([AB])\.weight", lambda m: infix.format(m[1]), key): tensor for key, tensor in state.items()}
    (tmp_path / "default").mkdir()
    torch.save(old, tmp_path / "default" / "adapter_model.bin")
    (tmp_path / "default" / "adapter_config.json").write_text('{"swift_type": "LORA", "lora_alpha": 2}')
    lora = adapters.read_lora(tmp_path)
    assert lora.kind == "swift" and same_state(lora.unet, state) and lora.alpha(f"unet.{Q}") == 2.0


def test_modelscope_trainer_output(pipe: Any, tmp_path: Path) -> None:
    """LoraDiffusionTrainer leaves save_attn_procs' file in work_dir/output."""
    (tmp_path / "output").mkdir()
    _, found = make_legacy(pipe, tmp_path / "output")
    assert same_state(adapters.read_lora(tmp_path).unet, found["unet"])


def test_inspect_tells_what_a_file_is(pipe: Any, tmp_path: Path) -> None:
    source, found = make_kohya(pipe, tmp_path)
    seen = adapters.inspect(source)
    json.dumps(seen)
    counts = {"unet": len(modules(found["unet"])), "text_encoder": len(modules(found["text_encoder"]))}
    assert (seen["type"], seen["kind"], seen["modules"]) == ("LoRA", "kohya", counts)
    assert (seen["ranks"], seen["alphas"], seen["dora"], seen["alphas_in_file"]) == ([2, 4], [1.0], False, True)
    assert seen["base"] == "the mini model (cross_attention_dim 256)" and seen["trigger_words"] == ["水墨", "写意"]
    assert seen["metadata"]["ss_network_dim"] == "4"
    seen = adapters.inspect(make_embedding("learned_embeds.bin", vectors(3, 768), tmp_path))
    assert (seen["type"], seen["vectors"], seen["width"], seen["trigger_words"]) == ("embedding", 3, 768, [CAT])
    assert seen["base"] == "SD 1.x or PAI-Diffusion (text width 768)"


def test_kohya_metadata_and_base_of_other_models(pipe: Any, tmp_path: Path) -> None:
    lora, _ = spoilt(pipe, "SD 1.x or PAI-Diffusion")
    file = adapters.write_lora(lora, tmp_path / "雪.safetensors", "kohya")
    seen = adapters.inspect(file)
    assert seen["base"] == "SD 1.x or PAI-Diffusion (cross_attention_dim 768)"
    expected = {"ss_network_dim": "4", "ss_network_alpha": "4", "modelspec.title": "雪"}
    assert expected.items() <= seen["metadata"].items()
    assert seen["metadata"]["modelspec.architecture"] == "stable-diffusion-v1/lora"
    wide, _ = spoilt(pipe, "SDXL")
    assert adapters.inspect(adapters.write_lora(wide, tmp_path / "xl", "diffusers"))["base"].startswith("SDXL")
