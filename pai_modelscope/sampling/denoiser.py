"""What stands in the denoising network's place in diffusers' pipelines: guidance, composition and ControlNets.

The pipelines then draw without guidance of their own, and one class serves all tasks alike. A network that embeds the
guidance scale, as LCM's does, is told the scale by its pipeline, and has no unconditional rows.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pai_modelscope.acceleration import Backend
from pai_modelscope.sampling.conditioning import Conditioning, stack

Residuals = tuple[Sequence[torch.Tensor], torch.Tensor]  # what ControlNets add: to the down blocks, to the middle


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598), off up to a scale of 1.

    `rescale`: from 0 to 1, how far guided predictions take the deviation of conditional ones (Lin et al. 2023,
    arXiv:2305.08891, eq. 15 and 16).
    """

    scale: float
    rescale: float = 0.0


@dataclass(frozen=True)
class NetworkControl:
    """A ControlNet with its picture (1, 3, H, W), its scale, and the share of the evaluations that it takes part in."""

    network: Any
    picture: torch.Tensor
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def active(self, evaluation: int, evaluations: int) -> bool:
        """Whether it takes part in an evaluation, counted from 0, as diffusers' pipelines decide."""
        return evaluation / evaluations >= self.start and (evaluation + 1) / evaluations <= self.end


