"""Files, JSON, YAML and names that strangers wrote."""

import json
import os
import time
from pathlib import Path

import pytest

from pai_modelscope import limits
from pai_modelscope.errors import UserError, printable
from pai_modelscope.untrusted import (
    check_regular,
    inside,
    open_regular,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    read_yaml,
)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (check_regular, open_regular, read_text, read_json, read_yaml):
        with pytest.raises(UserError, match=r"pipe is a named pipe or a device: give a regular file"):
            read(tmp_path / "pipe")


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "/"])
def test_devices_and_folders_are_refused(place: str) -> None:
    with pytest.raises(UserError, match="give a regular file"):
        read_text(place)


def test_a_file_beyond_its_bound_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="1099511627776 bytes; valid are up to 1000"):
        read_bytes(tmp_path / "sparse", 1000)
    (tmp_path / "small").write_bytes(b"x" * 1000)
    assert read_bytes(tmp_path / "small", 1000) == b"x" * 1000


def test_text_is_utf8_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + "猫".encode())
    assert read_text(tmp_path / "a") == "猫"
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"b is not UTF-8 text \(byte 0\): save it as UTF-8"):
        read_text(tmp_path / "b")
    with pytest.raises(UserError, match=r"c can't be read \(No such file"):
        read_text(tmp_path / "c")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 100_000, "nests more than 64"),
        ("[" * 65 + "]" * 65, "nests more than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "nests more than 64"),
        ("{", "can't be read as JSON"),
        ("", "can't be read as JSON"),
        ("1" * 5000, "can't be read as JSON"),
        ('{"rank": 4, "rank": 8}', "gives 'rank' twice in one place: leave one"),
        ('[{"a": {"猫": 1, "b": 2, "\\u732b": 1}}]', "gives '猫' twice in one place"),
    ],
)
def test_json_that_cannot_be_is_one_sentence(text: str, fault: str) -> None:
    with pytest.raises(UserError, match=f"^x.json {fault}"):
        parse_json(text, "x.json")


def test_json_of_the_deepest_kind_is_read(tmp_path: Path) -> None:
    deep = "[" * 64 + "]" * 64
    assert json.dumps(parse_json(deep, "deep")) == deep
    assert read_json(written(tmp_path / "a.json", '{"猫": [1, -Infinity]}')) == {"猫": [1, float("-inf")]}


UNTAGGED = ["!!bool zz", '!!int ""', '!!float ""', '!!int "-"', '!!int "_"', "!!timestamp zz"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("seed: " + "[" * 50_000, "nests more than 64"),
        ("a: &a [*a]", "nests more than 64"),
        ("a: !!python/object/apply:os.system [ls]", "is no YAML"),
        ("a: [", "is no YAML"),
        ("a: 2024-99-99", "is no YAML"),
        ("? [1, 2]\n: 3", "is no YAML"),
        ("a: \x01", "is no YAML"),
        *((f"a: {value}", "is no YAML .a value is not what its tag, such as !!bool, says") for value in UNTAGGED),
        ("a: " + ":".join(["1"] * 5000), "has a number of 9999 characters; valid are 4300"),
    ],
)
def test_yaml_that_cannot_be_is_one_sentence(tmp_path: Path, text: str, fault: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UserError, match=fault):
        read_yaml(written(tmp_path / "x.yaml", text))
    assert time.monotonic() - begun < 20


def test_yaml_whose_aliases_unfold_without_end_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    with pytest.raises(UserError, match=r"bomb.yaml unfolds to more than 100000 values"):
        read_yaml(written(tmp_path / "bomb.yaml", "\n".join(lines)))
    merged = ["a0: &a0 {" + ", ".join(f"k{i}: 1" for i in range(9)) + "}"]
    merged += [f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(UserError, match=r"merged.yaml unfolds to more than"):
        read_yaml(written(tmp_path / "merged.yaml", "\n".join(merged)))


def test_yaml_of_honest_kinds_is_read(tmp_path: Path) -> None:
    text = "base: &base {rank: 4, rate: 1e-4}\nrun:\n  <<: *base\n  rank: 8\n"
    assert read_yaml(written(tmp_path / "a.yaml", text))["run"] == {"rank": 8, "rate": "1e-4"}
    assert read_yaml(written(tmp_path / "b.yaml", "")) is None


@pytest.mark.parametrize(
    "name", ["", ".", "/etc/passwd", "../x", "a/../../x", "a\\..\\..\\x", "C:\\x", "\\\\host\\x", "a\0b", "x" * 2000]
)
def test_names_that_lead_out_of_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    for links in (True, False):
        with pytest.raises(UserError, match="only paths inside that folder are taken"):
            inside(tmp_path, name, links=links)


def test_a_link_out_of_a_folder_is_the_callers_choice(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    assert inside(folder, "link/x.png", links=True) == folder / "link/x.png"
    with pytest.raises(UserError, match="leads out of"):
        inside(folder, "link/x.png")
    assert inside(folder, "猫/a..b.png") == folder / "猫/a..b.png"


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("a\x1b]0;x\x07b") == r"a\x1b]0;x\x07b"
    assert printable("猫\u202e\udcff\x85\u2028") == r"猫\u202e\udcff\x85\u2028"
    assert printable("猫\n\t👩\u200d🚀") == "猫\n\t👩\u200d🚀"
    assert str(UserError("a\x1bb")) == r"a\x1bb"
    assert str(type(UserError("x"))(f"again: {UserError(chr(7))}")) == r"again: \x07"


def test_bounds_are_read_when_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JSON_BYTES", 3)
    with pytest.raises(UserError, match="valid are up to 3"):
        read_json(written(tmp_path / "a.json", "[1, 2]"))
