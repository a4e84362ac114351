"""Where in a picture's file programs write its parameters: PNG text, EXIF, a GIF's comment, InvokeAI's JSON."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from pai_modelscope import UserError
from pai_modelscope.images.infotext import parse_infotext, read_png
from pai_modelscope.sampling.schedulers import scheduler_name
from tests.support.command_line import generate, pixels

TEXT = "猫\nNegative prompt: 狗\nSteps: 2, Sampler: Euler, CFG scale: 5, Seed: 7, Size: 64x64"
READ = parse_infotext(TEXT)


def exif(comment: bytes) -> bytes:
    found = Image.Exif()
    found.get_ifd(0x8769)[0x9286] = comment
    return found.tobytes()


def piexif_style(big: bool, comment: bytes) -> bytes:
    """EXIF of either byte order with UserComment alone, put together by hand."""
    order = "big" if big else "little"

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return b"".join(n.to_bytes(size, order) for n, size in ((tag, 2), (kind, 2), (count, 4), (value, 4)))

    one, none = (1).to_bytes(2, order), bytes(4)
    head = (b"MM" if big else b"II") + (42).to_bytes(2, order) + (8).to_bytes(4, order)
    return (
        b"Exif\0\0"
        + head
        + one
        + entry(0x8769, 4, 1, 26)
        + none
        + one
        + entry(0x9286, 7, len(comment), 44)
        + none
        + comment
    )


COMMENTS = {
    "utf-16, larger byte first": b"UNICODE\0" + TEXT.encode("utf-16-be"),
    "utf-16, smaller byte first": b"UNICODE\0" + TEXT.encode("utf-16-le"),
    "utf-16 with a mark": b"UNICODE\0" + TEXT.encode("utf-16"),
    "ascii": b"ASCII\0\0\0" + TEXT.encode(),
    "no code": bytes(8) + TEXT.encode(),
    "bare": TEXT.encode(),
}
PICTURE = Image.new("RGB", (64, 64), (90, 160, 110))


@pytest.mark.parametrize("comment", COMMENTS)
@pytest.mark.parametrize("kind", ["jpg", "webp", "avif", "png"])
def test_parameters_in_exifs_user_comment(tmp_path, kind, comment):
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    PICTURE.save(tmp_path / f"a.{kind}", exif=exif(COMMENTS[comment]))
    assert read_png(tmp_path / f"a.{kind}") == READ


@pytest.mark.parametrize("big", [True, False])
def test_either_byte_order_of_exif(tmp_path, big):
    for name, comment in COMMENTS.items():
        PICTURE.save(tmp_path / "a.jpg", exif=piexif_style(big, comment))
        assert read_png(tmp_path / "a.jpg") == READ, name


def png(path: Path, after: bool = False, **texts: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name.replace("_", "-") if name == "sd_metadata" else name, text)
    PICTURE.save(path, pnginfo=info)
    return path


def test_every_kind_of_png_text_and_a_gifs_comment(tmp_path):
    ascii_text = TEXT.replace("猫", "cat").replace("狗", "dog")
    for kind, how in (("tEXt", {}), ("zTXt", {"zip": True})):
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", ascii_text, **how)
        PICTURE.save(tmp_path / "a.png", pnginfo=info)
        assert read_png(tmp_path / "a.png")["text"] == "cat", kind
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", TEXT, zip=True)
    PICTURE.save(tmp_path / "a.png", pnginfo=info)
    assert read_png(tmp_path / "a.png") == READ
    PICTURE.save(tmp_path / "a.gif", comment=TEXT.encode())
    assert read_png(tmp_path / "a.gif") == READ


# InvokeAI and ComfyUI


def test_invokeais_metadata(tmp_path):
    metadata = {
        "app_version": "5.0.0", "generation_mode": "txt2img", "positive_prompt": "猫", "negative_prompt": "狗",
        "width": 64, "height": 64, "seed": 7, "rand_device": "cpu", "cfg_scale": 5.0, "cfg_rescale_multiplier": 0,
        "steps": 2, "scheduler": "euler", "model": {"key": "k", "name": "小模型", "hash": "blake3:1"}, "loras": [],
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_png(png(tmp_path / "a.png", invokeai_metadata=json.dumps(metadata)))
    assert found == READ | {"model": "小模型", "guidance_rescale": 0.0, "scheduler": "euler"}
    metadata |= {"scheduler": "dpmpp_2m_k", "loras": [{"lora": {}, "weight": 0.5}], "seamless_x": True, "clip_skip": 1}
    with pytest.warns(UserWarning, match="loras: 1 entries, seamless_x: True"):
        found = read_png(png(tmp_path / "b.png", invokeai_metadata=json.dumps(metadata)))
    assert (scheduler_name(found["scheduler"]), found["clip_skip"]) == ("DPM++ 2M Karras", 1)


def test_the_metadata_of_invokeai_2(tmp_path):
    image = {"prompt": [{"prompt": "猫 [狗]", "weight": 1.0}], "steps": 2, "cfg_scale": 5, "threshold": 0, "perlin": 0}
    image |= {"width": 64, "height": 64, "seed": 7, "type": "txt2img", "sampler": "k_euler", "variations": []}
    text = json.dumps({"model": "stable diffusion", "model_weights": "小模型", "image": image})
    found = read_png(png(tmp_path / "a.png", sd_metadata=text, Dream="x -s 1 -S 2"))
    assert found == READ | {"model": "小模型", "scheduler": "k_euler"} and scheduler_name("k_euler") == "Euler"
    for line in ('"猫 [狗]" -s 2 -S 7 -W 64 -H 64 -C 5 -A k_euler', "猫 [狗] -s 2 -S 7 -W 64 -H 64 -C 5.0 -A k_euler"):
        assert read_png(png(tmp_path / "b.png", Dream=line)) == READ | {"scheduler": "k_euler"}


def test_a_graph_of_comfyui_is_called_one(tmp_path):
    graph = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 2}}})
    with pytest.raises(UserError, match=r"a\.png holds a ComfyUI graph \(prompt and workflow\)"):
        read_png(png(tmp_path / "a.png", prompt=graph, workflow=graph))
    assert read_png(png(tmp_path / "b.png", prompt=graph, workflow=graph, parameters=TEXT)) == READ


# Drawn again


def test_a_jpeg_is_drawn_as_a_png_that_says_the_same_and_the_nearest_sampler_is_told(tmp_path, capsys):
    text = TEXT.replace("Euler", "DPM++ 2S a Karras")
    png(tmp_path / "a.png", parameters=text)
    PICTURE.save(tmp_path / "a.jpg", exif=exif(b"UNICODE\0" + text.encode("utf-16-be")))
    told = "warning: There is no sampler 'DPM++ 2S a Karras' here: 'DPM++ SDE Karras', the nearest, draws it."
    for name in ("a.png", "a.jpg"):
        assert generate("--like", tmp_path / name, "--output", tmp_path / "out") == 0
        assert told in capsys.readouterr().err
    flags = ["--scheduler", "DPM++ SDE Karras", "--output", tmp_path / "out"]
    assert generate("--like", tmp_path / "a.jpg", *flags) == 0
    assert "warning" not in capsys.readouterr().err
    first, *others = sorted((tmp_path / "out").iterdir())
    assert len(others) == 2 and all(np.array_equal(pixels(first), pixels(other)) for other in others)
    assert read_png(first)["scheduler"] == "DPM++ SDE Karras"
