"""The command line as a user meets it: pictures kept, options read back, bad input answered in one line."""

import argparse
import dataclasses
import os
import shlex
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from pai_modelscope.cli import build_parser, demo, main, options, terminal
from pai_modelscope.config import GenerationOptions
from pai_modelscope.images import infotext
from tests.support.command_line import COMMAND, QUICK, broken_model, generate, names, pixels


def test_help_answers_at_once() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([*COMMAND, "generate", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.5


def test_every_option_has_a_flag_and_no_second_default() -> None:
    parser = argparse.ArgumentParser()
    options.add_generation_options(parser)
    reachable = {action.dest for action in parser._actions} | options.ELSEWHERE
    assert {field.name for field in dataclasses.fields(GenerationOptions)} <= reachable
    assert options.options_of(parser.parse_args([])) == {}


def test_flags_become_options() -> None:
    parser = argparse.ArgumentParser()
    options.add_generation_options(parser)
    line = "--size 384x256 --steps 8 --guidance-scale 5 --num-images 2 --seed 1,2 --scheduler DDIM --negative-prompt 猫"
    assert options.options_of(parser.parse_args(line.split())) == {
        "width": 384,
        "height": 256,
        "num_inference_steps": 8,
        "guidance_scale": 5.0,
        "num_images_per_prompt": 2,
        "seed": [1, 2],
        "scheduler": "DDIM",
        "negative_prompt": "猫",
    }
    assert options.options_of(parser.parse_args(["--size", "256", "--seed", "7"])) == {
        "width": 256,
        "height": 256,
        "seed": 7,
    }


def test_pictures_are_numbered_remembered_and_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert generate("熊猫", "猫", *QUICK, "--seed", 3, "--output", tmp_path) == 0
    first = names(tmp_path)
    assert first == ["00001-seed3.png", "00002-seed4.png", "00003-sheet.png"]
    printed = capsys.readouterr()
    assert printed.out.split() == [str(tmp_path / name) for name in first]
    assert "torchvision" not in printed.err
    before = pixels(tmp_path / first[0])
    remembered = infotext.read_png(tmp_path / first[1])
    assert (remembered["text"], remembered["seed"], remembered["num_inference_steps"]) == ("猫", 4, 2)

    assert generate("熊猫", *QUICK, "--seed", 4, "--output", tmp_path) == 0
    assert names(tmp_path) == [*first, "00004-seed4.png"]
    assert np.array_equal(pixels(tmp_path / first[0]), before)


@pytest.mark.parametrize(
    "flags",
    [
        ["--scheduler", "Euler a", "--negative-prompt", "蓝色背景", "--guidance-scale", "3"],
        ["--num-images", "2", "--batch-size", "2", "--clip-skip", "1", "--guidance-rescale", "0.3"],
    ],
    ids=["options", "batch"],
)
def test_like_makes_the_same_picture(flags: list[str], tmp_path: Path) -> None:
    assert generate("(熊猫:1.2)", *QUICK, "--seed", 5, "--no-sheet", "--output", tmp_path / "a", *flags) == 0
    original = sorted((tmp_path / "a").glob("*.png"))[-1]
    # In a process of its own, as a user would on another day.
    subprocess.run([*COMMAND, "generate", "--like", original, "--output", tmp_path / "b"], check=True)
    (again,) = (tmp_path / "b").glob("*.png")
    assert np.array_equal(pixels(original), pixels(again))
    assert infotext.read_png(original) == infotext.read_png(again)

    assert generate("--like", original, "--seed", 99, "--output", tmp_path / "c") == 0
    (other,) = (tmp_path / "c").glob("*.png")
    assert not np.array_equal(pixels(original), pixels(other))


def test_like_asks_where_a_model_is_that_has_no_known_name(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = broken_model(tmp_path / "my-model", "none")
    assert generate("熊猫", *QUICK, "--model", folder, "--output", tmp_path / "a") == 0
    (original,) = (tmp_path / "a").iterdir()
    assert generate("--like", original, "--output", tmp_path / "b") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "my-model" in line and "--model" in line
    assert generate("--like", original, "--model", folder, "--output", tmp_path / "b") == 0
    (again,) = (tmp_path / "b").iterdir()
    assert np.array_equal(pixels(original), pixels(again))


def test_texts_from_a_file(tmp_path: Path) -> None:
    texts = tmp_path / "prompts.txt"
    texts.write_text("\ufeff# 注释\n熊猫\n\n  鲸鱼  \n", encoding="utf-8")
    assert generate("--from-file", texts, *QUICK, "--no-sheet", "--output", tmp_path / "out") == 0
    made = [infotext.read_png(path)["text"] for path in sorted((tmp_path / "out").iterdir())]
    assert made == ["熊猫", "鲸鱼"]


def test_own_warnings_are_heard(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert generate("熊猫\U00020000", *QUICK, "--output", tmp_path) == 0
    heard = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(heard) == 1
    assert heard[0].startswith("pai-modelscope: warning: ")
    assert "\U00020000" in heard[0]


def test_the_output_pipe_may_close() -> None:
    reader = subprocess.run(f"{' '.join(COMMAND)} zoo list | head -1", shell=True, capture_output=True, text=True)
    assert reader.stderr == ""
    assert reader.stdout.count("\n") == 1


def test_zoo(capsys: pytest.CaptureFixture) -> None:
    assert main(["zoo", "list"]) == 0
    assert "pai-diffusion-artist-large-zh" in capsys.readouterr().out
    assert main(["zoo", "show", "PAI/pai-diffusion-artist-large-zh"]) == 0
    assert "v1.0.0" in capsys.readouterr().out
    assert main(["zoo", "show", "artist"]) == 2
    assert "pai-diffusion-artist-large-zh" in capsys.readouterr().err
    assert main(["zoo", "push", "nowhere", "me/model"]) == 2


def test_evaluate_passes_its_flags_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from pai_modelscope.evaluation import __main__ as evaluation

    heard: list[list[str]] = []
    monkeypatch.setattr(evaluation, "main", lambda arguments, program: heard.append([program, *arguments]) or 0)
    assert main(["evaluate", "--limit", "64", "--rows", "trained"]) == 0
    assert heard == [["pai-modelscope evaluate", "--limit", "64", "--rows", "trained"]]


def test_demo_says_where_and_how_fast_and_what_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(demo, "PROMPTS", ("熊猫", "鲸鱼"))
    assert main(["demo", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert len(names(tmp_path)) == 3
    assert all(str(tmp_path / name) in printed for name in names(tmp_path))
    assert " s a picture" in printed
    following = printed.split("Next:")[1].strip().splitlines()
    assert len(following) == 4
    for line in following[:3]:
        words = shlex.split(line)
        assert callable(build_parser().parse_args(words[1:]).run)


def test_what_the_user_set_for_other_libraries_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    terminal.quieten()
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
