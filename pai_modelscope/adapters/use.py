"""LoRAs in a pipeline: loaded beside each other, switched by weights, taken out again, or merged for good."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from pai_modelscope.adapters.lora import (
    MAGNITUDE,
    A,
    B,
    LoraFile,
    State,
    base_name,
    check_tensors,
    lora_config,
    modules,
    shorten,
)
from pai_modelscope.errors import UserError

_MERGING = "merging"  # the name of a LoRA on its way into the weights


def load_lora(pipe: Any, lora: LoraFile, name: str) -> None:
    """Put a LoRA beside those that `pipe` has. It is on, at weight 1; `set_loras` says otherwise.

    All names and shapes are compared first. Raises `UserError` if one does not fit, or the name is taken; the model is
    then as it was.
    """
    _check_name(pipe, name)
    _insert(pipe, lora, name)


def set_loras(pipe: Any, weights: Mapping[str, float]) -> None:
    """Turn on exactly these of the loaded LoRAs, at these weights; those with weight 0 or not named are off."""
    known = loaded_loras(pipe)
    if unknown := [name for name in weights if name not in known]:
        raise UserError(f"No LoRA {unknown[0]!r} is loaded; loaded are: {', '.join(known) or 'none'}. Load it first.")
    for name, weight in weights.items():
        _check_weight(name, weight)
    on = {name: weight for name, weight in weights.items() if weight}
    for model in _models(pipe).values():
        for layer in _layers(model).values():
            layer.enable_adapters(True)
            _activate(layer, list(on))
            for name, weight in on.items():
                layer.set_scale(name, weight)


def loaded_loras(pipe: Any) -> list[str]:
    """The names of the LoRAs in `pipe`, on or off, in the order of their loading."""
    return list(dict.fromkeys(name for model in _models(pipe).values() for name in getattr(model, "peft_config", {})))


def unload_lora(pipe: Any, name: str) -> None:
    """Take a LoRA out; the others stay as they are, and after the last one the model is as before the first."""
    if name not in loaded_loras(pipe):
        raise UserError(f"No LoRA {name!r} is loaded; loaded are: {', '.join(loaded_loras(pipe)) or 'none'}.")
    for model in _models(pipe).values():
        _remove(model, name)


def merge_lora(pipe: Any, lora: LoraFile, weight: float = 1.0) -> None:
    """Add a LoRA to the model's own weights for good: W + weight * alpha / rank * B A, or DoRA's form of it."""
    _check_weight("to merge", weight)
    _insert(pipe, lora, _MERGING)
    for part in lora.parts:
        model = getattr(pipe, part)
        for layer in _layers(model).values():
            if _MERGING in layer.r:
                layer.set_scale(_MERGING, weight)
                layer.merge(adapter_names=[_MERGING])
                layer.merged_adapters.clear()  # or other LoRAs on this layer would rest until it is unmerged
        _remove(model, _MERGING)


def _insert(pipe: Any, lora: LoraFile, name: str) -> None:
    fitted = _fit(pipe, check_tensors(lora, "This LoRA"))
    on = _active(pipe)
    try:
        for part, state in fitted.items():
            _inject(getattr(pipe, part), lora_config(lora, part), name, state)
        _activate_all(pipe, [*on, name])
    except BaseException:
        for part in fitted:
            _remove(getattr(pipe, part), name)
        _activate_all(pipe, on)
        raise


def _active(pipe: Any) -> list[str]:
    """The LoRAs that are on; all layers of a pipeline agree, those that a LoRA does not touch too."""
    layers = [layer for model in _models(pipe).values() for layer in _layers(model).values()]
    return list(dict.fromkeys(name for layer in layers for name in layer.active_adapters))


def _activate_all(pipe: Any, names: list[str]) -> None:
    for model in _models(pipe).values():
        for layer in _layers(model).values():
            _activate(layer, names)


def _fit(pipe: Any, lora: LoraFile) -> dict[str, State]:
    """The LoRA's parts in the model's own names and ranks of dimensions; `UserError` if anything does not fit."""
    problems: list[str] = []
    fitted: dict[str, State] = {}
    for part, state in lora.parts.items():
        model = getattr(pipe, part, None)
        layers = _bases(model) if model is not None else {}
        prefix = "text_model." if part == "text_encoder" and hasattr(model, "text_model") else ""
        fitted[part] = {}
        for module in modules(state):
            layer = layers.get(prefix + module)
            piece = _shaped(state, module, layer)
            if layer is None or problem(piece, layer):
                problems.append(f"{part}.{module} ({problem(piece, layer) if layer else 'missing in the model'})")
            else:
                fitted[part] |= {f"{prefix}{module}{kind}": tensor for kind, tensor in piece.items()}
    if problems:
        model_width = getattr(getattr(pipe, "unet", None), "config", {}).get("cross_attention_dim")
        raise UserError(
            f"The LoRA does not fit the model: {len(problems)} of its {len(lora.ranks)} modules don't, "
            f"{shorten(problems)}. It was made for {base_name(lora.width)}; "
            f"this model is {base_name(model_width)}. Nothing was loaded."
        )
    return fitted


def _shaped(state: State, module: str, layer: Any) -> State:
    """The module's tensors with a 1x1 convolution's two last dimensions added or dropped, as `layer` has them."""
    piece = {kind: state[module + kind] for kind in (A, B, MAGNITUDE) if module + kind in state}
    kernel = isinstance(layer, torch.nn.Conv2d)
    for kind in (A, B):
        tensor = piece[kind]
        if kernel and tensor.ndim == 2:
            piece[kind] = tensor[:, :, None, None]
        elif isinstance(layer, torch.nn.Linear) and tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
            piece[kind] = tensor[:, :, 0, 0]
    if MAGNITUDE in piece:
        piece[MAGNITUDE] = piece[MAGNITUDE].reshape((1, -1, 1, 1) if kernel else (-1,))
    return piece


def problem(piece: State, layer: Any) -> str:
    """What keeps a module's matrices from a layer, or ''."""
    weight = layer.weight.shape
    if piece[A].shape[1:] != weight[1:] or piece[B].shape[0] != weight[0] or piece[B].shape[2:].numel() != 1:
        return f"made for {piece[A].shape[1]} to {piece[B].shape[0]} channels, the model has {weight[1]} to {weight[0]}"
    if MAGNITUDE in piece and piece[MAGNITUDE].numel() != weight[0]:
        return f"{piece[MAGNITUDE].numel()} magnitudes for {weight[0]} outputs"
    return ""


