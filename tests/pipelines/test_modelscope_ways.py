"""What ModelScope's own examples write: inputs without a text, results' keys, schedulers of PyTorch, log files."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from modelscope.outputs import TASK_OUTPUTS
from modelscope.pipelines import pipeline
from modelscope.trainers import build_trainer
from PIL import Image

from pai_modelscope import UserError, model_dir
from pai_modelscope.images.infotext import parse_infotext

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "seed": 3}
ART = Image.new("RGB", (64, 64), (120, 170, 220))
MASK = Image.new("L", (64, 64))
MASK.paste(255, (20, 20, 44, 44))


@pytest.fixture(scope="module")
def inpaint() -> Any:
    return pipeline("image-inpainting", str(MINI), device="cpu")


def test_inpainting_without_a_text_fills_the_mask(inpaint: Any) -> None:
    result = inpaint({"img": ART, "mask": MASK}, mask_blur=0, **QUICK)
    before, after = np.asarray(ART)[:, :, ::-1], result["output_img"]
    assert np.array_equal(before[:20], after[:20]) and not np.array_equal(before[20:44, 20:44], after[20:44, 20:44])
    empty = inpaint({"img": ART, "mask": MASK, "text": ""}, mask_blur=0, **QUICK)
    assert np.array_equal(empty["output_img"], after)
    remembered = parse_infotext(result["infotext"][0])
    assert (remembered["text"], remembered["seed"]) == ("", 3)


def test_texts_and_pictures_by_every_name_that_modelscope_has_for_them(inpaint: Any) -> None:
    plain = inpaint({"image": ART, "mask": MASK, "text": "太阳"}, **QUICK)["output_img"]
    ways: list[tuple[Any, dict[str, Any]]] = [
        ({"image": ART, "mask": MASK, "prompt": "太阳"}, {}),
        ({"img": ART, "mask_image": MASK}, {"prompt": "太阳"}),
        ({"prompt": "太阳"}, {"image": ART, "mask": MASK}),
        ({"img": ART}, {"mask_image": MASK, "text": "太阳"}),
    ]
    for given, options in ways:
        assert np.array_equal(inpaint(given, **options, **QUICK)["output_img"], plain)
    listed = inpaint([{"img": ART, "mask": MASK}, {"img": ART, "mask": MASK, "text": "猫"}], text="太阳", **QUICK)
    assert [each["infotext"][0].split("\n")[0] for each in listed] == ["太阳", "猫"]


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("text-to-image-synthesis", {"text": "猫", "height": 64, "width": 64}),
        ("image-to-image-generation", {"text": "猫", "image": ART}),
        ("image-inpainting", {"img": ART, "mask": MASK}),
        ("controllable-image-generation", {"prompt": "猫", "image": ART}),
    ],
)
def test_a_result_has_what_the_contract_of_its_task_names(task: str, given: dict[str, Any]) -> None:
    result = pipeline(task, str(MINI), device="cpu")(given, **QUICK)
    (named,) = TASK_OUTPUTS[task]
    assert result["output"] is result[named]
    picture = result["output_imgs"][0]
    assert picture is result["output"] or picture is result["output"][0]


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ({"img": ART}, {}, "lacks 'mask'"),
        ({"mask": MASK}, {}, "lacks 'image'"),
        ({"img": ART, "image": ART, "mask": MASK}, {}, "given beside another name of 'image'"),
        ({"img": ART, "mask": MASK, "text": 5}, {}, "'text' is int"),
        ({"img": ART, "mask": MASK}, {"text": 5}, "'text' is int"),
        (5, {}, "lacks 'image'"),
        ({5: 6}, {}, "lacks"),
    ],
)
def test_inputs_that_are_none(inpaint: Any, given: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        inpaint(given, **options, **QUICK)


def test_an_empty_text_without_a_mask_is_still_refused() -> None:
    with pytest.raises(UserError, match="the text is empty"):
        pipeline("text-to-image-synthesis", str(MINI), device="cpu")("", **QUICK)


@pytest.mark.parametrize("options", [{"device": 5}, {"torch_dtype": 5}, {"safety": 5}, {"nothing": 1}])
def test_arguments_of_the_pipeline(options: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        pipeline("text-to-image-synthesis", str(MINI), **options)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, colour in enumerate(("red", "blue", "green", "white")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("一只猫", encoding="utf-8")
    return folder


def trainer(pictures: Path, scheduler: Any = None, **more: Any) -> Any:
    def change(cfg: Any) -> Any:
        if scheduler is not None:
            cfg.train.lr_scheduler = scheduler
        cfg.train.optimizer.lr = 1e-4
        return cfg

    given = {"model": MINI, "train_dataset": str(pictures), "work_dir": str(pictures.parent / "work"), "device": "cpu"}
    given |= {"max_train_steps": 4, "resolution": 64, "rank": 2, "train_batch_size": 2, "logging_steps": 1}
    return build_trainer("pai-diffusion-lora", {**given, "cfg_modify_fn": change, **more})


def rates(pictures: Path) -> list[float]:
    rows = [json.loads(line) for line in (pictures.parent / "work/log.jsonl").read_text().splitlines()]
    return [row["lr"] for row in rows]


def test_a_constant_lambda_is_a_constant_rate(pictures: Path) -> None:
    trainer(pictures, {"type": "LambdaLR", "lr_lambda": lambda step: 1, "last_epoch": -1}).train()
    assert rates(pictures) == [1e-4] * 4


def test_a_lambda_is_followed_step_by_step_as_pytorch_follows_it(pictures: Path) -> None:
    def factor(step: int) -> float:
        return 0.5**step

    with pytest.warns(UserWarning, match="LambdaLR's lr_lambda is called with the step"):
        made = trainer(pictures, {"type": "LambdaLR", "lr_lambda": factor})
    made.train()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    expected = []
    for _ in range(4):
        optimizer.step()
        schedule.step()
        expected += schedule.get_last_lr()
    assert rates(pictures) == expected


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"type": "StepLR", "step_size": 2}, "train.lr_scheduler.type is 'StepLR'; valid are 'constant', .*'LambdaLR'"),
        ({"type": "CosineAnnealingLR", "T_max": 2}, "'CosineAnnealingLR'; valid are"),
        ({"type": 5}, "train.lr_scheduler.type is 5; valid are"),
        ({"type": "LambdaLR"}, "lr_lambda is None; give a function"),
        ({"type": "LambdaLR", "lr_lambda": "lambda step: 1"}, "lr_lambda is 'lambda step: 1'; give a function"),
        ({"type": "LambdaLR", "lr_lambda": lambda step: 1, "last_epoch": 5}, "last_epoch 5"),
        ({"type": "LambdaLR", "lr_lambda": lambda step: 1, "gamma": 5}, "with gamma"),
        ({"type": "LambdaLR", "lr_lambda": lambda step: -1}, "gives -1.0 at step 0"),
        ({"type": "LambdaLR", "lr_lambda": lambda step: 1e999}, "gives inf at step 0"),
        ({"type": "LambdaLR", "lr_lambda": lambda step: 1 / (step - 2)}, "gives -0.5 at step 0"),
        ({"type": "LambdaLR", "lr_lambda": lambda: 1}, "fails at step 0"),
    ],
)
def test_schedulers_that_cannot_be(pictures: Path, scheduler: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        trainer(pictures, scheduler)


def test_a_run_writes_the_log_that_modelscopes_trainers_write(pictures: Path) -> None:
    made = trainer(pictures)
    assert re.fullmatch(r"\d{8}_\d{6}", made.timestamp)
    made.train()
    (log,) = (pictures.parent / "work").glob("*.log.json")
    assert log.name == f"{made.timestamp}.log.json"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    ours = [json.loads(line) for line in (pictures.parent / "work/log.jsonl").read_text().splitlines()]
    assert [(row["mode"], row["epoch"], row["iter"]) for row in rows] == [
        ("train", 1, 1),
        ("train", 1, 2),
        ("train", 2, 1),
        ("train", 2, 2),
    ]
    assert [row["lr"] for row in rows] == [row["lr"] for row in ours]
    assert [row["loss"] for row in rows] == [round(row["loss"], 5) for row in ours]
    assert all(row["iter_time"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": 5}, "model"),
        ({"work_dir": 5}, "work_dir is 5"),
        ({"device": 5}, "device is 5"),
        ({"cfg_modify_fn": 5}, "cfg_modify_fn is 5"),
        ({"cfg_modify_fn": lambda cfg: 5}, "cfg_modify_fn returned int"),
        ({"cfg_file": 5}, "cfg_file is 5"),
        ({"cfg_file": "nowhere.json"}, "nowhere.json can't be read"),
        ({"cfg_file": "nowhere.py"}, "valid are files that end in .json"),
        ({"max_epochs": "many"}, "num_train_epochs"),
        ({"seed": "x"}, "seed"),
        ({"rank": "x"}, "rank"),
        ({"nothing": 1}, "nothing"),
    ],
)
def test_arguments_of_the_trainer(pictures: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        trainer(pictures, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[", "[1]", '{"train": 5}', "[" * 100_000, '{"train": {"lr_scheduler": []}}'])
def test_configurations_that_are_none(pictures: Path, content: str) -> None:
    path = pictures.parent / "configuration.json"
    path.write_text(content)
    with pytest.raises(UserError):
        trainer(pictures, cfg_file=str(path), cfg_modify_fn=None)
