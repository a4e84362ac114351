"""What all methods share that teach a network to denoise: text, noise, target, loss."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import nn

from pai_modelscope.diffusion import add_noise, prediction_target
from pai_modelscope.diffusion.randomness import normal, uniform
from pai_modelscope.methods.base import Method
from pai_modelscope.text import encode_ids

NOISE, TIMESTEP, CAPTION = range(3)  # streams of a sample's key


class Denoising(Method):
    """The denoising loss of latent diffusion (Rombach et al. 2022, arXiv:2112.10752, eq. 3) on a batch of latents.

    A batch holds `latents` (batch, 4, height/8, width/8), scaled to unit variance, `ids` (batch, chunks, 32), and
    `keys` (batch,), from which noise, timesteps and dropped captions follow.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler | DDPMScheduler,
        empty_ids: torch.Tensor,
        caption_dropout: float = 0.1,
    ):
        """`empty_ids` (32,): the chunk of the empty prompt, which replaces a caption with probability `caption_dropout`
        so that guidance has an unconditional model (Ho & Salimans 2022, arXiv:2207.12598)."""
        super().__init__()
        self.alphas_cumprod: torch.Tensor
        self.empty_ids: torch.Tensor
        self.unet = unet
        self.text_encoder = text_encoder.requires_grad_(False).eval()
        self.prediction_type = scheduler.config.prediction_type
        self.caption_dropout = caption_dropout
        self.register_buffer("alphas_cumprod", scheduler.alphas_cumprod.clone(), persistent=False)
        self.register_buffer("empty_ids", empty_ids, persistent=False)

    @abstractmethod
    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor, batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """What the networks take the target (batch, 4, height/8, width/8) to be."""

    def states(self, ids: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Text states (batch, chunks * 32, width) after caption dropout."""
        dropped = uniform(keys, CAPTION)[:, 0] < self.caption_dropout
        ids = torch.where(dropped[:, None, None], self.empty_ids, ids)
        with torch.no_grad():
            return encode_ids(self.text_encoder, ids)

    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        latents, keys = batch["latents"].float(), batch["keys"]
        noise = normal(keys, NOISE, latents.shape[1:])
        timesteps = (uniform(keys, TIMESTEP)[:, 0] * len(self.alphas_cumprod)).long()
        noisy = add_noise(latents, noise, timesteps, self.alphas_cumprod)
        target = prediction_target(self.prediction_type, latents, noise, timesteps, self.alphas_cumprod)
        prediction = self.predict(noisy, timesteps, self.states(batch["ids"], keys), batch)
        return {"loss": F.mse_loss(prediction.float(), target)}
