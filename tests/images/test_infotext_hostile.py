"""Parameters and picture files that a stranger made to harm: one sentence each, in bounded time and memory."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from pai_modelscope import UserError, limits
from pai_modelscope.images.infotext import format_infotext, parse_infotext, read_png
from pai_modelscope.images.infotext_syntax import split_infotext
from pai_modelscope.images.remembered import RememberedFile
from tests.support.command_line import generate
from tests.support.hub_child import tried

LINE = "Steps: 1, Seed: 1, Size: 64x64"
DIGEST = "0123456789abcdef"


def refused(text: str, *words: str) -> None:
    with pytest.raises(UserError) as error:
        parse_infotext(text)
    message = str(error.value)
    assert "\n" not in message and len(message) < 600
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Batch size", "1000000000"),
        ("Batch pos", "1000000000"),
        ("Batch size", "-1"),
        *(
            (name, value)
            for name in ("Steps", "Seed")
            for value in ("nan", "inf", "1e999", "9" * 400, "", "2.5", "0x10")
        ),
        *(
            (name, value)
            for name in ("CFG scale", "CFG rescale", "Denoising strength")
            for value in ("nan", "-inf", "x")
        ),
        ("CFG scale", "9" * 400),
        ("Size", "64"),
        ("Size", "64x"),
        ("Size", f"{'9' * 400}x64"),
        ("Size", "64x64x64"),
        ("Mask blur", "4.5"),
        ("Clip skip", "1e400"),
        ("Hires upscale", "1e300"),
        ("Hires upscale", "nan"),
        ("Outpaint", "1 2 3"),
        ("Outpaint", "a b c d"),
        ("Mask only", "perhaps"),
        ("Precision", "float128"),
        ("Model", "x" * 2000),
        ("Model", "a\0b"),
        ("First pass size", "1e400x1"),
        ("Hires resize", "999999999999x1"),
    ],
)
def test_a_value_that_can_not_be_is_named(name, value):
    kept = ", ".join(pair for pair in LINE.split(", ") if not pair.startswith(f"{name}:"))
    refused(f"猫\n{kept}, {name}: {value}", f"{name}: ", "can't be read")


@pytest.mark.parametrize("name", ["Lora files", "Embeddings", "Controls"])
@pytest.mark.parametrize(
    "value",
    [
        [1],
        [None],
        [["a"]],
        [{"a": 1}],
        ["no digest"],
        [f"a#{DIGEST[:-1]}"],
        [f"https://evil/x#{DIGEST}"],
        [f"//server/share#{DIGEST}"],
        [f"\\\\server\\share#{DIGEST}"],
        [f"data:image/png;base64,x#{DIGEST}"],
        [f"{'x' * 5000}#{DIGEST}"],
        [f"a\0b#{DIGEST}"],
        [f"{n}#{DIGEST}" for n in range(1000)],
    ],
)
def test_lists_of_files_of_other_types_are_named(name, value):
    for given in (value, [{"kind": "canny", "image": each} for each in value]) if name == "Controls" else (value,):
        refused(f"猫\n{format_infotext('', '', {'Steps': 1, 'Seed': 1, name: json.dumps(given)}).strip()}", name)


@pytest.mark.parametrize("name", ["Lora files", "Controls"])
@pytest.mark.parametrize("value", ["{}", "1", "null", '"x"', "[", "nonsense", "[" * 10_000, f"[{'9' * 5000}]"])
def test_json_that_is_no_list_is_named(name, value):
    refused(format_infotext("猫", "", {"Steps": 1, "Seed": 1, name: value}), name)


@pytest.mark.parametrize(
    "more",
    [
        {"scale": "1"}, {"scale": True}, {"scale": float("nan")}, {"scale": 10**400}, {"scale": -1}, {"start": 9},
        {"end": []}, {"model": 3}, {"annotate": "yes"}, {"kind": 1}, {"kind": None}, {"image": None}, {"image": {}},
    ],
)  # fmt: skip
def test_controls_of_other_types_are_named(more):
    control = json.dumps([{"kind": "canny", "image": f"/a#{DIGEST}", **more}])
    refused(format_infotext("猫", "", {"Steps": 1, "Seed": 1, "Controls": control}), "Controls")


@pytest.mark.parametrize("name", ["Init image", "Mask"])
@pytest.mark.parametrize("value", ["/etc/passwd", "x#y", f"http://evil/#{DIGEST}", f"//host/x.png#{DIGEST}"])
def test_a_path_without_its_digest_or_elsewhere_is_never_opened(name, value):
    refused(format_infotext("猫", "", {"Steps": 1, "Seed": 1, name: value}), name)


def test_what_the_program_remembers_is_read_back():
    for path in ("", "/家/图 片#1.png", "C:\\图\\a.png", "owner/lora", "poem"):
        found = RememberedFile.read(RememberedFile.write(path, DIGEST))
        assert (found, found.digest) == (path, DIGEST)


# What a quadratic reader would need minutes for.
LONG = limits.INFOTEXT_CHARACTERS - 200
SHAPES = ["a", "a ", "a,", ",", ":", "a:", '"', ':"', ': "', '\\"', ':"\\', "a:b,", 'a:"b",', "- /", "\n", "Steps:\n"]
SHAPES += [
    "Steps: 1, Seed: 1\n",
    "Steps: 1,\n",
    "Negative prompt: \n",
    "[",
    "a:" + " " * 50,
    '"\\u',
    ',a:"\\',
    ',a:"\\u1',
    ',a:"',
]


def test_time_goes_with_the_length():
    """Each of these ran for minutes or for ever by a pattern that tries every beginning; all have 25 s together."""
    code = (
        "import sys, json, resource; resource.setrlimit(resource.RLIMIT_CPU, (25, 25))\n"
        "from pai_modelscope.images.infotext_syntax import split_infotext\n"
        "from pai_modelscope import UserError\n"
        "for shape in json.loads(sys.argv[1]):\n"
        "    long = shape * (int(sys.argv[2]) // len(shape))\n"
        "    last = 'Steps: 1, Seed: 1'\n"
        "    for text in (long, last + ', ' + long, long + '\\n' + last, '\U0001f43c\\n' + last + long):\n"
        "        try: split_infotext(text)\n"
        "        except UserError: pass\n"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(SHAPES), str(LONG)], check=True, timeout=600)


def test_a_text_beyond_the_bound_is_refused():
    refused("猫" * limits.INFOTEXT_CHARACTERS + f"\n{LINE}", str(limits.INFOTEXT_CHARACTERS))
    most = limits.INFOTEXT_CHARACTERS - len(f"\n{LINE}")
    assert len(split_infotext("猫" * most + f"\n{LINE}").prompt) == most


# Files


def with_text(path: Path, text: str) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def bomb(path: Path) -> None:
    """A text of forty megabytes, compressed."""
    with_text(path, "x")
    file, data = path.read_bytes(), b"parameters\0\1\0\0\0" + zlib.compress(b"a" * 40_000_000)
    chunk = len(data).to_bytes(4, "big") + b"iTXt" + data + zlib.crc32(b"iTXt" + data).to_bytes(4, "big")
    path.write_bytes(file[:33] + chunk + file[33:])


def huge(path: Path) -> None:
    """A header that claims 2^31 - 1 pixels a side."""
    with_text(path, f"猫\n{LINE}")
    file = bytearray(path.read_bytes())
    file[16:24] = b"\x7f\xff\xff\xff" * 2
    file[29:33] = zlib.crc32(file[12:29]).to_bytes(4, "big")
    path.write_bytes(file)


def empty(path: Path) -> None:
    path.touch()


def postscript(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path, format="EPS")


def cut_jpeg(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path, format="JPEG", comment=f"猫\n{LINE}".encode())
    path.write_bytes(path.read_bytes()[:-300])


@pytest.mark.parametrize("make", [fifo, device, bomb, huge, empty, postscript, cut_jpeg])
def test_a_file_that_is_no_honest_picture_is_one_line(tmp_path, make):
    make(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png") as error:
        read_png(tmp_path / "a.png")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_a_large_file_is_refused_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "PICTURE_BYTES", 50)
    with pytest.raises(UserError, match="valid are up to 50"):
        read_png(with_text(tmp_path / "a.png", f"猫\n{LINE}"))


def test_the_error_names_the_file_and_the_parameter(tmp_path):
    with pytest.raises(UserError, match=r"a\.png: The picture's parameters hold Batch size: '1000000000'"):
        read_png(with_text(tmp_path / "a.png", f"猫\n{LINE}, Batch size: 1000000000, Batch pos: 0"))


def test_bounds_of_options_are_told_with_the_file_and_flags_stand_for_them(tmp_path, capsys):
    path = with_text(tmp_path / "a.png", "猫\nSteps: 5000, Seed: 1, Size: 8x64, CFG scale: 999")
    assert generate("--like", path, "--output", tmp_path / "o") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and all(each in message for each in ("a.png", "5000", "width is 8", "999"))
    flags = ["--steps", 1, "--size", 64, "--guidance-scale", 5]
    assert generate("--like", path, *flags, "--output", tmp_path / "o") == 0


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [
        ("Model", "some/model", "--model"),
        pytest.param("Lora files", json.dumps([f"some/model#{DIGEST}"]), "--lora", marks=pytest.mark.slow),
        ("Controls", json.dumps([{"kind": "canny", "model": "some/model", "image": f"a#{DIGEST}"}]), "--control"),
    ],
)
@pytest.mark.slow
def test_nothing_is_downloaded_for_the_sake_of_a_picture(tmp_path, hub, name, value, flag):
    path = with_text(tmp_path / "a.png", format_infotext("猫", "", {"Steps": 1, "Seed": 1, name: value}))
    code = f"""
