"""The README's commands exist and its Python runs: what a reader copies must work."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pai_modelscope.cli import build_parser

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
each = pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)


def blocks(readme: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", readme.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(readme: Path) -> list[list[str]]:
    lines = "\n".join(blocks(readme, "bash")).replace("\\\n", "").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_both_languages_show_the_same_code() -> None:
    english, chinese = READMES
    assert commands(english) == commands(chinese)
    strip = re.compile(r"\s*#.*")
    assert [strip.sub("", b) for b in blocks(english, "python")] == [
        strip.sub("", b) for b in blocks(chinese, "python")
    ]


@each
def test_make_targets_exist(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`", text)) | {words[1] for words in commands(readme) if words[0] == "make"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@each
def test_commands_are_understood(readme: Path) -> None:
    ours = [words[1:] for words in commands(readme) if words[0].endswith("pai-modelscope")]
    assert len(ours) >= 5
    for arguments in ours:
        args, rest = build_parser().parse_known_args(arguments)
        assert callable(args.run)
        assert not rest or arguments[0] == "evaluate"


@each
def test_links_and_pictures_exist(readme: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


@pytest.mark.parametrize("number", range(len(blocks(READMES[0], "python"))))
def test_python_runs(number: int, tmp_path: Path) -> None:
    code = blocks(READMES[0], "python")[number]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.glob("*.png")), "every snippet of the README makes a picture"
