"""Adapter files that are damaged or made to do harm: refused when they are read, at bounded cost. fp8 is neither."""

import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.utils.other import get_pattern_key
from safetensors.torch import save_file

from pai_modelscope import adapters, limits
from pai_modelscope.adapters.files import read_tensors
from pai_modelscope.adapters.patterns import Patterns
from pai_modelscope.errors import UserError
from tests.adapter_files import ATTENTION, CONV, Q, State, drawn_with, make_peft, random_lora, same
from tests.command_line import generate

FLAT = "lora_unet_" + Q.replace(".", "_")
NAN, INFINITE = float("nan"), float("inf")


def matrices() -> State:
    return {f"{FLAT}.lora_down.weight": torch.ones(4, 128), f"{FLAT}.lora_up.weight": torch.ones(128, 4)}


# Types of one byte.


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_fp8_is_what_its_values_are_in_float32(name: str, form: str, pipe: Any, tmp_path: Path) -> None:
    short = {
        f"unet.{key}": tensor.to(getattr(torch, name)) for key, tensor in random_lora(pipe.unet, ATTENTION).items()
    }
    read = []
    for folder, state in (("a", short), ("b", {key: tensor.float() for key, tensor in short.items()})):
        file = tmp_path / f"{folder}.{form}"
        save_file(state, file) if form == "safetensors" else torch.save(state, file)
        read.append(adapters.read_lora(file))
    assert same(drawn_with(pipe, read[0]), drawn_with(pipe, read[1]))
    bad = {key: tensor.float().fill_(NAN).to(tensor.dtype) for key, tensor in short.items()}
    torch.save(bad, tmp_path / "c.bin")
    with pytest.raises(UserError, match=r"c\.bin: unet\..*no numbers \(NaN"):
        adapters.read_lora(tmp_path / "c.bin")


# Numbers that are none.

