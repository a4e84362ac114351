"""Backends: ways to evaluate a denoising network. Diffusion, guidance and ControlNets are the `Denoiser`'s."""

from pai_modelscope.acceleration.backend import Backend
from pai_modelscope.acceleration.eager import EagerBackend

__all__ = ["Backend", "EagerBackend"]
