"""The user's callback, called as diffusers calls its own."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

# Of a step and their number, or of these and the latents: what it returns has no meaning.
Callback = Callable[..., object]
StepEnd = Callable[["DiffusionPipeline", int, int, dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@dataclass
class Progress:
    """Counts the steps of everything that a call draws, one pass of a batch after another."""

    callback: Callback | None
    total: int
    done: int = 0

    def begin(self, steps: int) -> StepEnd | None:
        """diffusers' callback for the next pass, of so many steps."""
        started = self.done
        self.done += steps
        return on_step_end(self.callback, started, self.total)


def on_step_end(callback: Callback | None, done: int, total: int) -> StepEnd | None:
    """diffusers' callback that calls the user's with the steps of all pictures counted on."""
    if callback is None:
        return None
    takes_latents = _takes(callback, 3)

    def each_step(
        pipe: "DiffusionPipeline", step: int, timestep: int, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        # Some schedulers evaluate more often than they step; the last evaluation ends the last step.
        steps = pipe.scheduler.num_inference_steps
        now = done + (step + 1) * steps // pipe.num_timesteps
        callback(now, total, tensors["latents"]) if takes_latents else callback(now, total)
        return {}

    return each_step


def _takes(function: Callback, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin that tells nothing of its parameters
        return True
    return True
