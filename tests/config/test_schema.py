"""JSON schemas of options agree with the options' own checks."""

import typing
from dataclasses import fields

import pytest
from jsonschema import Draft202012Validator

from pai_modelscope.config import GenerationOptions, TrainingConfig
from pai_modelscope.config.data import DataOptions
from pai_modelscope.config.option import bounds_of, problem
from pai_modelscope.config.schema import json_schema
from pai_modelscope.config.validation import ValidationOptions
from pai_modelscope.methods.registry import methods

CLASSES = [spec.options for spec in methods().values()]
CLASSES += [DataOptions, TrainingConfig, ValidationOptions, GenerationOptions]
NUMBERS = (-1, 0, 1, 2, 5, 8, 100, 255, 1000, 10**7, 10**10, -0.5, 0.0, 0.5, 1.0, 1.5, 101.5)
VALUES = (None, True, False, *NUMBERS, "", "no", "crop", "bf16", "熊猫", [1, 2], ["a"], {"a": 1})


@pytest.mark.parametrize("options", CLASSES, ids=lambda options: options.__name__)
def test_a_schema_takes_what_the_options_take(options: type) -> None:
    schema = json_schema(options)
    Draft202012Validator.check_schema(schema)
    compared = 0
    for field in fields(options):
        validator = Draft202012Validator(schema["properties"][field.name])
        if any(map(typing.get_origin, typing.get_args(field.type))):
            continue  # lists, whose items other checks look at
        numbers = {int, float} & set(getattr(field.type, "__args__", (field.type,)))
        for value in (*VALUES, *bounds_of(field).choices):
            if isinstance(value, list | dict) or (numbers and isinstance(value, float) and value.is_integer()):
                continue  # JSON has one kind of number
            assert validator.is_valid(value) == (problem(field, value) is None), (field.name, value)
            compared += 1
    assert compared > 20


def test_unknown_and_missing_options_are_refused() -> None:
    validator = Draft202012Validator(json_schema(TrainingConfig))
    assert validator.is_valid({"output_dir": "out", "max_train_steps": 3})
    assert not validator.is_valid({"max_train_steps": 3})
    assert not validator.is_valid({"output_dir": "out", "max_train_steps": 3, "max_steps": 3})


def test_bounds_help_and_defaults_are_in_the_schema() -> None:
    width = json_schema(GenerationOptions)["properties"]["width"]
    assert width["type"] == ["integer", "null"] and width["default"] is None
    assert (width["minimum"], width["maximum"]) == (64, 4096)
    assert width["description"]
