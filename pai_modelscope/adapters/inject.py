"""Matrices of low rank put beside a model's layers, to be trained."""

import re
from collections.abc import Iterable

from torch import nn


def attach_lora(
    model: nn.Module,
    layers: Iterable[str],
    name: str,
    *,
    rank: int,
    alpha: float,
    use_dora: bool = False,
    gaussian: bool = False,
) -> None:
    """Freeze `model` and put trainable matrices beside the `layers` of these names, as PEFT's adapter `name`.

    gaussian: whether A begins with normal numbers, as in diffusers' scripts, and not with uniform ones.
    """
    from peft import LoraConfig, inject_adapter_in_model

    # A pattern, because PEFT takes the names of a list as endings: another layer's name may end so, too.
    pattern = "|".join(map(re.escape, layers))
    config = LoraConfig(
        target_modules=pattern,
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # PEFT calculates with any number
        use_dora=use_dora,
        init_lora_weights="gaussian" if gaussian else True,
    )
    inject_adapter_in_model(config, model, name)
    for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in parameter_name)
