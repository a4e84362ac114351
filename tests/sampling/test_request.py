"""Requests become pictures to draw: every option decided, every fault named, the same from JSON as from Python."""

import json
import random
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pai_modelscope.config import GENERATION_FALLBACKS, GenerationOptions, GenerationRequest
from pai_modelscope.config.option import problem
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.sampling.request import Call, ModelLimits, read_call, resolve

LIMITS = ModelLimits(256, 192, text_layers=12, scheduler="DDIM", lcm=False, recommended={})
FIELDS = {field.name: field for field in fields(GenerationOptions)}
# Values that fit each other in any choice, and values that fit nowhere.
VALID: dict[str, list[Any]] = {
    "negative_prompt": ["", "丑"],
    "num_inference_steps": [5, 20, 1000],
    "guidance_scale": [0, 1, 7.5],
    "guidance_rescale": [0.0, 1],
    "height": [64, 256],
    "width": [72, 512],
    "num_images_per_prompt": [1, 3],
    "seed": [0, 7, 2**63 - 1],
    "scheduler": ["UniPC", "DPM++ 2M Karras", "euler_a"],
    "clip_skip": [0, 11],
    "output_type": ["pil", "bgr"],
    "batch_size": [4, 256],
    "upscale": [2, 4],
    "loras": [{"ink": 0.5}, {"a.safetensors": None}],
    "embeddings": ["e.pt", ["e.pt", "f.pt"]],
    "poem": ["空山新雨后", "獨釣寒江雪"],
    "beautify": [True, False],
    "scroll_date": ["丙午冬"],
    "scroll_seal": ["印"],
}
INVALID: dict[str, list[Any]] = {
    "negative_prompt": [3],
    "num_inference_steps": [0, "7", 1001, True],
    "guidance_scale": [-1, float("nan")],
    "guidance_rescale": [1.5],
    "height": [100, 8],
    "width": ["64", 5000],
    "num_images_per_prompt": [0],
    "scheduler": ["eulr", 3],
    "clip_skip": [12, -1],
    "output_type": ["jpg"],
    "batch_size": [0],
    "upscale": [3],
    "loras": [[1], {"ink": "much"}],
    "embeddings": [5],
    "poem": [3, "", "spring", "月\ud800"],
    "beautify": ["yes", 1],
    "scroll": ["yes", 1],
    "scroll_date": [3],
    "scroll_seal": [3],
}


def chosen(generator: random.Random, values: dict[str, list[Any]], least: int = 0) -> dict[str, Any]:
    names = generator.sample(sorted(values), generator.randint(least, min(6, len(values))))
    return {name: generator.choice(values[name]) for name in names}


def faults_of(requests: list[GenerationRequest], limits: ModelLimits = LIMITS) -> list[Fault]:
    with pytest.raises(UserError) as caught:
        resolve(requests, limits)
    return caught.value.faults


def test_a_request_has_the_options_and_no_default_of_its_own():
    assert [field.name for field in fields(GenerationRequest)] == ["prompt", *FIELDS]
    assert all(field.default is None for field in fields(GenerationRequest) if field.name != "prompt")


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_valid_is_decided(seed: int):
    generator = random.Random(seed)
    recommended = {name: value for name, value in chosen(generator, VALID).items() if name != "seed"}
    limits = replace(LIMITS, recommended=recommended)
    shared, own = chosen(generator, VALID), [chosen(generator, VALID) for _ in range(generator.randint(1, 3))]
    requests = [GenerationRequest("熊猫", **options) for options in own]
    pictures = resolve(Call(requests, GenerationRequest(**shared)), limits)
    assert [picture.index for picture in pictures] == list(range(len(pictures)))
    assert len({picture.seed for picture in pictures}) == len(pictures) or any("seed" in options for options in own)
    defaults = {**GENERATION_FALLBACKS, "height": 256, "width": 192, "scheduler": "DDIM"}
    rest = iter(pictures)
    for options in own:
        layers = (options, shared, recommended, defaults)
        usual = {
            name: next((layer[name] for layer in layers if name in layer), FIELDS[name].default) for name in FIELDS
        }
        group = [next(rest) for _ in range(usual["num_images_per_prompt"])]
        for picture in group:
            for name in ("num_inference_steps", "guidance_scale", "height", "width", "clip_skip", "negative_prompt"):
                assert getattr(picture, name) == usual[name]
                assert problem(FIELDS[name], getattr(picture, name)) is None
            assert (picture.upscale.factor if picture.upscale else None) == usual["upscale"]
            assert type(picture.guidance_scale) is float
        assert [picture.first for picture in group] == [True] + [False] * (len(group) - 1)
        if "seed" in options:
            expected = [(options["seed"] + i) % 2**63 for i in range(len(group))]
            assert [picture.seed for picture in group] == expected
    with pytest.raises(AttributeError):
        pictures[0].seed = 3  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(200))
