"""LoRAs in a pipeline: loaded beside each other, switched by weights, taken out again, or merged for good.

A `pipe` is a pipeline of diffusers, or any object that has some of its networks under the same names.
"""

import contextlib
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pai_modelscope.adapters.deltas import (
    add_changes,
    changes_off,
    deltas_of,
    merge_changes,
    remove_changes,
    switch_changes,
)
from pai_modelscope.adapters.fit import Fitted, fit
from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.layers import lora_layers
from pai_modelscope.adapters.lora_io.file import LoraFile, check_tensors, lora_config
from pai_modelscope.errors import UserError, first_few

if TYPE_CHECKING:
    from peft import LoraConfig
    from peft.tuners.lora import LoraLayer

    from pai_modelscope.adapters.layers import Network

_MERGING = "merging"  # the name of a LoRA on its way into the weights


def load_lora(pipe: object, lora: LoraFile, name: str) -> None:
    """Put a LoRA beside those that `pipe` has. It is on, at weight 1, until `set_loras` sets another.

    All names and shapes are compared first. Raises `UserError` if one does not fit, or the name is taken; the model is
    then as it was. Words that the file bundles are `lora.words`, for `load_embedding`.
    """
    _check_name(pipe, name)
    fitted = fit(pipe, check_tensors(lora, "This LoRA"))
    weights = active_loras(pipe)
    try:
        _inject_all(pipe, lora, fitted, name)
        for part, model in _models(pipe).items():
            changes = fitted[part][1] if part in fitted else {}
            add_changes(model, name, changes)
        switch_loras(pipe, {**weights, name: 1.0})
    except BaseException:
        _take_out(pipe, name)
        switch_loras(pipe, weights)
        raise


def set_loras(pipe: object, weights: Mapping[str, float]) -> None:
    """Activate exactly these of the loaded LoRAs, at these weights; those with weight 0 or not named are off.

    DoRA, and every kind that is no LoRA, is at weight w a straight line between the model and the whole of it:
    W + w (changed W - W), as the WebUI has it.
    """
    known = loaded_loras(pipe)
    if unknown := [name for name in weights if name not in known]:
        raise UserError(f"No LoRA {unknown[0]!r} is loaded; loaded are: {', '.join(known) or 'none'}. Load it first.")
    for name, weight in weights.items():
        _check_weight(name, weight)
    for model in _models(pipe).values():
        set_network_loras(model, weights)


def set_network_loras(network: nn.Module, weights: Mapping[str, float]) -> None:
    """Do what `set_loras` does for one network, in which a LoRA of another part alone changes nothing."""
    for name, weight in weights.items():
        _check_weight(name, weight)
    active = {name: weight for name, weight in weights.items() if weight}
    for layer in lora_layers(network).values():
        layer.enable_adapters(True)
        for name, weight in active.items():
            layer.set_scale(name, weight)
        _activate(layer, list(active))
    switch_changes(network, active)


def loaded_loras(pipe: object) -> list[str]:
    """List the LoRAs in `pipe`, active or not, in the order of their loading."""
    names: dict[str, None] = {}
    for model in _models(pipe).values():
        names |= dict.fromkeys([*deltas_of(model).added, *getattr(model, "peft_config", {})])
    return list(names)


def unload_lora(pipe: object, name: str) -> None:
    """Take a LoRA out; the others stay as they are, and after the last one the model is as before the first."""
    if name not in loaded_loras(pipe):
        raise UserError(f"No LoRA {name!r} is loaded; loaded are: {', '.join(loaded_loras(pipe)) or 'none'}.")
    _take_out(pipe, name)


def merge_lora(pipe: object, lora: LoraFile, weight: float = 1.0) -> None:
    """Add a LoRA to the model's own weights for good: W + weight * alpha / rank * B A; for DoRA and other kinds
    W + weight * (changed W - W). At weight 0 every tensor stays as it is.
    """
    _check_weight("to merge", weight)
    fitted = fit(pipe, check_tensors(lora, "This LoRA"))
    if lora.words:
        warnings.warn(
            f"The LoRA bundles embeddings ({', '.join(lora.words)}), which are not merged: load them beside the model.",
            stacklevel=2,
        )
    if not weight:
        return
    with contextlib.ExitStack() as stack:
        for part in fitted:
            stack.enter_context(changes_off(getattr(pipe, part)))
        _merge_low_rank(pipe, lora, fitted, weight)
        for part, (_, changes) in fitted.items():
            merge_changes(getattr(pipe, part), changes, weight)


