"""Full fine-tuning, and training from scratch: the weights of the UNet learn, and the text tower's where asked."""

from pathlib import Path
from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn

from pai_modelscope.config.methods import TRAINED
from pai_modelscope.errors import UserError
from pai_modelscope.methods.denoising import Denoising


class FullFineTuning(Denoising):
    def __init__(
        self,
        unet: UNet2DConditionModel,
        *parts: Any,
        train: str = "all",
        train_text_encoder: bool = False,
        **options: Any,
    ):
        """`train`: 'all' of the UNet, or only its 'attention' layers, which need a third of the memory for gradients
        and forget less. The text encoder's own learning rate is `text_encoder_lr`, one of the options of all methods.
        """
        if train not in TRAINED:
            raise UserError(f"train is {train!r}; valid are {', '.join(map(repr, TRAINED))}")
        super().__init__(unet, *parts, **options)
        self.unet.requires_grad_(train == "all")
        if train == "attention":
            for module in self.unet.modules():
                if isinstance(module, Attention):
                    module.requires_grad_(True)
        self.train_text_encoder = train_text_encoder
        self.text_encoder.requires_grad_(train_text_encoder)

    def only_read(self) -> list[nn.Parameter]:
        return [] if self.train_text_encoder else list(self.text_encoder.parameters())

    def save(self, folder: Path) -> None:
        self.unet.save_pretrained(folder / "unet", safe_serialization=True)
        if self.train_text_encoder:
            self.text_encoder.save_pretrained(folder / "text_encoder", safe_serialization=True)  # type: ignore[operator]
