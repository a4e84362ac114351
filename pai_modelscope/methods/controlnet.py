"""ControlNet: a trained copy of the UNet's encoder reads a picture and steers the frozen UNet (Zhang et al. 2023,
arXiv:2302.05543)."""

from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from pai_modelscope.adapters.control import attach_control_lora, is_control_lora, write_control_lora
from pai_modelscope.config.methods import ControlNetOptions
from pai_modelscope.config.option import problems_in
from pai_modelscope.errors import UserError
from pai_modelscope.methods.denoising import Denoising


class ControlNetTraining(Denoising):
    """A batch holds, beside latents and ids, `control` (batch, 3, height, width) in [0, 1]: edges, depth, a pose."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        *parts: Any,
        controlnet: ControlNetModel | None = None,
        rank: int | None = None,
        seed: int = 0,
        **options: Any,
    ):
        """`controlnet`: one to train on; None begins with a copy of the UNet's encoder whose outputs are zero.
        `rank`: the copy itself stays, and learns by matrices of that rank; None trains all of it.
        `seed`: of the first values of what no UNet has: the layers that read the picture, and the matrices."""
        if found := problems_in(ControlNetOptions, {"rank": rank}):
            raise UserError(f"{found[0]}, or leave it out: all of the copy learns then")
        super().__init__(unet.requires_grad_(False), *parts, **options)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.controlnet = controlnet or ControlNetModel.from_unet(unet)
            self.controlnet.requires_grad_(True)
            if rank:
                attach_control_lora(self.controlnet, rank)
        if options.get("gradient_checkpointing"):
            self.controlnet.enable_gradient_checkpointing()

    def heavy(self) -> list[nn.Module]:
        return [self.controlnet, self.unet]

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor, batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        down, middle = self.controlnet(noisy, timesteps, states, batch["control"], return_dict=False)
        return self.unet(
            noisy,
            timesteps,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]

    def save(self, folder: Path) -> None:
        if is_control_lora(self.controlnet):
            write_control_lora(self.controlnet, folder / "controlnet")
        else:
            self.controlnet.save_pretrained(folder / "controlnet", safe_serialization=True)
