"""Names and numbers on the command line: files with `=` and `,` in their names, numbers that are none."""

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from pai_modelscope.cli import options
from pai_modelscope.cli.generate import read_texts
from pai_modelscope.errors import UserError


def given(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    options.add_generation_options(parser)
    return options.options_of(parser.parse_args(list(arguments)))


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        given(*arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("set=2/ink.safetensors", "a=0.5", "house,small.png", "net,b=1/x", "a,scale=0.5"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "loras"),
    [
        ("set=2/ink.safetensors", {"set=2/ink.safetensors": None}),
        ("set=2/ink.safetensors=0.5", {"set=2/ink.safetensors": 0.5}),
        ("a=0.5", {"a=0.5": None}),  # a file that exists, and not the file `a`
        ("a=0.5=0.25", {"a=0.5": 0.25}),
        ("b=0.5", {"b": 0.5}),
        ("set=2", {"set=2": None}),  # a folder
        ("owner/name", {"owner/name": None}),
    ],
)
def test_a_lora_that_exists_is_the_file_though_its_name_holds_equals_signs(
    here: Path, text: str, loras: dict[str, float | None]
) -> None:
    assert given("--lora", text) == {"loras": loras}


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ("canny=house,small.png", {"kind": "canny", "image": "house,small.png"}),
        ("canny=house,small.png,scale=0.5", {"kind": "canny", "image": "house,small.png", "scale": 0.5}),
        ("canny=a,scale=0.5", {"kind": "canny", "image": "a,scale=0.5"}),
        ("canny=b,scale=0.5", {"kind": "canny", "image": "b", "scale": 0.5}),
        (
            "canny=house,small.png, model=net,b=1 ,annotate=no",
            {"kind": "canny", "image": "house,small.png", "model": "net,b=1", "annotate": False},
        ),
    ],
)
def test_a_control_picture_that_exists_is_the_file_though_its_name_holds_commas(
    here: Path, text: str, control: dict[str, Any]
) -> None:
    assert given("--control", text) == {"control": [control]}


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("--outpaint", "²,1,1,1", "left,right,top,bottom"),
        ("--outpaint", "9" * 5000 + ",0,0,0", "left,right,top,bottom"),
        ("--outpaint", "-1,0,0,0", "left,right,top,bottom"),
        ("--size", "²", "no size"),
        ("--size", "9" * 5000, "no size"),
        ("--size", "64x64x64", "no size"),
        ("--seed", "²", "no whole number"),
        ("--seed", "1," + "9" * 5000, "no whole number"),
        ("--steps", "9" * 5000, "no whole number"),
        ("--guidance-scale", "nan", "no number"),
        ("--guidance-scale", "1" + "0" * 400, "no number"),
        ("--strength", "-inf", "no number"),
        ("--lora", "x=nan", "FILE=WEIGHT"),
        ("--lora", "x=1e999", "FILE=WEIGHT"),
        ("--lora", "set=3/ink.safetensors", "FILE=WEIGHT"),
        ("--control", "canny=x.png,scale=nan", "scale=nan"),
        ("--control", "canny=x.png,scale", "scale"),
        ("--control", "canny", "KIND=FILE"),
        ("--control", "canny=" + "," * 100_000, "is not understood"),
    ],
)
def test_what_is_no_number_is_one_short_line(
    here: Path, capsys: pytest.CaptureFixture, flag: str, text: str, said: str
) -> None:
    line = refused(capsys, f"{flag}={text}")
    assert flag in line and said in line
    assert len(line) < 1000


PROMPTS = "# 注释\n熊猫在竹林里吃竹子\n\n一只白色的猫坐在窗台上\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_texts_of_a_file_are_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "prompts.txt").write_bytes(PROMPTS.encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_texts(tmp_path / "prompts.txt") == ["熊猫在竹林里吃竹子", "一只白色的猫坐在窗台上"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")
@pytest.mark.parametrize(
    ("name", "said"),
    [("pipe", "named pipe"), ("/dev/zero", "device"), ("", "folder"), ("none.txt", "cannot read"), ("large", "bytes")],
)
def test_texts_of_what_is_no_file_are_refused_at_once(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match=said):
        read_texts(tmp_path / name)