def _inject(model: Any, config: Any, name: str, state: State) -> None:
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
        raise RuntimeError(f"PEFT did not take {shorten(outcome.unexpected_keys)}")
    model._hf_peft_config_loaded = True  # where diffusers and transformers look
    device = model.device
    for layer in _layers(model).values():
        layer.train(model.training)
        layer.to(device)


def _remove(model: Any, name: str) -> None:
    """The adapter's layers, and the wrappers around those that no other adapter uses."""
    for path, layer in _layers(model).items():
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


def _activate(layer: Any, names: list[str]) -> None:
    """PEFT would make what is on ready for training."""
    layer.set_adapter(list(names))
    for kind in layer.adapter_layer_names:
        for parameter in getattr(layer, kind).parameters():
            parameter.requires_grad_(False)


def _models(pipe: Any) -> dict[str, Any]:
    return {part: model for part in ("unet", "text_encoder") if (model := getattr(pipe, part, None)) is not None}


def _layers(model: Any) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {path: module for path, module in model.named_modules() if isinstance(module, LoraLayer)}


def _bases(model: Any) -> dict[str, Any]:
    """Every layer that can have a LoRA, by its name in the model without LoRAs."""
    wrapped = {path: layer.get_base_layer() for path, layer in _layers(model).items()}
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {path: module for path, module in model.named_modules() if isinstance(module, kinds)} | wrapped


def _check_name(pipe: Any, name: str) -> None:
    if not name or "." in name or hasattr(torch.nn.ModuleDict, name) or name == _MERGING:
        raise UserError(f"{name!r} can't be a LoRA's name: give one or more letters or digits, without a '.'.")
    if name in loaded_loras(pipe):
        raise UserError(f"A LoRA named {name!r} is loaded already: give another name, or unload that one first.")


def _check_weight(name: str, weight: float) -> None:
    if not isinstance(weight, int | float) or not math.isfinite(weight):
        raise UserError(f"The weight of the LoRA {name!r} is {weight!r}: give a number, such as 0.8; 0 turns it off.")
