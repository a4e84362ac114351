"""Weights in `float8_e4m3fn`, a byte each: how they are written, and how a UNet learns with them.

diffusers and transformers open them as they open float16, in the precision that they are asked for.
"""

from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn

from pai_modelscope.methods import FullFineTuning
from pai_modelscope.methods.base import Batch, Losses

PARTS = ("unet", "text_encoder", "vae")
# The first and the last convolution: few weights, to which pictures are most sensitive.
_KEPT = ("conv_in.weight", "conv_out.weight")


def is_rounded(name: str, value: torch.Tensor) -> bool:
    """Whether a weight is rounded: matrices are; vectors, which are few, are not."""
    return value.ndim > 1 and not name.endswith(_KEPT)


def rounded(value: torch.Tensor) -> torch.Tensor:
    """`value` as `float8_e4m3fn` has it, in its own precision."""
    return value.to(torch.float8_e4m3fn).to(value.dtype)


def to_float8(model: Path) -> None:
    """Write the networks of a model's folder again, their matrices in float8."""
    for part in PARTS:
        for file in (model / part).glob("*.safetensors"):
            _rewrite(file)


def _rewrite(file: Path) -> None:
    weights = {
        name: value.to(torch.float8_e4m3fn) if is_rounded(name, value) else value
        for name, value in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})


class RoundedFineTuning(FullFineTuning):
    """Full fine-tuning whose forward passes see the UNet rounded from one step on.

    Gradients pass by the rounding to the weights as they are (straight-through, Bengio et al. 2013, arXiv:1308.3432).
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler,
        empty_ids: torch.Tensor,
        first_rounded: int,
        text_encoder_lr: float | None = None,
    ):
        """`first_rounded`: the call of `training_step`, from 0, with which rounding begins; a run that is
        resumed counts from 0 again. `text_encoder_lr`: the rate
        at which the text encoder learns; None: it does not. The others as `FullFineTuning` has them."""
        learns = text_encoder_lr is not None
        super().__init__(
            unet, text_encoder, scheduler, empty_ids, train_text_encoder=learns, text_encoder_lr=text_encoder_lr
        )
        self.first_rounded, self.calls = first_rounded, 0
        self.matrices = [weight for name, weight in self.unet.named_parameters() if is_rounded(name, weight)]
        self.exact: dict[torch.Tensor, torch.Tensor] = {}  # of matrices that are rounded now, what they were
        for weight in self.matrices:
            weight.register_post_accumulate_grad_hook(self._restore)

    def training_step(self, batch: Batch, phase: str) -> Losses:
        if self.calls >= self.first_rounded:
            for weight in self.matrices:
                self.exact[weight] = weight.detach().clone()
                # Past autograd, which would take a weight that changes between forward and backward for a mistake.
                weight.data.copy_(rounded(weight.data))
        self.calls += 1
        return super().training_step(batch, phase)

    def _restore(self, weight: torch.Tensor) -> None:
        """Once a weight has its gradient, the optimizer finds it as it left it."""
        if (exact := self.exact.pop(weight, None)) is not None:
            weight.data.copy_(exact)
