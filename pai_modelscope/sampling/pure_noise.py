"""diffusers' schedulers, mended where their formulas fail on a first step from pure noise.

A model trained to pure noise (zero terminal SNR, Lin et al. 2023, arXiv:2305.08891) fixes the brightness of a picture
in its very first step. Each class says what it changes there; on an ordinary schedule it is diffusers' own.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

import diffusers
import numpy as np
import numpy.typing as npt
import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput

Timestep: TypeAlias = int | float | torch.Tensor
Sigmas: TypeAlias = npt.NDArray[np.float32]
Values: TypeAlias = tuple[torch.Tensor, ...]  # of a step: the sample first
Stepped: TypeAlias = SchedulerOutput | Values

# diffusers stands for pure noise by this alpha_bar, since most formulas divide by it: a sigma of 4096.
_PURE_NOISE_ALPHA_BAR = 2**-24
_PURE_NOISE_SIGMA = 1000.0  # at least; ordinary schedules end near 15
# Where spread sigmas begin after the step from pure noise, near where evenly spaced timesteps go: on the shipped
# model, 15 left three times the error of 40 in twenty steps, and 100 left too few steps for details in ten.
_SECOND_SIGMA = 40.0


class SpreadSigmas:  # a mixin of schedulers
    """The sigmas of Karras et al. 2022 (arXiv:2206.00364, eq. 5) and the exponential ones, useful from pure noise on.

    Spread from a sigma of 4096, twelve of twenty steps would fall above t = 950. Here the first step is taken at pure
    noise and the others are spread from a sigma of 40.
    """

    num_inference_steps: int

    def _convert_to_karras(self, in_sigmas: Sigmas, num_inference_steps: int | None = None) -> Sigmas:
        formula = diffusers.EulerDiscreteScheduler._convert_to_karras  # the same in every class
        return self._spread(formula, in_sigmas, num_inference_steps or self.num_inference_steps)

    def _convert_to_exponential(self, in_sigmas: Sigmas, num_inference_steps: int) -> Sigmas:
        formula = diffusers.EulerDiscreteScheduler._convert_to_exponential
        return self._spread(formula, in_sigmas, num_inference_steps)

    def _spread(self, formula: Callable[..., Sigmas], sigmas: Sigmas, steps: int) -> Sigmas:
        if sigmas[0] < _PURE_NOISE_SIGMA or steps == 1:
            return formula(self, sigmas, steps)
        rest = np.asarray([_SECOND_SIGMA, sigmas[-1]], dtype=sigmas.dtype)
        return np.concatenate([sigmas[:1], formula(self, rest, steps - 1)])


class _StepInFloat32:  # a mixin of schedulers
    """Steps in float32 whatever the model's type: from pure noise, half precision shifts the picture's brightness."""

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> Stepped:
        previous, *rest = super().step(  # type: ignore[misc]
            model_output.float(), timestep, sample.float(), return_dict=False
        )
        return _stepped(previous.to(model_output.dtype), rest, return_dict)


class _TwoEulerSteps:  # a mixin of schedulers with a midpoint
    """The step away from pure noise goes to its midpoint and on by Euler's method.

    The midpoint's slope over the whole step would multiply the error of the first prediction by up to 100.
    """

    sigmas: torch.Tensor
    sigmas_interpol: torch.Tensor
    sample: torch.Tensor | None
    step_index: int | None
    first_midpoint: int  # where `sigmas_interpol` has it

    def _from_midpoint(self, sample: torch.Tensor, step: Callable[[], Values]) -> Values:
        """The result of `step`, which is the second half of the first interval if that begins at pure noise."""
        if self.sample is None or self.step_index != 1 or self.sigmas[0] <= _PURE_NOISE_SIGMA:
            return step()
        kept, self.sigmas = self.sigmas, self.sigmas.clone()
        self.sigmas[0] = self.sigmas_interpol[self.first_midpoint]
        self.sample = sample.float()
        try:
            return step()
        finally:
            self.sigmas = kept

    def _sigma_to_t(self, sigma: torch.Tensor | Sigmas, log_sigmas: torch.Tensor | Sigmas) -> Sigmas:
        arrays = np.asarray(sigma), np.asarray(log_sigmas)  # on tensors it is slow
        return cast(Sigmas, super()._sigma_to_t(*arrays))  # type: ignore[misc]


class Multistep(SpreadSigmas, diffusers.DPMSolverMultistepScheduler):
    """DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095), its multistep forms."""


class Singlestep(SpreadSigmas, diffusers.DPMSolverSinglestepScheduler):
    """DPM-Solver++'s single-step form of order 2; a step evaluates the model twice, as in the WebUI's DPM++ SDE."""

    order = 2  # the pipelines cut `timesteps[skipped_steps * order:]` where they start from a picture

    def set_timesteps(
        self, num_inference_steps: int, device: torch.device | str | None = None, **kwargs: object
    ) -> None:
        super().set_timesteps(2 * num_inference_steps, device=device, **kwargs)
        self.num_inference_steps = num_inference_steps


class UniPC(SpreadSigmas, diffusers.UniPCMultistepScheduler):
    """UniPC (Zhao et al. 2023, arXiv:2302.04867)."""


class DEIS(SpreadSigmas, _StepInFloat32, diffusers.DEISMultistepScheduler):
    """DEIS (Zhang and Chen 2022, arXiv:2204.13902)."""


class Euler(SpreadSigmas, diffusers.EulerDiscreteScheduler):
    """Euler's method (Karras et al. 2022, algorithm 2 without its noise)."""


