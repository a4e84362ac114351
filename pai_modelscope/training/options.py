"""What a run is told, by names: from the command line, a YAML file, Python or ModelScope's trainers."""

import difflib
import os
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, SupportsFloat, SupportsIndex

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
from pai_modelscope.config.option import kind_of, problem, shown
from pai_modelscope.data.geometry import LATENT
from pai_modelscope.errors import UserError
from pai_modelscope.images.annotators import ANNOTATORS

DEFAULT_MODEL = "pai-diffusion-mini-zh"
MODEL, REVISION = "pretrained_model_name_or_path", "revision"
_SETS = ("train_data_dir", "replay_data_dir")
_NAMED, _LONG = 10, 80  # unknown options that are named, and their characters


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

    Raises one `UserError` that names every option that is unknown, missing, or not valid.
    """
    if method not in METHODS:
        raise UserError(f"there is no method {method!r}; valid are {', '.join(METHODS)}")
    rest = {name: value for name, value in given.items() if value is not None}
    without_effect = {name: NO_EFFECT[name] for name in rest.keys() & NO_EFFECT.keys() if rest.pop(name)}
    rest = _renamed(rest)
    model, revision = rest.pop(MODEL, DEFAULT_MODEL), rest.pop(REVISION, None)
    known = {field.name: field for part in parts_of(method) for field in fields(part)}
    asked = [name for name in sorted(rest.keys() & NOT_HERE.keys()) if rest.pop(name)]
    problems = [f"{name} is not known here: {NOT_HERE[name]}" for name in asked]
    if unknown := sorted(rest.keys() - known.keys()):
        valid = sorted([*known, MODEL, REVISION])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        named = ", ".join(name[:_LONG] for name in unknown[:_NAMED]) + more
        near = [difflib.get_close_matches(name[:_LONG], valid, n=1, cutoff=0.7) for name in unknown[:_NAMED]]
        meant = ", ".join(repr(each[0]) for each in near if each)
        meant = f" (did you mean {meant}?)" if meant else ""
        problems.append(f"unknown option {named} of {method}{meant}; valid are {', '.join(valid)}")
    # Where nobody chose, the launcher's choice stands: `accelerate launch --mixed_precision bf16`.
    rest.setdefault("mixed_precision", os.environ.get("ACCELERATE_MIXED_PRECISION", TrainingConfig.mixed_precision))
    values = {name: typed(field, rest[name]) for name, field in known.items() if name in rest}
    problems += [found for name, value in values.items() if (found := _problem(known[name], value))]
    for name, value in ((MODEL, model), (REVISION, revision)):
        if not isinstance(value, str | os.PathLike | None):
            problems.append(f"{name} is {shown(value)}; give a text")
    if not _given(values.get("train_data_dir")):
        problems.append("train_data_dir must be given: what to learn from")
    if not values.get("output_dir"):
        problems.append("output_dir must be given: the folder of the run")
    if not values.get("max_train_steps") and not values.get("num_train_epochs"):
        problems.append("max_train_steps or num_train_epochs must be given: how long to train")
    values.setdefault("max_train_steps", 0)
    if not problems:
        made = [part(**{f.name: values[f.name] for f in fields(part) if f.name in values}) for part in parts_of(method)]
        data, own, shared, loop, validation = made
        settled = Options(method, os.fspath(model), revision, data, shared, own, loop, validation, without_effect)
        problems = _together(settled)
    if problems:
        raise UserError("training cannot start: " + "; ".join(problems))
    return settled


def _problem(field: Field[Any], value: Any) -> str | None:
    """As `problem`, for lists of texts too; a training set may be an object with rows."""
    if field.name in _SETS:
        return f"{field.name} is {shown(value)}; give a text" if isinstance(value, int | float | dict) else None
    if typing.get_origin(kind_of(field)) is list:
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return None if good else f"{field.name} is {shown(value)}; give a text or a list of texts"
    if isinstance(value, str) and "\0" in value:
        return f"{field.name} is {shown(value)}; give a text without NUL"
    return problem(field, value)


def _given(source: Any) -> bool:
    """Whether there is a training set; an object with rows may be empty, which is said when it is opened."""
    return source is not None and source != "" if isinstance(source, str | None) else True


def _together(options: Options) -> list[str]:
    """What can't work together, or would do nothing, of values that are each valid."""
    found = options.loop.problems_together()
    if options.data.resolution % LATENT:
        found.append(f"resolution is {options.data.resolution}; give a multiple of {LATENT}, such as 256 or 512")
    annotator = getattr(options.own, "annotator", None)
    if annotator is not None and annotator not in ANNOTATORS:
        found.append(f"annotator is {shown(annotator)}; valid are {', '.join(ANNOTATORS)}")
    if options.validation.validation_images and options.method != "controlnet":
        found.append(f"validation_images are for a ControlNet, not for {options.method}: leave them out")
    if options.method == "dreambooth" and not options.own.instance_prompt:
        found.append("instance_prompt must be given: a rare word and the class, such as 一只糯糯猫")
    return found + _without_use(options)


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
    """`value` as the field's type, where it can be meant so: YAML reads 1e-4 as a text, the command line gives texts,
    and a YAML or Python whole number may be meant as 1.0. What can't be is as it was, for `problem` to say."""
    kind = kind_of(field)
    if typing.get_origin(kind) is list:
        found = list(value) if isinstance(value, list | tuple) else [value]
        return [os.fspath(each) if isinstance(each, os.PathLike) else each for each in found]
    if isinstance(value, os.PathLike) and kind is str:
        return os.fspath(value)
    try:
        if kind is float and isinstance(value, str | SupportsFloat) and not isinstance(value, bool):
            return float(value)
        if kind is int and isinstance(value, str | SupportsIndex) and not isinstance(value, bool):
            return int(value)
        if kind is int and isinstance(value, float) and value == int(value):
            return int(value)
    except (ValueError, OverflowError, TypeError):  # no number; infinity; an array
        pass
    return value


def _renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Under our names. Raises `UserError` where both names are given and differ."""
    found: dict[str, Any] = {}
    called: dict[str, str] = {}
    for name, value in given.items():
        own, into = ALIASES.get(name, (name, None))
        if into is not None:
            if not isinstance(value, bool):
                raise UserError(f"{name} is {shown(value)}; give true or false")
            if (value := into(value)) is None:
                continue
        if found.setdefault(own, value) is not value and found[own] != value:
            other = f"{called[own]} and {name} mean the same and differ"
            raise UserError(f"{other} ({shown(found[own])} and {shown(value)}); give one")
        called[own] = name
    return found
