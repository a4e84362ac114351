"""ModelScope's configuration of a training, in the words of our options: their declarations name the places."""

import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field

from pai_modelscope.config.option import declaration_of, faults_in, short_repr
from pai_modelscope.config.training import TrainingConfig
from pai_modelscope.errors import Fault, UserError, reason
from pai_modelscope.untrusted import read_json, read_yaml

LrFactor = Callable[[int], float]  # of the learning rate, by the step
_CHANGED: dict[str, Callable[[object], object]] = {"optimizer": lambda name: str(name).lower().replace("_", "-")}


def places(options: Iterable[Field[object]]) -> dict[str, str]:
    """Places in the section "train" of a configuration.json, and the option that each sets, by their declarations."""
    declared = ((declaration_of(field).modelscope, field.name) for field in options)
    return {place: name for place, name in declared if place}


def empty_sections(places: Iterable[str]) -> dict[str, object]:
    """A section "train" that says nothing, in which `cfg.train.optimizer.lr = 1e-4` of a guide finds its place."""
    sections: dict[str, object] = {}
    for place in places:
        section = sections
        for name in place.split(".")[:-1]:
            inner = section.setdefault(name, {})
            assert isinstance(inner, dict)
            section = inner
    return sections


def read_settings(path: object) -> dict[str, object]:
    """A configuration.json, or the same in YAML.

    Raises `UserError`: not there, no such form. A configuration in Python, which ModelScope would run, is none.
    """
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"cfg_file is {short_repr(path)}; give the path of a configuration.json")
    if os.path.splitext(path)[1] not in (".json", ".yaml", ".yml"):
        raise UserError(f"cfg_file is {os.fspath(path)}; valid are files that end in .json, .yaml or .yml")
    settings = read_json(path) if os.fspath(path).endswith(".json") else read_yaml(path)
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise UserError(
            f"{os.fspath(path)} holds {short_repr(settings)}; it must be an object of sections, such as 'train'"
        )
    return settings


def take_lr_lambda(train: object) -> tuple[dict[str, object], LrFactor | None]:
    """The section without the scheduler `{'type': 'LambdaLR', 'lr_lambda': ..., 'last_epoch': -1}`, and its function.

    Raises `UserError` for a scheduler of PyTorch that is not known here, and for one of these values that can't be.
    """
    if not isinstance(train, Mapping):
        raise UserError(f"the configuration's train is {short_repr(train)}; it must be a section")
    section = train.get("lr_scheduler")
    kind = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or kind is None:
        return dict(train), None
    if kind != "LambdaLR":
        _check_scheduler(kind)
        return dict(train), None
    scheduler = dict(section)
    factor, last = scheduler.get("lr_lambda"), scheduler.get("last_epoch", -1)
    more = scheduler.keys() - {"type", "lr_lambda", "last_epoch", "options"}
    if not callable(factor):
        raise UserError(f"train.lr_scheduler.lr_lambda is {short_repr(factor)}; give a function of the step")
    if last != -1 or any(scheduler[name] for name in more):
        named = ", ".join(sorted(more)) or f"last_epoch {short_repr(last)}"
        raise UserError(f"train.lr_scheduler is a LambdaLR with {named}; valid are lr_lambda, and last_epoch -1")
    return {**train, "lr_scheduler": {"type": "constant"}}, factor


def _check_scheduler(kind: object) -> None:
    for fault in faults_in(TrainingConfig, {"lr_scheduler": kind}):
        message = f"the configuration's train.{fault.message.replace(' is', '.type is', 1)}, 'LambdaLR'"
        raise UserError(message, [Fault("train.lr_scheduler.type", message, f"{fault.valid}, 'LambdaLR'")])


def checked_factor(factor: LrFactor, steps: int) -> LrFactor:
    """The function itself, asked for the factor of every step before the first.

    Warns of one that changes, as ModelScope counts epochs by default.

    Raises `UserError` for a function that fails, or gives what no learning rate can be multiplied by.
    """
    factors = set()
    for step in range(steps + 1):
        try:
            value = float(factor(step))
        except Exception as error:  # the user's own function
            raise UserError(f"train.lr_scheduler's lr_lambda fails at step {step} ({reason(error)})") from None
        if not 0 <= value < math.inf:
            raise UserError(f"train.lr_scheduler's lr_lambda gives {value} at step {step}; give a number of at least 0")
        factors.add(value)
    if len(factors) > 1:
        warnings.warn("train.lr_scheduler: LambdaLR's lr_lambda is called with the step, not the epoch", stacklevel=3)
    return factor


def options_in(train: Mapping[str, object], fields: Mapping[str, Field[object]]) -> dict[str, object]:
    """The options that the section sets, by our names; any of our options may also stand in it by itself.

    fields: of all options, by their names.
    Raises `UserError` with a fault for everything in it that has no meaning here.
    """
    options, unknown, known = {}, [], places(fields.values())
    for place, value in _leaves(train):
        name = known.get(place, place if place in fields else None)
        if name is None:
            unknown.append(f"train.{place}")
        else:
            options[name] = _CHANGED[name](value) if name in _CHANGED else value
    if unknown:
        valid = ", ".join(f"train.{place}" for place in known) + " and our options"
        message = f"the configuration's {', '.join(unknown)} is not known here; valid are {valid}"
        raise UserError(message, [Fault(place, f"{place} is not known here", valid) for place in unknown])
    return options


def _leaves(section: Mapping[str, object], before: str = "") -> list[tuple[str, object]]:
    leaves: list[tuple[str, object]] = []
    for name, value in section.items():
        leaves += _leaves(value, f"{before}{name}.") if isinstance(value, Mapping) else [(before + name, value)]
    return leaves
