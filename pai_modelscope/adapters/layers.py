"""The layers of a model that adapters change, by their names in the model without adapters."""

from typing import Any

import torch


def lora_layers(model: Any) -> dict[str, Any]:
    """PEFT's wrappers, by name."""
    from peft.tuners.lora import LoraLayer

    return {path: module for path, module in model.named_modules() if isinstance(module, LoraLayer)}


def base_layers(model: Any) -> dict[str, Any]:
    """Every layer that can have a LoRA."""
    return _unwrapped(model, lambda module: isinstance(module, torch.nn.Linear | torch.nn.Conv2d))


def weighted_layers(model: Any) -> dict[str, Any]:
    """Every layer with a weight and a bias, or None in its place: norms too."""
    return _unwrapped(model, lambda module: isinstance(getattr(module, "weight", None), torch.Tensor))


def _unwrapped(model: Any, wanted: Any) -> dict[str, Any]:
    wrapped = {path: layer.get_base_layer() for path, layer in lora_layers(model).items()}
    return {path: module for path, module in model.named_modules() if wanted(module)} | wrapped
