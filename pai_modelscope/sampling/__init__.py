"""From Chinese texts to pictures, over diffusers' StableDiffusionPipeline."""

from pai_modelscope.config import GenerationRequest
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.sampling.request import ModelLimits, ResolvedRequest, resolve
from pai_modelscope.sampling.sampler import Picture, Sampler
from pai_modelscope.sampling.schedulers import SCHEDULERS

__all__ = [
    "SCHEDULERS",
    "GenerationRequest",
    "LoadedModel",
    "ModelLimits",
    "Picture",
    "ResolvedRequest",
    "Sampler",
    "resolve",
]