class LMS(SpreadSigmas, _StepInFloat32, diffusers.LMSDiscreteScheduler):
    """Linear multistep (Katherine Crowson's k-diffusion)."""


class PNDM(_StepInFloat32, diffusers.PNDMScheduler):
    """Pseudo numerical methods (Liu et al. 2022, arXiv:2202.09778)."""


class Heun(SpreadSigmas, _StepInFloat32, diffusers.HeunDiscreteScheduler):
    """Heun's method whose step away from pure noise is Euler's.

    Averaging the slopes at both ends of a step from a sigma of 4096 multiplies their difference by 2000.
    """

    timesteps: torch.Tensor
    sigmas: torch.Tensor
    from_noise = True  # False where the pipeline starts from a picture: it cuts steps, so all must be there

    def set_timesteps(self, *args: object, **kwargs: object) -> None:
        super().set_timesteps(*args, **kwargs)
        pure = bool(self.sigmas[0] > _PURE_NOISE_SIGMA)
        self._euler_first = self.from_noise and pure and len(self.timesteps) > 1
        if self._euler_first:  # the second node comes twice: for the corrector, which is left out, and for its own step
            self.timesteps = _without_second(self.timesteps)
            self.sigmas = _without_second(self.sigmas)

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> Stepped:
        result = super().step(model_output, timestep, sample, return_dict)
        if self._euler_first and self.step_index == 1:
            self.prev_derivative = self.dt = self.sample = None
        return result


class DPM2(SpreadSigmas, _TwoEulerSteps, diffusers.KDPM2DiscreteScheduler):
    """DPM-Solver-2 (Karras et al. 2022, algorithm 2, at the midpoint)."""

    first_midpoint = 1

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> Stepped:
        def step() -> Values:
            stepped = super(DPM2, self).step(model_output.float(), timestep, sample.float(), return_dict=False)
            return cast(Values, stepped)

        previous, *rest = self._from_midpoint(sample, step)
        return _stepped(previous.to(model_output.dtype), rest, return_dict)


class DPM2Ancestral(SpreadSigmas, _TwoEulerSteps, diffusers.KDPM2AncestralDiscreteScheduler):
    """DPM-Solver-2 with fresh noise after every step (Katherine Crowson's k-diffusion)."""

    first_midpoint = 0

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> Stepped:
        def step() -> Values:
            inputs = model_output.float(), timestep, sample.float(), generator
            return cast(Values, super(DPM2Ancestral, self).step(*inputs, return_dict=False))

        previous, *rest = self._from_midpoint(sample, step)
        return _stepped(previous.to(model_output.dtype), rest, return_dict)


def pure_noise_betas(config: Mapping[str, object]) -> list[float]:
    """The betas of a zero-terminal-SNR schedule, for classes that can't rescale; the last is just below 1."""
    alpha_bars = diffusers.DDIMScheduler.from_config(dict(config)).alphas_cumprod.double()
    alpha_bars[-1] = _PURE_NOISE_ALPHA_BAR
    return torch.cat([1 - alpha_bars[:1], 1 - alpha_bars[1:] / alpha_bars[:-1]]).tolist()


def _stepped(previous: torch.Tensor, rest: list[torch.Tensor], return_dict: bool) -> Stepped:
    return SchedulerOutput(prev_sample=previous) if return_dict else (previous, *rest)


def _without_second(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values[:1], values[2:]])
