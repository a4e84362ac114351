"""Whether a LoRA fits a model: every name and every shape is compared before anything is changed."""

import torch
from torch import nn

from pai_modelscope.adapters.kinds import Change, State, fits
from pai_modelscope.adapters.layers import WeightedLayer, base_layers, weighted_layers
from pai_modelscope.adapters.lora_io.file import MAGNITUDE, A, B, LoraFile, base_name, modules
from pai_modelscope.errors import UserError, first_few

# By part, in the model's own names: matrices that PEFT puts beside layers, and changes of weights.
Fitted = dict[str, tuple[State, dict[str, Change]]]


def fit(pipe: object, lora: LoraFile) -> Fitted:
    """Give a LoRA the names and shapes of the networks of `pipe`; raise `UserError` if anything does not fit.

    DoRA becomes a change of weights: PEFT's layers for it scale the matrices before the norm is taken.
    """
    problems: list[str] = []
    fitted: Fitted = {}
    for part in ("unet", "text_encoder"):
        state, changes = lora.parts.get(part, {}), lora.changes_of(part)
        if not state and not changes:
            continue
        model: nn.Module | None = getattr(pipe, part, None)
        layers = base_layers(model) if state and model is not None else {}
        prefix = "text_model." if part == "text_encoder" and hasattr(model, "text_model") else ""
        fitted[part] = ({}, {})
        for module in modules(state):
            layer = layers.get(prefix + module)
            piece = _shaped(state, module, layer)
            fault = _mismatch(piece, layer) if layer is not None else "missing in the model"
            if fault:
                problems.append(f"{part}.{module} ({fault})")
            elif MAGNITUDE in piece:
                fitted[part][1][prefix + module] = _dora(piece, lora.alpha(f"{part}.{module}"))
            else:
                fitted[part][0].update({f"{prefix}{module}{kind}": tensor for kind, tensor in piece.items()})
        layers = weighted_layers(model) if changes and model is not None else {}
        for module, change in changes.items():
            layer = layers.get(prefix + module)
            if layer is None or not fits(change, layer):
                problems.append(f"{part}.{module} ({_misfit(change, layer)})")
            fitted[part][1][prefix + module] = change
    if problems:
        width = getattr(getattr(pipe, "unet", None), "config", {}).get("cross_attention_dim")
        raise UserError(
            f"The LoRA does not fit the model: {len(problems)} of its {len(lora.modules)} modules don't, "
            f"{first_few(problems)}. It was made for {base_name(lora.width)}; "
            f"this model is {base_name(width)}. Nothing was loaded."
        )
    return fitted


def _mismatch(piece: State, layer: WeightedLayer) -> str:
    """Say what keeps a module's matrices from a layer, or ''."""
    weight = layer.weight.shape
    if piece[A].shape[1:] != weight[1:] or piece[B].shape[0] != weight[0] or piece[B].shape[2:].numel() != 1:
        return f"made for {piece[A].shape[1]} to {piece[B].shape[0]} channels, the model has {weight[1]} to {weight[0]}"
    if MAGNITUDE in piece and piece[MAGNITUDE].numel() != weight[0]:
        return f"{piece[MAGNITUDE].numel()} magnitudes for {weight[0]} outputs"
    return ""


def _misfit(change: Change, layer: WeightedLayer | None) -> str:
    if layer is None:
        return "missing in the model"
    return f"{change.kind}, not made for weights of {'x'.join(map(str, layer.weight.shape))}"


def _dora(piece: State, alpha: float) -> Change:
    tensors = {"lora_A": piece[A], "lora_B": piece[B], "dora_scale": piece[MAGNITUDE].flatten()}
    return Change("LoRA", tensors, alpha / piece[A].shape[0])


def _shaped(state: State, module: str, layer: WeightedLayer | None) -> State:
    """The module's tensors with a 1x1 convolution's two last dimensions added or dropped, as `layer` has them."""
    piece = {kind: state[module + kind] for kind in (A, B, MAGNITUDE) if module + kind in state}
    kernel = isinstance(layer, torch.nn.Conv2d)
    for kind in (A, B):
        tensor = piece[kind]
        if kernel and tensor.ndim == 2:
            piece[kind] = tensor[:, :, None, None]
        elif isinstance(layer, torch.nn.Linear) and tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
            piece[kind] = tensor[:, :, 0, 0]
    return piece
