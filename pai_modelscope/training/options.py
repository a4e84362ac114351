"""The options of a run, by their names: from the command line, a YAML file, Python or ModelScope's trainers."""

import difflib
import os
import typing
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

from pai_modelscope.config.data import DataOptions
from pai_modelscope.config.diffusers_flags import ALIASES, NO_EFFECT, NOT_HERE
from pai_modelscope.config.option import kind_of, problem, short_repr
from pai_modelscope.config.training import TrainingConfig
from pai_modelscope.config.validation import ValidationOptions
from pai_modelscope.data.geometry import LATENT
from pai_modelscope.errors import UserError
from pai_modelscope.methods.registry import method_named
from pai_modelscope.methods.spec import RunOptions

DEFAULT_MODEL = "pai-diffusion-mini-zh"
MODEL, REVISION = "pretrained_model_name_or_path", "revision"
_SETS = ("train_data_dir", "replay_data_dir")
_NAMED, _LONG = 10, 80  # unknown options that are named, and their characters
Part = TypeVar("Part")


def resolve_options(method: str, options: Mapping[str, Any]) -> RunOptions:
    """Resolve options of any part, by their names or by those of diffusers' example scripts; None leaves one open.

    Raises one `UserError` that names every option that is unknown, missing, or not valid.
    """
    spec = method_named(method)
    rest = {name: value for name, value in options.items() if value is not None}
    without_effect = {name: NO_EFFECT[name] for name in rest.keys() & NO_EFFECT.keys() if rest.pop(name)}
    rest = _renamed(rest)
    model, revision = rest.pop(MODEL, DEFAULT_MODEL), rest.pop(REVISION, None)
    known = spec.fields()
    asked = [name for name in sorted(rest.keys() & NOT_HERE.keys()) if rest.pop(name)]
    problems = [f"{name} is not known here: {NOT_HERE[name]}" for name in asked]
    if unknown := sorted(rest.keys() - known.keys()):
        valid = sorted([*known, MODEL, REVISION])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        named = ", ".join(name[:_LONG] for name in unknown[:_NAMED]) + more
        near = [difflib.get_close_matches(name[:_LONG], valid, n=1, cutoff=0.7) for name in unknown[:_NAMED]]
        meant = ", ".join(repr(names[0]) for names in near if names)
        meant = f" (did you mean {meant}?)" if meant else ""
        problems.append(f"unknown option {named} of {method}{meant}; valid are {', '.join(valid)}")
    # Where nobody chose, the launcher's choice stands: `accelerate launch --mixed_precision bf16`.
    rest.setdefault("mixed_precision", os.environ.get("ACCELERATE_MIXED_PRECISION", TrainingConfig.mixed_precision))
    values = {name: typed(field, rest[name]) for name, field in known.items() if name in rest}
    problems += [phrase for name, value in values.items() if (phrase := _problem(known[name], value))]
    for name, value in ((MODEL, model), (REVISION, revision)):
        if not isinstance(value, str | os.PathLike | None):
            problems.append(f"{name} is {short_repr(value)}; give a text")
    if not _is_named(values.get("train_data_dir")):
        problems.append("train_data_dir must be given: what to learn from")
    if not values.get("output_dir"):
        problems.append("output_dir must be given: the folder of the run")
    if not values.get("max_train_steps") and not values.get("num_train_epochs"):
        problems.append("max_train_steps or num_train_epochs must be given: how long to train")
    values.setdefault("max_train_steps", 0)
    if not problems:
        run_options = RunOptions(
            spec,
            os.fspath(model),
            revision,
            data=_made(DataOptions, values),
            method=_made(spec.options, values),
            loop=_made(TrainingConfig, values),
            validation=_made(ValidationOptions, values),
            without_effect=without_effect,
        )
        problems = _together(run_options)
    if problems:
        raise UserError("training cannot start: " + "; ".join(problems))
    return run_options


def options_by_name(options: RunOptions) -> dict[str, object]:
    """All but the loop's, by names: with the loop's, `fine_tune` repeats the run."""
    parts = options.data, options.method, options.validation
    named = {name: value for part in parts for name, value in vars(part).items()}
    return {"method": options.spec.name, MODEL: options.model, REVISION: options.revision} | named


def _made(part: type[Part], values: Mapping[str, Any]) -> Part:
    return part(**{field.name: values[field.name] for field in fields(part) if field.name in values})  # type: ignore[arg-type]


def _problem(field: Field[Any], value: Any) -> str | None:
    """As `problem`, for lists of texts too; a training set may be an object with rows."""
    if field.name in _SETS:
        return f"{field.name} is {short_repr(value)}; give a text" if isinstance(value, int | float | dict) else None
    if typing.get_origin(kind_of(field)) is list:
        good = isinstance(value, list) and all(isinstance(text, str) for text in value)
        return None if good else f"{field.name} is {short_repr(value)}; give a text or a list of texts"
    if isinstance(value, str) and "\0" in value:
        return f"{field.name} is {short_repr(value)}; give a text without NUL"
    return problem(field, value)


def _is_named(source: Any) -> bool:
    """Whether there is a training set; an object with rows may be empty, which is said when it is opened."""
    return source is not None and source != "" if isinstance(source, str | None) else True


def _together(options: RunOptions) -> list[str]:
    """What can't work together, or would do nothing, of values that are each valid."""
    problems = options.loop.problems_together()
    if options.data.resolution % LATENT:
        problems.append(f"resolution is {options.data.resolution}; give a multiple of {LATENT}, such as 256 or 512")
    return problems + options.method.problems(options)


def typed(field: Field[Any], value: Any) -> Any:
    """`value` as the field's type, where it can be meant so: YAML reads 1e-4 as a text, the command line gives texts,
    and a YAML or Python whole number may be meant as 1.0. What can't be is as it was, for `problem` to say."""
    kind = kind_of(field)
    if typing.get_origin(kind) is list:
        items = list(value) if isinstance(value, list | tuple) else [value]
        return [os.fspath(item) if isinstance(item, os.PathLike) else item for item in items]
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


def _renamed(options: dict[str, Any]) -> dict[str, Any]:
    """Under our names. Raises `UserError` where both names are given and differ."""
    renamed: dict[str, Any] = {}
    called: dict[str, str] = {}
    for name, value in options.items():
        ours, into = ALIASES.get(name, (name, None))
        if into is not None:
            if not isinstance(value, bool):
                raise UserError(f"{name} is {short_repr(value)}; give true or false")
            if (value := into(value)) is None:
                continue
        if renamed.setdefault(ours, value) is not value and renamed[ours] != value:
            other = f"{called[ours]} and {name} mean the same and differ"
            raise UserError(f"{other} ({short_repr(renamed[ours])} and {short_repr(value)}); give one")
        called[ours] = name
    return renamed
