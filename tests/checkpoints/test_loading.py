"""Model folders whole and broken, `.bin` weights, Taiyi's BERT encoder."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizer

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.families import STABLE_DIFFUSION
from pai_modelscope.images.infotext import parse_infotext

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "height": 64, "width": 64, "seed": 0}
WEIGHTS = "diffusion_pytorch_model.safetensors"


def draw(folder: Path, **how) -> np.ndarray:
    return np.asarray(Sampler.from_pretrained(folder, device="cpu", **how)("熊猫", **QUICK)[0].image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model, its parts linked: `own` makes one of them a copy."""
    made = tmp_path / "my-model"
    made.mkdir()
    for each in MINI.iterdir():
        (made / each.name).symlink_to(each)
    return made


def own(folder: Path, part: str) -> Path:
    source = (folder / part).resolve()
    (folder / part).unlink()
    return Path(shutil.copytree(source, folder / part) if source.is_dir() else shutil.copy(source, folder / part))


def edit(path: Path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}))


# Whole


def test_opening_and_drawing_is_quiet(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(MINI)
    assert capfd.readouterr() == ("", "")


def test_bin_weights_open_as_plain_tensors(folder):
    for part, stem in (("text_encoder", "pytorch_model"), ("unet", "diffusion_pytorch_model")):
        path = next(own(folder, part).glob("*.safetensors"))
        torch.save(load_file(path), path.with_name(f"{stem}.bin"))
        path.unlink()
    assert np.array_equal(draw(folder), draw(MINI))


def test_half_precision_files_open_under_their_own_name(folder):
    (own(folder, "unet") / WEIGHTS).rename(folder / "unet" / WEIGHTS.replace(".saf", ".fp16.saf"))
    assert np.array_equal(draw(folder), draw(MINI))


@pytest.mark.parametrize("dtype", ["bfloat16", torch.bfloat16, "bf16"])
def test_another_precision_is_obeyed_and_noted(dtype):
    sampler = Sampler.from_pretrained(MINI, device="cpu", torch_dtype=dtype)
    assert {p.dtype for p in sampler.pipe.unet.parameters()} == {torch.bfloat16}
    assert sampler.pipe.text_encoder.dtype == torch.bfloat16
    assert parse_infotext(sampler("熊猫", **QUICK)[0].infotext)["torch_dtype"] == "bfloat16"


def test_a_taiyi_style_folder_draws(tmp_path):
    """A BertModel as text encoder, a tokenizer that names no length of its own, noise prediction."""
    tokenizer = BertTokenizer.from_pretrained(MINI / "tokenizer", model_max_length=10**30)
    bert = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    down, up = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")
    unet = UNet2DConditionModel(
        8, block_out_channels=(8, 16), down_block_types=down, up_block_types=up, cross_attention_dim=32,
        norm_num_groups=4, attention_head_dim=4, layers_per_block=1,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8,) * 4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=4,
    )  # fmt: skip
    parts = {"tokenizer": tokenizer, "text_encoder": BertModel(bert), "unet": unet, "vae": vae}
    for name, part in parts.items():
        part.save_pretrained(tmp_path / name)
    (tmp_path / "scheduler").mkdir()
    config = {"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "skip_prk_steps": True}
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    index = {name: ["diffusers" if name in ("unet", "vae") else "transformers", type(part).__name__]
             for name, part in parts.items()}  # fmt: skip
    index |= {"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "PNDMScheduler"]}
    index |= {"feature_extractor": ["transformers", "CLIPFeatureExtractor"]}  # a class that is gone
    index |= {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    sampler = Sampler(STABLE_DIFFUSION.open(tmp_path, torch.device("cpu"), torch.float32), name="taiyi")
    assert sampler.pipe.tokenizer.model_max_length == 64
    for scheduler in (None, "DPM++ 2M"):
        picture = sampler("好" * 100, num_inference_steps=2, seed=0, scheduler=scheduler, clip_skip=1)[0]
        assert picture.image.size == (64, 64) and np.asarray(picture.image).std() > 0


def test_lcm_draws_where_the_folder_is_made_for_it(folder):
    edit(own(folder, "configuration.json"), generation={"scheduler": "LCM", "guidance_scale": 1.0})
    picture = Sampler.from_pretrained(folder, device="cpu")("熊猫", **QUICK)[0]
    assert parse_infotext(picture.infotext)["scheduler"] == "LCM"
    with pytest.raises(UserError, match="at most 50"):
        Sampler.from_pretrained(folder, device="cpu")("熊猫", num_inference_steps=51)


# Broken


class Evil:
    def __reduce__(self):
        return (print, ("code of a stranger ran",))


def no_model(folder):
    (folder / "model_index.json").unlink()
    for part in ("vae", "unet", "text_encoder"):
        (folder / part).unlink()


def cut_short(folder):
    path = own(folder, "unet") / WEIGHTS
    path.write_bytes(path.read_bytes()[:100_000])


def cut_in_the_header(folder):
    path = own(folder, "vae") / WEIGHTS
    path.write_bytes(path.read_bytes()[:20])


def garbage(folder):
    (own(folder, "unet") / WEIGHTS).write_bytes(b"not a model at all" * 100)


def pointer(folder):
    (own(folder, "unet") / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")


def code_in_a_pickle(folder):
    path = own(folder, "unet") / WEIGHTS
    path.unlink()
    torch.save({"conv_in.weight": Evil()}, path.with_suffix(".bin"))


def cut_bin(folder):
    path = own(folder, "unet") / WEIGHTS
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    path.with_suffix(".bin").write_bytes(path.with_suffix(".bin").read_bytes()[:100_000])


def tensors_missing(folder):
    path = own(folder, "text_encoder") / "model.safetensors"
    save_file({f"other.{name}": value for name, value in load_file(path).items()}, path, {"format": "pt"})


def tensors_missing_from_the_unet(folder):
    path = own(folder, "unet") / WEIGHTS
    save_file({name: value for name, value in load_file(path).items() if "mid_block" not in name}, path)


def wrong_tokenizer(folder):
    path = own(folder, "tokenizer")
    larger = BertTokenizer.from_pretrained(path)
    larger.add_tokens(["<another>"])
    larger.save_pretrained(path)


def no_vocabulary(folder):
    for path in own(folder, "tokenizer").glob("*o*.*"):
        path.unlink()


def wrong_unet(folder):
    path = own(folder, "unet") / "config.json"
    edit(path, cross_attention_dim=7)


def unreadable_index(folder):
    own(folder, "model_index.json").write_text("{")


def foreign_class(folder):
    edit(own(folder, "model_index.json"), unet=["my_module", "MyUNet"])


def unreadable_config(folder):
    (own(folder, "vae") / "config.json").write_text("[]")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (no_model, "my-model.*model_index.json"),
        (lambda folder: (folder / "unet").unlink(), "unet"),
        (lambda folder: (folder / "scheduler").unlink(), "scheduler"),
        (cut_short, r"unet/diffusion_pytorch_model.safetensors is cut short"),
        (cut_in_the_header, r"vae/diffusion_pytorch_model.safetensors is cut short"),
        (garbage, "unet/diffusion_pytorch_model.safetensors is no safetensors"),
        (pointer, "git lfs pull"),
        (code_in_a_pickle, r"unet/diffusion_pytorch_model.bin is a pickle .*\(.*print\).* not loaded"),
        (cut_bin, "unet/diffusion_pytorch_model.bin is damaged, cut short or no PyTorch file"),
        (tensors_missing, "text_encoder lack"),
        (tensors_missing_from_the_unet, "unet"),
        (wrong_tokenizer, "tokenizer"),
        (no_vocabulary, "tokenizer"),
        (wrong_unet, "unet"),
        (unreadable_index, "model_index.json"),
        (foreign_class, "my_module.MyUNet"),
        (unreadable_config, "vae/config.json"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_broken_folder_is_one_line_that_names_the_file(folder, break_it, words, capfd):
    break_it(folder)
    with pytest.raises(UserError, match=words) as error:
        Sampler.from_pretrained(folder, device="cpu")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert capfd.readouterr() == ("", "")


def test_numbers_that_are_no_picture_are_not_handed_out():
    sampler = Sampler.from_pretrained(MINI, device="cpu")
    torch.nn.init.constant_(next(sampler.pipe.vae.decoder.parameters()), float("nan"))
    with pytest.raises(UserError, match="no picture"):
        sampler("熊猫", **QUICK)


@pytest.mark.parametrize(
    ("how", "words"), [({"device": "toaster"}, "device 'toaster'"), ({"torch_dtype": "int8"}, "int8")]
)
def test_devices_and_precisions_that_are_none(how, words):
    with pytest.raises(UserError, match=words):
        Sampler.from_pretrained(MINI, **{"device": "cpu", **how})
