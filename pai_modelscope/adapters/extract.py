"""A LoRA out of two models: the best of a given rank that makes the tuned one from the base."""

from typing import Any

import torch

from pai_modelscope.adapters.lora import A, B, LoraFile, State, shorten
from pai_modelscope.errors import UserError


@torch.no_grad()
def extract_lora(tuned_unet: Any, base_unet: Any, rank: int) -> LoraFile:
    """The rank-`rank` part of each weight's change, by singular values (Eckart and Young, 1936).

    Layers that did not change get no matrices. `metadata['extracted_share']` is the share of the squared change that
    is kept; changes of biases and norms, which no LoRA holds, count as lost.
    """
    tuned, base = tuned_unet.state_dict(), base_unet.state_dict()
    _check(tuned, base, rank)
    state: State = {}
    whole = kept = 0.0
    for key, weight in tuned.items():
        change = weight.float() - base[key].to(weight.device).float()
        whole += float(change.square().sum())
        if change.ndim in (2, 4) and key.endswith(".weight") and bool(change.any()):
            pair = low_rank(change, rank)
            kept += float((pair[1].flatten(1) @ pair[0].flatten(1)).square().sum())
            for kind, matrix in zip((A, B), pair, strict=True):
                state[key.removesuffix(".weight") + kind] = matrix.cpu()
    if not state:
        raise UserError("The two models have the same layers: there is nothing to extract. Give the tuned one first.")
    return LoraFile("diffusers", unet=state, metadata={"extracted_share": f"{kept / whole:.4f}"})


def low_rank(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A (rank, in, ...) and B (out, rank, ...) whose product is nearest to `change` (out, in, ...)."""
    left, values, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
    rank = min(rank, len(values))
    root = values[:rank].sqrt()
    down, up = root[:, None] * right[:rank], left[:, :rank] * root
    if change.ndim == 4:
        return down.reshape(rank, *change.shape[1:]), up[:, :, None, None]
    return down, up.contiguous()


def _check(tuned: State, base: State, rank: int) -> None:
    if not isinstance(rank, int) or rank < 1:
        raise UserError(f"rank is {rank!r}: give a whole number of at least 1, such as 16.")
    wrong = sorted(tuned.keys() ^ base.keys()) or [key for key in tuned if tuned[key].shape != base[key].shape]
    if wrong:
        raise UserError(
            f"The two UNets differ in more than values ({shorten(wrong)}): give a model and the base that it was tuned "
            "from, without LoRAs loaded."
        )
