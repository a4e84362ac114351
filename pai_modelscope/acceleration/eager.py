"""The network as PyTorch runs it, line by line."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from pai_modelscope.adapters import set_network_loras
from pai_modelscope.families import Inputs

if TYPE_CHECKING:
    from diffusers import ModelMixin


class EagerBackend:
    """The network itself; PEFT keeps the adapters inside it."""

    name = "eager"

    def __init__(self, network: "ModelMixin") -> None:
        """`network`: a denoising network."""
        self.network = network

    @property
    def config(self) -> Mapping[str, object]:
        config: Mapping[str, object] = self.network.config
        return config

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.network.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.device
        return device

    def predict(self, sample: torch.Tensor, timestep: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        prediction: torch.Tensor = self.network(sample, timestep, **inputs, return_dict=False)[0]
        return prediction

    def use_adapters(self, weights: Mapping[str, float]) -> None:
        set_network_loras(self.network, weights)
