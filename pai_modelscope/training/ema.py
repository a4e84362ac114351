"""The average of the weights over the steps (EMA), which is what a run saves."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from pai_modelscope.training.sharding import joined, like, part, whole

POWER = 0.75  # of diffusers' training scripts: a young average forgets the begin sooner


class Average:
    """w_mean = decay * w_mean + (1 - decay) * w after each step (Polyak & Juditsky 1992), in float32.

    Weights in float32 are taken in one call, a single pass over the memory right behind the optimizer's. The decay
    rises with the steps as in diffusers' EMAModel, 1 - (1 + step) ** -0.75, up to `decay`. Each process averages the
    part of the parameters that it holds, and the state is whole.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float):
        self.parameters, self.decay, self.steps = parameters, decay, 0
        self.values = [value.float().clone(memory_format=torch.preserve_format) for value in self._parts()]

    def _parts(self) -> list[torch.Tensor]:
        return [part(parameter.detach()) for parameter in self.parameters]

    def current_decay(self) -> float:
        """Of the step that comes, or has just been counted."""
        return min(1 - self.steps**-POWER, self.decay) if self.steps > 1 else 0.0

    @torch.no_grad()
    def step(self) -> None:
        self.steps += 1
        share, parts = 1 - self.current_decay(), self._parts()
        alike = [i for i, now in enumerate(parts) if now.dtype == torch.float32]
        if alike:
            torch._foreach_lerp_([self.values[i] for i in alike], [parts[i] for i in alike], share)
        for i in set(range(len(parts))).difference(alike):  # one by one: all in float32 would be twice their memory
            self.values[i].lerp_(parts[i].float(), share)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The averages stand in the parameters' places meanwhile."""
        parts = self._parts()
        kept = [value.clone() for value in parts]
        torch._foreach_copy_(parts, self.values)
        try:
            yield
        finally:
            torch._foreach_copy_(parts, kept)

    def state_dict(self) -> dict[str, object]:
        pairs = zip(self.values, self.parameters, strict=True)
        return {
            "optimization_step": self.steps,
            "shadow_params": [whole(joined(value, place.detach())) for value, place in pairs],
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        steps, averages = state["optimization_step"], state["shadow_params"]
        assert isinstance(steps, int) and isinstance(averages, list)
        self.steps = steps
        for average, value, place in zip(self.values, averages, self.parameters, strict=True):
            average.copy_(part(like(value, place.detach().float())))
