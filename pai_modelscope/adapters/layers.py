"""The layers of a model that adapters change, by their names in the model without adapters."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeGuard

import torch
from torch import nn

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from peft.tuners.lora import LoraLayer
    from transformers import PreTrainedModel

    Network = ModelMixin | PreTrainedModel  # part of a pipeline


class WeightedLayer(Protocol):
    """A layer with a weight; what has no bias may lack the attribute."""

    weight: torch.Tensor
    bias: torch.Tensor | None


def lora_layers(model: nn.Module) -> dict[str, "LoraLayer"]:
    """Find PEFT's wrappers, by name."""
    from peft.tuners.lora import LoraLayer

    return {path: module for path, module in model.named_modules() if isinstance(module, LoraLayer)}


def base_layers(model: nn.Module) -> dict[str, WeightedLayer]:
    """Find every layer that can have a LoRA."""
    return _unwrapped(model, lambda module: isinstance(module, nn.Linear | nn.Conv2d))


def weighted_layers(model: nn.Module) -> dict[str, WeightedLayer]:
    """Find every layer with a weight: norms too."""
    return _unwrapped(model, _has_weight)


def _unwrapped(model: nn.Module, wanted: Callable[[nn.Module], bool]) -> dict[str, WeightedLayer]:
    """The layers that are wanted, and those that PEFT wrapped, without their wrappers."""
    layers = {path: module for path, module in model.named_modules() if wanted(module)}
    layers |= {path: layer.get_base_layer() for path, layer in lora_layers(model).items()}
    return {path: layer for path, layer in layers.items() if _has_weight(layer)}


def _has_weight(module: nn.Module) -> TypeGuard[WeightedLayer]:
    return isinstance(getattr(module, "weight", None), torch.Tensor)
