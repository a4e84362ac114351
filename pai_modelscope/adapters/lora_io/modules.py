"""The tensors of one module, by their names in this package, as matrices of low rank or as a change of another kind."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch

from pai_modelscope.adapters.kinds import Change, ChangeOptions, State
from pai_modelscope.adapters.lora_io.file import MAGNITUDE, A, B, LoraFile
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import AGAIN

# How a kind is known, what else its tensors may be; the first that fits.
_SIGNS: dict[str, tuple[str, set[str], set[str]]] = {
    "lora_A": ("LoRA", {"lora_B"}, {"lora_mid"}),
    "lora_B": ("LoRA", {"lora_A"}, {"lora_mid"}),
    "hada_w1_a": ("LoHa", {"hada_w1_b", "hada_w2_a", "hada_w2_b"}, {"hada_t1", "hada_t2"}),
    "lokr_w1": ("LoKr", set(), {"lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"}),
    "lokr_w1_a": ("LoKr", {"lokr_w1_b"}, {"lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"}),
    "a1": ("GLoRA", {"a2", "b1", "b2"}, {"bm"}),
    "diff": ("full", set(), set()),
    "oft_blocks": ("OFT", set(), {"rescale"}),
    "oft_R": ("OFT of PEFT", set(), set()),
    "boft_R": ("BOFT of PEFT", {"boft_s"}, set()),
    "ia3_l": ("IA3", set(), set()),
    "on_input": ("IA3", {"weight"}, set()),
    "w_norm": ("norm", set(), {"b_norm"}),
    "b_norm": ("bias", set(), set()),
    "diff_b": ("bias", set(), set()),
}
_ANYWHERE = {"diff_b", "dora_scale", "lora_magnitude_vector", "bias_indices", "bias_values", "bias_size"}
_NUMBERS = ("alpha", "scale", "scalar", "on_input")
_SPARSE = {"bias_indices", "bias_values", "bias_size"}


@dataclass(frozen=True)
class Strength:
    """What a configuration says of a module: alpha, the rank that it is divided by, and a kind's own options."""

    alpha: float | None = None
    rank: float | None = None
    options: ChangeOptions = field(default_factory=ChangeOptions)


def names_a_module(key: str) -> bool:
    """Whether a tensor's name is one of an adapter's: of a layer, and of what belongs to one of the kinds."""
    return "lora" in key or not _SIGNS.keys().isdisjoint(key.split(".")[1:])


def rank_of(piece: State) -> int | None:
    """Read the rank that a module's tensors have; None for kinds without one."""
    if "a1" in piece:
        return min(piece["a1"].flatten(1).shape) if piece["a1"].ndim > 1 else None
    return Change("", piece).rank


def add_module(lora: LoraFile, name: str, piece: State, strength: Strength, where: str) -> None:
    """Sort the tensors of 'unet.<module>' into a LoRA; `where` begins messages.

    Raises:
        UserError: for what is incomplete, of several kinds at once, or no number.
    """
    numbers = {what: number_of(piece[what], f"{where}.{what}") for what in _NUMBERS if what in piece}
    tensors = {what: tensor for what, tensor in piece.items() if what not in numbers}
    kind = _kind(piece.keys(), where)
    for what, tensor in tensors.items():
        if tensor.ndim < (2 if what in ("lora_A", "lora_B") else 1):
            shape = list(tensor.shape)
            raise UserError(f"{where}.{what} has the shape {shape}, that of no matrix: the file is damaged. {AGAIN}")
    alpha = numbers.get("alpha") if strength.alpha is None else strength.alpha
    if kind == "LoRA" and _is_plain(tensors):
        _add_lora(lora, name, tensors, alpha, numbers)
        return
    if "lora_magnitude_vector" in tensors:  # of each output
        tensors["dora_scale"] = tensors.pop("lora_magnitude_vector").flatten()
    options = strength.options.copy()
    if kind == "OFT":
        kind = "BOFT" if piece["oft_blocks"].ndim == 4 else kind
        options["constraint"] = max(numbers.get("alpha", 0.0), 0.0)  # what LyCORIS keeps there
        alpha = None
    if "on_input" in numbers:
        options["on_input"] = bool(numbers["on_input"])
    scale = numbers["scale"] if "scale" in numbers else _scale(tensors, alpha, strength)
    lora.changes[name] = Change(kind, tensors, scale * numbers.get("scalar", 1.0), options)


