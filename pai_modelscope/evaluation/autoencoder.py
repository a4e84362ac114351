"""Pictures through a model's autoencoder alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


@torch.inference_mode()
def reconstruct(pipe: "DiffusionPipeline", images: Sequence[Image.Image], batch: int = 64) -> list[Image.Image]:
    """Pass pictures through the autoencoder and back, at the mean of the latent distribution."""
    processor, vae = pipe.image_processor, pipe.vae
    restored: list[Image.Image] = []
    for start in range(0, len(images), batch):
        pixels = processor.preprocess(list(images[start : start + batch])).to(vae.device, vae.dtype)
        restored += processor.postprocess(vae.decode(vae.encode(pixels).latent_dist.mode()).sample)
    return restored
