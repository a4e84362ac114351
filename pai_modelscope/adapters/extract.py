"""A LoRA out of two models: the best of a given rank that makes the tuned one from the base."""

import torch
from torch import nn

from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import A, B, LoraFile
from pai_modelscope.errors import UserError, first_few

_PLURAL = {"unet": "UNets", "text_encoder": "text encoders"}


@torch.no_grad()
def extract_lora(
    tuned_unet: nn.Module,
    base_unet: nn.Module,
    rank: int,
    *,
    text_encoders: tuple[nn.Module, nn.Module] | None = None,
) -> LoraFile:
    """Make a LoRA of the best rank-`rank` part of each weight's change, by singular values (Eckart and Young, 1936).

    `text_encoders`: the tuned one and the base's, if these are to be compared too. Layers that did not change get no
    matrices. `metadata['extracted_share']` is the share of the squared change that is kept; changes of biases, norms
    and embeddings, which no LoRA holds, count as lost.
    """
    pairs = {"unet": (tuned_unet, base_unet)} | ({"text_encoder": text_encoders} if text_encoders else {})
    for part, (tuned, base) in pairs.items():
        _check(tuned.state_dict(), base.state_dict(), rank, part)
    lora = LoraFile("diffusers")
    whole = kept = 0.0
    for part, (tuned, base) in pairs.items():
        state, all_of_it, held = _changes(tuned, base, rank)
        getattr(lora, part).update(state)
        whole, kept = whole + all_of_it, kept + held
    if not lora.parts:
        raise UserError("The two models have the same layers: there is nothing to extract. Give the tuned one first.")
    lora.metadata["extracted_share"] = f"{kept / whole:.4f}"
    return lora


def _changes(tuned: nn.Module, base: nn.Module, rank: int) -> tuple[State, float, float]:
    """The matrices of each layer that changed; the squared change of all weights, and what of it the matrices hold."""
    layers = {name for name, module in tuned.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}
    before = base.state_dict()
    state: State = {}
    whole = kept = 0.0
    for key, weight in tuned.state_dict().items():
        change = weight.float() - before[key].to(weight.device).float()
        whole += float(change.square().sum())
        if key.endswith(".weight") and key.removesuffix(".weight") in layers and bool(change.any()):
            pair = low_rank(change, rank)
            kept += float((pair[1].flatten(1) @ pair[0].flatten(1)).square().sum())
            for kind, matrix in zip((A, B), pair, strict=True):
                state[key.removesuffix(".weight").removeprefix("text_model.") + kind] = matrix.cpu()
    return state, whole, kept


def low_rank(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute A (rank, in, ...) and B (out, rank, ...) whose product is nearest to `change` (out, in, ...)."""
    left, values, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
    rank = min(rank, len(values))
    root = values[:rank].sqrt()
    down, up = root[:, None] * right[:rank], left[:, :rank] * root
    if change.ndim == 4:
        return down.reshape(rank, *change.shape[1:]), up[:, :, None, None]
    return down, up.contiguous()


def _check(tuned: State, base: State, rank: int, part: str) -> None:
    if not isinstance(rank, int) or rank < 1:
        raise UserError(f"rank is {rank!r}: give a whole number of at least 1, such as 16.")
    wrong = sorted(tuned.keys() ^ base.keys()) or [key for key in tuned if tuned[key].shape != base[key].shape]
    if wrong:
        raise UserError(
            f"The two {_PLURAL[part]} differ in more than values ({first_few(wrong)}): give a model and the base that "
            "it was tuned from, without LoRAs loaded."
        )
