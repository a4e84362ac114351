"""The three things in which training methods differ: parameters, loss, what is saved."""

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import nn


class Method(nn.Module, ABC):
    """A module whose forward turns a batch into losses.

    Being a module, it can be wrapped by DDP or FSDP as a whole, so that the loop needs to know nothing of its parts.
    Parts that must not train are frozen with `requires_grad_(False)` by the method's constructor.
    """

    @abstractmethod
    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`batch` to scalars: 'loss' is minimised, the others are logged."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was trained in the form in which it is used. The loop calls it with the averaged weights in."""

    def heavy(self) -> list[nn.Module]:
        """The modules worth compiling."""
        return []

    def trainable(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]
