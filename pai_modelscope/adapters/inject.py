"""Matrices of low rank put beside a model's layers, to be trained."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn


def attach_lora(model: nn.Module, layers: Iterable[str], name: str, **config: Any) -> None:
    """Freeze `model` and put trainable matrices beside the `layers` of these names, as PEFT's adapter `name`.

    config: what else a `LoraConfig` has, such as r and lora_alpha.
    """
    from peft import LoraConfig, inject_adapter_in_model

    # A pattern, because PEFT takes the names of a list as endings: another layer's name may end so, too.
    pattern = "|".join(map(re.escape, layers))
    inject_adapter_in_model(LoraConfig(target_modules=pattern, **config), model, name)
    for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in parameter_name)