import contextlib, io
from pai_modelscope.cli import main
with contextlib.redirect_stderr(io.StringIO()) as told:
    status = main(['generate', '--like', {str(path)!r}, '--output', {str(tmp_path / "o")!r}])
print(json.dumps([status, told.getvalue()]))"""
    (status, told), _ = tried(hub, tmp_path / "cache", code)
    assert status == 2 and told.count("\n") == 1
    assert all(each in told for each in ("some/model", "nothing is downloaded", flag, "a.png"))
    assert not hub.requests


@pytest.mark.parametrize("text", ["[1]", '{"image": 3}', "null", "[" * 5000, "{", '{"seed": {"a": 1}, "steps": [1]}'])
@pytest.mark.parametrize("chunk", ["invokeai_metadata", "sd-metadata"])
def test_invokeais_json_of_other_types_is_one_line(tmp_path, chunk, text):
    info = PngImagePlugin.PngInfo()
    info.add_itxt(chunk, text)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(UserError, match=r"a\.png"):
        read_png(tmp_path / "a.png")


@pytest.mark.parametrize("line", ["", "-s", '"', '" -s', "-s -s -s", "a -s x -S y", "[[[[]]]] -s 1 -S"])
def test_invokeais_command_line_is_parameters_or_one_line(tmp_path, line):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Dream", line)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(UserError, match=r"a\.png"):
        read_png(tmp_path / "a.png")
