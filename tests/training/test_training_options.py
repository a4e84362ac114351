"""What the options of a training may be: all that is wrong is one line, said before a model is opened."""

import dataclasses
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pai_modelscope.cli import main
from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.option import bounds_of, kind_of
from pai_modelscope.errors import UserError
from pai_modelscope.methods.registry import methods
from pai_modelscope.training.options import resolve_options

GIVEN = {"train_data_dir": "x", "output_dir": "y", "max_train_steps": 1}
NEEDED = {"dreambooth": {"instance_prompt": "一只糯糯猫"}}
NUMBERS: list[Any] = [10**9 + 1, -1, -(10**400), 10**400, "1e400", float("nan"), float("inf"), "nan", "-inf", "x", ""]
NUMBERS += [[], {}, True, [1], {"a": 1}, b"1", 1j, "\x1b[31m", "9" * 5000]


def told(method: str, **options: Any) -> str | None:
    """What is said of the options; None: nothing. Anything but a UserError is a fault."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            resolve_options(method, {**GIVEN, **NEEDED.get(method, {}), **options})
    except UserError as error:
        return str(error)
    return None


def every_field() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    seen = set()
    for method, spec in methods().items():
        for field in spec.fields().values():
            if (field.name, str(field.type), str(bounds_of(field))) not in seen:
                seen.add((field.name, str(field.type), str(bounds_of(field))))
                yield method, field


FIELDS = list(every_field())


@pytest.mark.parametrize(("method", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_every_option_takes_its_bounds_and_nothing_beyond(method, field):
    kind, bounds = kind_of(field), bounds_of(field)
    if kind in (int, float):
        for value in NUMBERS:
            said = told(method, **{field.name: value})
            if not _fits(value, kind, bounds):
                assert said and re.search(rf"\b{field.name} is ", said), (value, said)
                assert len(said) < 600 and "\x1b" not in said
    elif bounds.choices:
        for value in ("nope", 3, [], {}):
            assert f"{field.name} is {value!r}; valid are " in str(told(method, **{field.name: value}))
    elif kind is bool:
        for value in ("no", 2, [], {}, 0.5):
            assert f"{field.name} is {value!r}; give true or false" in str(told(method, **{field.name: value}))
    else:
        for value in (3, {"a": 1}, True, 0.5, [[1]]):
            if field.name in ("train_data_dir", "replay_data_dir") and isinstance(value, list):
                continue  # an object with rows
            assert f"{field.name} is " in str(told(method, **{field.name: value})), value


def _fits(value: Any, kind: type, bounds: Any) -> bool:
    """Whether a value may be meant: 1e9 steps, a learning rate of 10**9."""
    if isinstance(value, bool) or not isinstance(value, int | float if kind is int else int | float | str):
        return False
    try:
        return bool(np.isfinite(float(value)) and bounds.hold(float(value)))
    except (ValueError, OverflowError):
        return False


@pytest.mark.parametrize(("method", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_every_number_has_its_bounds(method, field):
    bounds = bounds_of(field)
    if kind_of(field) is int:
        assert None not in (bounds.minimum, bounds.maximum), "a count without bounds takes all memory"
    if kind_of(field) is float:
        assert bounds.minimum is not None or bounds.above is not None


def test_all_that_is_wrong_is_one_line_before_the_model_is_opened(tmp_path, capsys):
    """The model, which is not there, is not missed."""
    wrong = {
        "rank": "1000000000",
        "text_rank": "-1",
        "resolution": "1000000000",
        "mixed_precision": "nope",
        "seed": "18446744073709551616",
        "num_train_epochs": "nan",
        "train_batch_size": "0",
        "caption_dropout": "2",
        "dataloader_num_workers": "1e9",
        "learning_rate": "fast",
        "targets": "everything",
    }
    flags = [word for name, value in wrong.items() for word in (f"--{name}", value)]
    flags += ["--train_data_dir", "x", "--output_dir", str(tmp_path / "y"), "--model", str(tmp_path / "none")]
    assert main(["train", "lora", *flags, "--max_train_steps", "0"]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and not (tmp_path / "y").exists()
    for name, value in wrong.items():
        assert re.search(rf"\b{name} is '?{re.escape(value)}", said), name
    assert "rank is 1000000000; give a whole number from 1 to 4096" in said


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("lora", {"resolution": 100}, "resolution is 100; give a multiple of 8"),
        ("lora", {"train_batch_size": 2**20, "gradient_accumulation_steps": 2}, "valid are up to 1048576"),
        ("lora", {"optimizer": "prodigy"}, "learning_rate is 0.0001; 'prodigy'"),
        ("textual-inversion", {"num_vectors": 10**9}, "num_vectors is 1000000000; give a whole number from 1 to 75"),
        ("controlnet", {"rank": 10**9}, "rank is 1000000000; give a whole number from 1 to 4096"),
        ("controlnet", {"annotator": "cany"}, "annotator is 'cany'; valid are canny"),
        ("lora", {"validation_images": ["a.png"]}, "validation_images are for a ControlNet"),
        ("dreambooth", {"instance_prompt": ""}, "instance_prompt must be given"),
        ("lora", {"model": 3}, "pretrained_model_name_or_path is 3; give a text"),
        ("lora", {"revision": [1]}, "revision is [1]; give a text"),
        ("lora", {"use_ema": "no"}, "use_ema is 'no'; give true or false"),
        ("lora", {"train_data_dir": 3}, "train_data_dir is 3; give a text"),
        ("lora", {"output_dir": "a\0b"}, "give a text without NUL"),
        ("lora", {"validation_prompts": ["a", 3]}, "give a text or a list of texts"),
        ("lora", {"x" * 10**5: 1, **{f"y{i}": 1 for i in range(1000)}}, "and 991 more of lora"),
    ],
)
def test_what_does_not_fit_together_is_said(method, options, said):
    found = told(method, **options)
    assert found and said in found and len(found) < 4000


def test_every_fault_names_its_option_and_what_is_valid():
    wrong = {
        "rank": 10**9,
        "mixed_precision": "nope",
        "resolution": "x",
        "use_ema": "no",
        "rnak": 4,
        "push_to_hub": True,
    }
    with pytest.raises(UserError) as caught:
        resolve_options("lora", {"output_dir": "y", "max_train_steps": 1, **wrong, "lora_rank": 3})
    faults = {fault.field: fault for fault in caught.value.faults}
    assert faults.keys() == {*wrong.keys() - {"rnak"}, "", "train_data_dir"}
    assert faults["mixed_precision"].valid == "'no', 'bf16', 'fp16'"
    assert faults["resolution"].valid == "a whole number from 8 to 8192"
    assert "rnak of lora (did you mean 'rank'?)" in faults[""].message
    messages = [fault.message for fault in caught.value.faults]
    assert str(caught.value) == f"training cannot start: {'; '.join(messages)}"
    assert [message for message in messages if message.startswith("rank")] == [
        "rank and lora_rank mean the same and differ (1000000000 and 3); give one",
        "rank is 1000000000; give a whole number from 1 to 4096",
    ]


def test_faults_of_options_together_name_one_of_them():
    loop = TrainingConfig("x", 1, optimizer="prodigy", scale_lr=True, weights="bfloat16")
    assert [fault.field for fault in loop.faults()] == ["learning_rate", "scale_lr", "optimizer", "mixed_precision"]
    with pytest.raises(UserError) as caught:
        resolve_options("dreambooth", {**GIVEN, "text_rank": 4, "targets": "conv"})
    assert [fault.field for fault in caught.value.faults] == ["instance_prompt", "targets"]


@pytest.mark.parametrize(
    ("method", "told", "message"),
    [
        (
            "dreambooth",
            {"rank": 4, "train_text_encoder": True},
            "train_text_encoder are for training without a LoRA.*text_rank",
        ),
        ("dreambooth", {"text_rank": 4, "targets": "conv"}, "targets, text_rank are of a LoRA: give its rank"),
        ("dreambooth", {"with_prior_preservation": True}, "class_prompt must be given"),
        ("dreambooth", {"class_data_dir": "cats"}, "class_prompt must be given"),
        ("lora", {"text_encoder_lr": 1e-5}, "text_encoder_lr is given, but the text encoder does not learn"),
        ("controlnet", {"validation_prompts": ["猫"]}, "1 validation_prompts and 0 validation_images"),
        ("controlnet", {"validation_images": ["a.png"]}, "0 validation_prompts and 1 validation_images"),
    ],
)
def test_options_that_would_do_nothing_are_refused(method, told, message):
    with pytest.raises(UserError, match=message):
        resolve_options(method, {**GIVEN, **told})


def test_options_at_their_defaults_are_no_harm():
    told = {"targets": "all-linear", "text_rank": 0, "train": "all", "train_text_encoder": False}
    told["instance_prompt"] = "一只糯糯猫"
    for rank in (0, 4):
        assert resolve_options("dreambooth", {**GIVEN, **told, "rank": rank}).method.rank == rank
    learns = {"text_rank": 2, "rank": 2, "class_prompt": "猫", "with_prior_preservation": True, "text_encoder_lr": 1e-5}
    assert resolve_options("dreambooth", {**GIVEN, **told, **learns}).method.text_encoder_lr == 1e-5


def test_numbers_of_numpy_and_texts_are_numbers():
    options = resolve_options(
        "lora", {**GIVEN, "rank": np.int64(3), "learning_rate": np.float32(0.5), "seed": "7", "alpha": "2"}
    )
    assert (options.method.rank, options.loop.learning_rate, options.loop.seed, options.method.alpha) == (
        3,
        0.5,
        7,
        2.0,
    )
    assert type(options.method.rank) is int and type(options.loop.learning_rate) is float


def test_the_loop_itself_takes_no_other_values():
    """Recipes and Python programs call it without `resolve_options`."""
    config = TrainingConfig("x", "9", learning_rate="fast", train_batch_size=10**10, seed=2**64)  # type: ignore[arg-type]
    said = "; ".join(fault.message for fault in config.faults())
    assert all(f"{name} is " in said for name in ("max_train_steps", "learning_rate", "train_batch_size", "seed"))
    (fault,) = TrainingConfig("x", 0).faults()
    assert fault.message == "max_train_steps is 0; give a whole number of at least 1"


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB + "validation_prompts: *a29", "unfolds to more than"),
        ("seed: " + "[" * 50_000, "nests more than"),
        ("rank: 3\nseed: 1\nrank: 4", "gives 'rank' twice"),
        ("rank: &a [*a]", "run.yaml"),
        ("rank: !!python/object/apply:os.system ['true']", "is no YAML"),
        ("rank: [4, 8]", "rank is [4, 8]; give a whole number from 1 to 4096"),
        ("rank: {a: 1}", "rank is {'a': 1}; give a whole number"),
        ("validation_prompts: {a: 1}", "give a text or a list of texts"),
        ("method: [1]", "is for the method [1]"),
        ("1: 2", "must hold options by their names"),
        ("? [a]\n: 1", "run.yaml"),
        ("seed: 2001-01-01", "seed is datetime.date"),
        ("seed: " + "9" * 5000, "run.yaml has a number of 5000 characters"),
        ("rank: .nan", "rank is nan"),
    ],
)
def test_a_yaml_file_that_is_none_is_one_line(tmp_path, capsys, content, said):
    path = tmp_path / "run.yaml"
    path.write_text(content, encoding="utf-8")
    assert main(["train", "lora", "--config", str(path), "--train_data_dir", "x", "--output_dir", "y"]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1 and len(error) < 1000


@pytest.mark.parametrize("path", ["missing.yaml", "."])
def test_a_yaml_file_that_is_not_there_is_one_line(tmp_path, capsys, path):
    assert main(["train", "lora", "--config", str(Path(tmp_path, path)), "--output_dir", "y"]) == 2
    assert "--config" in capsys.readouterr().err
