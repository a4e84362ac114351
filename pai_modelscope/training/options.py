"""What a run is told, by names: from the command line, a YAML file, Python or ModelScope's trainers."""

import os
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.methods import (
    ALIASES,
    METHODS,
    NO_EFFECT,
    NOT_HERE,
    DataOptions,
    DenoisingOptions,
    DreamBoothOptions,
    ValidationOptions,
    parts_of,
)
from pai_modelscope.config.option import kind_of
from pai_modelscope.errors import UserError

DEFAULT_MODEL = "pai-diffusion-mini-zh"
MODEL, REVISION = "pretrained_model_name_or_path", "revision"


@dataclass
class Options:
    """All that a run is told, each part for the one that reads it."""

    method: str
    model: str
    revision: str | None
    data: DataOptions
    shared: DenoisingOptions
    own: Any
    loop: TrainingConfig
    validation: ValidationOptions
    without_effect: dict[str, str]  # options of diffusers' scripts that were given and do nothing here, and why

    @property
    def whole_model(self) -> bool:
        """Whether weights of the model itself learn, and a whole model comes out."""
        return self.method == "full" or (self.method == "dreambooth" and not self.own.rank)

    def beside_the_loop(self) -> dict[str, Any]:
        """All but the loop's, by names: with the loop's, `fine_tune` repeats the run."""
        parts = self.data, self.own, self.shared, self.validation
        named = {field.name: getattr(part, field.name) for part in parts for field in fields(part)}
        return {"method": self.method, MODEL: self.model, REVISION: self.revision} | named


def settle(method: str, given: Mapping[str, Any]) -> Options:
    """`given`: options of any part by their names, or by those of diffusers' example scripts; None leaves one open.

    Raises one `UserError` that names every option that is unknown, missing, or of the wrong kind.
    """
    if method not in METHODS:
        raise UserError(f"there is no method {method!r}; valid are {', '.join(METHODS)}")
    rest = {name: value for name, value in given.items() if value is not None}
    without_effect = {name: NO_EFFECT[name] for name in rest.keys() & NO_EFFECT.keys() if rest.pop(name)}
    rest = _renamed(rest)
    model, revision = os.fspath(rest.pop(MODEL, DEFAULT_MODEL)), rest.pop(REVISION, None)
    known = {field.name: field for part in parts_of(method) for field in fields(part)}
    asked = [name for name in sorted(rest.keys() & NOT_HERE.keys()) if rest.pop(name)]
    problems = [f"{name} is not known here: {NOT_HERE[name]}" for name in asked]
    if unknown := sorted(rest.keys() - known.keys()):
        valid = sorted([*known, MODEL, REVISION])
        problems.append(f"unknown option {', '.join(unknown)} of {method}; valid are {', '.join(valid)}")
    # Where nobody chose, the launcher's choice stands: `accelerate launch --mixed_precision bf16`.
    rest.setdefault("mixed_precision", os.environ.get("ACCELERATE_MIXED_PRECISION", TrainingConfig.mixed_precision))
    values = {}
    for name in rest.keys() & known.keys():
        try:
            values[name] = typed(known[name], rest[name])
        except ValueError as error:
            problems.append(str(error))
    if not values.get("train_data_dir"):
        problems.append("train_data_dir must be given: what to learn from")
    if not values.get("output_dir"):
        problems.append("output_dir must be given: the folder of the run")
    if not values.get("max_train_steps") and not values.get("num_train_epochs"):
        problems.append("max_train_steps or num_train_epochs must be given: how long to train")
    if problems:
        raise UserError("training cannot start: " + "; ".join(problems))
    values.setdefault("max_train_steps", 0)
    made = [part(**{f.name: values[f.name] for f in fields(part) if f.name in values}) for part in parts_of(method)]
    data, own, shared, loop, validation = made
    settled = Options(method, model, revision, data, shared, own, loop, validation, without_effect)
    if problems := _without_use(settled):
        raise UserError("training cannot start: " + "; ".join(problems))
    return settled


def _without_use(options: Options) -> list[str]:
    """Options that would do nothing beside the others, as one sentence each."""
    own, shown, found = options.own, options.validation, []
    if options.method == "dreambooth":
        found += _without_use_in_dreambooth(options)
    learns = getattr(own, "train_text_encoder", False) or getattr(own, "text_rank", 0)
    if options.shared.text_encoder_lr is not None and not learns and options.method != "textual-inversion":
        found.append(
            "text_encoder_lr is given, but the text encoder does not learn: leave it out, or give train_text_encoder "
            "(full and dreambooth) or text_rank (of a LoRA)"
        )
    prompts, images = shown.validation_prompts or [], shown.validation_images or []
    if options.method == "controlnet" and (len(images) > len(prompts) or (prompts and not images)):
        found.append(
            f"there are {len(prompts)} validation_prompts and {len(images)} validation_images: give a prompt for each "
            "image, or leave both out"
        )
    return found


def _without_use_in_dreambooth(options: Options) -> list[str]:
    own, usual, found = options.own, DreamBoothOptions(), []
    of_a_lora, of_the_weights = ("alpha", "targets", "text_rank"), ("train", "train_text_encoder")
    idle = of_the_weights if own.rank else of_a_lora
    if given := [name for name in idle if getattr(own, name) != getattr(usual, name)]:
        why = "are for training without a LoRA: leave rank out" if own.rank else "are of a LoRA: give its rank"
        instead = " (in a LoRA, the text encoder learns by text_rank)" if own.train_text_encoder else ""
        found.append(f"{', '.join(given)} {why}, or leave them out{instead}")
    if not own.class_prompt and (own.class_data_dir or "with_prior_preservation" in options.without_effect):
        found.append("class_prompt must be given, such as 一只猫: pictures of the class are asked for")
    return found


def typed(field: Field[Any], value: Any) -> Any:
    """`value` as the field's type. YAML reads 1e-4 as a text, and a YAML or Python whole number may be meant as 1.0.

    Raises `ValueError` that names the option.
    """
    kind = kind_of(field)
    if typing.get_origin(kind) is list:
        found = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(each, str | os.PathLike) for each in found):
            raise ValueError(f"{field.name} is {value!r}; it must be a text or a list of texts")
        return [os.fspath(each) for each in found]
    if kind is Any or (isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))):
        return value
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
            return float(value)
        if kind is int and (isinstance(value, str) or (isinstance(value, float) and value == int(value))):
            return int(value)
    except (ValueError, OverflowError):  # no number; infinity
        pass
    if field.name in ("train_data_dir", "replay_data_dir"):  # an object with rows: a datasets.Dataset, a training set
        return value
    raise ValueError(f"{field.name} is {value!r}; it must be {_KINDS[kind]}")


def _renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Under our names. Raises `UserError` where both names are given and differ."""
    found: dict[str, Any] = {}
    called: dict[str, str] = {}
    for name, value in given.items():
        own, into = ALIASES.get(name, (name, None))
        if into is not None and (value := into(value)) is None:
            continue
        if found.setdefault(own, value) is not value and found[own] != value:
            other = f"{called[own]} and {name} mean the same and differ"
            raise UserError(f"{other} ({found[own]!r} and {value!r}); give one")
        called[own] = name
    return found


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
