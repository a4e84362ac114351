"""What the sources of batches are told of a model's latents."""

from functools import partial
from typing import Any

from pai_modelscope.data.batches import Scale
from pai_modelscope.families import STABLE_DIFFUSION


def scale_of(pipe: Any) -> Scale:
    """The scaling of the latents of a pipeline's VAE."""
    return partial(STABLE_DIFFUSION.scale_latents, pipe)
