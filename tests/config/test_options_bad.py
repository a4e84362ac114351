"""Values that no option can have, from Python: each is one sentence that names it, and nothing is drawn."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pai_modelscope import GenerationOptions, Sampler, UserError, model_dir
from pai_modelscope.limits import BATCH, PICTURES
from pai_modelscope.sampling.safety import SafetySettings, build_safety
from pai_modelscope.sampling.settings import own_settings

HALF = "猫\ud800"
# Nothing that any option takes.
NEVER = [math.nan, math.inf, -math.inf, 10**400, -(10**400), 10**5000, 1j, object(), b"1", np.array([1.5, 2]), {1: 2}]
NEVER += [torch.tensor([1, 2]), torch.tensor(math.nan), np.float32(math.nan), HALF, {}, [], np.datetime64(1, "D")]
NUMBERS = [
    name for name in GenerationOptions.__dataclass_fields__ if name not in ("image", "mask", "loras", "embeddings")
]
ART = Image.new("RGB", (64, 64), (120, 170, 220))
BESIDE: dict[str, dict[str, Any]] = {
    "strength": {"image": ART},
    "mask_blur": {"image": ART, "mask": Image.new("L", (64, 64), 255)},
    "outpaint": {"image": ART},
    "batch_pos": {"batch_size": 2},
    "upscale_strength": {"upscale": 2},
    "upscaler": {"upscale": 2},
}


@pytest.fixture(scope="module")
def sampler() -> Any:
    return Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")


def refused(call: Any, *given: Any, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        call(*given, **options)
    said = str(caught.value)
    assert said and "\n" not in said and len(said) < 2000
    return said


@pytest.mark.parametrize("name", NUMBERS)
def test_what_no_option_takes(sampler: Any, name: str) -> None:
    values = [*NEVER, True] if name not in ("mask_only", "beautify", "scroll") else NEVER
    for value in values:
        said = refused(sampler, "猫", **{**BESIDE.get(name, {}), name: value})
        assert name in said, value


@pytest.mark.parametrize("name", ["image", "mask", "loras", "embeddings", "control", "generator", "callback"])
def test_what_is_no_file_no_list_and_no_function(sampler: Any, name: str) -> None:
    beside = {"image": ART} if name == "mask" else {}
    for value in [5, math.nan, object(), {5: 6}, [5], [None], {"kind": []}, {"canny": 5}, 1j, [[]]]:
        refused(sampler, "猫", **beside, **{name: value})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (5, "a text is a string or a dict"),
        (None, "a text is a string or a dict"),
        ([5], "a text is a string"),
        (b"cat", "a text is a string"),
        ({"text": b"cat"}, "'text' is bytes"),
        ({"text": "猫", 5: 1}, "unknown option 5"),
        ({"text": "猫", HALF: 1}, "unknown option"),
        (HALF, "half a character"),
        ({"text": "猫", "negative_prompt": HALF}, "half a character"),
        ({"text": "猫", "seed": HALF}, "seed"),
        (["猫"] * (PICTURES + 1), f"more than {PICTURES} texts"),
        (iter(int, "猫"), f"more than {PICTURES} texts"),
    ],
)
def test_texts_that_are_none(sampler: Any, texts: Any, said: str) -> None:
    assert said in refused(sampler, texts)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_images_per_prompt": 10**9}, "num_images_per_prompt is 1000000000"),
        ({"batch_size": BATCH + 1}, f"from 1 to {BATCH}"),
        ({"batch_size": 10**9, "batch_pos": 0}, "batch_size is 1000000000"),
        ({"seed": list(range(10**6))}, "1000000 seeds for 1 pictures"),
        ({"seed": np.arange(3)}, "seed"),
        ({"outpaint": (0, 0, 10**9, 0), "image": ART}, "outpaint is (0, 0, 1000000000, 0)"),
        ({"outpaint": (math.nan, 0, 1, 0), "image": ART}, "outpaint is"),
        ({"mask_blur": 10**9, "image": ART}, "mask_blur is 1000000000"),
        ({"control": {"canny": {"image": ART, "scale": math.nan}}}, "scale is nan"),
        ({"control": {"canny": {"image": ART, "scale": 10**400}}}, "scale is 1000"),
        ({"control": {"canny": {"image": ART, "start": math.nan}}}, "start is nan"),
        ({"control": {"canny": {"image": ART, "end": "1"}}}, "end is '1'"),
        ({"control": {"canny": {"image": ART, "annotate": "no"}}}, "annotate is 'no'"),
        ({"control": {"canny": {"image": ART, "model": 5}}}, "model is 5"),
        ({"control": [{"kind": ["canny"], "image": ART}]}, "kind of a control is ['canny']"),
        ({"control": {"canny": {"image": ART, 5: 6}}}, "unknown option of a control: 5"),
        ({"loras": {"x.safetensors": math.nan}}, "weight of the LoRA 'x' is nan"),
        ({"loras": {"x.safetensors": 10**400}}, "weight of the LoRA 'x' is 1000"),
        ({"loras": {5: 1}}, "a LoRA is 5"),
        ({"embeddings": "a\0b"}, "a\\x00b"),
        ({"loras": {"a\0b": 1}}, "a\\x00b"),
        ({"image": "a\0b"}, "a\\x00b"),
    ],
)
def test_values_that_are_too_much_or_none(sampler: Any, options: dict[str, Any], said: str) -> None:
    assert said in refused(sampler, "猫", **options)


def test_numbers_of_other_libraries_are_numbers(sampler: Any) -> None:
    small = {"height": 64, "width": 64, "num_inference_steps": 2, "guidance_scale": 3.0, "seed": 5}
    (plain,) = sampler("猫", **small)
    for make in (np.int64, np.float32), (torch.tensor, torch.tensor):
        whole, real = make
        others = {name: (real if name == "guidance_scale" else whole)(value) for name, value in small.items()}
        (picture,) = sampler("猫", **others)
        assert picture.infotext == plain.infotext
        assert np.array_equal(np.asarray(picture.image), np.asarray(plain.image))


def test_a_very_long_list_of_faults_is_cut(sampler: Any) -> None:
    said = refused(sampler, [{"text": "猫", "seed": 1, "strength": i} for i in range(1000)])
    assert "and 980 more" in said


@pytest.mark.parametrize(
    "call",
    [
        lambda s: Sampler(5),
        lambda s: Sampler(None),
        lambda s: Sampler(s.pipe, name=5),
        lambda s: Sampler(s.pipe, recommended=[1]),
        lambda s: Sampler(s.pipe, safety=5),
        lambda s: s.add_lora(5),
        lambda s: s.add_lora("x", 5),
        lambda s: s.add_lora(""),
        lambda s: s.add_embedding(5),
        lambda s: s.add_embedding("x", 5),
        lambda s: s.add_controlnet(5, "canny"),
        lambda s: s.add_controlnet(s.pipe.unet, 5),
        lambda s: Sampler.from_pretrained(5),
        lambda s: Sampler.from_pretrained(None),
        lambda s: Sampler.from_pretrained(""),
        lambda s: Sampler.from_pretrained("a\0b"),
        lambda s: Sampler.from_pretrained(HALF),
        lambda s: Sampler.from_pretrained("pai-diffusion-mini-zh", device=object()),
        lambda s: Sampler.from_pretrained("pai-diffusion-mini-zh", torch_dtype=5),
        lambda s: Sampler.from_pretrained("pai-diffusion-mini-zh", torch_dtype=[]),
        lambda s: Sampler.from_pretrained("pai-diffusion-mini-zh", safety="yes"),
        lambda s: Sampler.from_pretrained("pai-diffusion-mini-zh", safety=5),
    ],
)
def test_arguments_of_the_sampler(sampler: Any, call: Any) -> None:
    refused(call, sampler)


@pytest.mark.parametrize(
    "safety",
    [
        5,
        "on",
        {"threshold": math.nan},
        {"threshold": 10**400},
        {"threshold": "0.5"},
        {"threshold": True},
        {"action": ["blur"]},
        {5: 6},
        SafetySettings(threshold=math.nan),
        SafetySettings(action="explode"),  # type: ignore[arg-type]
    ],
)
def test_safety_settings(safety: Any) -> None:
    assert "threshold (0 to 1)" in refused(build_safety, safety)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([], "holds no JSON object"),
        ({"generation": [1]}, "generation is [1]"),
        ({"generation": {"guidance_scale": "5"}}, "guidance_scale is '5'"),
        ({"generation": {"num_inference_steps": 10**9}}, "num_inference_steps is 1000000000"),
        ({"generation": {"image": "/etc/passwd"}}, "image is the user's to set"),
        ({"generation": {"height": 1e999}}, "height is inf"),
        ({"generation": {"scheduler": 5}}, "scheduler is 5"),
    ],
)
def test_what_a_models_folder_may_not_recommend(settings: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "configuration.json").write_text(json.dumps(settings))
    line = refused(own_settings, tmp_path)
    assert said in line and str(tmp_path / "configuration.json") in line


def test_the_whole_model_with_such_a_folder_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(model_dir("pai-diffusion-mini-zh"), tmp_path / "model")
    (folder / "configuration.json").write_text('{"generation": {"num_inference_steps": -1}, "other": 1}')
    assert "num_inference_steps is -1" in refused(Sampler.from_pretrained, folder, device="cpu")
    (folder / "configuration.json").write_text('{"generation": {"num_inference_steps": 7, "of_others": [1]}}')
    assert Sampler.from_pretrained(folder, device="cpu").recommended["num_inference_steps"] == 7


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and devices of POSIX")
@pytest.mark.parametrize("name", ["pipe", "pipe.safetensors", "pipe.png", "/dev/zero", "/dev/null", ""])
@pytest.mark.parametrize("option", ["image", "mask", "embeddings", "loras", "control"])
def test_what_is_no_file_is_refused_before_it_is_read(sampler: Any, tmp_path: Path, name: str, option: str) -> None:
    """A pipe would be waited for, and a device has no end."""
    if name.startswith("pipe"):
        os.mkfifo(tmp_path / name)
    given = str(tmp_path / name)
    values: dict[str, Any] = {"loras": {given: 1}, "control": {"canny": given}}
    refused(sampler, "猫", **({"image": ART} if option == "mask" else {}), **{option: values.get(option, given)})
