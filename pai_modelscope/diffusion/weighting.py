"""Where on the noise schedule a network learns, and how much each sample and each pixel counts."""

import torch

from pai_modelscope.errors import UserError


def signal_to_noise(alphas_cumprod: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """SNR(t) = alpha_bar_t / (1 - alpha_bar_t) (Kingma et al. 2021, arXiv:2107.00630, eq. 2); `timesteps` (n,) long."""
    alpha_bar = alphas_cumprod.to(timesteps.device, torch.float32)[timesteps]
    return alpha_bar / (1 - alpha_bar)


def min_snr_weight(
    prediction_type: str, timesteps: torch.Tensor, alphas_cumprod: torch.Tensor, gamma: float
) -> torch.Tensor:
    """The weight (n,) of each sample's loss by Min-SNR-gamma (Hang et al. 2023, arXiv:2303.09556, sect. 3.4).

    The paper weighs the error of x_0 by min(SNR, gamma). An error of epsilon is SNR times that of x_0, and an error of
    v SNR + 1 times, so their weights are divided by it. Where the SNR is zero (Lin et al. 2023, arXiv:2305.08891) the
    first has the limit 1; the second is 0, since x_0 can be read from no error of v there.
    """
    snr = signal_to_noise(alphas_cumprod, timesteps)
    if prediction_type == "epsilon":
        return (gamma / snr).clamp(max=1.0)
    if prediction_type == "v_prediction":
        return snr.clamp(max=gamma) / (snr + 1)
    raise UserError(
        f"the scheduler's prediction_type is {prediction_type!r}; snr_gamma is for 'epsilon' and 'v_prediction'"
    )


def uniform_timesteps(drawn: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Whole timesteps (n,) in [low, high], all as likely, of `drawn` (n,) even in [0, 1)."""
    return low + (drawn * (high - low + 1)).long().clamp(max=high - low)


def logit_normal_timesteps(
    drawn: torch.Tensor, low: int, high: int, mean: float = 0.0, std: float = 1.0
) -> torch.Tensor:
    """Whole timesteps (n,) in [low, high] whose logit is normal: mostly those in the middle, where a picture takes
    shape (Esser et al. 2024, arXiv:2403.03206, eq. 19). `drawn` (n,) is normal; a positive mean favours noise."""
    return uniform_timesteps(torch.sigmoid(mean + std * drawn), low, high)


def masked_mean(errors: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The mean (n,) of each sample of `errors` (n, channels, height, width) over what `mask` (n, 1, height, width) lets
    through; an empty mask gives 0. Being a mean, it does not make a small subject learn slower than a large one."""
    means = errors.mean(1, keepdim=True)
    if mask is None:
        return means.flatten(1).mean(1)
    mask = mask.to(means)
    area = mask.flatten(1).sum(1)
    return (means * mask).flatten(1).sum(1) / torch.where(area > 0, area, torch.ones_like(area))
