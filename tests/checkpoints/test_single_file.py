"""Whole models and ControlNets as single files and back: bit for bit, and under the names that others know."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pai_modelscope.checkpoints.single_file import from_single_file, to_single_file
from pai_modelscope.cli import main
from tests.support.adapter_files import MODEL
from tests.support.single_files import (
    QUICK,
    TEXT,
    UNET,
    VAE,
    WEIGHTS,
    control,
    dtypes,
    picture,
    rewrite,
    same_bits,
    weights,
)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model as this program writes it."""
    return to_single_file("pai-diffusion-mini-zh", tmp_path_factory.mktemp("single") / "mini.safetensors")


@pytest.fixture(scope="module")
def foreign(single: Path) -> Path:
    """The same as another program would write it."""
    save_file(load_file(single), single.parent / "foreign.safetensors")
    return single.parent / "foreign.safetensors"


# There and back.


def test_a_model_comes_back_bit_for_bit(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    rewrite(folder / "scheduler" / "scheduler_config.json", timestep_spacing="leading")
    rewrite(folder / "configuration.json", generation={"guidance_scale": 3.0})
    file = to_single_file(folder, tmp_path / "a.safetensors")
    back = from_single_file(file, tmp_path / "back")
    assert same_bits(weights(back), weights(folder))
    written = {path.relative_to(back) for path in back.rglob("*") if path.suffix in (".json", ".txt")}
    assert len(written) == 9
    assert all((back / path).read_bytes() == (folder / path).read_bytes() for path in written)
    assert np.array_equal(picture(back), picture(folder))
    assert not np.array_equal(picture(back), picture(MODEL))  # the scheduler is the file's own
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "back", "model"]


def test_the_file_has_the_original_layout_and_says_what_it_is(single: Path) -> None:
    tensors = load_file(single)
    assert {name.split(".")[0] for name in tensors} == {"model", "first_stage_model", "cond_stage_model"}
    assert dtypes(tensors) == dtypes(weights(MODEL))
    stored = load_file(MODEL / "unet" / WEIGHTS["unet"])
    name = "transformer_blocks.0.attn2.to_k.weight"
    assert torch.equal(tensors[f"{UNET}input_blocks.3.1.{name}"], stored[f"down_blocks.1.attentions.0.{name}"])
    assert f"{TEXT}text_model.encoder.layers.2.mlp.fc1.weight" in tensors
    with safe_open(single, "pt") as file:
        metadata = file.metadata()
    expected = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1-width-256",
        "modelspec.title": "mini",
        "modelspec.prediction_type": "v",
        "modelspec.resolution": "256x256",
        "modelspec.license": "apache-2.0",
    }
    assert expected.items() <= metadata.items()
    assert metadata["pai_modelscope.tokenizer/vocab.txt"] == (MODEL / "tokenizer" / "vocab.txt").read_text("utf-8")
    (single.parent / "other").touch()
    assert single.stat().st_mode == (single.parent / "other").stat().st_mode  # a WebUI's user may read it too


@pytest.mark.parametrize("prefix", ["control_model.", ""])
def test_a_controlnet_comes_back_bit_for_bit(prefix: str, shipped: Any, tmp_path: Path) -> None:
    control(shipped.unet).save_pretrained(tmp_path / "canny")
    file = to_single_file(tmp_path / "canny", tmp_path / "canny.safetensors")
    stored = load_file(tmp_path / "canny" / WEIGHTS["unet"])
    if not prefix:  # as others distribute them: without a prefix, without a word on its shape
        bare = {name.removeprefix("control_model."): tensor for name, tensor in load_file(file).items()}
        file = tmp_path / "canny.pth"
        torch.save(bare, file)
    for number, base in enumerate([None] if prefix else ["pai-diffusion-mini-zh", tmp_path / "canny"]):
        back = from_single_file(file, tmp_path / f"back{number}", base)
        assert sorted(path.name for path in back.iterdir()) == ["config.json", WEIGHTS["unet"]]
        assert same_bits(load_file(back / WEIGHTS["unet"]), stored)
        assert ControlNetModel.load_config(back) == ControlNetModel.load_config(tmp_path / "canny")


