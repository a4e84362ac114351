"""The user's callback, called as diffusers calls its own."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Previews = Callable[[], list[Image.Image]]
# Of a step and their number, or of these and the latents, or of these and `Previews`: what it returns has no meaning.
Callback = Callable[..., object]
StepEnd = Callable[["DiffusionPipeline", int, int, dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@dataclass
class Progress:
    """Counts the steps of everything that a call draws, one pass of a batch after another."""

    callback: Callback | None
    total: int
    done: int = 0

    def begin(self, steps: int, previews: Previews) -> StepEnd | None:
        """diffusers' callback for the next pass, of so many steps."""
        started = self.done
        self.done += steps
        return on_step_end(self.callback, started, self.total, previews)


def on_step_end(callback: Callback | None, done: int, total: int, previews: Previews = list) -> StepEnd | None:
    """diffusers' callback that calls the user's with the steps of all pictures counted on."""
    if callback is None:
        return None
    takes = next((count for count in (4, 3) if _takes(callback, count)), 2)

    def each_step(
        pipe: "DiffusionPipeline", step: int, timestep: int, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        # Some schedulers evaluate more often than they step; the last evaluation ends the last step.
        steps = pipe.scheduler.num_inference_steps
        now = done + (step + 1) * steps // pipe.num_timesteps
        callback(*(now, total, tensors["latents"], previews)[:takes])
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
