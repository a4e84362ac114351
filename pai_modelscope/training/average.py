"""The average of the weights over the steps (EMA), which is what a run saves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import nn

from pai_modelscope.training.sharding import joined, like, part, whole


class Average:
    """diffusers' EMAModel; each process averages the part of the parameters that it holds, and the state is whole."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float, device: torch.device):
        self.parameters = parameters
        self.model = EMAModel(self._parts(), decay=decay, use_ema_warmup=True, power=0.75, foreach=True)
        self.model.to(device)

    def _parts(self) -> list[torch.Tensor]:
        return [part(parameter.detach()) for parameter in self.parameters]

    def step(self) -> None:
        # EMAModel averages what has a gradient, and copies the rest.
        self.model.step([value.requires_grad_(True) for value in self._parts()])

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The averages stand in the parameters' places meanwhile."""
        parts = self._parts()
        self.model.store(parts)
        self.model.copy_to(parts)
        try:
            yield
        finally:
            self.model.restore(parts)

    def state_dict(self) -> dict[str, Any]:
        state = self.model.state_dict()
        pairs = zip(state["shadow_params"], self.parameters, strict=True)
        return {**state, "shadow_params": [whole(joined(value, place.detach())) for value, place in pairs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        kept = self.model.shadow_params
        for mine, value, place in zip(kept, state["shadow_params"], self.parameters, strict=True):
            mine.copy_(part(like(value, place.detach())))
        self.model.load_state_dict({name: value for name, value in state.items() if name != "shadow_params"})
