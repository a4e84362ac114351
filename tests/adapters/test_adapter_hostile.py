"""Adapter files that are made to do harm: refused when they are read, at bounded cost."""

import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pai_modelscope import adapters, limits
from pai_modelscope.errors import UserError
from pai_modelscope.tensor_files import read_tensors
from tests.support.adapter_files import WIDTH, Q, State
from tests.support.command_line import generate
from tests.support.limited import answers_within

FLAT = "lora_unet_" + Q.replace(".", "_")


def matrices() -> State:
    return {f"{FLAT}.lora_down.weight": torch.ones(4, WIDTH), f"{FLAT}.lora_up.weight": torch.ones(WIDTH, 4)}


def header(text: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + body


def tensor_of(shape: list[int], end: int, kind: str = "F32") -> bytes:
    return json.dumps({"a": {"dtype": kind, "shape": shape, "data_offsets": [0, end]}}).encode()


HEADERS = {
    "a header of 100 MB": header(b'{"__metadata__":{"a":"' + b"x" * limits.HEADER_BYTES + b'"}}'),
    "longer than the file": struct.pack("<Q", 2**40) + b"{}",
    "no header": b"\0\0",
    "deep": header(b"[" * 100_000),
    "deep metadata": header(b'{"__metadata__":' + b"[" * 100_000),
    "metadata of numbers": header(b'{"__metadata__":{"a":1}}'),
    "a size beyond all": header(tensor_of([2**50, 2**50], 4), b"\0" * 4),
    "a size beyond the file": header(tensor_of([2**40], 2**42), b"\0" * 4),
    "nothing of a great size": header(tensor_of([2**63 - 1, 0], 0)),
    "negative": header(tensor_of([-1], 4), b"\0" * 4),
    "two of a name": header(tensor_of([1], 4)[:-1] + b"," + tensor_of([1], 4)[1:-2] + b"}}", b"\0" * 4),
    "half a byte": header(tensor_of([2], 1, "F4"), b"\0"),
    "many": header(
        b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(50_001)) + b"}"
    ),
}