def _merge_low_rank(pipe: object, lora: LoraFile, fitted: Fitted, weight: float) -> None:
    active = _active(pipe)
    try:
        _inject_all(pipe, lora, fitted, _MERGING)
        for part in fitted:
            for layer in lora_layers(getattr(pipe, part)).values():
                if _MERGING in layer.r:
                    layer.set_scale(_MERGING, weight)
                    layer.merge(adapter_names=[_MERGING])
                    layer.merged_adapters.clear()  # or other LoRAs on this layer would rest until it is unmerged
    finally:
        for part in fitted:
            _remove(getattr(pipe, part), _MERGING)
        _activate_all(pipe, active)


def _inject_all(pipe: object, lora: LoraFile, fitted: Fitted, name: str) -> None:
    for part, (state, _) in fitted.items():
        if state:
            _inject(getattr(pipe, part), lora_config(lora, part, state), name, state)


def _take_out(pipe: object, name: str) -> None:
    for model in _models(pipe).values():
        remove_changes(model, name)
        _remove(model, name)


def active_loras(pipe: object) -> dict[str, float]:
    """List the LoRAs that are active and their weights, with diffusers' own among them; of matrices of low rank, 1."""
    active = dict.fromkeys(_active(pipe), 1.0)
    for model in _models(pipe).values():
        active |= deltas_of(model).active
    return active


def switch_loras(pipe: object, weights: Mapping[str, float]) -> None:
    """Turn exactly these on, as `active_loras` gave them: matrices of low rank keep the scales that they have."""
    _activate_all(pipe, list(weights))
    for model in _models(pipe).values():
        switch_changes(model, weights)


def _active(pipe: object) -> list[str]:
    """The LoRAs that are active; all layers of a pipeline agree, those that a LoRA does not touch too."""
    layers = [layer for model in _models(pipe).values() for layer in lora_layers(model).values()]
    return list(dict.fromkeys(name for layer in layers for name in layer.active_adapters))


def _activate_all(pipe: object, names: list[str]) -> None:
    for model in _models(pipe).values():
        for layer in lora_layers(model).values():
            _activate(layer, names)


def _inject(model: "Network", config: "LoraConfig", name: str, state: State) -> None:
    from peft import inject_adapter_in_model, set_peft_model_state_dict

    # Without starting values, which the state would replace: half the time, and the caller's random numbers stay. The
    # tensors then become the layers' own: of the model's type, and with plain strides, or they would round otherwise.
    dtype, plain = model.dtype, torch.contiguous_format
    state = {name: tensor.to(dtype).clone(memory_format=plain) for name, tensor in state.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the adapters that are there already
        inject_adapter_in_model(config, model, adapter_name=name, state_dict=state, low_cpu_mem_usage=True)
    outcome: Any = set_peft_model_state_dict(model, state, adapter_name=name, low_cpu_mem_usage=True)
    if outcome.unexpected_keys:
        raise RuntimeError(f"PEFT did not take {first_few(outcome.unexpected_keys)}")
    model._hf_peft_config_loaded = True  # where diffusers and transformers look
    for path in lora_layers(model):
        model.get_submodule(path).train(model.training).to(model.device)


def _remove(model: "Network", name: str) -> None:
    """Take out the adapter's layers, and the wrappers around those that no other adapter uses."""
    for path, layer in lora_layers(model).items():
        if name in layer.r:
            _activate(layer, [other for other in layer.active_adapters if other != name])
            layer.delete_adapter(name)
        if not layer.r:
            parent, _, child = path.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.get_base_layer())
    getattr(model, "peft_config", {}).pop(name, None)
    if not getattr(model, "peft_config", True):
        del model.peft_config
        model._hf_peft_config_loaded = False


def _activate(layer: "LoraLayer", names: list[str]) -> None:
    """Turn exactly these on, frozen: PEFT would make them ready for training."""
    layer.set_adapter(list(names))
    for kind in layer.adapter_layer_names:
        for parameter in getattr(layer, kind).parameters():
            parameter.requires_grad_(False)


def _models(pipe: object) -> dict[str, "Network"]:
    return {part: model for part in ("unet", "text_encoder") if (model := getattr(pipe, part, None)) is not None}


def _check_name(pipe: object, name: str) -> None:
    if not name or "." in name or hasattr(nn.ModuleDict, name) or name == _MERGING:
        raise UserError(f"{name!r} can't be a LoRA's name: give one or more letters or digits, without a '.'.")
    if name in loaded_loras(pipe):
        raise UserError(f"A LoRA named {name!r} is loaded already: give another name, or unload that one first.")


def _check_weight(name: str, weight: float) -> None:
    if not isinstance(weight, int | float) or not math.isfinite(weight):
        raise UserError(f"The weight of the LoRA {name!r} is {weight!r}: give a number, such as 0.8; 0 turns it off.")
