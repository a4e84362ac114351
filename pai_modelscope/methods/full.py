"""Full fine-tuning, and training from scratch: every weight of the UNet learns, the text tower stays frozen."""

from pathlib import Path

import torch
from torch import nn

from pai_modelscope.methods.denoising import Denoising


class FullFineTuning(Denoising):
    def heavy(self) -> list[nn.Module]:
        return [self.unet]

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor, batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        return self.unet(noisy, timesteps, states, return_dict=False)[0]

    def save(self, folder: Path) -> None:
        self.unet.save_pretrained(folder / "unet", safe_serialization=True)
