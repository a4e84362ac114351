"""ModelScope's configuration of a training, in the words of our options."""

from collections.abc import Callable, Mapping
from typing import Any

from pai_modelscope.errors import UserError

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
    made: dict[str, Any] = {}
    for place in PLACES:
        section = made
        for name in place.split(".")[:-1]:
            section = section.setdefault(name, {})
    return made


def options_in(train: Mapping[str, Any], options: frozenset[str]) -> dict[str, Any]:
    """What the section says, by our names; any of our `options` may also stand in it by itself.

    Raises `UserError` that names everything in it that has no meaning here.
    """
    found, unknown = {}, []
    for place, value in _leaves(train):
        name = PLACES.get(place, place if place in options else None)
        if name is None:
            unknown.append(f"train.{place}")
        else:
            found[name] = _CHANGED.get(name, lambda value: value)(value)
    if unknown:
        valid = ", ".join(f"train.{place}" for place in PLACES)
        raise UserError(
            f"the configuration's {', '.join(unknown)} is not known here; valid are {valid} and our options"
        )
    return found


def _leaves(section: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    leaves = []
    for name, value in section.items():
        inside = isinstance(value, Mapping)
        leaves += _leaves(value, f"{before}{name}.") if inside else [(before + name, value)]
    return leaves
