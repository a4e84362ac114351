"""Bad input, damaged models, full disks, hubs that are down, Ctrl-C: one line, and nothing half-written."""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import COMMAND, QUICK, broken_model, generate, names, pixels


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no text"),
        ([""], "empty"),
        (["熊猫", "--size", "65"], "multiple of 8"),
        (["熊猫", "--size", "a"], "no size"),
        (["熊猫", "--steps", "0"], "num_inference_steps"),
        (["熊猫", "--steps", "many"], "--steps"),
        (["熊猫", "--seed", "x"], "no whole number"),
        (["熊猫", "--seed", "1,2,3"], "3 seeds for 1 pictures"),
        (["熊猫", "--scheduler", "nope"], "DPM++ 2M"),
        (["熊猫", "--model", "nope"], "nope"),
        (["熊猫", "--device", "nope"], "nope"),
        (["熊猫", "--dtype", "int8"], "float32"),
        (["熊猫", "--colour"], "not understood: --colour (see 'pai-modelscope generate --help')"),
        (["熊猫", "--sed", "3"], "--sed 3; is --seed meant?"),
        (["熊猫", "--num_inference_steps", "3"], "is --steps meant?"),
        (["熊猫", "--num-images-per-prompts=3"], "is --num-images meant?"),
        (["熊猫", "--lora", "nothing.safetensors"], "There is no file nothing.safetensors"),
        (["熊猫", "--device", "cuda:99"], "give 'cpu'"),
        (["--from-file", "{tmp}/nowhere.txt"], "nowhere.txt"),
        (["--from-file", "{tmp}"], "{tmp}"),
        (["--like", "{tmp}/nowhere.png"], "nowhere.png"),
        (["--like", __file__], "picture"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    output = tmp_path / "out"
    try:
        status = generate(*arguments, "--output", output)
    except SystemExit as exit_:  # argparse's own way out
        status = int(str(exit_.code))
    assert status == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    assert says.replace("{tmp}", str(tmp_path)) in printed.err
    assert printed.out == ""
    assert not output.exists() or names(output) == []


@pytest.mark.parametrize("fault", ["lacks a part", "truncated", "corrupt", "no model"])
def test_damaged_models(fault: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = broken_model(tmp_path / "model", fault)
    assert generate("熊猫", "--model", folder, "--output", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder) in line
    assert names(tmp_path / "out") == []


def test_a_hub_that_is_down(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    environment = os.environ | {"MODELSCOPE_ENDPOINT": nowhere, "HF_ENDPOINT": nowhere, "HOME": str(tmp_path)}
    model = "PAI/pai-diffusion-artist-large-zh"
    done = subprocess.run(
        [*COMMAND, "generate", "熊猫", "--model", model, "--output", tmp_path / "out"],
        env=environment | {"MODELSCOPE_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert model in line


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("HF_HUB_DOWNLOAD_TIMEOUT", "abc", "a whole number of seconds"),
        ("HF_HUB_ETAG_TIMEOUT", "1.5", "a whole number of seconds"),
        ("HF_ENDPOINT", "http://[::1", "an address such as"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "", "a whole number of seconds"),
        ("TQDM_MININTERVAL", "abc", "a number"),
    ],
)
def test_a_variable_that_makes_an_import_fail_is_named(name: str, value: str, valid: str) -> None:
    command = [*COMMAND, "generate", "熊猫", "--model", "aa/bb"]
    done = subprocess.run(command, env=os.environ | {name: value}, capture_output=True, text=True, timeout=300)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and f"the environment variable {name} is {value!r}; give {valid}" in line


@pytest.mark.parametrize(
    "flag", ["--model", "--output", "--image", "--mask", "--lora", "--from-file", "--like", "--dtype"]
)
def test_an_empty_value_is_no_default(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """What a shell makes of a variable that is not set."""
    (tmp_path / "out").mkdir()
    beside = ["--image", "pai_modelscope/assets/none.png"] if flag == "--mask" else []
    assert generate("熊猫", *QUICK, "--output", tmp_path / "out", *beside, flag, "") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert names(tmp_path / "out") == []


def test_output_that_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("mine")
    assert generate("熊猫", "--output", tmp_path / "file" / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--output" in line
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on the size of a file stands for a full disk: the write fails half-way."""
    import resource

    done = subprocess.run(
        [*COMMAND, "generate", "熊猫", "--steps", "2", "--output", tmp_path],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_finished_pictures(tmp_path: Path) -> None:
    command = [*COMMAND, "generate", "熊猫", *QUICK, "--num-images", "500", "--output", str(tmp_path)]
    # A shell's background job starts with SIGINT ignored, and its children inherit that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().split()
        said = process.stderr.read()
    assert process.returncode == 130
    finished = [first, *rest]
    assert f"{len(finished)} finished pictures are kept" in said
    assert names(tmp_path) == sorted(Path(path).name for path in finished)
    for path in finished:
        assert pixels(Path(path)).shape == (64, 64, 3)
