"""A run that learns nothing is stopped: its gradient is exactly zero on all that trains."""

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import nn

from pai_modelscope.errors import UserError
from pai_modelscope.training.sharding import part

# Steps in a row. Some are so by chance: where the captions are dropped that hold the word which is learned.
PATIENCE = 16


class GradientWatch:
    """Counts on the device the steps in a row whose gradient is zero although their loss is not.

    A loss of exactly zero, such as that of a batch whose masks are empty, tells nothing and is not counted. Each
    process counts by the gradients that it holds; all are zero where every process has counted.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], device: torch.device, begun: int):
        """`begun`: the step that the run goes on from; 0 for a new one."""
        self._parameters, self._begun = parameters, begun
        self._zeros = torch.zeros((), device=device)
        self._moved = torch.zeros((), dtype=torch.bool, device=device)
        self._steps = 0
        self._alive = False  # in any process, as far as the host knows

    @property
    def wonders(self) -> bool:
        """Whether the host is to ask at this step: at the first, and then only while it has seen nothing move."""
        return not self._alive and 0 < self._steps <= PATIENCE

    @torch.no_grad()
    def see(self, loss: torch.Tensor, norm: torch.Tensor | None) -> None:
        """A step's loss and gradients, before they are cleared. `norm`: their length, if somebody has computed it."""
        # The square of what is very small is zero: until something has moved, the gradients themselves are looked at.
        size = norm if self._alive and norm is not None else self._largest()
        size = norm if size is None else size  # DeepSpeed keeps gradients to itself
        if size is None:
            return
        moved = size.detach() != 0  # nan is not zero
        idle = ~moved & (loss.detach() != 0)
        self._zeros = torch.where(moved, torch.zeros_like(self._zeros), self._zeros + idle)
        self._moved = self._moved | moved
        self._steps += 1

    def stop_if_idle(self, accelerator: Accelerator, last: bool) -> None:
        """Raise `UserError` after so many steps without a gradient, or after the `last` of a run that never had one.
        Waits for the device."""
        rows = accelerator.gather(torch.stack([self._zeros, self._moved.float()])[None]).tolist()
        zeros, self._alive = min(row[0] for row in rows), any(row[1] for row in rows)
        never = last and self._steps > 1 and not self._begun and not self._alive
        if zeros >= PATIENCE or never:
            steps = self._steps if never else int(zeros)
            raise UserError(
                f"nothing is learned: in the last {steps} steps the gradient was exactly zero on all that trains "
                f"({len(self._parameters)} tensors): see to it that the captions hold the word that is learned, that "
                "caption_dropout leaves some of them, and that masks and weights of the loss are not all 0"
            )

    def _largest(self) -> torch.Tensor | None:
        """The largest number of the gradients that this process holds; 0 if there is none, None if it holds nothing."""
        gradients = [part(weight.grad) for weight in self._parameters if weight.grad is not None]
        gradients = [gradient for gradient in gradients if gradient.numel()]
        if not gradients:
            return None
        return torch.stack([norm.float() for norm in torch._foreach_norm(gradients, float("inf"))]).max()
