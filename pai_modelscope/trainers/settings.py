"""ModelScope's configuration of a training, in the words of our options."""

import math
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from pai_modelscope.config.option import short_repr
from pai_modelscope.config.training import TrainingConfig
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import read_json, read_yaml

# Places in the section "train" of a configuration.json, and the option that each sets.
PLACES = {
    "work_dir": "output_dir",
    "max_epochs": "num_train_epochs",
    "max_iters": "max_train_steps",
    "seed": "seed",
    "dataloader.batch_size_per_gpu": "train_batch_size",
    "dataloader.workers_per_gpu": "dataloader_num_workers",
    "optimizer.type": "optimizer",
    "optimizer.lr": "learning_rate",
    "optimizer.weight_decay": "adam_weight_decay",
    "optimizer.options.cumulative_iters": "gradient_accumulation_steps",
    "optimizer.options.grad_clip.max_norm": "max_grad_norm",
    "lr_scheduler.type": "lr_scheduler",
    "lr_scheduler.warmup_steps": "lr_warmup_steps",
    "checkpoint.period.interval": "checkpointing_steps",
    "logging.interval": "logging_steps",
}
_CHANGED: dict[str, Callable[[Any], Any]] = {"optimizer": lambda name: str(name).lower().replace("_", "-")}


def empty_sections() -> dict[str, Any]:
    """A section "train" that says nothing, in which `cfg.train.optimizer.lr = 1e-4` of a guide finds its place."""
    sections: dict[str, Any] = {}
    for place in PLACES:
        section = sections
        for name in place.split(".")[:-1]:
            section = section.setdefault(name, {})
    return sections


def read_settings(path: Any) -> dict[str, Any]:
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


def take_lr_lambda(train: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[int], float] | None]:
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


def _check_scheduler(kind: Any) -> None:
    problems = TrainingConfig(output_dir=".", max_train_steps=1, lr_scheduler=kind).problems()
    for problem in problems:
        if problem.startswith("lr_scheduler is"):
            raise UserError(f"the configuration's train.{problem.replace(' is', '.type is', 1)}, 'LambdaLR'")


def checked_factor(factor: Callable[[int], float], steps: int) -> Callable[[int], float]:
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


def options_in(train: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """What the section says, by our names; any of our `options` may also stand in it by itself.

    Raises `UserError` that names everything in it that has no meaning here.
    """
    options, unknown = {}, []
    for place, value in _leaves(train):
        name = PLACES.get(place, place if place in known else None)
        if name is None:
            unknown.append(f"train.{place}")
        else:
            options[name] = _CHANGED.get(name, lambda value: value)(value)
    if unknown:
        valid = ", ".join(f"train.{place}" for place in PLACES)
        raise UserError(
            f"the configuration's {', '.join(unknown)} is not known here; valid are {valid} and our options"
        )
    return options


def _leaves(section: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    leaves = []
    for name, value in section.items():
        inside = isinstance(value, Mapping)
        leaves += _leaves(value, f"{before}{name}.") if inside else [(before + name, value)]
    return leaves
