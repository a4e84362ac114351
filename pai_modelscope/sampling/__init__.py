"""From Chinese texts to pictures, over diffusers' StableDiffusionPipeline."""

from pai_modelscope.sampling.sampler import Picture, Sampler
from pai_modelscope.sampling.schedulers import SCHEDULERS

__all__ = ["SCHEDULERS", "Picture", "Sampler"]
