"""What the training loop asks of a method: a loss, what trains, what stays, what is saved."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NotRequired, TypedDict

import torch
from torch import nn

Batch = dict[str, torch.Tensor]
Losses = dict[str, torch.Tensor]
MAIN = "main"  # the phase of methods that have one


class ParamGroup(TypedDict):
    """Parameters of one optimizer that share a learning rate; without `lr`, it is the configuration's."""

    params: list[nn.Parameter]
    lr: NotRequired[float]


@dataclass(frozen=True)
class Phase:
    """What one optimizer trains, at the steps `first`, `first + every`, ... counted from 0.

    Where several train at a step, they do so in their order, each seeing what those before it have learned.
    """

    name: str
    groups: list[ParamGroup]
    every: int = 1
    first: int = 0

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.groups for parameter in group["params"]]

    def trains_at(self, step: int) -> bool:
        return step >= self.first and (step - self.first) % self.every == 0

    def turns(self, steps: int) -> int:
        """At how many of the first `steps` steps it trains."""
        return max(0, -(-(steps - self.first) // self.every))


class Method(nn.Module, ABC):
    """A module whose forward turns a batch into losses.

    Being a module, it can be wrapped by DDP or FSDP as a whole, so that the loop needs to know nothing of its parts.
    Parts that must not train are frozen with `requires_grad_(False)` by the method's constructor.
    """

    stored_name: ClassVar[str]  # in checkpoints and model cards; the class's name, unless it is renamed
    lr_factor: Callable[[int], float] | None = None  # of the learning rate, by the step, in place of lr_scheduler
    channels_last = True  # whether its convolutions may lie so on a GPU, where that is faster

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "stored_name" not in cls.__dict__:
            cls.stored_name = cls.__name__

    @abstractmethod
    def training_step(self, batch: Batch, phase: str) -> Losses:
        """`batch` to scalars: 'loss' is minimised, the others are logged. `phase`: the name of the one that trains.

        A mean over a part of the batch comes as two, 'name:sum' and 'name:count', which may be added up over steps and
        processes; `mean_metrics` makes the mean of them.
        """

    def forward(self, batch: Batch, phase: str = MAIN) -> Losses:
        return self.training_step(batch, phase)

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was trained into a new folder, in the form in which it is used; the averaged weights are in."""

    def phases(self) -> list[Phase]:
        """What trains, by optimizer: one for everything, unless a method (a distillation, say) has several."""
        return [Phase(MAIN, self.param_groups())]

    def param_groups(self) -> list[ParamGroup]:
        return [{"params": self.trainable()}]

    def trainable(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]

    def frozen_parameters(self) -> list[nn.Parameter]:
        """What neither trains nor is written by `save`, so that it may be held in fewer bits."""
        return [p for p in self.parameters() if not p.requires_grad]

    def compilable_modules(self) -> list[nn.Module]:
        """The modules worth compiling."""
        return []

    def components(self) -> Mapping[str, object]:
        """Parts of a diffusers pipeline that it has itself, such as 'unet': validation pictures are drawn with them."""
        return {}

    def control_network(self) -> nn.Module | None:
        """The ControlNet that it has itself, which validation pictures with a control picture follow."""
        return None

    def evaluating(self) -> AbstractContextManager[None]:
        """Within it, the loss is that of evaluation: nothing is left out at random."""
        return nullcontext()


def mean_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The same with each pair 'name:sum' and 'name:count' made one mean 'name'; a mean of nothing is left out."""
    values = {name: value for name, value in metrics.items() if not name.endswith((":sum", ":count"))}
    for name, count in metrics.items():
        if name.endswith(":count") and count:
            values[name.removesuffix(":count")] = metrics[name.removesuffix("count") + "sum"] / count
    return values