@pytest.mark.parametrize("how", HEADERS)
def test_headers_that_are_refused(how: str, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(HEADERS[how])
    with pytest.raises(UserError, match=r"a\.safetensors"):
        adapters.read_lora(file)


def strided(legacy: bool) -> bytes:
    return saved({f"unet.{Q}.lora_A.weight": torch.zeros(1).as_strided((4, 2**31), (0, 0))}, legacy)


def views() -> list[torch.Tensor]:
    base = torch.zeros(10_000)
    return [base.view(100, 100) for _ in range(200)]


def saved(content: Any, legacy: bool = False) -> bytes:
    import io

    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def bomb() -> bytes:
    """An archive one of whose entries unpacks to a thousand times its size."""
    import io

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made, zipfile.ZipFile(io.BytesIO(saved({}))) as plain:
        for entry in plain.infolist():
            made.writestr(entry.filename, plain.read(entry.filename))
        made.writestr("archive/data/0", bytes(30_000_000))
    return file.getvalue()


def behind(content: bytes) -> bytes:
    """An old file with a harmless archive behind it, which Python finds and PyTorch does not."""
    import io

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("archive/data.pkl", b"\x80\x02}.")
    old = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b".\x80\x02M\xe9\x03.\x80\x02}."
    return old + content + archive.getvalue()


def shifted() -> bytes:
    """Two archives in a row: Python reads the second, and PyTorch the first one's list of entries."""
    whole = saved({"a": torch.ones(3)})
    return whole + whole


def named(key: bytes) -> bytes:
    return b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\n" + key + b"X\x03\0\0\0cpuK\x01tQ."


LETTER = b"X\x01\0\0\0a"
DOUBLED = b"q\0h\0\x86" * 40  # a pair of twice the same, forty times
PICKLES = {
    "a tuple of tuples as a storage's name": named(LETTER + b"2\x86" * 40),
    "a tuple of tuples as a key, before an archive": behind(b"\x80\x02}" + LETTER + DOUBLED + b"K\x01s."),
    "two archives": shifted(),
    "an archive with a comment": saved({"a": torch.ones(3)})[:-2] + b"\x05\0about",
    "a size of thousands of digits": named(b"X\x01\0\0\0a").replace(
        b"K\x01t", b"\x8b\xd0\x07\0\0" + b"\x01" * 2000 + b"t"
    ),
    "strided": strided(False),
    "strided, of old": strided(True),
    "expanded": saved({"a": torch.zeros(1, 4).expand(100, 4), "b": torch.ones(1)}),
    "sparse": saved({"a": torch.sparse_coo_tensor(torch.zeros(1, 0), torch.zeros(0), (2**40,)), "b": torch.ones(1)}),
    "of no device": saved({"a": torch.empty(2**40, device="meta"), "b": torch.ones(1)}),
    "many views": saved({str(i): view for i, view in enumerate(views())}),
    "archive that grows": bomb(),
    "storage of old that is not there": saved({"a": torch.zeros(77)}, True).replace(b"K\x4dN", b"J\xff\xff\xff\x7fN"),
    "hashes": b"\x80\x02})" + b"q\x01h\x01\x86" * 60 + b"K\x01s.",
    "memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "bytes that are not there": b"\x80\x02B\xff\xff\xff\x7f.",
    "a frame without an end": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f.",
    "a number's worth of bytes": b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "deep": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "long": b"\x80\x02" + b"N0" * 600_000 + b"N.",
}


@pytest.mark.parametrize("how", PICKLES)
def test_pickles_that_are_refused(how: str, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(PICKLES[how])
    with pytest.raises(UserError, match=r"a\.bin"):
        adapters.read_lora(file)


def test_pickles_are_refused_within_bounded_memory(tmp_path: Path) -> None:
    """One process with little more memory than PyTorch itself takes reads them all."""
    for number, content in enumerate(PICKLES.values()):
        (tmp_path / f"{number}.bin").write_bytes(content)
    for number, content in enumerate(HEADERS.values()):
        (tmp_path / f"{number}.safetensors").write_bytes(content)
    paths = sorted(str(path) for path in tmp_path.iterdir())
    answers = answers_within("from pai_modelscope.adapters import read_lora as call", paths, seconds=120)
    assert {path: answer for path, answer in answers.items() if not answer.startswith("UserError")} == {}


def test_honest_pickles_of_both_formats_are_read(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    content = {
        "a": shared,
        "b": shared[1:].T,
        "c": torch.nn.Parameter(torch.ones(2).half()),
        "d": {1: [torch.ones(1), (None, True, 2.5, "x")]},
        "e": torch.zeros(3).to(torch.float8_e4m3fn),
        "f": torch.nn.Linear(2, 3).state_dict(),
    }
    for legacy in (False, True):  # the old one has no fp8
        content = {key: value for key, value in content.items() if key != "e" or not legacy}
        torch.save(content, tmp_path / "a.bin", _use_new_zipfile_serialization=not legacy)
        read, _ = read_tensors(tmp_path / "a.bin")
        assert read.keys() == content.keys() and read["d"][1][1] == (None, True, 2.5, "x")
        assert torch.equal(read["b"], content["b"]) and torch.equal(read["f"]["weight"], content["f"]["weight"])


def test_no_regular_file_is_opened(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a.safetensors", "a.bin", "adapter_config.json"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "b.pt").symlink_to("/dev/zero")
    save_file(matrices(), tmp_path / "adapter_model.safetensors")
    for name in ("a.safetensors", "a.bin", "b.pt"):
        for act in (adapters.read_lora, adapters.inspect, adapters.read_embedding):
            with pytest.raises(UserError, match="is a named pipe or a device: give a regular file"):
                act(tmp_path / name)
    assert generate("猫", "--lora", tmp_path / "a.safetensors", "--output", tmp_path / "o") == 2
    assert "named pipe" in capsys.readouterr().err


def test_control_characters_of_names_and_metadata_reach_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from pai_modelscope.cli import main

    save_file({"lora.\x1b]0;pwned\x07": torch.ones(1)}, tmp_path / "a.safetensors")
    save_file(matrices(), tmp_path / "b.safetensors", {"\x1b[2J": "\x1b]0;x\x07\u202e", "trigger_words": "\x9b1A\nfoo"})
    for arguments, status in ((["a.safetensors"], 2), (["b.safetensors"], 0), (["b.safetensors", "--json"], 0)):
        assert main(["adapter", "inspect", str(tmp_path / arguments[0]), *arguments[1:]]) == status
        printed = capsys.readouterr()
        assert not set(printed.out + printed.err) & set("\x1b\x07\x9b\u202e")
        assert printed.err.count("\n") == (status == 2)
