"""The options of a run, by their names: from the command line, a YAML file, Python or ModelScope's trainers."""

import difflib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import SupportsFloat, SupportsIndex, TypeVar

from pai_modelscope.config.data import DataOptions
from pai_modelscope.config.diffusers_flags import ALIASES, NO_EFFECT, NOT_HERE
from pai_modelscope.config.model import ModelOptions
from pai_modelscope.config.option import fault, is_list, kind_of, short_repr, valid
from pai_modelscope.config.training import CANNOT_START, TrainingConfig
from pai_modelscope.config.validation import ValidationOptions
from pai_modelscope.data.geometry import LATENT
from pai_modelscope.errors import Fault, UserError, first_few
from pai_modelscope.methods.registry import method_named
from pai_modelscope.methods.spec import MethodSpec, RunOptions

_SETS = ("train_data_dir", "replay_data_dir")
_NAMED, _LONG = 10, 80  # unknown options that are named, and their characters
Part = TypeVar("Part")


def resolve_options(method: str, options: Mapping[str, object]) -> RunOptions:
    """Resolve options of any part, by their names or by those of diffusers' example scripts; None leaves one open.

    Raises:
        UserError: with a fault for every option that is unknown, missing, or not valid.
    """
    spec = method_named(method)
    open_options = {name: value for name, value in options.items() if value is not None}
    without_effect = {
        name: NO_EFFECT[name] for name in open_options.keys() & NO_EFFECT.keys() if open_options.pop(name)
    }
    renamed, faults = _renamed(open_options)
    known = {field.name: field for field in fields(ModelOptions)} | spec.fields()
    faults += _unknown(renamed, known, spec)
    # Where nobody chose, the launcher's choice stands: `accelerate launch --mixed_precision bf16`.
    renamed.setdefault("mixed_precision", os.environ.get("ACCELERATE_MIXED_PRECISION", TrainingConfig.mixed_precision))
    values = {name: typed(field, renamed[name]) for name, field in known.items() if name in renamed}
    missing, size = _missing(values), _size_faults(values)
    model = _part(ModelOptions, values)
    run_options = RunOptions(
        spec,
        model.pretrained_model_name_or_path,
        model.revision,
        data=_part(DataOptions, values),
        method=_part(spec.options, values),
        loop=_part(TrainingConfig, {"output_dir": "", "max_train_steps": 0} | values),
        validation=_part(ValidationOptions, values),
        without_effect=without_effect,
    )
    # Values by themselves first: what is compared with each other must be valid.
    faults += [wrong for name, value in values.items() if (wrong := _fault(known[name], value))] + missing
    faults = faults or run_options.loop.faults_together() + size + run_options.method.faults(run_options)
    if faults:
        raise UserError.of(faults, CANNOT_START)
    return run_options


def typed(field: Field[object], value: object) -> object:
    """`value` as the field's type, where it can be meant so: YAML reads 1e-4 as a text, the command line gives texts,
    and a YAML or Python whole number may be meant as 1.0. What can't be is as it was, for `fault` to say."""
    kind = kind_of(field)
    if is_list(field):
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


def _renamed(options: Mapping[str, object]) -> tuple[dict[str, object], list[Fault]]:
    """The options under our names, and the faults of those that are given by two names and differ."""
    renamed: dict[str, object] = {}
    called: dict[str, str] = {}
    faults = []
    for name, value in options.items():
        ours, into = ALIASES.get(name, (name, None))
        if into is not None:
            if not isinstance(value, bool):
                faults.append(Fault(name, f"{name} is {short_repr(value)}; give true or false", "true or false"))
                continue
            if (value := into(value)) is None:
                continue
        if renamed.setdefault(ours, value) is not value and renamed[ours] != value:
            values = f"({short_repr(renamed[ours])} and {short_repr(value)})"
            faults.append(Fault(ours, f"{called[ours]} and {name} mean the same and differ {values}; give one"))
        called[ours] = name
    return renamed, faults


def _unknown(options: dict[str, object], known: Mapping[str, object], spec: MethodSpec) -> list[Fault]:
    """Take those of `options` out that are none here; one fault names all that nobody knows."""
    refused = [name for name in sorted(options.keys() & NOT_HERE.keys()) if options.pop(name)]
    faults = [Fault(name, f"{name} is not known here: {NOT_HERE[name]}") for name in refused]
    if unknown := sorted(options.keys() - known.keys()):
        named = first_few([name[:_LONG] for name in unknown], _NAMED)
        near = [difflib.get_close_matches(name[:_LONG], sorted(known), n=1, cutoff=0.7) for name in unknown[:_NAMED]]
        meant = ", ".join(repr(names[0]) for names in near if names)
        meant = f" (did you mean {meant}?)" if meant else ""
        names = ", ".join(sorted(known))
        faults.append(Fault("", f"unknown option {named} of {spec.name}{meant}; valid are {names}", names))
    return faults


def _fault(field: Field[object], value: object) -> Fault | None:
    """As `fault`, for lists of texts too; a training set may be an object with rows."""
    message = ""
    if field.name in _SETS:
        if isinstance(value, int | float | dict):
            message = f"{field.name} is {short_repr(value)}; give a text"
    elif is_list(field):
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            message = f"{field.name} is {short_repr(value)}; give a text or a list of texts"
    elif isinstance(value, str) and "\0" in value:
        message = f"{field.name} is {short_repr(value)}; give a text without NUL"
    else:
        return fault(field, value)
    return Fault(field.name, message, valid(field) or "a list of texts") if message else None


def _missing(values: Mapping[str, object]) -> list[Fault]:
    """What a run can't do without. An object with rows may be empty, which is said when it is opened."""
    pictures = values.get("train_data_dir")
    faults = []
    if pictures is None or (isinstance(pictures, str) and not pictures):
        faults.append(Fault("train_data_dir", "train_data_dir must be given: what to learn from"))
    if not values.get("output_dir"):
        faults.append(Fault("output_dir", "output_dir must be given: the folder of the run"))
    if not values.get("max_train_steps") and not values.get("num_train_epochs"):
        message = "max_train_steps or num_train_epochs must be given: how long to train"
        faults.append(Fault("max_train_steps", message))
    return faults


def _part(part: Callable[..., Part], values: Mapping[str, object]) -> Part:
    """A dataclass of options with those of the values that are its own."""
    names = inspect.signature(part).parameters
    return part(**{name: value for name, value in values.items() if name in names})


def _size_faults(values: Mapping[str, object]) -> list[Fault]:
    """That of a resolution in which latents have no whole size."""
    resolution = values.get("resolution", DataOptions.resolution)
    if not isinstance(resolution, int) or not resolution % LATENT:
        return []
    message = f"resolution is {resolution}; give a multiple of {LATENT}, such as 256 or 512"
    return [Fault("resolution", message, f"a multiple of {LATENT}")]
