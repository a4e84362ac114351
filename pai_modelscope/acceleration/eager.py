"""The network as PyTorch runs it, line by line."""

from collections.abc import Mapping
from typing import Any

import torch

from pai_modelscope.adapters import set_network_loras
from pai_modelscope.families import Inputs


class EagerBackend:
    """The network itself; PEFT keeps the adapters inside it."""

    name = "eager"

    def __init__(self, network: Any) -> None:
        """`network`: a denoising network of diffusers."""
        self.network = network

    @property
    def config(self) -> Mapping[str, object]:
        return self.network.config

    @property
    def dtype(self) -> torch.dtype:
        return self.network.dtype

    @property
    def device(self) -> torch.device:
        return self.network.device

    def predict(self, sample: torch.Tensor, timestep: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        return self.network(sample, timestep, **inputs, return_dict=False)[0]

    def use_adapters(self, weights: Mapping[str, float]) -> None:
        set_network_loras(self.network, weights)
