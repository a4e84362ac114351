"""`pai-modelscope train`: from shipped pictures to what the other commands open, and what can't be trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

from pai_modelscope import fine_tune
from pai_modelscope.adapters import read_lora
from pai_modelscope.cli import build_parser, main
from pai_modelscope.cli.train import options_of
from pai_modelscope.errors import UserError
from pai_modelscope.training.options import resolve_options
from tests.support.command_line import generate, names

SMALL = [
    "--resolution",
    "64",
    "--max_train_steps",
    "2",
    "--train_batch_size",
    "2",
    "--max_train_samples",
    "6",
    "--logging_steps",
    "1",
]


def train(method: str, output: Path, *arguments: str, data: str = "shipped:style") -> int:
    return main(["train", method, "--train_data_dir", data, "--output_dir", str(output), *SMALL, *arguments])


def drawn(folder: Path, text: str, *arguments: str) -> np.ndarray:
    assert generate(text, "--steps", "2", "--size", "64", "--seed", "1", "--output", str(folder), *arguments) == 0
    return np.asarray(Image.open(next(folder.glob("*.png"))).convert("RGB"))


def test_a_lora_from_the_command_line_draws(tmp_path, capsys):
    assert train("lora", tmp_path / "ink", "--rank", "4", "--learning-rate", "0.01", "--cache_latents") == 0
    assert capsys.readouterr().out.strip().endswith("ink/result")
    assert names(tmp_path / "ink/result") == [
        "README.md",
        "configuration.json",
        "ink.safetensors",
        "pytorch_lora_weights.safetensors",
    ]
    card = (tmp_path / "ink/result/README.md").read_text("utf-8")
    assert "pai-diffusion-mini-zh" in card and "6 pictures of shipped:style" in card
    file = str(tmp_path / "ink/result/ink.safetensors")
    with_it = drawn(tmp_path / "a", "猫 <lora:ink:1>", "--lora", file)
    assert not np.array_equal(with_it, drawn(tmp_path / "b", "猫"))


def test_a_new_word_from_the_command_line_draws(tmp_path):
    words = ("--placeholder", "<小奶猫>", "--initializer", "小猫", "--num_vectors", "2", "--learning_rate", "0.1")
    assert train("textual-inversion", tmp_path / "cat", *words) == 0
    file = str(tmp_path / "cat/result/learned_embeds.safetensors")
    with_it = drawn(tmp_path / "a", "一只<小奶猫>", "--embedding", file)
    assert not np.array_equal(with_it, drawn(tmp_path / "b", "一只小猫"))


def test_full_and_controlnet_write_what_diffusers_opens(tmp_path):
    assert train("full", tmp_path / "full", "--train", "attention", "--dataloader_num_workers", "0") == 0
    UNet2DConditionModel.from_pretrained(tmp_path / "full/result/unet")
    assert train("controlnet", tmp_path / "net", data="shipped:control") == 0
    ControlNetModel.from_pretrained(tmp_path / "net/result/controlnet")


def test_the_run_folder_alone_repeats_the_run(tmp_path):
    """Also what a YAML file or Python told, of which the command line has nothing."""
    (tmp_path / "run.yaml").write_text("rank: 3\ntargets: all-linear\ncaption_dropout: 0.5\nnum_train_epochs: 1\n")
    given = ("--config", str(tmp_path / "run.yaml"), "--max_train_steps", "0", "--seed", "5")
    assert train("lora", tmp_path / "first", *given) == 0
    written = json.loads((tmp_path / "first/run.json").read_text("utf-8"))
    again = {**written["options"], **written["config"], "output_dir": tmp_path / "again"}
    assert fine_tune(**again) == tmp_path / "again/result"
    one, two = (load_file(tmp_path / name / "checkpoint-3/trained.safetensors") for name in ("first", "again"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("rank", [(), ("--rank", "2")], ids=["whole", "adapter"])
def test_a_controlnets_seed_gives_its_first_values(tmp_path, rank):
    """All but what is copied from the UNet is drawn at random; it was drawn before anything had set the seed."""
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        torch.seed()
        assert train("controlnet", tmp_path / name, "--seed", seed, *rank, data="shipped:control") == 0
    a, b, c = (load_file(tmp_path / name / "checkpoint-2/trained.safetensors") for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    drawn = [name for name in a if "cond_embedding.blocks.0.weight" in name or "lora_A" in name]
    assert drawn and all(float((a[name] - c[name]).abs().max()) > 0.01 for name in drawn)


def test_a_run_goes_on_where_it_was(tmp_path, capsys):
    assert train("lora", tmp_path / "run") == 0
    more = ("--resume_from_checkpoint", "latest", "--max_train_steps", "3")
    assert train("lora", tmp_path / "run", *more) == 0
    assert (tmp_path / "run/checkpoint-3").is_dir()
    assert train("lora", tmp_path / "run") == 2
    assert "resume_from_checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lora", "--train_data_dir", "nowhere"), "nowhere"),
        (("lora", "--train_data_dir", "shipped:style", "--rank", "0"), "rank is 0"),
        (("full", "--train_data_dir", "shipped:style", "--train", "some"), "valid are 'all', 'attention'"),
        (("textual-inversion", "--train_data_dir", "shipped:style", "--placeholder", "<猫>"), "initializer is ''"),
        (("lora", "--train_data_dir", "shipped:style", "--learning_rate", "0"), "learning_rate is 0.0"),
        (("lora", "--train_data_dir", "shipped:style", "--learning_rate", "nan"), "learning_rate is nan"),
        (
            ("lora", "--train_data_dir", "shipped:style", "--adam_beta1", "1"),
            "adam_beta1 is 1.0; give",
        ),
        (("lora", "--train_data_dir", "shipped:style", "--max_grad_norm", "nan"), "max_grad_norm is nan"),
        (
            ("controlnet", "--train_data_dir", "shipped:control", "--rank", "-3"),
            "rank is -3; give a whole number",
        ),
        (("lora", "--train_data_dir", "shipped:style", "--dataloader_num_workers", "-1"), "from 0 to 256"),
        (("lora", "--train_data_dir", "shipped:style", "--mixed_precision", "fp16"), "set it to 'bf16' or 'no'"),
        (("lora", "--train_data_dir", "shipped:style", "--pretrained_model_name_or_path", "no"), "there is no folder"),
        (("controlnet", "--train_data_dir", "shipped:style"), "the pictures have no conditions"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, capsys, arguments, message):
    method, *rest = arguments
    assert main(["train", method, *rest, "--output_dir", str(tmp_path / "out"), *SMALL]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error and error.startswith("pai-modelscope: ")
    assert not list((tmp_path / "out").glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        ("lora", (), "the run folder could not be written"),
        (
            "dreambooth",
            ("--instance_prompt", "一只糯糯猫", "--class_prompt", "猫"),
            "the run folder could not be written",
        ),
    ],
)
def test_a_run_folder_that_cannot_be_made_is_one_line(tmp_path, capsys, method, more, message):
    (tmp_path / "file").touch()
    assert train(method, tmp_path / "file" / "run", *more) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_unknown_and_missing_options_are_named():
    with pytest.raises(UserError, match=r"output_dir must be given.*max_train_steps or num_train_epochs must be given"):
        resolve_options("lora", {"train_data_dir": "x"})
    with pytest.raises(UserError, match=r"unknown option rnak of lora \(did you mean 'rank'\?\); valid are"):
        resolve_options("lora", {"rnak": 4})
    with pytest.raises(UserError, match="valid are full, lora, textual-inversion, dreambooth, controlnet"):
        resolve_options("lorra", {})


GIVEN = {"train_data_dir": "x", "output_dir": "y", "max_train_steps": 1}


def test_options_of_diffusers_scripts_carry_over():
    options = resolve_options(
        "lora", {**GIVEN, "noise_offset": 0.1, "use_ema": True, "allow_tf32": True, "lora_alpha": 8}
    )
    assert (options.method.offset_noise, options.loop.ema_decay, options.method.alpha) == (0.1, 0.9999, 8.0)
    assert list(options.without_effect) == ["allow_tf32"]
    assert resolve_options("lora", {**GIVEN, "use_ema": False}).loop.ema_decay == 0
    with pytest.raises(UserError, match="noise_offset and offset_noise mean the same"):
        resolve_options("lora", {**GIVEN, "noise_offset": 0.1, "offset_noise": 0.2})


def flags(method: str, text: str) -> dict[str, object]:
    args = build_parser().parse_args(["train", method, "--train_data_dir", "x", "--output_dir", "y", *text.split()])
    return options_of(args) | {"max_train_steps": 1}


def test_the_command_of_diffusers_controlnet_is_understood():
    text = "--validation_image 1.png 2.png --validation_prompt 红圆 蓝圆 --num_validation_images=1"
    options = resolve_options("controlnet", flags("controlnet", text))
    shown = options.validation
    assert (shown.validation_prompts, shown.validation_images) == (["红圆", "蓝圆"], ["1.png", "2.png"])
    assert sorted(options.without_effect) == ["num_validation_images"]


def test_a_switch_of_diffusers_dreambooth_is_a_number_here():
    assert (
        resolve_options(
            "dreambooth", flags("dreambooth", "--instance_prompt 一只糯糯猫 --offset_noise --snr_gamma=5")
        ).method.offset_noise
        == 0.1
    )
    assert (
        resolve_options(
            "dreambooth", flags("dreambooth", "--instance_prompt 一只糯糯猫 --offset_noise=0.05")
        ).method.offset_noise
        == 0.05
    )


def test_flags_of_diffusers_that_are_not_kept_say_what_to_do_instead():
    text = "--push_to_hub --hub_model_id=a/b --lora_dropout=0.1"
    with pytest.raises(UserError, match=r"zoo push FOLDER ID.*; lora_dropout is not known here: leave it out"):
        resolve_options("lora", flags("lora", text))
    assert resolve_options("lora", {**GIVEN, "push_to_hub": False}).without_effect == {}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [("learning_rate", "1e-4", 1e-4), ("learning_rate", 1, 1.0), ("max_train_steps", 2.0, 2), ("rank", "8", 8)],
)
def test_values_become_what_the_option_is(name, value, found):
    options = resolve_options("lora", {**GIVEN, name: value})
    got = getattr(options.method if name == "rank" else options.loop, name)
    assert got == found and type(got) is type(found)


def test_the_launchers_precision_stands_where_none_is_chosen(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert resolve_options("lora", GIVEN).loop.mixed_precision == "bf16"
    assert resolve_options("lora", {**GIVEN, "mixed_precision": "no"}).loop.mixed_precision == "no"


def test_a_yaml_file_tells_what_flags_do_not(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    lines = ["method: lora", "train_data_dir: shipped:style", f"output_dir: {tmp_path / 'run'}", "resolution: 64"]
    lines += ["max_train_samples: 4", "train_batch_size: 2", "num_train_epochs: 1.5", "learning_rate: 1e-3", "rank: 2"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert main(["train", "lora", "--config", str(path), "--rank", "3"]) == 0
    told = json.loads((tmp_path / "run/run.json").read_text("utf-8"))["config"]
    assert (told["max_train_steps"], told["learning_rate"]) == (3, 1e-3)
    found = read_lora(tmp_path / "run/result/pytorch_lora_weights.safetensors")
    assert set(found.ranks.values()) == {3}
    assert main(["train", "full", "--config", str(path)]) == 2
    assert "is for the method 'lora'" in capsys.readouterr().err
    path.write_text("rnak: 3", encoding="utf-8")
    assert main(["train", "lora", "--config", str(path)]) == 2
    assert "unknown option rnak" in capsys.readouterr().err
    path.write_text("- a", encoding="utf-8")
    assert main(["train", "lora", "--config", str(path)]) == 2
    assert "options by their names" in capsys.readouterr().err


def test_a_flag_goes_before_the_file_by_whatever_name(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "noise_offset: 0.1\nmodel: a\ncaption_dropout: 0.3\noptimizer: prodigy\nlearning_rate: 1\n", encoding="utf-8"
    )
    options = resolve_options("lora", flags("lora", f"--config {path} --offset_noise 0.2 --use_8bit_adam"))
    assert (options.model, options.method.offset_noise, options.loop.optimizer) == ("a", 0.2, "adamw-8bit")
    assert options.method.caption_dropout == 0.3
    assert resolve_options("lora", flags("lora", f"--config {path} --model b")).model == "b"


def test_help_tells_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["train", "lora", "--help"])
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--rank", "--train_data_dir", "--max_train_steps", "--snr_gamma"))
    assert "such as 5" in shown


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "recipes").rglob("*.yaml")), ids=lambda p: p.stem)
def test_the_recipes_are_understood(path):
    content = yaml.safe_load(path.read_text("utf-8"))
    assert resolve_options(content.pop("method"), content).data.train_data_dir == "shipped:food"
