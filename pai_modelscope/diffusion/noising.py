"""The forward process and what the network is asked to predict."""

import torch

from pai_modelscope.errors import UserError


def _at(alphas_cumprod: torch.Tensor, timesteps: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), shaped (batch, 1, ...) to multiply `like`."""
    alpha_bar = alphas_cumprod.to(like.device, torch.float32)[timesteps].view(-1, *[1] * (like.ndim - 1))
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def add_noise(
    latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, alphas_cumprod: torch.Tensor
) -> torch.Tensor:
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (Ho et al. 2020, arXiv:2006.11239, eq. 4).

    `latents`, `noise`: (batch, channels, height, width); `timesteps`: (batch,) long; `alphas_cumprod`: (steps,).
    """
    alpha, sigma = _at(alphas_cumprod, timesteps, latents)
    return alpha * latents + sigma * noise


def prediction_target(
    prediction_type: str,
    latents: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    alphas_cumprod: torch.Tensor,
) -> torch.Tensor:
    """eps, or v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 (Salimans & Ho 2022, arXiv:2202.00512, app. D)."""
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "v_prediction":
        alpha, sigma = _at(alphas_cumprod, timesteps, latents)
        return alpha * noise - sigma * latents
    raise UserError(
        f"the scheduler's prediction_type is {prediction_type!r}; valid for training are 'epsilon' and 'v_prediction'"
    )
