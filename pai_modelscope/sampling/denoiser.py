"""What stands in the denoising network's place in diffusers' pipelines: guidance, composition and ControlNets.

The pipelines then draw without guidance of their own, and one class serves all tasks alike. A network that embeds the
guidance scale, as LCM's does, is told the scale by its pipeline, and has no unconditional rows.
"""

import functools
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from pai_modelscope.families import Inputs, NetworkControl, States
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.sampling.preview import finished_latents
from pai_modelscope.text.prompt import DrawingPass
from pai_modelscope.text.prompt_schedule import PromptPart

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, SchedulerMixin


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598), off up to a scale of 1.

    `rescale`: from 0 to 1, how far guided predictions take the deviation of conditional ones (Lin et al. 2023,
    arXiv:2305.08891, eq. 15 and 16).
    """

    scale: float
    rescale: float = 0.0


@dataclass(frozen=True)
class StatesSchedule:
    """States that change with the steps: each with its last step, counted from 1; and their weight."""

    states: tuple[tuple[int, States], ...]
    weight: float = 1.0

    @classmethod
    def of(cls, part: PromptPart, states: Mapping[str, States]) -> "StatesSchedule":
        """By the states of each text of a prompt's part."""
        return cls(tuple((last, states[text]) for last, text in part.texts), part.weight)

    def at(self, step: int) -> States:
        return self.states[bisect_left(self.states, step, key=lambda entry: entry[0])][1]


@dataclass(frozen=True)
class Conditioning:
    """What one picture is denoised after, step by step."""

    rows: tuple[StatesSchedule, ...]  # any number, each with its weight
    negative: StatesSchedule

    @classmethod
    def of(cls, drawing: DrawingPass, states: Mapping[str, States]) -> "Conditioning":
        """Of one pass over the picture, by the states of each of its texts."""
        rows = tuple(StatesSchedule.of(part, states) for part in drawing.parts)
        return cls(rows, StatesSchedule.of(drawing.negative, states))

    @property
    def plain(self) -> bool:
        """Whether it is a single row at weight 1, whose prediction needs no composition."""
        return len(self.rows) == 1 and self.rows[0].weight == 1


class Denoiser(torch.nn.Module):
    """Predicts by a backend for one run of a pipeline, in which it stands for the model's denoising network.

    `conditionings`: one a picture; `steps`: those of the run; `evaluations`: how many the run has, asked for while it
    runs, since some schedulers evaluate more often than they step.
    """

    def __init__(
        self,
        model: LoadedModel,
        conditionings: Sequence[Conditioning],
        guidance: Guidance,
        controls: Sequence[NetworkControl] = (),
        *,
        steps: int,
    ) -> None:
        super().__init__()
        self.family, self.backend = model.family, model.backend
        self._network = (model.network,)  # in a tuple: it is no part of this module
        self.conditionings = conditionings
        self.controls = controls
        self.steps = steps
        self.evaluations: Callable[[], int] = lambda: steps
        self.embeds_guidance = model.facts.embeds_guidance
        self.scale = guidance.scale if guidance.scale > 1 and not self.embeds_guidance else 1.0
        self.rescale = guidance.rescale if self.scale > 1 else 0.0
        self._evaluation = 0
        self._last: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def stand_in(self, pipe: "DiffusionPipeline") -> None:
        """Take the network's place in a pipeline that nobody else calls."""
        setattr(pipe, self.family.network, self)
        self.evaluations = lambda: pipe.num_timesteps

    def __getattr__(self, name: str) -> torch.Tensor | torch.nn.Module:
        """What a pipeline asks its network for, such as the width of a transformer."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            value: torch.Tensor | torch.nn.Module = getattr(self.__dict__["_network"][0], name)
            return value

    @property
    def config(self) -> Mapping[str, object]:
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
        return _stack([conditioning.rows[0].at(1) for conditioning in self.conditionings])

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, **arguments: object) -> tuple[torch.Tensor]:
        """The prediction for the pictures of the run, as diffusers' pipelines ask for it.

        sample (pictures, channels, H, W). The states that a pipeline hands on are those of the first step: the
        conditionings' take their place. What counts of the other `arguments`, the model's family says.
        """
        evaluations = self.evaluations()
        step = self._evaluation * self.steps // evaluations + 1
        controls = [control for control in self.controls if control.active(self._evaluation, evaluations)]
        self._evaluation += 1
        prediction = self.predict(sample, timestep, step, controls, arguments)
        self._last = sample, timestep, prediction
        return (prediction,)

    def foreseen(self, scheduler: "SchedulerMixin") -> torch.Tensor | None:
        """The finished latents as the last evaluation foresees them; None before one, see `finished_latents`."""
        return finished_latents(scheduler, *self._last) if self._last else None

    def predict(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        step: int,
        controls: Sequence[NetworkControl] = (),
        arguments: Mapping[str, object] = MappingProxyType({}),
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

        samples = spread(sample)
        timestep = self.family.timestep(timestep, len(samples))
        inputs: Inputs = {**_stack(rows), **self.family.network_inputs(arguments, spread)}
        if controls:
            added = self.family.control_inputs(controls, samples, timestep, inputs, unconditional, spread)
            inputs = {**inputs, **added}
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


def _stack(rows: Sequence[States]) -> dict[str, torch.Tensor]:
    """Rows of several pictures, one after the other, as the network takes them."""
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
