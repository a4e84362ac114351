"""Families of models: the package's own, and one that another package brings."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, HunyuanDiTPipeline
from PIL import Image
from safetensors.torch import save_file

from pai_modelscope import Sampler, UserError, fine_tune, model_dir
from pai_modelscope.families import (
    STABLE_DIFFUSION,
    ModelFamily,
    family_of_file,
    family_of_folder,
    recognized,
    register_family,
    registry,
)
from pai_modelscope.families.single_file import from_single_file, to_single_file
from pai_modelscope.methods.lora.method import LoraTraining
from pai_modelscope.sampling import LoadedModel
from tests.sampling.test_denoiser import CountingBackend
from tests.support.hunyuan import BERT_TOKENS, T5_TOKENS, HunyuanFamily, save_tiny

MINI = model_dir("pai-diffusion-mini-zh")
ROOT = Path(__file__).parents[2]
QUICK = {"num_inference_steps": 3, "seed": 4, "guidance_scale": 5.0, "scheduler": "DDPM", "guidance_rescale": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("family") / "tiny-hunyuan")


@pytest.fixture
def registered(monkeypatch) -> HunyuanFamily:
    """The family, known to this test alone."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    family = HunyuanFamily()
    register_family(family)
    return family


@pytest.fixture
def sampler(registered, folder) -> Sampler:
    return Sampler.from_pretrained(folder, device="cpu")


def pixels(picture) -> np.ndarray:
    return np.asarray(picture.image)


