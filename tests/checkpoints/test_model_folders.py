"""Model folders that strangers wrote: no code runs, nothing is built but what the weights are of, a fault is a line."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.adapters.control import read_control_lora
from pai_modelscope.adapters.result_manifest import Tuned, write_tuned
from pai_modelscope.checkpoints.single_file import to_single_file
from tests.support.model_folder import (
    MINI,
    QUICK,
    SCHEDULER,
    TEXT,
    TOKENIZER,
    UNET,
    VAE,
    Values,
    copy_mini,
    edit,
    refused,
)

DEEP = '{"a":' + "[" * 100_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_mini(tmp_path / "model")


def opened_in_little(folder: Path, answer: str = "") -> subprocess.CompletedProcess[str]:
    """`pai-modelscope generate` with 3 GiB of memory, a minute, and something to read on standard input."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))\n"
        "import sys; from pai_modelscope.cli import main; sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "generate", "猫", "--model", str(folder), "--output", str(folder / "out")],
        input=answer,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ,
    )


# Code


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("text_encoder", ["transformers", "AutoModel"]),
        ("text_encoder", ["transformers", "pipeline"]),
        ("text_encoder", ["diffusers", "UNet2DConditionModel"]),
        ("tokenizer", ["transformers", "AutoTokenizer"]),
        ("unet", ["diffusers", "DiffusionPipeline"]),
        ("vae", ["os", "system"]),
        ("scheduler", ["diffusers", "AutoencoderKL"]),
        ("scheduler", ["model", "Scheduler"]),
        ("unet", "UNet2DConditionModel"),
        ("unet", ["diffusers", ["UNet2DConditionModel"]]),
        ("unet", {"diffusers": 1}),
    ],
    ids=str,
)
def test_only_classes_of_a_short_list_are_opened(folder: Path, part: str, named: Any) -> None:
    edit(folder / "model_index.json", {part: named})
    refused(folder, f"(for {part}, which is not known|lacks {part})")


def test_code_of_a_folder_is_neither_asked_about_nor_run(folder: Path) -> None:
    edit(folder / "model_index.json", {"text_encoder": ["transformers", "AutoModel"]})
    config = {"model_type": "x", "auto_map": {"AutoConfig": "x.X", "AutoModel": "x.X"}}
    (folder / TEXT).write_text(json.dumps(config))
    ran = folder / "ran"
    (folder / "text_encoder" / "x.py").write_text(f"open({str(ran)!r}, 'w')")
    done = opened_in_little(folder, "y\n" * 100)
    assert done.returncode == 2 and "no code of a model folder is run" in done.stderr and "y/N" not in done.stdout
    assert not ran.exists()


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (TEXT, {"auto_map": {"AutoModel": "x.X"}}),
        (TEXT, {"attn_implementation": "somebody/kernel"}),
        (TEXT, {"_attn_implementation": "somebody/kernel"}),
        (UNET, {"quantization_config": {"quant_method": "x"}}),
    ],
    ids=str,
)
def test_a_configuration_that_would_load_more_than_its_part_is_refused(folder: Path, path: str, values: Values) -> None:
    edit(folder / path, values)
    refused(folder, f"{path} names {next(iter(values))}")


def test_a_part_that_is_an_adapter_of_another_model_is_refused(folder: Path) -> None:
    (folder / "text_encoder" / "adapter_config.json").write_text('{"base_model_name_or_path": "/etc"}')
    refused(folder, "adapter_config.json")


def test_a_million_layers_take_no_memory(folder: Path) -> None:
    edit(folder / TEXT, {"num_hidden_layers": 1_000_000})
    done = opened_in_little(folder)
    assert done.returncode == 2 and TEXT in done.stderr.splitlines()[-1]


# Files


def deep(path: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_text(DEEP)


def wrong_type(path: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_text("[1]")


def pipe(path: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / path).unlink()
        os.mkfifo(folder / path)

    return make


@pytest.mark.parametrize(
    "path", [UNET, VAE, TEXT, SCHEDULER, TOKENIZER, "tokenizer/tokenizer.json", "model_index.json"]
)
@pytest.mark.parametrize("change", [deep, wrong_type, pipe], ids=lambda change: change.__name__)
def test_any_file_that_is_no_object_is_named(folder: Path, path: str, change: Any) -> None:
    change(path)(folder)
    refused(folder, path)


def change_vocabulary(folder: Path, vocabulary: Any) -> None:
    file = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text("utf-8"))
    content["model"]["vocab"] = vocabulary(content["model"]["vocab"])
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "vocabulary",
    [
        lambda found: {word: number * 10**6 for word, number in found.items()},
        lambda found: {word: -number for word, number in found.items()},
        lambda found: {word: str(number) for word, number in found.items()},
        lambda found: {},
        lambda found: [["a", 0.1]],
    ],
    ids=["sparse", "negative", "texts", "empty", "list"],
)
def test_a_vocabulary_that_is_not_the_text_encoders_is_named(folder: Path, vocabulary: Any) -> None:
    change_vocabulary(folder, vocabulary)
    refused(folder, "model/tokenizer")


