"""The maths of diffusion as pure functions on tensors."""

from pai_modelscope.diffusion.noising import add_noise, prediction_target

__all__ = ["add_noise", "prediction_target"]