@torch.no_grad()
def plain(folder: Path, prompt: str, negative: str = "", scale: float = 5.0) -> np.ndarray:
    """diffusers' own pipeline, with its own guidance."""
    pipe = HunyuanDiTPipeline.from_pretrained(folder, safety_checker=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    states = {}
    for name, text in (("", prompt), ("negative_", negative)):
        for suffix, index, length in (("", 0, BERT_TOKENS), ("_2", 1, T5_TOKENS)):
            embeds, _, mask, _ = pipe.encode_prompt(
                text, do_classifier_free_guidance=False, max_sequence_length=length, text_encoder_index=index
            )
            states |= {f"{name}prompt_embeds{suffix}": embeds, f"{name}prompt_attention_mask{suffix}": mask}
    drawn = pipe(
        num_inference_steps=3,
        guidance_scale=scale,
        height=64,
        width=64,
        generator=torch.Generator().manual_seed(4),
        output_type="np",
        use_resolution_binning=False,
        **states,
    )
    return np.asarray(pipe.numpy_to_pil(drawn.images)[0])


def test_the_shipped_model_is_of_the_first_family():
    folder = model_dir("pai-diffusion-mini-zh")
    assert recognized(folder) is STABLE_DIFFUSION is family_of_folder(folder)


def test_a_pipeline_whose_family_is_not_installed_is_told_so(folder, tmp_path):
    assert recognized(folder) is None and recognized(tmp_path) is None
    said = (
        r"^The model in .* is a 'HunyuanDiTPipeline', which no family that is known here opens; known are "
        r"stable-diffusion\. Install a package that brings its family"
    )
    with pytest.raises(UserError, match=said):
        Sampler.from_pretrained(folder, device="cpu")
    with pytest.raises(UserError, match=said):
        fine_tune(
            "lora", train_data_dir="shipped:food", output_dir=str(tmp_path / "o"), model=str(folder), max_train_steps=1
        )
    with pytest.raises(UserError, match=said):
        to_single_file(folder, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize(
    "kind", ["StableDiffusionPipeline", "StableDiffusionInpaintPipeline", "LatentConsistencyModelPipeline"]
)
def test_a_folder_of_the_first_family_that_lacks_a_part_is_told_which(kind, tmp_path):
    index = {"_class_name": kind, "vae": ["diffusers", "AutoencoderKL"]}
    if kind.startswith("Latent"):
        index["unet"] = ["diffusers", "UNet2DConditionModel"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    assert family_of_folder(tmp_path) is STABLE_DIFFUSION
    with pytest.raises(UserError, match=r"lacks "):
        Sampler.from_pretrained(tmp_path, device="cpu")


def test_latents_are_scaled_as_the_configuration_of_the_vae_says():
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for config in ({"scaling_factor": 0.25}, {"scaling_factor": 0.25, "shift_factor": 0.5}):
        vae = AutoencoderKL(block_out_channels=(32,), **config)
        scaled = STABLE_DIFFUSION.scale_latents(SimpleNamespace(vae=vae), latents)
        torch.testing.assert_close(scaled, (latents - config.get("shift_factor", 0)) / 4, rtol=0, atol=0)


@pytest.mark.parametrize("cached", [False, True])
def test_training_scales_latents_as_the_family_does(cached, tmp_path, monkeypatch):
    seen = []

    def scale(self, pipe, latents):
        seen.append(latents.shape)
        return torch.zeros_like(latents)

    def step(self, batch, phase):
        assert not batch["latents"].any()
        return training_step(self, batch, phase)

    training_step = LoraTraining.training_step
    monkeypatch.setattr(type(STABLE_DIFFUSION), "scale_latents", scale)
    monkeypatch.setattr(LoraTraining, "training_step", step)
    options = {"resolution": 64, "train_batch_size": 1, "max_train_steps": 2, "cache_latents": cached}
    fine_tune("lora", train_data_dir="shipped:food", max_train_samples=2, output_dir=str(tmp_path / "out"), **options)
    assert seen == [(1, 4, 8, 8)] * 2


def test_two_families_cannot_share_a_name(registered):
    with pytest.raises(UserError, match="there is a family 'hunyuan-dit' already"):
        register_family(HunyuanFamily())
    register_family(registered)  # the same again changes nothing
    with pytest.raises(UserError, match="takes a ModelFamily, not <class"):
        register_family(HunyuanFamily)  # the class, not one of it


def test_a_pipeline_of_no_family_is_refused():
    with pytest.raises(UserError, match="give a text-to-image pipeline of diffusers, of one of the families stable-"):
        Sampler("熊猫")


@pytest.mark.parametrize("scale", [5.0, 1.0])
def test_a_registered_family_draws_what_its_pipeline_draws(sampler, folder, scale):
    drawn = sampler("一只红色的猫", negative_prompt="狗", **{**QUICK, "guidance_scale": scale})[0]
    assert drawn.image.size == (64, 64)
    expected = plain(folder, "一只红色的猫", "狗", scale)
    assert expected.std() > 5, "no picture"
    assert np.array_equal(pixels(drawn), expected)


def test_prompts_that_change_are_composed_and_batched_work_for_it(sampler):
    same = pixels(sampler("猫", **QUICK)[0])
    for prompt in ("[猫:狗:0.5]", "猫 AND 狗:0.5", "[猫|狗]"):
        assert not np.array_equal(same, pixels(sampler(prompt, **QUICK)[0])), prompt
    several = sampler(
        [{"text": "猫"}, {"text": "狗"}], batch_size=2, **{**QUICK, "seed": None}, num_images_per_prompt=1
    )
    assert len(several) == 2
    pair = sampler(["猫", "猫"], batch_size=2, **{**QUICK, "seed": [4, 5]})
    assert np.abs(pixels(pair[0]).astype(int) - same).max() <= 2
    assert not np.array_equal(pixels(pair[0]), pixels(pair[1]))


def test_a_backend_sees_its_network(sampler):
    backend = CountingBackend(sampler.model.network)
    Sampler(LoadedModel(sampler.pipe, backend=backend))("猫", **QUICK)
    assert backend.calls == [(2, False)] * 3


def test_its_pictures_say_how_to_make_them_again(sampler):
    picture = sampler("猫", **QUICK)[0]
    assert "Sampler: DDPM" in picture.infotext and "Model: tiny-hunyuan" in picture.infotext


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": Image.new("RGB", (64, 64))}, "image is given, but models of this kind draw from text only"),
        ({"control": {"canny": Image.new("RGB", (64, 64))}}, "no ControlNet can steer models of this kind"),
        ({"upscale": 2}, "upscaler 'hires' starts from an image"),
    ],
)
def test_what_it_cannot_do_is_said_at_once(sampler, options, said):
    with pytest.raises(UserError, match=said):
        sampler("猫", **QUICK, **options)


def test_a_text_that_it_would_cut_is_refused(sampler):
    with pytest.raises(UserError, match="has 32 tokens; this model reads 20: shorten it"):
        sampler("猫" * 30, **QUICK)


def test_a_lora_of_its_transformer_is_used_and_gone_again(sampler, tmp_path):
    module = sampler.model.network.get_submodule("blocks.0.attn1.to_q")
    noise = torch.randn(2, 4, module.weight.shape[0], generator=torch.Generator().manual_seed(0))
    name = "transformer.blocks.0.attn1.to_q"
    save_file(
        {f"{name}.lora_A.weight": noise[0], f"{name}.lora_B.weight": noise[1].T.contiguous()},
        tmp_path / "a.safetensors",
    )
    before = pixels(sampler("猫", **QUICK)[0])
    with_lora = sampler("猫 <lora:a:0.5>", loras={str(tmp_path / "a.safetensors"): 1}, **QUICK)[0]
    assert not np.array_equal(pixels(with_lora), before) and "<lora:a:0.5>" in with_lora.infotext
    expected = module.weight + 0.5 * noise[1].T @ noise[0]
    sampler.model.release()
    kept = module.weight.clone()
    with torch.no_grad():
        module.weight.copy_(expected)
        by_hand = pixels(sampler("猫", **QUICK)[0])
        module.weight.copy_(kept)
    assert np.abs(pixels(with_lora).astype(int) - by_hand).max() <= 1
    assert np.array_equal(pixels(sampler("猫", **QUICK)[0]), before)
    with pytest.raises(UserError, match="a model whose denoiser is a transformer"):
        Sampler.from_pretrained(MINI, device="cpu").add_lora(tmp_path / "a.safetensors")


def test_a_method_says_which_families_it_trains(registered, folder, tmp_path):
    options = {"train_data_dir": "shipped:style", "output_dir": str(tmp_path / "run"), "max_train_steps": 1}
    with pytest.raises(UserError, match="is a model of the family hunyuan-dit; this method trains those of stable-"):
        fine_tune("lora", model=str(folder), **options)


def test_its_single_file_is_written_and_read_by_it(registered, folder, tmp_path):
    file = to_single_file(folder, tmp_path / "tiny.safetensors")
    assert family_of_file(file) is registered and family_of_folder(folder) is registered
    back = from_single_file(file, tmp_path / "back")
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert (back / path.relative_to(folder)).read_bytes() == path.read_bytes()
    for again in (lambda: to_single_file(folder, file), lambda: from_single_file(file, back)):
        with pytest.raises(UserError, match="exists"):
            again()


def test_a_family_without_a_layout_of_its_own_says_so(registered, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(HunyuanFamily, "write_single_file", ModelFamily.write_single_file)
    monkeypatch.setattr(HunyuanFamily, "recognizes_file", ModelFamily.recognizes_file)
    with pytest.raises(UserError, match=r"models of the family hunyuan-dit have no single-file layout"):
        to_single_file(folder, tmp_path / "tiny.safetensors")
    assert family_of_file(folder / "transformer/diffusion_pytorch_model.safetensors") is STABLE_DIFFUSION
    assert not list(tmp_path.iterdir())


def test_a_damaged_part_of_it_is_named(registered, folder, tmp_path):
    import shutil

    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "text_encoder_2/model.safetensors").write_bytes(b"1234")
    with pytest.raises(UserError, match="text_encoder_2"):
        Sampler.from_pretrained(broken, device="cpu")
    index = json.loads((broken / "model_index.json").read_text("utf-8"))
    (broken / "model_index.json").write_text(json.dumps(index | {"transformer": ["os", "system"]}))
    shutil.copy(folder / "text_encoder_2/model.safetensors", broken / "text_encoder_2")
    with pytest.raises(
        UserError, match=r"wants os.system for transformer, which is not known here: .*HunyuanDiT2DModel"
    ):
        Sampler.from_pretrained(broken, device="cpu")


ENTRY = "[pai_modelscope.families]\nhunyuan = tests.support.hunyuan:HunyuanFamily\n"


def installed(site: Path, entries: str) -> dict[str, str]:
    """The environment of a process in which a package brings these families."""
    info = site / "hunyuan-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hunyuan\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}


@pytest.mark.slow
def test_an_installed_family_draws_from_the_command_line(folder, tmp_path):
    command = [sys.executable, "-m", "pai_modelscope.cli", "generate", "一只红色的猫", "--model", str(folder)]
    how = ["--steps", "3", "--seed", "4", "--guidance-scale", "5", "--scheduler", "DDPM", "--guidance-rescale", "0"]
    out = ["--output", str(tmp_path / "out"), "--device", "cpu"]
    env = installed(tmp_path / "site", ENTRY)
    done = subprocess.run([*command, *how, *out], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "out").glob("*.png")
    assert np.array_equal(np.asarray(Image.open(file)), plain(folder, "一只红色的猫"))


@pytest.mark.slow
def test_an_installed_family_converts_from_the_command_line(folder, tmp_path):
    env = installed(tmp_path / "site", ENTRY)
    for source, target in ((folder, tmp_path / "tiny.safetensors"), (tmp_path / "tiny.safetensors", tmp_path / "back")):
        command = [sys.executable, "-m", "pai_modelscope.cli", "convert", str(source), str(target)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert str(target) in done.stdout
    assert (tmp_path / "back/model_index.json").read_bytes() == (folder / "model_index.json").read_bytes()


@pytest.mark.slow
def test_an_installed_family_opens_through_modelscope(folder, tmp_path):
    code = f"""
import numpy, pai_modelscope
from modelscope.pipelines import pipeline
pipe = pipeline("text-to-image-synthesis", {str(folder)!r}, device="cpu")
options = dict(num_inference_steps=3, seed=4, guidance_scale=5.0, scheduler="DDPM", guidance_rescale=0.0)
numpy.save({str(tmp_path / "drawn.npy")!r}, pipe({{"text": "一只红色的猫", **options}})["output_imgs"][0])
"""
    env = installed(tmp_path / "site", ENTRY)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "drawn.npy")[..., ::-1], plain(folder, "一只红色的猫"))


def test_a_family_that_cannot_be_used_is_one_warning(tmp_path, monkeypatch):
    installed(tmp_path, "[pai_modelscope.families]\nodd = json:loads\nother = no_such_module:Family\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(registry.families()) == ["stable-diffusion"]
        registry.families()
    said = [str(warning.message) for warning in caught]
    assert said == [
        "the family 'odd' of hunyuan can't be used: json:loads is no ModelFamily",
        "the family 'other' of hunyuan can't be used: No module named 'no_such_module'",
    ]
