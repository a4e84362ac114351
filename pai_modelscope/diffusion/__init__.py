"""The maths of diffusion as pure functions on tensors."""

from pai_modelscope.diffusion.noising import add_noise, prediction_target
from pai_modelscope.diffusion.weighting import (
    logit_normal_timesteps,
    masked_mean,
    min_snr_weight,
    signal_to_noise,
    uniform_timesteps,
)

__all__ = [
    "add_noise",
    "logit_normal_timesteps",
    "masked_mean",
    "min_snr_weight",
    "prediction_target",
    "signal_to_noise",
    "uniform_timesteps",
]
