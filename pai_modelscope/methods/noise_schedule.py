"""The noise schedule that a run learns by: the model's own, or what its options make of it."""

import inspect

from diffusers import DDIMScheduler, DDPMScheduler

from pai_modelscope.errors import UserError
from pai_modelscope.methods.denoising_options import DenoisingOptions

_PREDICTIONS = ("epsilon", "v_prediction")


def schedule_of(
    scheduler: DDIMScheduler | DDPMScheduler, options: DenoisingOptions, writes_model: bool
) -> DDIMScheduler | DDPMScheduler:
    """`scheduler` itself, or another one where `options` differ from it.

    writes_model: whether the result is a model, which can bring the other one along.
    Raises `UserError` for what can't be learned, or can't be drawn with afterwards.
    """
    chosen = {
        "prediction_type": options.prediction_type,
        "rescale_betas_zero_snr": options.rescale_betas_zero_snr,
    }
    changed = {name: value for name, value in chosen.items() if value not in (None, scheduler.config.get(name))}
    if options.prediction_type not in (None, *_PREDICTIONS):
        valid = ", ".join(map(repr, _PREDICTIONS))
        raise UserError(f"prediction_type is {options.prediction_type!r}; valid are {valid}")
    if options.rescale_betas_zero_snr and "rescale_betas_zero_snr" not in inspect.signature(type(scheduler)).parameters:
        raise UserError(
            f"rescale_betas_zero_snr is on, which the model's {type(scheduler).__name__} can't do: leave it out, or "
            "train on a model with DDIMScheduler"
        )
    if not changed:
        return scheduler
    if not writes_model:
        named = " and ".join(f"{name} {value!r}" for name, value in changed.items())
        raise UserError(
            f"{named} is not the model's own, by which what is learned here will be drawn: leave it out, or train the "
            "model itself, by the method 'full'"
        )
    schedule = type(scheduler).from_config(scheduler.config, **changed)
    if schedule.config.prediction_type == "epsilon" and schedule.config.get("rescale_betas_zero_snr"):
        # Lin et al. 2023 (arXiv:2305.08891), section 3.2: where only noise is left, telling it says nothing.
        raise UserError(
            "prediction_type 'epsilon' can't draw from pure noise, with which this model's schedule begins: set "
            "rescale_betas_zero_snr to false too, or learn 'v_prediction'"
        )
    return schedule