DAMAGED: dict[str, tuple[State, str]] = {
    "alpha NaN": ({f"{FLAT}.alpha": torch.tensor(NAN)}, r"to_q\.alpha is \[nan\], no single finite number"),
    "alpha infinite": ({f"{FLAT}.alpha": torch.tensor(-INFINITE)}, r"alpha is \[-inf\]"),
    "alpha infinite in fp8": ({f"{FLAT}.alpha": torch.tensor(INFINITE).to(torch.float8_e5m2)}, r"alpha is \[inf\]"),
    "two alphas": ({f"{FLAT}.alpha": torch.ones(2)}, r"alpha is \[1\.0, 1\.0\], no single"),
    "a million alphas": ({f"{FLAT}.alpha": torch.ones(10**6)}, r"alpha is \(1000000,\), no single"),
    "no alpha": ({f"{FLAT}.alpha": torch.ones(0)}, r"alpha is \[\]"),
    "complex alpha": ({f"{FLAT}.alpha": torch.tensor(1j)}, "no single finite number"),
    "scalar": ({f"{FLAT}.scalar": torch.tensor(NAN)}, r"to_q\.scalar is \[nan\]"),
    "scale": ({f"{FLAT}.scale": torch.tensor(NAN)}, r"to_q\.scale is \[nan\]"),
    "dora_scale": ({f"{FLAT}.dora_scale": torch.full((128, 1), INFINITE)}, r"attn1\.to_q holds values that are no num"),
    "dora_scale of inputs": ({f"{FLAT}.dora_scale": torch.full((1, 128), NAN)}, r"dora_scale holds values that are no"),
    "bias": ({f"{FLAT}.diff_b": torch.full((128,), NAN)}, r"to_q\.diff_b holds values that are no numbers"),
    "embedding": ({"bundle_emb.x.emb_params": torch.full((1, 256), NAN)}, "embedding 'x' holds values that are no num"),
    "complex weights": ({f"{FLAT}.lora_up.weight": torch.ones(128, 4) * 1j}, "no numbers"),
    "nothing": ({f"{FLAT}.diff_b": torch.ones(0)}, r"diff_b holds nothing"),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_what_is_no_number_is_refused_when_it_is_read(how: str, tmp_path: Path) -> None:
    more, message = DAMAGED[how]
    file = tmp_path / "a.safetensors"
    save_file(matrices() | more, file)
    with pytest.raises(UserError, match=message) as caught:
        adapters.read_lora(file)
    assert str(file) in str(caught.value) and "damaged" in str(caught.value)


def test_nothing_is_drawn_with_a_damaged_lora(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    save_file(matrices() | {f"{FLAT}.alpha": torch.tensor(NAN)}, tmp_path / "nan.safetensors")
    assert generate("猫", "--lora", tmp_path / "nan.safetensors", "--size", 64, "--output", tmp_path / "o") == 2
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and "alpha is [nan]" in said
        and "torch_dtype" not in said
        and not list((tmp_path / "o").iterdir())
    )


@pytest.mark.parametrize("alpha", ["NaN", "Infinity", "1" + "0" * 400, "[4]", '"4"', "true", "1e999"])
@pytest.mark.parametrize("key", ["lora_alpha", "alpha_pattern"])
def test_alphas_of_a_configuration_that_are_no_numbers(key: str, alpha: str, pipe: Any, tmp_path: Path) -> None:
    folder, _ = make_peft(pipe, tmp_path)
    text = alpha if key == "lora_alpha" else f'{{"{Q}": {alpha}}}'
    config = json.loads((folder / "adapter_config.json").read_text("utf-8")) | {key: "HERE"}
    (folder / "adapter_config.json").write_text(json.dumps(config).replace('"HERE"', text))
    with pytest.raises(UserError, match=r"configuration of .*, lora_alpha is .*; give a number: it is damaged"):
        adapters.read_lora(folder)


# Patterns.

MODULES = [Q, CONV, "up_blocks.1.attentions.0.proj_in", "encoder.layers.10.self_attn.q_proj", "conv_in", "xconv_in"]
PATTERNS = [
    Q,
    re.escape(Q),
    f"^{Q}",
    f"^{re.escape(Q)}$",
    "conv1",
    "to_q",
    "to",
    "attn1.to_q|layers.1.*q_proj",
    "^conv_in",
]
PATTERNS += [
    "conv_in",
    r"layers\.\d+\.self_attn.[qk]_proj",
    "(conv1|to_q)",
    ".*proj_in",
    "up_.*",
    r"layers.\d\d?.*",
    "c?onv1",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_name_what_peft_takes_them_for(pattern: str) -> None:
    found = [Patterns({pattern: 2}, "here").get(module, None) for module in MODULES]
    assert found == [2 if get_pattern_key([pattern], module) == pattern else None for module in MODULES]


def test_the_first_pattern_counts() -> None:
    patterns = {"nothing": 1, "attn1.*": 2, "to_q": 3, Q: 4}
    assert Patterns(patterns, "here").get(Q, 0) == 2 == patterns[get_pattern_key(list(patterns), Q)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"(.*.*.*.*.*.*.*.*.*.*.*.*)*x": 2}, r"regular expression .* that is not understood"),
        ({"(a+)+$": 2}, "not understood"),
        ({"a{1,99999}{1,99999}": 2}, "not understood"),
        ({"(?=a)b": 2}, "not understood"),
        ({"a" * 2000: 2}, "not understood"),
        ({"": 2}, "not understood"),
        ([1], "no object of up to"),
        ({f"a{i}.*": 2 for i in range(101)}, "101 regular expressions"),
        ({f"a{i}": 2 for i in range(10_001)}, "no object of up to 10000 names"),
    ],
)
def test_expressions_that_are_refused(values: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Patterns(values, "alpha_pattern of a file")


def test_an_expression_takes_linear_time(pipe: Any, tmp_path: Path) -> None:
    """One that Python's own would go on with for ever, with a name that it does not fit."""
    assert Patterns({".*" * 200 + "x": 2}, "here").get("a." * 500, None) is None
    folder, _ = make_peft(pipe, tmp_path)
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps(config | {"alpha_pattern": {"(.*.*.*)*x": 2}}))
    with pytest.raises(UserError, match=r"alpha_pattern of .* not understood"):
        adapters.read_lora(folder)


# Files that are made to do harm.


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


PICKLES = {
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
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom pai_modelscope.adapters import read_lora\n"
        "from pai_modelscope.errors import UserError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for file in sorted(Path(sys.argv[1]).iterdir()):\n    try: read_lora(file)\n    except UserError: continue\n"
        "    sys.exit(f'{file} was read')\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 256, "MiB more than before"


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