def test_every_fault_is_named_once_and_nothing_else(seed: int):
    generator = random.Random(seed)
    wrong = chosen(generator, INVALID, least=1)
    right = {name: value for name, value in chosen(generator, VALID).items() if name not in wrong}
    faults = faults_of([GenerationRequest("熊猫", **{**right, **wrong})])
    assert {fault.field for fault in faults} - {"batch_pos"} == wrong.keys()
    assert len({fault.message for fault in faults}) == len(faults)
    with pytest.raises(UserError) as caught:
        resolve([GenerationRequest("熊猫", **{**right, **wrong})], LIMITS)
    assert str(caught.value) == "; ".join(fault.message for fault in caught.value.faults)


def test_a_fault_says_where_and_what_would_be_valid():
    faults = faults_of(
        [GenerationRequest("猫"), GenerationRequest(" ", resize="zoom"), GenerationRequest("狗", width=7)]
    )
    assert faults == [
        Fault("resize", "text 2: resize is 'zoom'; valid are 'crop', 'fit', 'stretch'", "'crop', 'fit', 'stretch'"),
        Fault("prompt", "text 2: the text is empty: say in Chinese what to draw"),
        Fault(
            "width",
            "text 3: width is 7; give a multiple of 8 from 64 to 4096 pixels, such as 64",
            "a multiple of 8 from 64 to 4096 pixels",
        ),
    ]
    assert UserError("one thing").faults == [Fault("", "one thing")]


def test_a_message_names_twenty_faults_and_the_error_all():
    faults = faults_of([GenerationRequest("猫", width=i) for i in range(1, 31)])
    error = UserError.of(faults)
    assert len(faults) == len(error.faults) == 30 and str(error).endswith("; and 10 more")
    assert type(error)(f"Pipeline: {error}").faults == [
        Fault("", f"Pipeline: {error}")
    ]  # as ModelScope raises it again


def test_requests_are_json(tmp_path: Path):
    picture = Image.new("RGB", (64, 64), "blue")
    picture.save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    request = GenerationRequest("猫", seed=3, image=path, control={"canny": {"image": path, "model": "x"}}, upscale=2)
    again = GenerationRequest(**json.loads(json.dumps(asdict(request))))
    assert resolve([again], LIMITS) == resolve([request], LIMITS)
    # What is in memory, under the name that stands for it.
    uploaded = replace(request, image="upload:1", control={"canny": {"image": "upload:1", "model": "x"}})
    call = Call([uploaded], images={"upload:1": picture})
    assert resolve(call, LIMITS) == resolve([request], LIMITS)


def test_a_text_is_given_in_three_ways():
    for text in ("猫", {"text": "猫"}, GenerationRequest("猫")):
        assert [request.prompt for request in read_call(text, {}).requests] == ["猫"]
    with pytest.raises(UserError, match=r"unknown option 'prompt' \(did you mean 'text'\?\)"):
        resolve(read_call({"text": "猫", "prompt": "狗"}, {}), LIMITS)


def test_one_picture_for_many_texts_is_opened_once():
    picture = np.zeros((64, 64, 3), np.uint8)
    call = read_call([{"text": "猫", "image": picture}, {"text": "狗", "image": picture}], {"seed": 1})
    first, second = resolve(call, LIMITS)
    assert first.init_image and second.init_image and first.init_image.image is second.init_image.image


def test_a_prompt_that_no_pass_can_draw_is_a_fault_of_its_text():
    with pytest.raises(UserError, match=r"^text 2: The text .* joins 40 texts by AND; valid are up to 32") as caught:
        resolve(read_call(["猫", " AND ".join("猫" * 40)], {}), LIMITS)
    assert [fault.field for fault in caught.value.faults] == ["prompt"]
