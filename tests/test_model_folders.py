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
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.adapters.control import read_control_lora
from pai_modelscope.adapters.tuned import Tuned, write_tuned
from pai_modelscope.single_file import to_single_file

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 0}
Values = dict[str, Any]
UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
SCHEDULER, TOKENIZER = "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"
DEEP = '{"a":' + "[" * 100_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model, its weights linked."""
    made = tmp_path / "model"
    shutil.copytree(MINI, made, ignore=shutil.ignore_patterns("*.safetensors"))
    for weights in MINI.rglob("*.safetensors"):
        (made / weights.relative_to(MINI)).symlink_to(weights)
    return made


def edit(path: Path, values: Values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        Sampler.from_pretrained(folder, device="cpu")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


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


# Configurations


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (TEXT, {"num_hidden_layers": 1_000_000}),
        (TEXT, {"num_hidden_layers": 50}),
        (TEXT, {"num_hidden_layers": "3"}),
        (TEXT, {"vocab_size": 10**9}),
        (TEXT, {"vocab_size": -4}),
        (TEXT, {"hidden_size": 10**6, "num_attention_heads": 1}),
        (TEXT, {"num_attention_heads": 0}),
        (TEXT, {"num_attention_heads": 7}),
        (TEXT, {"max_position_embeddings": 10**6}),
        (TEXT, {"max_position_embeddings": None}),
        (TEXT, {"hidden_act": "evil"}),
        (TEXT, {"layer_norm_eps": float("nan")}),
        (TEXT, {"num_labels": 10**9}),
        (TEXT, {"id2label": 3}),
        (UNET, {"block_out_channels": [10**9, 10**9, 10**9]}),
        (UNET, {"block_out_channels": 96}),
        (UNET, {"block_out_channels": [[96], [128], [192]]}),
        (UNET, {"block_out_channels": []}),
        (UNET, {"layers_per_block": 10**6}),
        (UNET, {"layers_per_block": 100, "transformer_layers_per_block": 100}),
        (UNET, {"transformer_layers_per_block": [10**5] * 3}),
        (UNET, {"attention_head_dim": 0}),
        (UNET, {"attention_head_dim": -3}),
        (UNET, {"norm_num_groups": 0}),
        (UNET, {"down_block_types": ["DownBlock2D"] * 10**5, "up_block_types": ["UpBlock2D"] * 10**5}),
        (UNET, {"down_block_types": "DownBlock2D"}),
        (UNET, {"cross_attention_dim": 10**18}),
        (UNET, {"in_channels": None}),
        (UNET, {"sample_size": 0}),
        (UNET, {"sample_size": "32"}),
        (UNET, {"sample_size": [1, 2, 3]}),
        (UNET, {"sample_size": None}),
        (UNET, {"act_fn": "evil"}),
        (VAE, {"latent_channels": 10**9}),
        (VAE, {"latent_channels": 0}),
        (VAE, {"scaling_factor": "much"}),
        (VAE, {"scaling_factor": 0}),
        (VAE, {"scaling_factor": float("inf")}),
        (VAE, {"block_out_channels": [10**6] * 4}),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_configuration_is_compared_with_its_weights_first(folder: Path, path: str, values: Values) -> None:
    edit(folder / path, values)
    refused(folder, f"(model/{path}|model/{Path(path).parent} |vae's latent channels)")


def test_a_million_layers_take_no_memory(folder: Path) -> None:
    edit(folder / TEXT, {"num_hidden_layers": 1_000_000})
    done = opened_in_little(folder)
    assert done.returncode == 2 and TEXT in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "values",
    [
        {"prediction_type": "evil"},
        {"prediction_type": ["epsilon"]},
        {"beta_schedule": "evil"},
        {"beta_schedule": None},
        {"num_train_timesteps": 10**12},
        {"num_train_timesteps": 0},
        {"num_train_timesteps": "1000"},
        {"num_train_timesteps": None},
        {"beta_start": float("nan")},
        {"beta_end": 7},
        {"beta_start": "0.1"},
        {"trained_betas": [0.5] * 10**6},
        {"trained_betas": "many"},
        {"trained_betas": [[0.1]] * 1000},
        {"timestep_spacing": "evil"},
        {"steps_offset": 10**12},
        {"steps_offset": -1},
        {"clip_sample_range": float("inf")},
        {"dynamic_thresholding_ratio": [1]},
        {"_class_name": ["a"]},
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_scheduler_that_makes_no_schedule_is_named(folder: Path, values: Values) -> None:
    edit(folder / SCHEDULER, values)
    refused(folder, SCHEDULER)


@pytest.mark.parametrize("length", [0, 2, -1, "32", True, 3.5, [32]], ids=str)
def test_a_tokenizers_length_is_from_three_on(folder: Path, length: Any) -> None:
    edit(folder / TOKENIZER, {"model_max_length": length})
    refused(folder, f"{TOKENIZER} gives model_max_length")


@pytest.mark.parametrize("length", [None, 10**30, 1e30, 3])
def test_a_tokenizer_need_not_name_its_length(folder: Path, length: Any) -> None:
    edit(folder / TOKENIZER, {"model_max_length": length})
    sampler = Sampler.from_pretrained(folder, device="cpu")
    assert sampler.pipe.tokenizer.model_max_length == min(length or 32, 32)
    assert sampler("猫", **QUICK)


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


def test_a_vocabulary_larger_than_its_bound_is_not_read(folder: Path) -> None:
    with (folder / "tokenizer" / "vocab.txt").open("wb") as file:
        file.truncate(2**30)
    refused(folder, "vocab.txt has 1073741824 bytes")


# configuration.json


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"generation": [1]}, "generation is a list"),
        ({"generation": "fast"}, "generation is a str"),
        ({"generation": {"num_inference_steps": "many"}}, "num_inference_steps is 'many'"),
        ({"generation": {"guidance_scale": float("nan")}}, "guidance_scale is nan"),
        ({"generation": {"negative_prompt": 3}}, "negative_prompt is 3"),
        ({"generation": {"image": "/etc/passwd"}}, "image is the user's"),
        ({"generation": {"control": {"canny": "/etc/passwd"}}}, "control is the user's"),
        ({"generation": {"embeddings": ["/etc/passwd"]}}, "embeddings is the user's"),
        ({"generation": {"loras": {"/etc/passwd": 1}}}, "'/etc/passwd', which is not in that folder"),
        ({"generation": {"loras": {"../a.safetensors": 1}}}, "not in that folder"),
        ({"generation": {"loras": {"a\0": 1}}}, "not in that folder"),
        ({"generation": {"loras": ["a"]}}, "generation.loras"),
        ({"generation": {"loras": {"README.md": float("inf")}}}, "generation.loras"),
        ({"safety": 3}, "safety is 3"),
        ({"safety": {"threshold": float("nan")}}, "safety is"),
        ({"safety": {"threshold": 0.5, "action": ["blur"]}}, "safety is"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_a_folder_recommends_is_compared_with_the_options(folder: Path, values: Values, words: str) -> None:
    edit(folder / "configuration.json", values)
    refused(folder, words)


def test_an_option_that_is_none_is_told(folder: Path) -> None:
    edit(folder / "configuration.json", {"generation": {"nothing": 1}})
    with pytest.warns(UserWarning, match="1 options that are not known here: 'nothing'"):
        Sampler.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize(
    "values",
    [
        {"base_model": "x", "adapters": {"loras": {"a.safetensors": 10**400}}},
        {"base_model": "x", "adapters": {"loras": {"a\0": 1}}},
        {"base_model": "x", "adapters": {"loras": {"a.safetensors": float("nan")}}},
        {"base_model": {"a": 1}, "adapters": {"loras": [1]}},
        {"base_model": "../../x", "adapters": {}},
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_training_result_of_a_stranger_is_one_line(tmp_path: Path, values: Values) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    (tmp_path / "configuration.json").write_text(json.dumps(values))
    refused(tmp_path, ".")


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
    with pytest.raises(UserError, match=r"can't be used here .*: give 'cpu', 'cuda' or 'auto'") as error:
        Sampler.from_pretrained(MINI, device=device)
    assert "\x1b" not in str(error.value) and len(str(error.value)) < 400
