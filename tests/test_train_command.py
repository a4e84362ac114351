"""`pai-modelscope train`: from shipped pictures to what the other commands open, and what can't be trained."""

from pathlib import Path

import numpy as np
import pytest
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image

from pai_modelscope.cli import main
from pai_modelscope.training.setup import settle
from tests.command_line import generate, names

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
    assert names(tmp_path / "ink/result") == ["README.md", "ink.safetensors", "pytorch_lora_weights.safetensors"]
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
    assert train("full", tmp_path / "full", "--train", "attention") == 0
    UNet2DConditionModel.from_pretrained(tmp_path / "full/result/unet")
    assert train("controlnet", tmp_path / "net", data="shipped:control") == 0
    ControlNetModel.from_pretrained(tmp_path / "net/result/controlnet")


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
        (("lora", "--train_data_dir", "shipped:style", "--pretrained_model_name_or_path", "no"), "there is no folder"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, capsys, arguments, message):
    method, *rest = arguments
    assert main(["train", method, *rest, "--output_dir", str(tmp_path / "out"), *SMALL]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error and error.startswith("pai-modelscope: ")
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_unknown_and_missing_options_are_named():
    with pytest.raises(Exception, match="output_dir, max_train_steps must be given"):
        settle("lora", {"train_data_dir": "x"})
    with pytest.raises(Exception, match="unknown option rnak of lora"):
        settle("lora", {"rnak": 4})
    with pytest.raises(Exception, match="valid are full, lora, textual-inversion, controlnet"):
        settle("lorra", {})


def test_help_tells_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["train", "lora", "--help"])
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--rank", "--train_data_dir", "--max_train_steps", "--snr_gamma"))
    assert "such as 5" in shown
