"""`pai-modelscope label check`, and the label in what `generate` writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pai_modelscope.cli import main
from pai_modelscope.config.labels import PRODUCER_VARIABLE
from pai_modelscope.images.aigc_label import labelling
from pai_modelscope.images.infotext import read_png
from pai_modelscope.images.picture_text import picture_file, read_label
from tests.support.command_line import COMMAND, QUICK, generate, pixels

PICTURE = Image.new("RGB", (64, 64), (90, 160, 110))


def check(*files: Path) -> int:
    return main(["label", "check", *map(str, files)])


def written(folder: Path, place: str, kind: str = "png", producer: str = "ann") -> Path:
    path = folder / f"{place}.{kind}"
    path.write_bytes(picture_file(PICTURE, kind, "猫\nSteps: 2, Seed: 1", labelling(place, producer)))
    return path


def test_each_file_has_a_line_and_one_without_a_label_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [written(tmp_path, "both", kind) for kind in ("png", "jpeg", "webp")]
    assert check(*good) == 0
    lines = capsys.readouterr().out.splitlines()
    label = read_label(good[0])
    assert label
    said = f"generated (Label 1), ContentProducer 'ann', ProduceID '{label['ProduceID']}'"
    assert lines == [f"{path}: {said}" for path in good]

    bare = written(tmp_path, "visible")
    assert check(bare, good[0]) == 1
    assert capsys.readouterr().out.splitlines() == [f"{bare}: no label", f"{good[0]}: {said}"]


def test_what_is_malformed_is_said_and_what_comes_after_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("AIGC", json.dumps({"Label": "1"}))
    PICTURE.save(tmp_path / "short.png", pnginfo=info)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    PICTURE.save(tmp_path / "bomb.png", pnginfo=info)
    (tmp_path / "none.png").write_text("no picture")
    files = [tmp_path / f"{name}.png" for name in ("short", "bomb", "none", "absent")]
    assert check(*files, written(tmp_path, "metadata")) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == 5 and captured.err == ""
    assert lines[0].startswith(f"{files[0]}: its label lacks ContentProducer, ProduceID, ReservedCode1, ")
    assert lines[1].startswith(f"{files[1]}: its XMP has a document type declaration")
    assert "is no picture" in lines[2] and "There is no picture" in lines[3] and "(Label 1)" in lines[4]
    for file in files:
        assert check(file) == 1


def test_what_a_label_says_can_not_forge_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2")
    label = {"Label": "3", **dict.fromkeys(names, "x\n\x1b[2Jb.png: generated" + "y" * 5000)}
    info = PngImagePlugin.PngInfo()
    info.add_text("AIGC", json.dumps(label))
    PICTURE.save(tmp_path / "a.png", pnginfo=info)
    assert check(tmp_path / "a.png") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1 and len(out) < 600 and "\x1b" not in out
    assert "suspected to be generated (Label 3)" in out


def test_the_check_imports_no_network(tmp_path: Path) -> None:
    path = written(tmp_path, "metadata")
    code = (
        "import sys; from pai_modelscope.cli import main; "
        f"assert main(['label', 'check', {str(path)!r}]) == 0; "
        "assert not {'torch', 'diffusers', 'modelscope', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert subprocess.run([*COMMAND, "label", "check", str(written(tmp_path, "off"))], timeout=120).returncode == 1


def test_nothing_takes_a_label_away(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["label", "--help"])
    assert "remove" not in (shown := capsys.readouterr().out) and "check" in shown
    with pytest.raises(SystemExit):
        main(["label", "remove", "a.png"])


def test_what_generate_writes_is_labelled_and_drawn_again_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PRODUCER_VARIABLE, "painters")
    assert generate("熊猫", "猫", *QUICK, "--seed", 3, "--output", tmp_path / "a") == 0
    assert generate("熊猫", "猫", *QUICK, "--seed", 3, "--output", tmp_path / "b") == 0
    capsys.readouterr()
    first, again = (sorted((tmp_path / name).iterdir()) for name in "ab")
    assert len(first) == 3 and check(*first) == 0, "the sheet, too"
    assert capsys.readouterr().out.count("ContentProducer 'painters'") == 3
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    numbers = {label["ProduceID"] for path in first if (label := read_label(path))}
    assert len(numbers) == 3

    flags = ["--output", tmp_path / "c", "--aigc-label", "both", "--aigc-producer", "ann"]
    assert generate("--like", first[0], *flags) == 0
    (marked,) = (tmp_path / "c").iterdir()
    label, plain = read_label(marked), read_label(first[0])
    assert label and plain and label["ContentProducer"] == "ann" and label["ProduceID"] == plain["ProduceID"]
    changed = (pixels(marked) != pixels(first[0])).any(2)
    assert changed[44:, 20:].any() and not changed[:40].any() and not changed[:, :12].any()

    assert generate("--like", marked, "--output", tmp_path / "d", "--aigc-label", "off") == 0
    (bare,) = (tmp_path / "d").iterdir()
    assert np.array_equal(pixels(bare), pixels(first[0])) and check(bare) == 1
    assert read_png(bare) == read_png(marked) == read_png(first[0])


def test_a_scroll_is_labelled(tmp_path: Path) -> None:
    flags = ["--poem", "空山新雨后", "--scroll", "--scroll-date", "丙午冬", "--aigc-label", "both"]
    assert generate(*flags, *QUICK, "--seed", 1, "--output", tmp_path) == 0
    picture, scroll = sorted(tmp_path.iterdir())
    labels = [read_label(picture), read_label(scroll)]
    assert all(labels) and labels[0] != labels[1]


def test_bad_options_are_one_line_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, words in (
        (["--aigc-label", "corner"], "aigc_label is 'corner'; valid are 'off', 'metadata', 'visible', 'both'"),
        (["--aigc-producer", "杭州"], "aigc_producer is '杭州'"),
    ):
        assert generate("熊猫", *QUICK, "--model", "/nowhere", "--output", tmp_path / "out", *flags) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert not (tmp_path / "out").exists()
