"""Schedulers by the names that WebUI users know, each built from the model's own scheduler configuration.

A model trained to pure noise (zero terminal SNR, Lin et al. 2023, arXiv:2305.08891) fixes the brightness of a picture
in its very first step, so every scheduler here begins at pure noise if the model does. Where diffusers' class has no
flag for that, or its formulas fail on such a first step, this file says so and mends it.
"""

import copy
import difflib
import functools
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import diffusers as untyped_diffusers
import numpy as np
import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput

from pai_modelscope.errors import UserError

diffusers: Any = untyped_diffusers  # its decorators hide its methods from type checkers

# diffusers stands for pure noise by this alpha_bar, since most formulas divide by it: a sigma of 4096.
_PURE_NOISE_ALPHA_BAR = 2**-24
_PURE_NOISE_SIGMA = 1000.0  # at least; ordinary schedules end near 15
# Where Karras' sigmas begin after the step from pure noise, near where evenly spaced timesteps go: on the shipped
# model, 15 left three times the error of 40 in twenty steps, and 100 left too few steps for details in ten.
_SECOND_SIGMA = 40.0


class KarrasFromPureNoise(diffusers.DPMSolverMultistepScheduler):
    """DPM++ 2M on the sigmas of Karras et al. 2022 (arXiv:2206.00364, eq. 5), kept useful from pure noise on.

    Spread from a sigma of 4096, twelve of twenty steps would fall above t = 950. Here the first step is taken at pure
    noise and the others are spread from a sigma of 40.
    """

    def _convert_to_karras(self, in_sigmas: Any, num_inference_steps: int) -> Any:
        if in_sigmas[0] < _PURE_NOISE_SIGMA or num_inference_steps == 1:
            return super()._convert_to_karras(in_sigmas, num_inference_steps)
        rest = np.asarray([_SECOND_SIGMA, in_sigmas[-1]], dtype=in_sigmas.dtype)
        return np.concatenate([in_sigmas[:1], super()._convert_to_karras(rest, num_inference_steps - 1)])


class _StepInFloat32:  # a mixin of schedulers
    """Steps in float32 whatever the model's type: from pure noise, half precision shifts the picture's brightness."""

    def step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, return_dict: bool = True) -> Any:
        previous, *rest = super().step(  # type: ignore[misc]
            model_output.float(), timestep, sample.float(), return_dict=False
        )
        previous = previous.to(model_output.dtype)
        return SchedulerOutput(prev_sample=previous) if return_dict else (previous, *rest)


class LMSInFloat32(_StepInFloat32, diffusers.LMSDiscreteScheduler):
    """Linear multistep (Katherine Crowson's k-diffusion), see `_StepInFloat32`."""


class PNDMInFloat32(_StepInFloat32, diffusers.PNDMScheduler):
    """Pseudo numerical methods (Liu et al. 2022, arXiv:2202.09778), see `_StepInFloat32`."""


class HeunFromPureNoise(_StepInFloat32, diffusers.HeunDiscreteScheduler):
    """Heun's method whose step away from pure noise is Euler's.

    Averaging the slopes at both ends of a step from a sigma of 4096 multiplies their difference by 2000.
    """

    timesteps: torch.Tensor
    sigmas: torch.Tensor

    def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        super().set_timesteps(*args, **kwargs)
        self._euler_first = bool(self.sigmas[0] > _PURE_NOISE_SIGMA) and len(self.timesteps) > 1
        if self._euler_first:  # the second node comes twice: for the corrector, which is left out, and for its own step
            self.timesteps = _without_second(self.timesteps)
            self.sigmas = _without_second(self.sigmas)

    def step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, return_dict: bool = True) -> Any:
        result = super().step(model_output, timestep, sample, return_dict)
        if self._euler_first and self.step_index == 1:
            self.prev_derivative = self.dt = self.sample = None
        return result


def _without_second(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values[:1], values[2:]])


