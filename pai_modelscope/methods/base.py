"""The three things in which training methods differ: parameters, loss, what is saved."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn


class Method(nn.Module, ABC):
    """A module whose forward turns a batch into losses.

    Being a module, it can be wrapped by DDP or FSDP as a whole, so that the loop needs to know nothing of its parts.
    Parts that must not train are frozen with `requires_grad_(False)` by the method's constructor.
    """

    lr_factor: Callable[[int], float] | None = None  # of the learning rate, by the step, in place of lr_scheduler
    channels_last = True  # whether its convolutions may lie so on a GPU, where that is faster

    @abstractmethod
    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`batch` to scalars: 'loss' is minimised, the others are logged.

        A mean over a part of the batch comes as two, 'name:sum' and 'name:count', which may be added up over steps and
        processes; `finished` makes the mean of them.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was trained into a new folder, in the form in which it is used.

        The loop calls it with the averaged weights in, and puts the folder in the place of an earlier result.
        """

    def heavy(self) -> list[nn.Module]:
        """The modules worth compiling."""
        return []

    def trainable(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]

    def only_read(self) -> list[nn.Parameter]:
        """What neither trains nor is written by `save`, so that it may be held in fewer bits."""
        return [p for p in self.parameters() if not p.requires_grad]

    def groups(self) -> list[dict[str, Any]]:
        """What trains, as an optimizer takes it: 'params', and 'lr' where it is not the configuration's."""
        return [{"params": self.trainable()}]


def finished(metrics: dict[str, float]) -> dict[str, float]:
    """The same with each pair 'name:sum' and 'name:count' made one mean 'name'; a mean of nothing is left out."""
    values = {name: value for name, value in metrics.items() if not name.endswith((":sum", ":count"))}
    for name, count in metrics.items():
        if name.endswith(":count") and count:
            values[name.removesuffix(":count")] = metrics[name.removesuffix("count") + "sum"] / count
    return values
