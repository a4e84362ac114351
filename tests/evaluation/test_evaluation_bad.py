"""Data, judges and numbers that no evaluation can be made with: one line each."""

import json
import lzma
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pai_modelscope import UserError, limits
from pai_modelscope.cli import main
from pai_modelscope.evaluation import Judge
from pai_modelscope.evaluation.judge import SHIPPED_JUDGE
from pai_modelscope.evaluation.pictures import open_pictures


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]\n",
        b"5\n",
        b"null\n",
        b"{}\n",
        b"[" * 100_000,
        b"\xff\n",
        b'{"id": 1, "aliases": 5}\n',
        b'{"a": 1e999}',
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_what_is_no_list_of_pictures(tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / "pictures.jsonl.xz"
    path.write_bytes(lzma.compress(content) if packed and content else content)
    with pytest.raises(UserError, match="is no list of pictures") as caught:
        open_pictures(str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_what_unfolds_to_more_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pictures.jsonl.xz"
    path.write_bytes(lzma.compress(b'"' + b"a" * (16 * limits.LINE_BYTES), preset=0))
    with pytest.raises(UserError, match=f"a line of more than {limits.LINE_BYTES}"):
        open_pictures(str(path))
    monkeypatch.setattr(limits, "METADATA_BYTES", 1000)
    path.write_bytes(lzma.compress(b"[]\n" * 1000))
    with pytest.raises(UserError, match="more than 1000"):
        open_pictures(str(path))


def damaged(folder: Path, how: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    changes: dict[str, Any] = {
        "config": lambda: (folder / "config.json").write_text("[" * 100_000),
        "type": lambda: (folder / "config.json").write_text(json.dumps(config | {"vision_config": 5})),
        "weights": lambda: (folder / "model.safetensors").write_bytes(b"\xff" * 100),
        "tokenizer": lambda: (folder / "tokenizer.json").write_text("{}"),
    }
    changes[how]()


@pytest.mark.parametrize("how", ["config", "type", "weights", "tokenizer"])
def test_a_damaged_judge(tmp_path: Path, how: str) -> None:
    folder = shutil.copytree(SHIPPED_JUDGE, tmp_path / "judge")
    damaged(folder, how)
    with pytest.raises(UserError) as caught:
        Judge.load(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flag", "said"), [("--limit=0", "--limit is 0"), ("--batch=-1", "--batch is -1"), ("--limit=x", "invalid int")]
)
def test_numbers(capsys: pytest.CaptureFixture, flag: str, said: str) -> None:
    try:
        status = main(["evaluate", flag])
    except SystemExit as exit_:
        status = int(str(exit_.code))
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and said in line


@pytest.mark.parametrize(
    ("flags", "start"), [(["--nope"], "pai-modelscope evaluate: "), (["--limit", "0"], "pai-modelscope: --limit")]
)
def test_errors_begin_as_those_of_other_commands(flags, start, capsys) -> None:
    with suppress(SystemExit):
        assert main(["evaluate", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(start)