@pytest.mark.parametrize("values", [{"cls_token": None}, {"pad_token": None}, {"unk_token": 5}], ids=str)
def test_a_tokenizer_without_its_own_tokens_is_named(folder: Path, values: Values) -> None:
    edit(folder / TOKENIZER, values)
    refused(folder, "model/tokenizer")


def test_a_vocabulary_larger_than_its_bound_is_not_read(folder: Path) -> None:
    with (folder / "tokenizer" / "vocab.txt").open("wb") as file:
        file.truncate(2**30)
    refused(folder, "vocab.txt has 1073741824 bytes")


# Weights


def header_of(names: Values, size: int) -> bytes:
    text = json.dumps(names).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size)


F4 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        header_of({"a": F4, "b": F4}, 4),
        header_of({"a": {**F4, "data_offsets": [4, 8]}}, 8),
        header_of({"a": {**F4, "dtype": "F99"}}, 4),
        header_of({"a": {**F4, "shape": [2**62, 2**62]}}, 4),
        header_of({"a": {**F4, "shape": -1}}, 4),
        header_of({"a": {**F4, "data_offsets": [0, "4"]}}, 4),
        header_of({"a": {**F4, "data_offsets": []}}, 4),
        header_of({"a": 3}, 4),
        header_of({}, 4),
        (2**40).to_bytes(8, "little") + b"{}",
        (2**25).to_bytes(8, "little") + b" " * 2**25,
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        b"",
    ],
    ids=lambda content: str(content[8:60]),
)
def test_a_header_that_does_not_hold_is_named(folder: Path, content: bytes) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.unlink()
    path.write_bytes(content)
    refused(folder, "unet/diffusion_pytorch_model.safetensors|lacks unet's weights")


@pytest.mark.parametrize("weight_map", [None, 3, {}, {"a": 1}, {"a": "../../secret.safetensors"}, {"a": "/etc/passwd"}])
def test_an_index_of_shards_names_files_of_its_folder(folder: Path, weight_map: Any) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    shutil.copy(MINI / "vae/diffusion_pytorch_model.safetensors", folder / "unet" / "x.safetensors")
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    refused(folder, "weight_map|leads out of")


# ControlNets of training results


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a training run leaves it: the ControlNet in a folder of its own, which configuration.json names."""
    made = tmp_path_factory.mktemp("run") / "result"
    shutil.copytree(model_dir("pai-diffusion-mini-zh-controlnet-canny"), made / "controlnet")
    write_tuned(made, Tuned("pai-diffusion-mini-zh", controlnets={"canny": "controlnet"}))
    return made


@pytest.fixture(scope="module")
def unet() -> Any:
    return UNet2DConditionModel.from_pretrained(MINI / "unet")


def test_a_result_named_as_controls_model_is_its_controlnet(result: Path, tmp_path: Path) -> None:
    sampler = Sampler.from_pretrained(MINI, device="cpu")
    control = {"kind": "canny", "image": Image.new("RGB", (64, 64), "red")}
    drawn = [
        sampler("猫", control=[{**control, "model": str(model)}], **QUICK)[0].image.tobytes()
        for model in (result, result / "controlnet")
    ]
    assert drawn[0] == drawn[1]
    path = to_single_file(result, tmp_path / "net.safetensors")
    assert any(name.startswith("control_model.") for name in load_file(path))


def test_of_several_controlnets_one_is_to_be_named(result: Path, tmp_path: Path) -> None:
    shutil.copytree(result, tmp_path / "two")
    shutil.copytree(result / "controlnet", tmp_path / "two" / "other")
    write_tuned(tmp_path / "two", Tuned("pai-diffusion-mini-zh", controlnets={"a": "controlnet", "b": "other"}))
    with pytest.raises(UserError, match="holds 2 ControlNets"):
        to_single_file(tmp_path / "two", tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    "values",
    [
        {"block_out_channels": [10**9] * 3},
        {"layers_per_block": 10**6},
        {"attention_head_dim": 0},
        {"conditioning_embedding_out_channels": [10**6] * 4},
        {"conditioning_embedding_out_channels": 3},
        {"auto_map": {}},
    ],
    ids=str,
)
def test_a_control_adapters_configuration_is_compared_with_the_unet_first(
    result: Path, unet: Any, tmp_path: Path, values: Values
) -> None:
    folder = Path(shutil.copytree(result / "controlnet", tmp_path / "net"))
    edit(folder / "config.json", values)
    with pytest.raises(UserError, match="is for another model"):
        read_control_lora(folder, unet)
    with pytest.raises(UserError, match=r"(is for another model|is not understood)"):
        to_single_file(folder, tmp_path / "net.safetensors", "pai-diffusion-mini-zh")


@pytest.mark.parametrize(
    "device", ["meta", "privateuseone", "cuda:99", "cpu:x", "xla", "toaster", "cpu\x1b[0m", "m" * 500]
)
def test_a_device_that_is_none_is_one_line(device: str) -> None:
    with pytest.raises(UserError, match=r"can't be used here .*: give 'cpu'.* or 'auto'") as error:
        Sampler.from_pretrained(MINI, device=device)
    assert "\x1b" not in str(error.value) and len(str(error.value)) < 400
