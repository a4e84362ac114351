"""ControlNets for tests that need one which steers."""

from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel


def save_steering_controlnet(unet: Path, folder: Path) -> str:
    """Write a ControlNet of the UNet's shape whose zero convolutions are no longer zero; returns the folder."""
    model = ControlNetModel.from_unet(UNet2DConditionModel.from_pretrained(unet))
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "controlnet_" in name:
            weight.data += 0.02 * torch.randn(weight.shape, generator=generator)
    model.save_pretrained(folder)
    return str(folder)
