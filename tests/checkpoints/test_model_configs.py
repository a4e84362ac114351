"""Configurations of strangers: compared with the weights beside them before anything is built; each fault is a line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pai_modelscope import Sampler, UserError
from tests.support.model_folder import QUICK, SCHEDULER, TEXT, TOKENIZER, UNET, VAE, Values, copy_mini, edit, refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_mini(tmp_path / "model")


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
        {"dynamic_thresholding_ratio": 5},
        {"sample_max_value": "x"},
        {"solver_order": 0},
        {"solver_order": 9},
        {"solver_order": "x"},
        {"solver_type": "evil"},
        {"variance_type": "learned_range"},
        {"original_inference_steps": 0},
        {"timestep_scaling": "x"},
        {"timestep_scaling": 0.0},
        {"lambda_min_clipped": "x"},
        {"use_karras_sigmas": "no"},
        {"rescale_betas_zero_snr": 1.5},
        {"final_sigmas_type": "evil"},
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_scheduler_that_makes_no_schedule_is_named(folder: Path, values: Values) -> None:
    edit(folder / SCHEDULER, values)
    refused(folder, SCHEDULER)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("DDIMScheduler", {"thresholding": True, "sample_max_value": 1}),
        ("DPMSolverMultistepScheduler", {"solver_order": 3, "variance_type": None}),
        ("LCMScheduler", {"timestep_scaling": 10, "original_inference_steps": 50}),
        ("EulerDiscreteScheduler", {"sigma_min": None, "use_karras_sigmas": True, "own": "words"}),
        ("PNDMScheduler", {"set_alpha_to_one": False, "skip_prk_steps": True}),
    ],
)
def test_honest_schedulers_of_every_kind_open(folder: Path, name: str, values: Values) -> None:
    edit(folder / SCHEDULER, {"_class_name": name, **values})
    edit(folder / "model_index.json", {"scheduler": ["diffusers", name]})
    assert Sampler.from_pretrained(folder, device="cpu")("猫", **{**QUICK, "num_inference_steps": 3})


def test_no_more_steps_than_the_model_has_timesteps(folder: Path) -> None:
    edit(folder / "model_index.json", {"scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"]})
    edit(folder / SCHEDULER, {"_class_name": "EulerAncestralDiscreteScheduler", "num_train_timesteps": 2})
    with pytest.raises(UserError, match="num_inference_steps is 50; this model was trained with 2"):
        Sampler.from_pretrained(folder, device="cpu")("猫", **{**QUICK, "num_inference_steps": 50})


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


# configuration.json


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"generation": [1]}, r"generation is \[1\]"),
        ({"generation": "fast"}, r"generation is 'fast'"),
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
