"""LoRAs in the shipped model: their arithmetic by hand, switching, and failures that change nothing."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from pai_modelscope import adapters
from pai_modelscope.adapters.lora_io.file import modules
from pai_modelscope.errors import UserError
from tests.support.adapter_files import (
    ATTENTION,
    CONV,
    TEXT,
    Q,
    drawn_with,
    make_dora,
    make_kohya,
    outputs,
    random_lora,
    same,
    same_state,
    spoilt,
    unet_output,
)

# The arithmetic, by hand.


def test_merging_is_w_plus_scaled_product(pipe: Any) -> None:
    lora = adapters.LoraFile("PEFT", random_lora(pipe.unet, f"{re.escape(Q)}|{re.escape(CONV)}"))
    lora.alphas = {f"unet.{Q}": 2.0}
    linear, conv = (pipe.unet.get_submodule(name).weight.clone() for name in (Q, CONV))
    names = list(pipe.unet.state_dict())
    adapters.merge_lora(pipe, lora, 0.5)
    down, up = lora.unet[f"{Q}.lora_A.weight"], lora.unet[f"{Q}.lora_B.weight"]
    expected = linear + 0.5 * (2.0 / 4) * (up @ down)
    torch.testing.assert_close(pipe.unet.get_submodule(Q).weight, expected)
    down, up = lora.unet[f"{CONV}.lora_A.weight"], lora.unet[f"{CONV}.lora_B.weight"]
    expected = conv + 0.5 * (4 / 4) * torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down)
    torch.testing.assert_close(pipe.unet.get_submodule(CONV).weight, expected)
    assert list(pipe.unet.state_dict()) == names and adapters.loaded_loras(pipe) == []


@pytest.mark.parametrize("make", [make_kohya, make_dora])
def test_merged_draws_as_unmerged(make: Callable[..., Any], pipe: Any, tmp_path: Path) -> None:
    lora = adapters.read_lora(make(pipe, tmp_path)[0])
    other = adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION, seed=5))
    adapters.load_lora(pipe, lora, "a")
    adapters.set_loras(pipe, {"a": 0.7})
    loaded = outputs(pipe)
    adapters.unload_lora(pipe, "a")
    adapters.load_lora(pipe, other, "other")
    adapters.set_loras(pipe, {})
    adapters.merge_lora(pipe, lora, 0.7)
    for got, expected in zip(outputs(pipe), loaded, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    before = outputs(pipe)
    adapters.set_loras(pipe, {"other": 1})  # is on although another was merged into the same layers
    assert not torch.equal(outputs(pipe)[0], before[0])


@pytest.mark.slow
def test_extraction_finds_the_lora_again(pipe: Any, shipped: Any) -> None:
    lora = adapters.LoraFile("PEFT", random_lora(pipe.unet, f"{ATTENTION}|.*conv1", rank=3))
    adapters.merge_lora(pipe, lora, 1)
    found = adapters.extract_lora(pipe.unet, shipped.unet, 3)
    assert modules(found.unet) == modules(lora.unet)
    assert float(found.metadata["extracted_share"]) > 0.999
    for name in (Q, CONV):
        products = [
            s[f"{name}.lora_B.weight"].flatten(1) @ s[f"{name}.lora_A.weight"].flatten(1)
            for s in (found.unet, lora.unet)
        ]
        torch.testing.assert_close(*products, rtol=1e-3, atol=1e-4)
    tuned = unet_output(pipe.unet)
    pipe.unet.load_state_dict(shipped.unet.state_dict())
    torch.testing.assert_close(drawn_with(pipe, found)[0], tuned, rtol=1e-3, atol=1e-3)
    smaller = adapters.extract_lora(shipped.unet, shipped.unet.__class__.from_config(shipped.unet.config), 2)
    assert 0 < float(smaller.metadata["extracted_share"]) < 0.9 and set(smaller.ranks.values()) == {2}


def test_extraction_refuses_what_it_cannot_do(pipe: Any, shipped: Any) -> None:
    with pytest.raises(UserError, match="nothing to extract"):
        adapters.extract_lora(pipe.unet, shipped.unet, 4)
    with pytest.raises(UserError, match="rank is 0"):
        adapters.extract_lora(pipe.unet, shipped.unet, 0)
    with pytest.raises(UserError, match="differ in more than values"):
        adapters.extract_lora(pipe.unet, shipped.vae, 4)


# Switching.


def test_switching_needs_no_reloading(pipe: Any) -> None:
    plain = outputs(pipe)
    names = list(pipe.unet.state_dict())
    first = adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION), random_lora(pipe.text_encoder, TEXT))
    second = adapters.LoraFile("PEFT", random_lora(pipe.unet, ".*conv1|.*to_q", rank=2, seed=7))
    alone = [drawn_with(pipe, lora) for lora in (first, second)]
    state = torch.get_rng_state()
    adapters.load_lora(pipe, first, "甲")
    adapters.load_lora(pipe, second, "乙")
    assert torch.equal(state, torch.get_rng_state())
    assert adapters.loaded_loras(pipe) == ["甲", "乙"] and pipe.get_active_adapters() == ["甲", "乙"]
    both = outputs(pipe)
    for weights, expected in (({"甲": 1}, alone[0]), ({"乙": 1, "甲": 0}, alone[1]), ({}, plain), ({"甲": 0}, plain)):
        adapters.set_loras(pipe, weights)
        assert same(outputs(pipe), expected)
        assert pipe.get_active_adapters() == [name for name, weight in weights.items() if weight]
    adapters.set_loras(pipe, {"甲": 1, "乙": 1})
    assert same(outputs(pipe), both)
    adapters.set_loras(pipe, {"甲": 0.5, "乙": -1})
    half = outputs(pipe)
    pipe.set_adapters(["甲", "乙"], [1.0, 1.0])  # diffusers' own switch works on them too
    assert same(outputs(pipe), both)
    pipe.disable_lora()
    adapters.set_loras(pipe, {"甲": 0.5, "乙": -1})
    assert same(outputs(pipe), half)
    assert not any(parameter.requires_grad for parameter in pipe.unet.parameters())
    adapters.set_loras(pipe, {"甲": 1})
    adapters.unload_lora(pipe, "甲")  # and does not turn on the one that was off
    assert same(outputs(pipe), plain)
    adapters.unload_lora(pipe, "乙")
    assert list(pipe.unet.state_dict()) == names and not hasattr(pipe.unet, "peft_config")
    assert same(outputs(pipe), plain)


def test_weight_scales_the_change(pipe: Any) -> None:
    lora = adapters.LoraFile("PEFT", random_lora(pipe.unet, re.escape(Q)))
    base = pipe.unet.get_submodule(Q)
    hidden = torch.randn(1, 5, base.in_features)
    before = base(hidden)
    down, up = lora.unet[f"{Q}.lora_A.weight"], lora.unet[f"{Q}.lora_B.weight"]
    lora.alphas = {f"unet.{Q}": 6.0}
    adapters.load_lora(pipe, lora, "a")
    adapters.set_loras(pipe, {"a": 0.25})
    change = pipe.unet.get_submodule(Q)(hidden) - before
    torch.testing.assert_close(change, 0.25 * (6.0 / 4) * hidden @ down.T @ up.T, rtol=1e-3, atol=1e-4)


def test_half_precision_model(pipe: Any) -> None:
    pipe.unet.to(torch.bfloat16)
    adapters.load_lora(pipe, adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION)), "a")
    assert {parameter.dtype for parameter in pipe.unet.parameters()} == {torch.bfloat16}


def test_linear_and_1x1_convolution_fit_each_other(pipe: Any) -> None:
    state = random_lora(pipe.unet, ".*proj_in")
    flat = {key: tensor.flatten(1) for key, tensor in state.items()}
    drawn = [drawn_with(pipe, adapters.LoraFile("kohya", one)) for one in (state, flat)]
    assert same(*drawn)
    linear = random_lora(pipe.unet, ATTENTION)
    kernels = {key: tensor[:, :, None, None] for key, tensor in linear.items()}
    assert same(*(drawn_with(pipe, adapters.LoraFile("kohya", one)) for one in (linear, kernels)))


def test_bert_text_encoder(pipe: Any, tmp_path: Path) -> None:
    bert = BertModel(BertConfig(vocab_size=99, hidden_size=24, num_hidden_layers=1, num_attention_heads=2)).eval()
    pipe.text_encoder = bert
    state = random_lora(bert, r".*(query|value)")
    lora = adapters.LoraFile("PEFT", {}, state)
    ids = torch.arange(9)[None]
    plain = bert(ids)[0]
    for form in ("diffusers", "peft", "kohya"):
        file = adapters.write_lora(lora, tmp_path / (form + ".safetensors" * (form != "peft")), form)
        adapters.load_lora(pipe, adapters.read_lora(file), form)
        assert not torch.equal(bert(ids)[0], plain)
        adapters.unload_lora(pipe, form)
    assert torch.equal(bert(ids)[0], plain)


@pytest.mark.parametrize(
    "how",
    [
        "nothing matches",
        "a part matches",
        "text encoder",
        "magnitude",
        "SDXL",
        "SD 2.x",
        "SD 1.x or PAI-Diffusion",
    ],
)
def test_a_failed_lora_changes_nothing(how: str, pipe: Any) -> None:
    adapters.load_lora(pipe, adapters.LoraFile("PEFT", random_lora(pipe.unet, ".*to_q", seed=9)), "good")
    adapters.set_loras(pipe, {"good": 0.5})
    unet, text = copy.deepcopy(pipe.unet.state_dict()), copy.deepcopy(pipe.text_encoder.state_dict())
    before = outputs(pipe)
    bad, message = spoilt(pipe, how)
    for act in (lambda: adapters.load_lora(pipe, bad, "bad"), lambda: adapters.merge_lora(pipe, bad, 1)):
        with pytest.raises(UserError, match=message):
            act()
        assert same_state(pipe.unet.state_dict(), unet) and same_state(pipe.text_encoder.state_dict(), text)
        assert adapters.loaded_loras(pipe) == ["good"] and same(outputs(pipe), before)


def test_a_failure_half_way_is_undone(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The UNet has its adapter already when the text encoder's can't be put in."""
    from pai_modelscope.adapters import lora_loader

    adapters.load_lora(pipe, adapters.LoraFile("PEFT", random_lora(pipe.unet, ".*to_q", seed=9)), "good")
    adapters.set_loras(pipe, {"good": 0.5})
    unet, before = copy.deepcopy(pipe.unet.state_dict()), outputs(pipe)
    inject = lora_loader._inject

    def fail(model: Any, *rest: Any) -> None:
        inject(model, *rest)
        if model is pipe.text_encoder:
            raise MemoryError

    monkeypatch.setattr(lora_loader, "_inject", fail)
    both = adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION), random_lora(pipe.text_encoder, TEXT))
    with pytest.raises(MemoryError):
        adapters.load_lora(pipe, both, "bad")
    assert same_state(pipe.unet.state_dict(), unet) and same(outputs(pipe), before)
    assert adapters.loaded_loras(pipe) == ["good"] and not hasattr(pipe.text_encoder, "peft_config")


def test_names_and_weights_that_cannot_be(pipe: Any) -> None:
    lora = adapters.LoraFile("PEFT", random_lora(pipe.unet, re.escape(Q)))
    for name in ("", "a.b", "pop"):
        with pytest.raises(UserError, match="can't be a LoRA's name"):
            adapters.load_lora(pipe, lora, name)
    adapters.load_lora(pipe, lora, "a")
    with pytest.raises(UserError, match="is loaded already"):
        adapters.load_lora(pipe, lora, "a")
    with pytest.raises(UserError, match="No LoRA 'b' is loaded; loaded are: a"):
        adapters.set_loras(pipe, {"b": 1})
    with pytest.raises(UserError, match="No LoRA 'b'"):
        adapters.unload_lora(pipe, "b")
    for weight in (float("nan"), "1"):
        with pytest.raises(UserError, match="The weight of the LoRA 'a'"):
            adapters.set_loras(pipe, {"a": weight})  # type: ignore[dict-item]
