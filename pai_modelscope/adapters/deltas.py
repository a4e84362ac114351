"""Changes of weights that are switched on and off without a trace.

A LoRA's two matrices work beside a layer. What has no such form is added to the layer's own weight, each at its weight:
W + sum of w_i (change_i of W). The changes are all of the model's own W, as the WebUI has it, so their order is of no
matter. Before the first change the weight is copied, and what is switched off is copied back: every bit is as before.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from pai_modelscope.adapters.kinds import Change
from pai_modelscope.adapters.layers import WeightedLayer, weighted_layers
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import AGAIN

_ATTRIBUTE = "weight_changes"  # of the model, as `peft_config` is
Changes = Mapping[str, Change]  # by the layer's name


@dataclass
class Deltas:
    """The changes that were added to a model, the weights of those that are active, and the layers' own weights."""

    added: dict[str, Changes] = field(default_factory=dict)  # by the LoRA's name
    active: dict[str, float] = field(default_factory=dict)
    applied: dict[str, dict[str, float]] = field(default_factory=dict)  # by the layer's name
    originals: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)  # 'weight' and 'bias' of a layer


def deltas_of(model: nn.Module) -> Deltas:
    """The changes of a model's weights; empty, and not kept, for a model that has none."""
    return getattr(model, _ATTRIBUTE, None) or Deltas()


def add_changes(model: nn.Module, name: str, changes: Changes) -> None:
    """Add changes to a model, switched off."""
    if changes:
        deltas = deltas_of(model)
        deltas.added[name] = dict(changes)
        setattr(model, _ATTRIBUTE, deltas)


def remove_changes(model: nn.Module, name: str) -> None:
    """Take the changes of a LoRA out; every weight is as it would be without them."""
    deltas = deltas_of(model)
    switch_changes(model, {other: weight for other, weight in deltas.active.items() if other != name})
    deltas.added.pop(name, None)
    if not deltas.added and hasattr(model, _ATTRIBUTE):
        delattr(model, _ATTRIBUTE)


def switch_changes(model: nn.Module, weights: Mapping[str, float]) -> None:
    """Turn exactly these on, as far as they are known; the others, and those at weight 0, are off."""
    deltas = deltas_of(model)
    deltas.active = {name: weight for name, weight in weights.items() if weight and name in deltas.added}
    wanted: dict[str, dict[str, float]] = {}
    for name, weight in deltas.active.items():
        for path in deltas.added[name]:
            wanted.setdefault(path, {})[name] = weight
    # Where there are originals and nothing is applied, an interrupt came between the two.
    known = wanted | deltas.applied | dict.fromkeys(deltas.originals)
    different = [path for path in known if path not in deltas.applied or wanted.get(path) != deltas.applied[path]]
    layers = weighted_layers(model) if different else {}
    for path in different:
        _apply(layers[path], path, deltas, wanted.get(path, {}))


def merge_changes(model: nn.Module, changes: Changes, weight: float) -> None:
    """Add the changes to the model's own weights for good; active changes are of the new weights then."""
    if not weight:
        return
    with changes_off(model):
        layers = weighted_layers(model)
        for path, change in changes.items():  # all of them first: a file that is damaged leaves the model as it was
            _changed(layers[path], path, _originals(layers[path]), [(change, weight)])
        for path, change in changes.items():
            _store(layers[path], _changed(layers[path], path, _originals(layers[path]), [(change, weight)]))


@contextmanager
def changes_off(model: nn.Module) -> Iterator[None]:
    """Switch all changes off within the block, for what changes the model's own weights for good."""
    active = dict(deltas_of(model).active)
    switch_changes(model, {})
    try:
        yield
    finally:
        switch_changes(model, active)


@torch.no_grad()
def _apply(layer: WeightedLayer, path: str, deltas: Deltas, weights: Mapping[str, float]) -> None:
    """Give a layer the weight and bias that these changes make of its originals."""
    if path not in deltas.originals:
        deltas.originals[path] = _originals(layer)
    originals = deltas.originals[path]
    deltas.applied.pop(path, None)
    for name, original in originals.items():
        getattr(layer, name).copy_(original)
    if weights:
        changes = [(deltas.added[name][path], weight) for name, weight in weights.items()]
        _store(layer, _changed(layer, path, originals, changes))
        deltas.applied[path] = dict(weights)
    else:
        del deltas.originals[path]


@torch.no_grad()
def _store(layer: WeightedLayer, changed: Mapping[str, torch.Tensor]) -> None:
    """Copy values into a layer, rounded once, to the layer's type."""
    for name, value in changed.items():
        getattr(layer, name).copy_(value)


def _originals(layer: WeightedLayer) -> dict[str, torch.Tensor]:
    parameters = {"weight": layer.weight, "bias": getattr(layer, "bias", None)}
    return {name: value.detach().cpu().clone() for name, value in parameters.items() if value is not None}


@torch.no_grad()
def _changed(
    layer: WeightedLayer, path: str, originals: Mapping[str, torch.Tensor], changes: list[tuple[Change, float]]
) -> dict[str, torch.Tensor]:
    """Compute weight and bias with the changes, in float32, or in the layer's type where that is finer.

    Raises `UserError` where a change is no finite number.
    """
    device, finer = layer.weight.device, torch.promote_types(layer.weight.dtype, torch.float32)
    whole = {name: value.to(device, finer) for name, value in originals.items()}
    sums: dict[str, torch.Tensor] = {}
    for change, weight in changes:
        try:
            deltas = change.delta(whole["weight"], whole.get("bias"))
        except torch.linalg.LinAlgError as error:  # of numbers so large that a matrix has no inverse
            raise _damaged(path) from error
        for name, delta in zip(("weight", "bias"), deltas, strict=True):
            if delta is not None:
                sums[name] = sums.get(name, 0) + weight * delta
    if not all(bool(delta.isfinite().all()) for delta in sums.values()):
        raise _damaged(path)
    return {name: whole[name] + delta for name, delta in sums.items()}


def _damaged(path: str) -> UserError:
    return UserError(f"This LoRA changes {path} by numbers that are not finite: its file is damaged. {AGAIN}")