def number_of(tensor: torch.Tensor, where: str) -> float:
    """Read a tensor of one finite number. Raises `UserError` for any other."""
    try:
        value = float(tensor) if tensor.numel() == 1 and not tensor.is_complex() else math.nan
    except RuntimeError:  # a type that PyTorch does not calculate with
        value = math.nan
    if not math.isfinite(value):
        values = tensor.flatten()[:3].tolist() if tensor.numel() < 1000 else tuple(tensor.shape)
        raise UserError(f"{where} is {values}, no single finite number: the file is damaged. Download it again.")
    return value


def _kind(names: Collection[str], where: str) -> str:
    signs = [sign for sign in _SIGNS if sign in names]
    if not signs:
        what = ", ".join(sorted(names))
        raise UserError(f"{where} has alphas without matrices, or what belongs to them ({what}): it is incomplete.")
    kind, needed, others = _SIGNS[signs[0]]
    if missing := needed - set(names):
        which = "has only one of its two matrices" if kind == "LoRA" else f"lacks {', '.join(sorted(missing))}"
        raise UserError(f"{where} {which}: the file is incomplete. Download it again.")
    if odd := set(names) - needed - others - _ANYWHERE - {*_NUMBERS, signs[0]}:
        raise UserError(f"{where} is of kind {kind}, and has {', '.join(sorted(odd))} too: the file is damaged.")
    halves = ("lokr_w2" in names) + ({"lokr_w2_a", "lokr_w2_b"} <= set(names))
    if (kind == "LoKr" and halves != 1) or (_SPARSE & set(names) and not set(names) >= _SPARSE):
        raise UserError(f"{where} lacks a part of its factors: the file is incomplete. Download it again.")
    return kind


def _is_plain(tensors: State) -> bool:
    """Whether PEFT has a layer for it; DoRA with a magnitude for each input it has not."""
    scale = tensors.get("dora_scale")
    per_input = scale is not None and scale.ndim > 1 and scale.shape[0] == 1 != scale.numel()
    return not per_input and tensors.keys() <= {"lora_A", "lora_B", "lora_magnitude_vector", "dora_scale"}


def _add_lora(lora: LoraFile, name: str, tensors: State, alpha: float | None, numbers: dict[str, float]) -> None:
    part, _, module = name.partition(".")
    state = getattr(lora, part)
    state[module + A], state[module + B] = tensors["lora_A"], tensors["lora_B"]
    if (
        scale := tensors.get("dora_scale")
    ) is not None:  # (out, 1) or (out, 1, 1, 1); PEFT's are (out,), (1, out, 1, 1)
        state[module + MAGNITUDE] = scale.reshape((1, -1, 1, 1) if scale.ndim == 4 else (-1,))
    elif "lora_magnitude_vector" in tensors:
        state[module + MAGNITUDE] = tensors["lora_magnitude_vector"]
    rank = float(tensors["lora_A"].shape[0])
    if "scale" in numbers:
        alpha = numbers["scale"] * rank
    if "scalar" in numbers:
        alpha = (rank if alpha is None else alpha) * numbers["scalar"]
    if alpha is not None:
        lora.alphas[name] = alpha


def _scale(tensors: State, alpha: float | None, strength: Strength) -> float:
    """alpha / rank. LyCORIS takes it for 1 where a LoKr's factors are no products; PEFT does not."""
    rank = strength.rank or rank_of(tensors)
    return 1.0 if alpha is None or not rank else alpha / rank
