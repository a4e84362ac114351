"""Upscalers that draw nothing over: the painter's runs by tiles as on whole pictures; a registry knows them all."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pai_modelscope import UserError
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.images.upscalers import painter, painter_network, realesrgan
from pai_modelscope.images.upscalers.painter_network import PainterUpscaler, twice_as_large
from pai_modelscope.images.upscalers.registry import INFOTEXT_NAMES, UPSCALERS, offered
from tests.support.drawings import array, drawing
from tests.support.upscaler_weights import random_upscaler, write_weights

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PainterUpscaler:
    """The network whose weights stand in for those that ship."""
    network = random_upscaler()
    monkeypatch.setattr(painter, "WEIGHTS", write_weights(network, tmp_path / "model.safetensors"))
    return network.half().float()


def noise(width: int, height: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def whole(network: PainterUpscaler, pixels: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = network(pixels).clamp(0, 1)
    return result


# The painter's


@pytest.mark.parametrize("size", [(75, 33), (64, 32), (31, 97), (1, 1), (8, 200)])
@torch.no_grad()
def test_tiles_give_what_the_whole_picture_gives(monkeypatch, size):
    monkeypatch.setattr(painter_network, "_TILE", 32)
    network, pixels = random_upscaler(), noise(*size)
    drawn = twice_as_large(network, pixels)
    assert drawn.shape == (1, 3, 2 * size[1], 2 * size[0])
    torch.testing.assert_close(drawn, whole(network, pixels), atol=2e-5, rtol=0)


@torch.no_grad()
def test_so_do_those_of_a_large_picture():
    network, pixels = random_upscaler(), noise(301, 269)
    torch.testing.assert_close(twice_as_large(network, pixels), whole(network, pixels), atol=2e-5, rtol=0)


def test_four_times_is_twice_in_a_row(weights):
    picture = drawing(64, (0, 3, 47, 64))
    pixels = torch.from_numpy(array(picture).copy()).permute(2, 0, 1)[None].float() / 255
    once = whole(weights, pixels)
    for factor, drawn in ((2, once), (4, whole(weights, once))):
        large = painter.enlarge(picture, factor, CPU)
        assert large.size == (47 * factor, 61 * factor) and large.mode == "RGB"
        assert np.abs(array(large) - (drawn[0].permute(1, 2, 0) * 255).numpy()).max() <= 0.51


def test_untrained_weights_repeat_the_nearest_pixel(tmp_path, monkeypatch):
    monkeypatch.setattr(painter, "WEIGHTS", write_weights(PainterUpscaler(), tmp_path / "model.safetensors"))
    picture = drawing(300, (0, 0, 277, 35))
    nearest = picture.resize((277 * 2, 35 * 2), Image.Resampling.NEAREST)
    assert np.array_equal(array(painter.enlarge(picture, 2, CPU)), array(nearest))
    gray = picture.convert("L")
    assert np.array_equal(array(painter.enlarge(gray, 2, CPU)), array(nearest.convert("L").convert("RGB")))


def test_the_same_picture_gives_the_same_bits(weights):
    picture = drawing(64, (0, 0, 64, 40))
    assert np.array_equal(array(painter.enlarge(picture, 2, CPU)), array(painter.enlarge(picture, 2, CPU)))


def test_missing_and_damaged_weights_are_one_sentence(tmp_path, monkeypatch):
    missing = tmp_path / "missing.safetensors"
    monkeypatch.setattr(painter, "WEIGHTS", missing)
    for use in (painter.check_weights, lambda: painter.enlarge(Image.new("RGB", (8, 8)), 2, CPU)):
        with pytest.raises(UserError, match=r"^upscaler 'painter' lacks its weights, .*: install .*\w$") as caught:
            use()
        assert str(missing) in str(caught.value) and "\n" not in str(caught.value)
    file = write_weights(random_upscaler(), tmp_path / "cut.safetensors")
    file.write_bytes(file.read_bytes()[:5000])
    monkeypatch.setattr(painter, "WEIGHTS", file)
    with pytest.raises(UserError, match="cut short"):
        painter.enlarge(Image.new("RGB", (8, 8)), 2, CPU)


def test_at_the_start_of_training_the_last_layer_sees_the_picture():
    network, pixels = random_upscaler(), noise(40, 40)
    with torch.no_grad():
        seen = network.layers[:-2](pixels)
    assert 0.1 < seen.std((2, 3)).mean() < 2


def test_float16_weights_take_less_than_a_mebibyte(tmp_path):
    assert write_weights(PainterUpscaler(), tmp_path / "model.safetensors").stat().st_size <= 2**20


def test_the_shipped_weights_sharpen_and_keep_the_picture():
    assert painter.WEIGHTS.stat().st_size <= 2**20 and offered() == ("painter", "realesrgan")
    soft = drawing(96, (0, 8, 96, 88)).resize((48, 40), Image.Resampling.LANCZOS)
    large, plain = (
        array(picture).astype(float)
        for picture in (painter.enlarge(soft, 2, CPU), soft.resize((96, 80), Image.Resampling.LANCZOS))
    )
    assert np.corrcoef(large.ravel(), plain.ravel())[0, 1] > 0.98
    steepest = [np.percentile(np.abs(np.diff(picture, axis=1)).max(2), 99) for picture in (large, plain)]
    assert steepest[0] > 1.1 * steepest[1]


# All of them


def test_names_are_unique_and_only_what_can_be_had_is_offered(weights, tmp_path, monkeypatch):
    assert len(INFOTEXT_NAMES) == len(UPSCALERS) == 2
    assert all(UPSCALERS[name].name == name for name in UPSCALERS) and "hires" not in UPSCALERS
    assert offered() == ("painter", "realesrgan")
    monkeypatch.setattr(painter, "WEIGHTS", tmp_path / "missing.safetensors")
    assert offered() == ("realesrgan",)


LINE = "猫\nSteps: 2, Sampler: Euler, CFG scale: 5, Seed: 7, Size: 64x64"


@pytest.mark.parametrize("upscaler", UPSCALERS.values(), ids=lambda upscaler: upscaler.name)
def test_an_infotext_names_the_upscaler(upscaler):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = f"Postprocess upscale by: 4, Postprocess upscaler: {upscaler.infotext_name}, Version: v1.10.1"
        read = parse_infotext(f"{LINE}, {values}")
    assert (read["upscale"], read["upscaler"]) == (4, upscaler.name)


def test_upscalers_of_other_programs_are_real_esrgan_with_a_warning():
    with pytest.warns(UserWarning, match="Postprocess upscaler: 4x-UltraSharp") as caught:
        read = parse_infotext(f"{LINE}, Postprocess upscale by: 2.5, Postprocess upscaler: 4x-UltraSharp")
    assert len(caught) == 1
    assert (read["upscale"], read["upscaler"]) == (2.5, realesrgan.UPSCALER.name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = parse_infotext(f"{LINE}, Postprocess upscale by: 2, Postprocess upscaler: None")
        assert (read["upscale"], read["upscaler"]) == (2, "realesrgan")
        assert "upscaler" not in parse_infotext(f"{LINE}, Postprocess upscaler: R-ESRGAN 4x+")
    with pytest.warns(UserWarning, match="Postprocess upscale to: 512x512, Postprocess upscaler: Lanczos"):
        read = parse_infotext(f"{LINE}, Postprocess upscale to: 512x512, Postprocess upscaler: Lanczos")
    assert "upscaler" not in read
