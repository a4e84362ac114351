"""What is logged of the losses, and when a run is to stop over them, without waiting for the device every step."""

import math
import statistics
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from pai_modelscope.errors import UserError, first_few
from pai_modelscope.methods.base import mean_metrics
from pai_modelscope.training.sample_order import Order
from pai_modelscope.training.source import Source

_ENOUGH, _MEMORY = 5, 100  # logged losses before a median means something, and how many it is of
_SMOOTH = 0.1  # a step's share of the smoothed loss; a batch of early timesteps alone is no explosion
_NAMED = 8  # files that an error names


class Meter:
    """Means of metrics over all batches and processes since the last `read`; values that are not finite are left out.

    Names that end in ':sum' and ':count' are added up, and logged as one mean."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def add(self, metrics: dict[str, torch.Tensor]) -> None:
        for name, value in metrics.items():
            value = value.detach().float()
            counts = torch.isfinite(value)
            value = torch.where(counts, value, torch.zeros_like(value))
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts[name] + counts if name in self._counts else counts.float()

    def read(self, accelerator: Accelerator) -> dict[str, float]:
        names = list(self._sums)
        if not names:
            return {}
        stacked = torch.stack([torch.stack([self._sums[name], self._counts[name]]) for name in names])
        sums, counts = accelerator.reduce(stacked, "sum").unbind(1)
        self._sums, self._counts = {}, {}
        values: dict[str, float] = {}
        for name, total, count in zip(names, sums.tolist(), counts.tolist(), strict=True):
            if name.endswith((":sum", ":count")):
                values[name] = total
            elif count:
                values[name] = total / count
        return mean_metrics(values)


@dataclass(frozen=True)
class Bad:
    """The first step whose loss can't be gone on from, and which processes saw it."""

    step: int
    loss: float
    processes: list[int]
    median: float
    micro: int  # samples that a process takes at once


class Watch:
    """Remembers on the device the first step (from 0) whose loss is not finite, or far above what is usual."""

    def __init__(self, ratio: float, micro: int, device: torch.device):
        self._ratio, self._micro = ratio, micro
        self._usual: deque[float] = deque(maxlen=_MEMORY)
        self._begin = 0.0
        self._limit = torch.tensor(torch.inf, device=device)
        self._smooth: torch.Tensor | None = None
        self._step = torch.tensor(-1.0, dtype=torch.float64, device=device)
        self._loss = torch.tensor(0.0, dtype=torch.float64, device=device)

    @torch.no_grad()
    def see(self, loss: torch.Tensor, step: int) -> None:
        loss = loss.detach().float()
        self._smooth = loss if self._smooth is None else self._smooth.lerp(loss, _SMOOTH)
        first = (self._step < 0) & (~torch.isfinite(loss) | (self._smooth > self._limit))
        self._step.masked_fill_(first, step)
        self._loss = torch.where(first, loss.double(), self._loss)

    def usual(self, loss: float) -> None:
        """A logged loss, by which later ones are judged: also those above the first are called an explosion only."""
        self._begin = self._begin or loss
        self._usual.append(loss)
        if self._ratio and len(self._usual) >= _ENOUGH:
            self._limit.fill_(max(self._ratio * statistics.median(self._usual), self._begin))

    def bad(self, accelerator: Accelerator) -> Bad | None:
        """Waits for the device."""
        rows = accelerator.gather(torch.stack([self._step, self._loss])[None]).tolist()
        steps = [step for step, _ in rows if step >= 0]
        if not steps:
            return None
        those = [i for i, (step, _) in enumerate(rows) if step == min(steps)]
        median = statistics.median(self._usual or [0.0])
        return Bad(int(min(steps)), rows[those[0]][1], those, median, self._micro)

    def stop_if_bad(self, accelerator: Accelerator, order: Order, source: Source, last: Path | None) -> None:
        """Raises `UserError` with the step, the files of its batch if `source` can name them, and advice; `last`: the
        newest checkpoint. Waits for the device."""
        if not (bad := self.bad(accelerator)):
            return
        finite = math.isfinite(bad.loss)
        what = f"exploded to {bad.loss:.4g}, its median being {bad.median:.4g}," if finite else f"is {bad.loss}"
        then = "in another output_dir begin anew"
        if last:
            then = f"go on from {last.name} with resume_from_checkpoint='latest'"
        raise UserError(
            f"the loss {what} at step {bad.step + 1}{_files(bad, accelerator, order, source)}: look at these samples, "
            f"lower learning_rate or max_grad_norm, with fp16 try bf16 or no mixed_precision, and {then}"
        )


def _files(bad: Bad, accelerator: Accelerator, order: Order, source: Source) -> str:
    """Of the processes that saw it; the order is a function of the step, so nothing was remembered."""
    names = getattr(source, "names", None)
    if names is None:
        return ""
    turns = order.indices(bad.step).view(-1, accelerator.num_processes, bad.micro)
    files = [str(name) for name in names(order.bucket(bad.step), turns[:, bad.processes].flatten())]
    return f", on {first_few(files, _NAMED)}"
