"""What adapters of each kind do to a layer's weight: the formulas of LyCORIS and of PEFT, on plain tensors.

LoRA: Hu et al. 2021, arXiv:2106.09685. DoRA: Liu et al. 2024, arXiv:2402.09353. LoHa, LoKr, GLoRA, full, IA3, norms,
Tucker factors: Yeh et al. 2023 (LyCORIS), arXiv:2309.14859. OFT: Qiu et al. 2023, arXiv:2306.07280. BOFT: Liu et al.
2023, arXiv:2311.06243. A layer's weight W is (out, in, ...); a change is what is added to it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import torch
from torch import Tensor

from pai_modelscope import limits
from pai_modelscope.adapters.layers import WeightedLayer

State = dict[str, Tensor]
Pair = tuple[Tensor | None, Tensor | None]


class ChangeOptions(TypedDict, total=False):
    """What a formula needs beside tensors: IA3 `on_input`, LyCORIS' OFT `constraint`, PEFT's OFT the others."""

    on_input: bool
    constraint: float
    coft: bool
    eps: float
    block_share: bool
    use_cayley_neumann: bool
    num_cayley_neumann_terms: int


@dataclass(frozen=True)
class Change:
    """What a file does to one layer beyond two plain low-rank matrices.

    Args:
        kind: a name of `KINDS`.
        tensors: by the names that LyCORIS or PEFT gives them, such as 'hada_w1_a'; a LoRA's are 'lora_A' and 'lora_B'.
        scale: alpha / rank, and whatever else the file multiplies by.
        options: what the formula of the kind needs beside tensors.
    """

    kind: str
    tensors: State
    scale: float = 1.0
    options: ChangeOptions = field(default_factory=ChangeOptions)

    @property
    def rank(self) -> int | None:
        """None for kinds without one."""
        name = next((name for name in _RANKED if name in self.tensors), None)
        return self.tensors[name].shape[0] if name else None

    @property
    def width(self) -> int | None:
        """How many inputs the layer has that it was made for; None where no tensor tells."""
        shapes = {name: tensor.shape for name, tensor in self.tensors.items() if tensor.ndim > 1}
        for name in ("lora_A", "hada_w1_b", "diff"):
            if name in shapes:
                return shapes[name][1]
        if self.kind == "LoKr":
            first, second = (
                shapes.get("lokr_w1", shapes.get("lokr_w1_b")),
                shapes.get("lokr_w2", shapes.get("lokr_w2_b")),
            )
            return first[1] * second[1] if first and second else None
        return max(shapes["a1"]) if "a1" in shapes else None

    @property
    def is_dora(self) -> bool:
        return "dora_scale" in self.tensors

    def delta(self, weight: Tensor, bias: Tensor | None) -> Pair:
        """Compute what is added to a layer's weight and to its bias, at weight 1; None where nothing is.

        Raises:
            RuntimeError: the shapes don't fit, as PyTorch says it.
        """
        tensors = {name: tensor.to(weight.device, weight.dtype) for name, tensor in self.tensors.items()}
        return _weight(self, tensors, weight), _bias(self, tensors, bias)


def fits(change: Change, layer: WeightedLayer) -> bool:
    """Whether a change can be made to a layer, tried on tensors without memory."""
    weight = torch.empty(layer.weight.shape, device="meta")
    bias = None if layer.bias is None else torch.empty(layer.bias.shape, device="meta")
    try:
        change.delta(weight, bias)
    except Exception:  # whatever shapes and types that nobody made on purpose set off in there
        return False
    return True


def _weight(change: Change, tensors: State, weight: Tensor) -> Tensor | None:
    formula = KINDS[change.kind]
    if formula is None:
        return None
    delta = formula(tensors, weight, change.options)
    if delta.numel() != weight.numel() or delta.shape[0] != weight.shape[0]:
        raise ValueError(f"{tuple(delta.shape)} is not {tuple(weight.shape)}")
    delta = delta.reshape(weight.shape)
    if "bias_values" in tensors:  # LyCORIS' sparse remainder of an extracted LoRA
        delta = delta + sparse(change.tensors, weight)
    delta = delta * change.scale
    return dora(weight + delta, tensors["dora_scale"]) - weight if change.is_dora else delta


def _bias(change: Change, tensors: State, bias: Tensor | None) -> Tensor | None:
    delta = tensors.get("diff_b", tensors.get("b_norm"))
    if "ia3_l" in tensors and not change.options["on_input"]:  # PEFT multiplies what the layer gives, bias and all
        return None if bias is None else bias * (tensors["ia3_l"].reshape(-1) - 1)
    if delta is None:
        return None
    if bias is None or delta.numel() != bias.numel():
        raise ValueError("no bias of that size")
    return delta.reshape(bias.shape)


def dora(weight: Tensor, magnitude: Tensor) -> Tensor:
    """m W / |W|: `magnitude` (out, 1, ...), the norm over each output's inputs, or (1, in, ...), over each input's
    outputs."""
    if magnitude.ndim > 1 and magnitude.shape[0] == 1 != weight.shape[0]:
        dims = [dim for dim in range(weight.ndim) if dim != 1]
    else:
        dims = list(range(1, weight.ndim))
    norm: Tensor = torch.linalg.vector_norm(weight, dim=dims, keepdim=True)
    if magnitude.numel() != norm.numel():
        raise ValueError(f"{magnitude.numel()} magnitudes for {norm.numel()}")
    return weight * (magnitude.reshape(norm.shape) / norm.clamp_min(torch.finfo(norm.dtype).tiny))


def sparse(tensors: State, weight: Tensor) -> Tensor:
    """The weight-shaped tensor of `bias_indices` (dimensions, n), `bias_values` (n,) and `bias_size`."""
    if not 1 <= tensors["bias_size"].numel() <= weight.ndim:  # two where a kernel was laid flat
        raise ValueError("a sparse remainder of other dimensions")
    size = [int(n) for n in tensors["bias_size"].tolist()]
    places, bounds = tensors["bias_indices"].long(), torch.tensor(size)[:, None]
    if math.prod(size) != weight.numel() or not size or size[0] != weight.shape[0]:
        raise ValueError("a sparse remainder of another size")
    if places.shape != (len(size), tensors["bias_values"].numel()) or not ((places >= 0) & (places < bounds)).all():
        raise ValueError("a sparse remainder with places outside of it")
    if weight.is_meta:
        return weight
    full = torch.zeros(size, dtype=weight.dtype, device=weight.device)
    full.index_put_(tuple(places.to(weight.device)), tensors["bias_values"].to(full).flatten(), accumulate=True)
    return full.reshape(weight.shape)


def _check_equal(first: Sequence[int], second: Sequence[int]) -> None:
    """Raise `ValueError` for sizes that PyTorch would make equal by repeating what is one."""
    if tuple(first) != tuple(second):
        raise ValueError(f"{tuple(first)} is not {tuple(second)}")


def _tucker(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """(out, in, ...) of `core` (r, s, ...), `left` (r, out) and `right` (s, in)."""
    _check_equal(core.shape[:2], (left.shape[0], right.shape[0]))
    if core[0].numel() * left.shape[1] > limits.FACTOR_NUMBERS:
        raise ValueError("factors too large for what they make")
    return torch.einsum("rs...,ro,si->oi...", core, left, right)


def _lora(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    down, up = t["lora_A"].flatten(1), t["lora_B"].flatten(1)
    return _tucker(t["lora_mid"], up.T, down) if "lora_mid" in t else up @ down


def _loha(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """The product, number by number, of two products of matrices."""
    if "hada_t1" in t:
        first, second = (_tucker(t[f"hada_t{i}"], t[f"hada_w{i}_a"], t[f"hada_w{i}_b"]) for i in (1, 2))
    else:
        first, second = (t[f"hada_w{i}_a"].flatten(1) @ t[f"hada_w{i}_b"].flatten(1) for i in (1, 2))
    _check_equal(first.shape, second.shape)
    return first * second


def _lokr(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """The Kronecker product of two matrices, each of which may be a product itself."""
    first = t["lokr_w1"] if "lokr_w1" in t else t["lokr_w1_a"] @ t["lokr_w1_b"]
    if "lokr_w2" in t:
        second = t["lokr_w2"]
    elif "lokr_t2" in t:
        second = _tucker(t["lokr_t2"], t["lokr_w2_a"], t["lokr_w2_b"])
    else:
        second = t["lokr_w2_a"].flatten(1) @ t["lokr_w2_b"].flatten(1)
    return torch.kron(first.reshape(*first.shape, *[1] * (second.ndim - 2)), second.contiguous())


def _glora(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """W A + B. Until LyCORIS 3, a1 and b1 were the factors that read the input; now a2 and b2 are."""
    first, second = t["a1"].flatten(1), t["a2"].flatten(1)
    below, above = t["b2"], t["b1"].flatten(1)
    if first.shape[0] != weight.shape[1]:
        first, second, below, above = second, first, t["b1"], t["b2"].flatten(1)
    plain = _tucker(t["bm"], above.T, below.flatten(1)) if "bm" in t else above @ below.flatten(1)
    _check_equal((*first.shape, second.shape[1]), (weight.shape[1], second.shape[0], weight.shape[1]))
    turned = torch.einsum("oi...,ir,rj->oj...", weight, first, second)
    return turned + plain.reshape(weight.shape)


def _full(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    return t["diff"]


def _norm(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    return t["w_norm"]


def _ia3(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """W times numbers for each output, or for each input; LyCORIS keeps them less 1."""
    numbers = t["ia3_l"].reshape(-1) - 1 if "ia3_l" in t else t["weight"].reshape(-1)
    return _scaled(weight, numbers, dim=1 if options["on_input"] else 0)


def _scaled(weight: Tensor, numbers: Tensor, dim: int = 0) -> Tensor:
    """The weight times a number for each output, or for each input (`dim` 1)."""
    numbers = numbers.reshape(-1)
    _check_equal(numbers.shape, (weight.shape[dim],))
    return weight * numbers.reshape([-1 if axis == dim else 1 for axis in range(weight.ndim)])


def _cayley(blocks: Tensor, constraint: float) -> Tensor:
    """(I + Q)(I - Q)^-1 of Q = B - B^T, whose norm may be held below a constraint: orthogonal blocks."""
    _check_equal(blocks.shape[-2:], blocks.shape[:-3:-1])
    skew = blocks - blocks.mT
    if constraint > 0:
        norm = torch.linalg.vector_norm(skew) + 1e-8
        skew = skew * torch.clamp(constraint / norm, max=1.0)
    identity = torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    inverse: Tensor = torch.linalg.inv(identity - skew)
    return (identity + skew) @ inverse


def _oft(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """Each block of outputs turned; `oft_blocks` (n, b, b) for n b outputs."""
    count, size, _ = t["oft_blocks"].shape
    turns = _cayley(t["oft_blocks"], options["constraint"] * weight.shape[0])
    turned = torch.einsum("knm,kn...->km...", turns, weight.reshape(count, size, *weight.shape[1:]))
    return _rescaled(turned.reshape(weight.shape), t) - weight


def _boft(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """As `_oft`, in stages between which the outputs are shuffled; `oft_blocks` (stages, n, b, b)."""
    turned = weight
    size = t["oft_blocks"].shape[-1]
    for stage, turns in enumerate(_cayley(t["oft_blocks"], options["constraint"] * weight.shape[0])):
        step = 2**stage * (size // 2)
        shuffled = torch.unflatten(turned, 0, (-1, 2, step)).transpose(1, 2).flatten(0, 2)
        shuffled = torch.unflatten(shuffled, 0, (-1, size))
        _check_equal(turns.shape[:1], shuffled.shape[:1])
        shuffled = torch.einsum("bij,bj...->bi...", turns, shuffled).flatten(0, 1)
        turned = torch.unflatten(shuffled, 0, (-1, step, 2)).transpose(1, 2).flatten(0, 2)
    return _rescaled(turned, t) - weight


def _rescaled(weight: Tensor, t: State) -> Tensor:
    return _scaled(weight, t["rescale"]) if "rescale" in t else weight


def _peft_oft(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """PEFT turns each block of inputs; `oft_R` (n, b (b - 1) / 2) holds what lies above the diagonals."""
    from peft.tuners.oft.layer import OFTRotationModule

    count = t["oft_R"].shape[1]
    size = (1 + math.isqrt(1 + 8 * count)) // 2
    if size * (size - 1) // 2 != count:
        raise ValueError("no triangle")
    flat = weight.flatten(1)
    with torch.device(weight.device):
        module = OFTRotationModule(  # type: ignore[no-untyped-call]
            t["oft_R"].shape[0],
            count,
            size,
            flat.shape[1],
            coft=options["coft"],
            eps=options["eps"],
            block_share=options["block_share"],
        )
        vectors = t["oft_R"]
        if options["coft"]:
            vectors = module._project_batch(vectors, eps=options["eps"])  # type: ignore[no-untyped-call]
        turns = module._cayley_batch(vectors, size, options["use_cayley_neumann"], options["num_cayley_neumann_terms"])
    parts = flat.reshape(flat.shape[0], -1, size)
    turned = torch.einsum("orj,rij->ori", parts, turns.expand(parts.shape[1], -1, -1))
    return turned.reshape(weight.shape) - weight


def _peft_boft(t: State, weight: Tensor, options: ChangeOptions) -> Tensor:
    """PEFT's BOFT: inputs shuffled, turned in blocks and shuffled back, `boft_R` (stages, n, b, b); then `boft_s`."""
    from peft.tuners.boft.layer import BOFTLayer

    stages, count, size, _ = t["boft_R"].shape
    columns = weight.flatten(1).T
    _check_equal((count * size, size), (len(columns), t["boft_R"].shape[-1]))
    skew = 0.5 * (t["boft_R"] - t["boft_R"].mT)
    identity = torch.eye(size, dtype=weight.dtype, device=weight.device)
    for stage, turns in enumerate(torch.linalg.solve(identity + skew, identity - skew, left=False)):
        # The method makes no use of its layer.
        order = BOFTLayer.block_butterfly_perm(  # type: ignore[no-untyped-call]
            None,  # type: ignore[arg-type]
            len(columns),
            count // 2**stage,
            size // 2,
            stages - 1,
        )
        back = torch.argsort(order).to(weight.device)
        columns = columns[back].reshape(count, size, -1)
        columns = (turns @ columns).flatten(0, 1)[order.to(weight.device)]
    return _scaled(columns.T.reshape(weight.shape), t["boft_s"]) - weight


Formula = Callable[[State, Tensor, ChangeOptions], Tensor]
KINDS: dict[str, Formula | None] = {
    "LoRA": _lora,
    "LoHa": _loha,
    "LoKr": _lokr,
    "GLoRA": _glora,
    "full": _full,
    "IA3": _ia3,
    "OFT": _oft,
    "BOFT": _boft,
    "OFT of PEFT": _peft_oft,
    "BOFT of PEFT": _peft_boft,
    "norm": _norm,
    "bias": None,
}
# The tensors whose first dimension is the rank.
_RANKED = ("lora_A", "hada_w1_b", "lokr_w1_b", "lokr_w2_b")
