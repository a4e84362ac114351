"""The ModelScope pipeline: what goes in and what comes out."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pai_modelscope import UserError, model_dir

TASK = "text-to-image-synthesis"
MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "height": 64, "width": 96}


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from modelscope.pipelines import pipeline

    return pipeline


@pytest.fixture(scope="module")
def pipe(pipeline: Any) -> Any:
    return pipeline(TASK, MINI, device="cpu")


def test_a_text_a_dict_and_a_list_give_the_same_pictures(pipe: Any):
    text = "雾蒙蒙的日出在湖面上"
    plain = pipe(text, seed=3, **QUICK)
    assert plain.keys() == {"output_imgs", "output", "seeds", "infotext", "flagged"}
    image = plain["output_imgs"][0]
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((64, 96, 3), np.uint8, True)
    for given in ({"text": text}, {"text": text, "seed": 3, **QUICK}):
        assert np.array_equal(pipe(given, seed=3, **QUICK)["output_imgs"][0], image)
    listed = pipe([text, {"text": "熊猫", "seed": 4}], seed=3, batch_size=1, **QUICK)
    assert [each["seeds"] for each in listed] == [[3], [4]]
    assert np.array_equal(listed[0]["output_imgs"][0], image)


def test_bgr_is_the_default_and_pil_is_rgb(pipe: Any):
    bgr = pipe("红色的苹果", seed=1, **QUICK)["output_imgs"][0]
    pil = pipe("红色的苹果", seed=1, output_type="pil", **QUICK)["output_imgs"][0]
    assert pil.mode == "RGB"
    assert np.array_equal(np.asarray(pil)[:, :, ::-1], bgr)


def test_seed_and_infotext_of_a_result_make_it_again(pipe: Any):
    first = pipe("熊猫", **QUICK)
    again = pipe("熊猫", seed=first["seeds"][0], **QUICK)
    assert np.array_equal(first["output_imgs"][0], again["output_imgs"][0])
    assert first["infotext"][0].startswith("熊猫\n")
    assert f"Seed: {first['seeds'][0]}" in first["infotext"][0]


def test_pictures_are_shared_out_to_their_texts(pipe: Any):
    results = pipe([{"text": "猫", "num_images_per_prompt": 2}, "狗"], seed=5, output_type="pil", **QUICK)
    assert [len(each["output_imgs"]) for each in results] == [2, 1]
    assert [text.split("\n")[0] for each in results for text in each["infotext"]] == ["猫", "猫", "狗"]


def test_a_data_set_gives_a_generator(pipe: Any):
    from datasets import Dataset
    from modelscope.msdatasets import MsDataset

    texts = MsDataset.to_ms_dataset(Dataset.from_dict({"text": ["猫", "狗"]}))
    results = pipe(texts, seed=0, **QUICK)
    assert [each["infotext"][0].split("\n")[0] for each in results] == ["猫", "狗"]


def test_progress_is_called_back(pipe: Any):
    calls: list[tuple[Any, ...]] = []

    def callback(step: int, total: int) -> None:
        calls.append((step, total))

    pipe("猫", seed=0, callback=callback, **QUICK)
    pipe({"text": "猫", "callback": callback}, seed=0, **QUICK)
    assert calls == [(1, 2), (2, 2), (1, 2), (2, 2)]


def test_a_generator_gives_the_seeds(pipe: Any):
    import torch

    def draw(generator: torch.Generator) -> Any:
        return pipe("猫", generator=generator, **QUICK)

    generator = torch.Generator().manual_seed(7)
    first, second = draw(generator), draw(generator)
    assert first["seeds"] == draw(torch.Generator().manual_seed(7))["seeds"] != second["seeds"]
    again = pipe("猫", seed=second["seeds"][0], **QUICK)
    assert np.array_equal(again["output_imgs"][0], second["output_imgs"][0])


# Bad input


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ("猫", {"guidance": 3}, "guidance_scale"),
        ({"text": "猫", "stepz": 3}, {}, "num_inference_steps"),
        ({"prompt": "猫"}, {}, "text"),
        ("", {}, "empty"),
        (5, {}, "text"),
        ("猫", {"output_type": "jpeg"}, "'pil'"),
        ("猫", {"num_images_per_prompt": 0}, "num_images_per_prompt"),
    ],
    ids=str,
)
def test_bad_input_is_one_line_with_the_way_out(pipe: Any, given: Any, options: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said) as caught:
        pipe(given, **options)
    assert "\n" not in str(caught.value)


def test_errors_of_the_constructor_survive_modelscope(pipeline: Any, tmp_path: Path):
    with pytest.raises(UserError, match="PaiDiffusionPipeline: unknown option stepz; valid are model, device"):
        pipeline(TASK, str(MINI), stepz=3)
    with pytest.raises(UserError, match="there is no folder '/nowhere/at/all'"):
        pipeline(TASK, "/nowhere/at/all", pipeline_name="pai-diffusion", trust_remote_code=True)
    path = shutil.copytree(MINI, tmp_path / "model", ignore=shutil.ignore_patterns("unet"))
    with pytest.raises(UserError, match=r"it lacks unet/config\.json, unet's weights"):
        pipeline(TASK, str(path))


def test_devices_go_by_modelscopes_names(pipeline: Any, monkeypatch: pytest.MonkeyPatch):
    from pai_modelscope import sampling

    seen = []
    monkeypatch.setattr(
        sampling, "Sampler", SimpleNamespace(from_pretrained=lambda _, device, **__: seen.append(device))
    )
    for device in (None, "gpu", "cpu", "gpu:1", "cuda:0"):
        pipeline(TASK, str(MINI), device=device)
    assert seen == [None, None, "cpu", "cuda:1", "cuda:0"]
