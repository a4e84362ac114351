"""Adapter files that are damaged, or name modules by expressions: refused when they are read. fp8 is not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.utils.other import get_pattern_key
from safetensors.torch import save_file

from pai_modelscope import adapters
from pai_modelscope.adapters.lora_io.patterns import Patterns
from pai_modelscope.errors import UserError
from tests.support.adapter_files import ATTENTION, CONV, WIDTH, Q, State, drawn_with, make_peft, random_lora, same
from tests.support.command_line import generate

FLAT = "lora_unet_" + Q.replace(".", "_")
NAN, INFINITE = float("nan"), float("inf")


def matrices() -> State:
    return {f"{FLAT}.lora_down.weight": torch.ones(4, WIDTH), f"{FLAT}.lora_up.weight": torch.ones(WIDTH, 4)}


# Types of one byte.


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_fp8_is_what_its_values_are_in_float32(name: str, form: str, pipe: Any, tmp_path: Path) -> None:
    short = {
        f"unet.{key}": tensor.to(getattr(torch, name)) for key, tensor in random_lora(pipe.unet, ATTENTION).items()
    }
    read = []
    for folder, state in (("a", short), ("b", {key: tensor.float() for key, tensor in short.items()})):
        file = tmp_path / f"{folder}.{form}"
        save_file(state, file) if form == "safetensors" else torch.save(state, file)
        read.append(adapters.read_lora(file))
    assert same(drawn_with(pipe, read[0]), drawn_with(pipe, read[1]))
    bad = {key: tensor.float().fill_(NAN).to(tensor.dtype) for key, tensor in short.items()}
    torch.save(bad, tmp_path / "c.bin")
    with pytest.raises(UserError, match=r"c\.bin: unet\..*no numbers \(NaN"):
        adapters.read_lora(tmp_path / "c.bin")


# Numbers that are none.

DAMAGED: dict[str, tuple[State, str]] = {
    "alpha NaN": ({f"{FLAT}.alpha": torch.tensor(NAN)}, r"to_q\.alpha is \[nan\], no single finite number"),
    "alpha infinite": ({f"{FLAT}.alpha": torch.tensor(-INFINITE)}, r"alpha is \[-inf\]"),
    "alpha infinite in fp8": ({f"{FLAT}.alpha": torch.tensor(INFINITE).to(torch.float8_e5m2)}, r"alpha is \[inf\]"),
    "two alphas": ({f"{FLAT}.alpha": torch.ones(2)}, r"alpha is \[1\.0, 1\.0\], no single"),
    "a million alphas": ({f"{FLAT}.alpha": torch.ones(10**6)}, r"alpha is \(1000000,\), no single"),
    "no alpha": ({f"{FLAT}.alpha": torch.ones(0)}, r"alpha is \[\]"),
    "complex alpha": ({f"{FLAT}.alpha": torch.tensor(1j)}, "no single finite number"),
    "scalar": ({f"{FLAT}.scalar": torch.tensor(NAN)}, r"to_q\.scalar is \[nan\]"),
    "scale": ({f"{FLAT}.scale": torch.tensor(NAN)}, r"to_q\.scale is \[nan\]"),
    "dora_scale": (
        {f"{FLAT}.dora_scale": torch.full((WIDTH, 1), INFINITE)},
        r"attn1\.to_q holds values that are no num",
    ),
    "dora_scale of inputs": (
        {f"{FLAT}.dora_scale": torch.full((1, WIDTH), NAN)},
        r"dora_scale holds values that are no",
    ),
    "bias": ({f"{FLAT}.diff_b": torch.full((WIDTH,), NAN)}, r"to_q\.diff_b holds values that are no numbers"),
    "embedding": ({"bundle_emb.x.emb_params": torch.full((1, 256), NAN)}, "embedding 'x' holds values that are no num"),
    "complex weights": ({f"{FLAT}.lora_up.weight": torch.ones(WIDTH, 4) * 1j}, "no numbers"),
    "nothing": ({f"{FLAT}.diff_b": torch.ones(0)}, r"diff_b holds nothing"),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_what_is_no_number_is_refused_when_it_is_read(how: str, tmp_path: Path) -> None:
    more, message = DAMAGED[how]
    file = tmp_path / "a.safetensors"
    save_file(matrices() | more, file)
    with pytest.raises(UserError, match=message) as caught:
        adapters.read_lora(file)
    assert str(file) in str(caught.value) and "damaged" in str(caught.value)


def test_nothing_is_drawn_with_a_damaged_lora(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    save_file(matrices() | {f"{FLAT}.alpha": torch.tensor(NAN)}, tmp_path / "nan.safetensors")
    assert generate("猫", "--lora", tmp_path / "nan.safetensors", "--size", 64, "--output", tmp_path / "o") == 2
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and "alpha is [nan]" in said
        and "torch_dtype" not in said
        and not list((tmp_path / "o").iterdir())
    )


@pytest.mark.parametrize("alpha", ["NaN", "Infinity", "1" + "0" * 400, "[4]", '"4"', "true", "1e999"])
@pytest.mark.parametrize("key", ["lora_alpha", "alpha_pattern"])
def test_alphas_of_a_configuration_that_are_no_numbers(key: str, alpha: str, pipe: Any, tmp_path: Path) -> None:
    folder, _ = make_peft(pipe, tmp_path)
    text = alpha if key == "lora_alpha" else f'{{"{Q}": {alpha}}}'
    config = json.loads((folder / "adapter_config.json").read_text("utf-8")) | {key: "HERE"}
    (folder / "adapter_config.json").write_text(json.dumps(config).replace('"HERE"', text))
    with pytest.raises(UserError, match=r"configuration of .*, lora_alpha is .*; give a number: it is damaged"):
        adapters.read_lora(folder)


# Patterns.

MODULES = [Q, CONV, "up_blocks.1.attentions.0.proj_in", "encoder.layers.10.self_attn.q_proj", "conv_in", "xconv_in"]
PATTERNS = [
    Q,
    re.escape(Q),
    f"^{Q}",
    f"^{re.escape(Q)}$",
    "conv1",
    "to_q",
    "to",
    "attn1.to_q|layers.1.*q_proj",
    "^conv_in",
]
PATTERNS += [
    "conv_in",
    r"layers\.\d+\.self_attn.[qk]_proj",
    "(conv1|to_q)",
    ".*proj_in",
    "up_.*",
    r"layers.\d\d?.*",
    "c?onv1",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_name_what_peft_takes_them_for(pattern: str) -> None:
    found = [Patterns({pattern: 2}, "here").get(module, None) for module in MODULES]
    assert found == [2 if get_pattern_key([pattern], module) == pattern else None for module in MODULES]


def test_the_first_pattern_counts() -> None:
    patterns = {"nothing": 1, "attn1.*": 2, "to_q": 3, Q: 4}
    assert Patterns(patterns, "here").get(Q, 0) == 2 == patterns[get_pattern_key(list(patterns), Q)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"(.*.*.*.*.*.*.*.*.*.*.*.*)*x": 2}, r"regular expression .* that is not understood"),
        ({"(a+)+$": 2}, "not understood"),
        ({"a{1,99999}{1,99999}": 2}, "not understood"),
        ({"(?=a)b": 2}, "not understood"),
        ({"a" * 2000: 2}, "not understood"),
        ({"": 2}, "not understood"),
        ([1], "no object of up to"),
        ({f"a{i}.*": 2 for i in range(101)}, "101 regular expressions"),
        ({f"a{i}": 2 for i in range(10_001)}, "no object of up to 10000 names"),
    ],
)
def test_expressions_that_are_refused(values: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Patterns(values, "alpha_pattern of a file")


def test_an_expression_takes_linear_time(pipe: Any, tmp_path: Path) -> None:
    """One that Python's own would go on with for ever, with a name that it does not fit."""
    assert Patterns({".*" * 200 + "x": 2}, "here").get("a." * 500, None) is None
    folder, _ = make_peft(pipe, tmp_path)
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps(config | {"alpha_pattern": {"(.*.*.*)*x": 2}}))
    with pytest.raises(UserError, match=r"alpha_pattern of .* not understood"):
        adapters.read_lora(folder)