def _build(cls: Any, **overrides: Any) -> Callable[[Mapping[str, Any]], Any]:
    def build(config: Mapping[str, Any]) -> Any:
        # Latents have no fixed range: clipping them, a default of several classes, would spoil every picture.
        changes = {"clip_sample": False, "thresholding": False, "trained_betas": config.get("trained_betas")}
        if config.get("rescale_betas_zero_snr") and not _knows_zero_snr(cls):
            changes["trained_betas"] = pure_noise_betas(config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return cls.from_config(dict(config), **{**changes, **overrides})

    return build


# The original WebUI's seven (Euler, Euler a, DPM++, DDIM, DDPM, PNDM, Heun) and today's.
SCHEDULERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "DPM++ 2M": _build(diffusers.DPMSolverMultistepScheduler, algorithm_type="dpmsolver++", use_karras_sigmas=False),
    "DPM++ 2M Karras": _build(KarrasFromPureNoise, algorithm_type="dpmsolver++", use_karras_sigmas=True),
    "DPM++ 2M SDE": _build(
        diffusers.DPMSolverMultistepScheduler, algorithm_type="sde-dpmsolver++", use_karras_sigmas=False
    ),
    "UniPC": _build(diffusers.UniPCMultistepScheduler),
    "Euler": _build(diffusers.EulerDiscreteScheduler, use_karras_sigmas=False),
    "Euler a": _build(diffusers.EulerAncestralDiscreteScheduler),
    "Heun": _build(HeunFromPureNoise, use_karras_sigmas=False),
    "LMS": _build(LMSInFloat32, use_karras_sigmas=False),
    "DDIM": _build(diffusers.DDIMScheduler),
    "DDPM": _build(diffusers.DDPMScheduler),
    "PNDM": _build(PNDMInFloat32, skip_prk_steps=True),
    "LCM": _build(diffusers.LCMScheduler),
}


_ALIASES = {
    "plms": "PNDM",
    "eulerancestral": "Euler a",
    "dpmpp": "DPM++ 2M",
    "dpmsolvermultistep": "DPM++ 2M",
    "dpmpp2mkarras": "DPM++ 2M Karras",
    "unipcmultistep": "UniPC",
    "eulerdiscrete": "Euler",
    "eulerancestraldiscrete": "Euler a",
    "heundiscrete": "Heun",
    "lmsdiscrete": "LMS",
}


def scheduler_name(name: str) -> str:
    """The name in SCHEDULERS that is meant: case, spaces and underscores are free, diffusers' class names are known."""
    known = {_squeeze(known): known for known in SCHEDULERS} | _ALIASES
    found = known.get(_squeeze(name).removesuffix("scheduler"))
    if found is None:
        close = difflib.get_close_matches(_squeeze(name), known, n=1)
        hint = f" (did you mean {known[close[0]]!r}?)" if close else ""
        raise UserError(f"scheduler {name!r} is unknown{hint}, valid are {', '.join(SCHEDULERS)}")
    return found


def on_cpu(scheduler: Any) -> Any:
    """A copy whose timesteps stay on the CPU, so that looking one up does not wait for the GPU in every step."""
    copied = copy.copy(scheduler)
    set_timesteps = copied.set_timesteps

    @functools.wraps(set_timesteps)
    def set_timesteps_on_cpu(*args: Any, device: Any = None, **kwargs: Any) -> None:
        set_timesteps(*args, device="cpu", **kwargs)

    copied.set_timesteps = set_timesteps_on_cpu
    return copied


def own_name(scheduler: Any) -> str:
    """The name for the scheduler that a model folder carries: one of SCHEDULERS, else diffusers' without the suffix."""
    name = type(scheduler).__name__.removesuffix("Scheduler")
    config = scheduler.config
    if name == "DPMSolverMultistep" and config.algorithm_type in ("dpmsolver++", "sde-dpmsolver++"):
        sde, karras = config.algorithm_type.startswith("sde"), config.use_karras_sigmas
        return {(0, 0): "DPM++ 2M", (0, 1): "DPM++ 2M Karras", (1, 0): "DPM++ 2M SDE"}.get((sde, karras), name)
    if config.get("use_karras_sigmas"):
        return f"{name} Karras"
    return next((known for known in SCHEDULERS if _ALIASES.get(name.lower(), name) == known), name)


def _squeeze(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))


def pure_noise_betas(config: Mapping[str, Any]) -> list[float]:
    """The betas of a zero-terminal-SNR schedule, for classes that can't rescale; the last is just below 1."""
    alpha_bars = diffusers.DDIMScheduler.from_config(dict(config)).alphas_cumprod.double()
    alpha_bars[-1] = _PURE_NOISE_ALPHA_BAR
    return torch.cat([1 - alpha_bars[:1], 1 - alpha_bars[1:] / alpha_bars[:-1]]).tolist()


def _knows_zero_snr(cls: Any) -> bool:
    return "rescale_betas_zero_snr" in cls._get_init_keys(cls)
