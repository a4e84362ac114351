"""Every option that a user can set, and the only place where its default is written."""

from pai_modelscope.config.generation import (
    GENERATION_FALLBACKS,
    IMAGE_STRENGTH,
    MASK_STRENGTH,
    UPSCALE_STRENGTH,
    UPSCALER,
    GenerationOptions,
    GenerationRequest,
)
from pai_modelscope.config.training import TrainingConfig

__all__ = [
    "GENERATION_FALLBACKS",
    "IMAGE_STRENGTH",
    "MASK_STRENGTH",
    "UPSCALER",
    "UPSCALE_STRENGTH",
    "GenerationOptions",
    "GenerationRequest",
    "TrainingConfig",
]