class Denoiser(torch.nn.Module):
    """Predicts by a backend for one run of a pipeline, whose denoising network it is.

    `conditionings`: one a picture; `steps`: those of the run; `evaluations`: how many the run has, asked for while it
    runs, since some schedulers evaluate more often than they step.
    """

    def __init__(
        self,
        backend: Backend,
        conditionings: Sequence[Conditioning],
        guidance: Guidance,
        controls: Sequence[NetworkControl] = (),
        *,
        steps: int,
    ) -> None:
        super().__init__()
        self.backend = backend
        self.conditionings = conditionings
        self.controls = controls
        self.steps = steps
        self.evaluations: Callable[[], int] = lambda: steps
        self.embeds_guidance = backend.config.get("time_cond_proj_dim") is not None
        self.scale = guidance.scale if guidance.scale > 1 and not self.embeds_guidance else 1.0
        self.rescale = guidance.rescale if self.scale > 1 else 0.0
        self._evaluation = 0

    @property
    def config(self) -> Mapping[str, Any]:
        """The network's own."""
        return self.backend.config

    @property
    def dtype(self) -> torch.dtype:
        """The network's own."""
        return self.backend.dtype

    @property
    def device(self) -> torch.device:
        """The network's own."""
        return self.backend.device

    def first_states(self) -> dict[str, torch.Tensor]:
        """What a pipeline is told of the pictures' texts: of each, the first row at the first step."""
        return stack([conditioning.rows[0].at(1) for conditioning in self.conditionings])

    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, *, timestep_cond: torch.Tensor | None = None, **_: Any
    ) -> tuple[torch.Tensor]:
        """The prediction for the pictures of the run, as diffusers' pipelines ask for it.

        sample (pictures, channels, H, W), timestep_cond (pictures, D) where the network embeds guidance. The states
        that a pipeline hands on are those of the first step: the conditionings' take their place.
        """
        evaluations = self.evaluations()
        step = self._evaluation * self.steps // evaluations + 1
        controls = [control for control in self.controls if control.active(self._evaluation, evaluations)]
        self._evaluation += 1
        return (self.predict(sample, timestep, step, controls, timestep_cond),)

    def predict(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        step: int,
        controls: Sequence[NetworkControl] = (),
        timestep_cond: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The guided prediction of a step, counted from 1.

        u + scale * sum_i w_i (c_i - u) for the rows c_i of a picture and their weights (Liu et al. 2022, Composable
        Diffusion, arXiv:2206.01714, eq. 11). A single row at weight 1, without guidance, is itself: no u is needed.
        """
        counts = [len(conditioning.rows) for conditioning in self.conditionings]
        plain = all(conditioning.plain for conditioning in self.conditionings)
        unconditional = len(counts) if self.scale > 1 or not plain else 0
        rows = [row.at(step) for conditioning in self.conditionings for row in conditioning.rows]
        if unconditional:
            rows = [conditioning.negative.at(step) for conditioning in self.conditionings] + rows

        def spread(pictures: torch.Tensor) -> torch.Tensor:
            """A row for each row of a picture's conditioning, the unconditional ones first."""
            repeated = (
                pictures
                if plain
                else torch.cat([row for row, n in zip(torch.split(pictures, 1), counts, strict=True) for _ in range(n)])
            )
            return torch.cat([pictures, repeated]) if unconditional else repeated

        inputs: dict[str, Any] = {**stack(rows)}
        if timestep_cond is not None:
            inputs["timestep_cond"] = spread(timestep_cond)
        samples = spread(sample)
        if controls:
            down, middle = self._residuals(controls, samples, timestep, inputs, unconditional)
            inputs |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        prediction = self.backend.predict(samples, timestep, inputs)
        if not unconditional:
            return prediction
        negative, positive = prediction[:unconditional], prediction[unconditional:]
        return self._guided(negative, positive, plain)

    def _guided(self, negative: torch.Tensor, positive: torch.Tensor, plain: bool) -> torch.Tensor:
        """Of unconditional predictions, one a picture, and those of all rows, picture by picture."""
        if plain:
            conditional, difference = positive, positive - negative
        else:
            difference = torch.cat(
                [
                    _weighted_sum(rows - without, conditioning)
                    for without, rows, conditioning in zip(
                        torch.split(negative, 1),
                        torch.split(positive, [len(conditioning.rows) for conditioning in self.conditionings]),
                        self.conditionings,
                        strict=True,
                    )
                ]
            )
            conditional = negative + difference
        guided = negative + self.scale * difference
        return rescaled(guided, conditional, self.rescale) if self.rescale else guided

    def _residuals(
        self,
        controls: Sequence[NetworkControl],
        samples: torch.Tensor,
        timestep: torch.Tensor,
        inputs: Mapping[str, torch.Tensor],
        unconditional: int,
    ) -> Residuals:
        """The sum of what the ControlNets add, each at its scale.

        Where the first of them pools its picture's features, all leave the unconditional rows as they are, as in
        diffusers' pipelines ("guess mode").
        """
        guess = bool(self.controls[0].network.config.global_pool_conditions)
        first = unconditional if guess else 0
        total: Residuals | None = None
        for control in controls:
            network = control.network
            picture = control.picture.to(samples.device, network.dtype)
            down, middle = network(
                samples[first:, : network.config.in_channels],
                timestep,
                encoder_hidden_states=inputs["encoder_hidden_states"][first:],
                controlnet_cond=picture.repeat_interleave(len(samples) - first, dim=0),
                conditioning_scale=control.scale,
                guess_mode=guess,
                return_dict=False,
            )
            if total:
                down = [before + more for before, more in zip(total[0], down, strict=True)]
                middle = total[1] + middle
            total = down, middle
        assert total
        if not first:
            return total
        down, middle = total
        return [_after_zeros(tensor, first) for tensor in down], _after_zeros(middle, first)


def rescaled(guided: torch.Tensor, conditional: torch.Tensor, rescale: float) -> torch.Tensor:
    """Guided predictions with the deviation of the conditional ones, mixed in by `rescale` from 0 (off) to 1.

    Lin et al. 2023, arXiv:2305.08891, eq. 15 and 16; rows (pictures, C, H, W).
    """
    axes = list(range(1, guided.ndim))
    matched = guided * (conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True))
    return rescale * matched + (1 - rescale) * guided


def _weighted_sum(differences: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    """Of a picture's rows, by their weights; keeps the first dimension."""
    rows = zip(conditioning.rows, torch.split(differences, 1), strict=True)
    weighted = [difference * row.weight for row, difference in rows]
    return functools.reduce(torch.add, weighted)


def _after_zeros(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    return torch.cat([tensor.new_zeros(rows, *tensor.shape[1:]), tensor])
