"""What each fine-tuning method trains, its loss and what it saves."""

from pai_modelscope.methods.base import Method
from pai_modelscope.methods.controlnet import ControlNetTraining
from pai_modelscope.methods.full import FullFineTuning

__all__ = ["ControlNetTraining", "FullFineTuning", "Method"]
