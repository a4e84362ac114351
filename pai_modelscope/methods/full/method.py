"""Full fine-tuning, and training from scratch: the weights of the UNet learn, and the text tower's where asked."""

from pathlib import Path
from typing import Unpack

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn

from pai_modelscope.errors import UserError
from pai_modelscope.methods.denoising import Denoising, Networks
from pai_modelscope.methods.denoising_options import DenoisingArguments
from pai_modelscope.methods.fine_tuning import FineTuning, RunContext
from pai_modelscope.methods.full.options import TRAINED, FullOptions
from pai_modelscope.zoo.folders import configure, copy_model


class FullFineTuning(Denoising):
    stored_name = "FullFineTuning"

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler | DDPMScheduler,
        empty_ids: torch.Tensor,
        *,
        train: str = FullOptions.train,
        train_text_encoder: bool = FullOptions.train_text_encoder,
        **options: Unpack[DenoisingArguments],
    ):
        """`train`: 'all' of the UNet, or only its 'attention' layers, which need a third of the memory for gradients
        and forget less. The text encoder's own learning rate is `text_encoder_lr`, one of the options of all methods.
        """
        if train not in TRAINED:
            raise UserError(f"train is {train!r}; valid are {', '.join(map(repr, TRAINED))}")
        super().__init__(unet, text_encoder, scheduler, empty_ids, **options)
        self.unet.requires_grad_(train == "all")
        if train == "attention":
            for module in self.unet.modules():
                if isinstance(module, Attention):
                    module.requires_grad_(True)
        self.train_text_encoder = train_text_encoder
        self.text_encoder.requires_grad_(train_text_encoder)

    def frozen_parameters(self) -> list[nn.Parameter]:
        return [] if self.train_text_encoder else list(self.text_encoder.parameters())

    def save(self, folder: Path) -> None:
        self.unet.save_pretrained(folder / "unet", safe_serialization=True)
        if self.train_text_encoder:
            self.text_encoder.save_pretrained(folder / "text_encoder", safe_serialization=True)  # type: ignore[operator]


class WholeModelFineTuning(FineTuning[FullOptions, FullFineTuning]):
    def create_method(self) -> FullFineTuning:
        return FullFineTuning(
            *Networks.of(self.options, self.context.pipe),
            train=self.options.train,
            train_text_encoder=self.options.train_text_encoder,
            **self.options.arguments(),
        )

    def export(self, folder: Path) -> None:
        super().export(folder)
        complete_model(folder, self.method, self.context)


def complete_model(folder: Path, method: FullFineTuning, context: RunContext) -> None:
    """Add the parts that did not learn to those that did, so that `folder` is a whole model."""
    if method.scheduler is not context.pipe.scheduler:
        method.scheduler.save_pretrained(folder / "scheduler")
    copy_model(context.folder, folder, but=[path.name for path in folder.iterdir()])
    configure(folder, base_model=context.base_model)
