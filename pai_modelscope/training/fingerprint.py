"""What a checkpoint belongs to: it goes on only with the method, the model, the data and the order it was made with."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pai_modelscope import untrusted
from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError, reason
from pai_modelscope.methods.base import Method
from pai_modelscope.training.ownership import IDENTITY
from pai_modelscope.training.sample_order import Order

_SHOWN = 80  # characters of a value that are shown as they are
_ADVICE = {
    "method": "use the method it was made with",
    "model": "open the model, and choose the rank and the parts to train, that it was made with",
    "base": "open the model that it was made with",
    "optimizer": "set optimizer to {theirs}",
    "weights": "set weights to {theirs}",
    "average": "set ema_decay as it was ({theirs})",
    "seed": "set seed to {theirs}",
    "global_batch": "choose train_batch_size, gradient_accumulation_steps and processes whose product is {theirs}",
    "samples": "use the data it was made with",
    "rhythm": "use the data it was made with",
}
_NAMES = {
    "average": "ema_decay",
    "global_batch": "the samples of a step",
    "base": "the model (what stays as it is)",
    "model": "the model (the names and shapes of what trains)",
    "samples": "the samples of each bucket",
    "rhythm": "the order of the buckets",
}


@dataclass(frozen=True)
class Identity:
    """What must be the same when a run goes on."""

    method: str
    model: str  # digest of the names and shapes of all that trains
    base: str  # digest of a few values of each weight that does not
    optimizer: str
    weights: str
    average: str
    seed: int
    global_batch: int
    samples: list[int]
    rhythm: str  # digest of the buckets' cycle

    @classmethod
    def of(cls, method: Method, config: TrainingConfig, order: Order) -> "Identity":
        shapes = sorted((name, list(p.shape)) for name, p in method.named_parameters() if p.requires_grad)
        return cls(
            method=method.stored_name,
            model=f"{len(shapes)} tensors, {_digest(shapes)}",
            base=_digest(_samples(method)),
            optimizer=config.optimizer,
            weights=config.weights,
            average="above 0" if config.ema_decay else "0",
            seed=config.seed,
            global_batch=order.batch_size,
            samples=order.lengths,
            rhythm=_digest(order.cycle),
        )

    def text(self, step: int, world_size: int) -> str:
        return json.dumps({"step": step, "world_size": world_size, **asdict(self)}, indent=1)

    def check(self, folder: Path) -> int:
        """The number of processes that wrote the checkpoint. Raises `UserError`, naming all that differs."""
        advice = "give a folder checkpoint-STEP of a run, or leave resume_from_checkpoint out"
        if not (folder / IDENTITY).exists():
            raise UserError(f"{folder} is no checkpoint of this training ({IDENTITY} is missing): {advice}")
        try:
            stored = untrusted.read_json(folder / IDENTITY)
        except (UserError, OSError) as error:
            raise UserError(f"{folder} is no checkpoint of this training ({reason(error)}): {advice}") from error
        stored = stored if isinstance(stored, dict) else {}
        world_size = stored.get("world_size")
        if not isinstance(world_size, int) or world_size < 1 or not asdict(self).keys() <= stored.keys():
            raise UserError(f"{folder} is no checkpoint of this training ({IDENTITY} lacks values): {advice}")
        differing = [
            f"{_NAMES.get(name, name)} was {_short(stored[name])} and is now {_short(now)}: "
            + _ADVICE[name].format(theirs=_short(stored[name]))
            for name, now in asdict(self).items()
            if stored[name] != now
        ]
        if differing:
            raise UserError(f"{folder} can't be continued: {'; '.join(differing)}; or begin anew in another output_dir")
        return world_size


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _short(value: object) -> str:
    if isinstance(value, list) and all(isinstance(number, int) for number in value):
        return short_repr(sum(value)) + f" in {len(value)}"
    return value if isinstance(value, str) and len(value) < _SHOWN else short_repr(value)


def _samples(method: Method) -> list[tuple[str, list[float]]]:
    """The first values of each frozen weight: another model of the same shape differs in them. In the bits that are
    left to them in mixed precision, which may differ between the parts of a run."""
    frozen = {name: p.detach().flatten()[:4].bfloat16() for name, p in method.named_parameters() if not p.requires_grad}
    return [(name, [float(f"{value:.4g}") for value in values.tolist()]) for name, values in sorted(frozen.items())]