def test_what_another_program_wrote_takes_the_base_for_the_rest(foreign: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(MODEL, base)
    (base / "configuration.json").unlink()
    rewrite(base / "text_encoder" / "config.json", dtype="float16", torch_dtype="float16")
    rewrite(base / "model_index.json", safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    (base / "safety_checker").mkdir()
    (base / "safety_checker" / "config.json").write_text("{}")
    (base / "safety_checker" / "model.safetensors").write_bytes(b"\0")
    back = from_single_file(foreign, tmp_path / "back", base=base)
    assert same_bits(weights(back), weights(MODEL))
    index = json.loads((back / "model_index.json").read_text("utf-8"))
    assert index["safety_checker"] == [None, None] and index["vae"] == ["diffusers", "AutoencoderKL"]
    smallest = {"framework": "pytorch", "task": "text-to-image-synthesis", "pipeline": {"type": "pai-diffusion"}}
    assert json.loads((back / "configuration.json").read_text("utf-8")) == smallest
    plain = StableDiffusionPipeline.from_pretrained(back)
    assert plain.text_encoder.dtype == plain.unet.dtype == torch.float32
    assert plain("熊猫", num_inference_steps=1, height=64, width=64).images
    from modelscope.pipelines import pipeline

    drawn = pipeline("text-to-image-synthesis", str(back), device="cpu")("(熊猫:1.2)", output_type="pil", **QUICK)
    assert np.array_equal(np.asarray(drawn["output_imgs"][0]), picture(back))


# What other programs leave in their files.


def test_a_checkpoint_of_a_training_run(foreign: Path, tmp_path: Path) -> None:
    """A pickle, a nest, averages, the noise schedule, and CLIP's names of today's transformers."""
    tensors = {name.replace(f"{TEXT}text_model.", TEXT): tensor for name, tensor in load_file(foreign).items()}
    one = torch.ones(1)
    known = [
        "model_ema.diffusion_modelinput_blocks00weight",
        "model_ema.decay",
        "betas",
        "alphas_cumprod",
        "sqrt_one_minus_alphas_cumprod",
        "posterior_mean_coef1",
        f"{TEXT}text_model.embeddings.position_ids",
        f"{TEXT}text_projection.weight",
        f"{VAE}loss.logvar",
    ]
    content = {"state_dict": tensors | dict.fromkeys(known, one), "global_step": 5}
    torch.save(content, tmp_path / "a.ckpt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = from_single_file(tmp_path / "a.ckpt", tmp_path / "back", base="pai-diffusion-mini-zh")
    assert same_bits(weights(back), weights(MODEL))
    content["state_dict"] |= dict.fromkeys(["extra.a", "extra.b", "more"], one)
    torch.save(content, tmp_path / "b.ckpt")
    with pytest.warns(UserWarning, match="holds 3 tensors that mean nothing here: extra.a, extra.b, more"):
        from_single_file(tmp_path / "b.ckpt", tmp_path / "b", base="pai-diffusion-mini-zh")


def test_a_file_that_predicts_something_else_is_spoken_of(foreign: Path, tmp_path: Path) -> None:
    save_file(load_file(foreign), tmp_path / "a.safetensors", {"modelspec.prediction_type": "epsilon"})
    with pytest.warns(UserWarning, match="predicts epsilon, the scheduler of the base .* v_prediction"):
        from_single_file(tmp_path / "a.safetensors", tmp_path / "back", base=MODEL)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file, folder, again = (str(tmp_path / name) for name in ("a.safetensors", "back", "again"))
    assert main(["convert", "pai-diffusion-mini-zh", file]) == 0
    assert main(["convert", file, folder]) == 0
    assert main(["convert", file, again, "--base", folder]) == 0
    assert capsys.readouterr().out.split() == [file, folder, again]
    assert same_bits(weights(Path(again)), weights(MODEL))
