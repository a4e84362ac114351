"""What each fine-tuning method trains, its loss and what it saves."""

from pai_modelscope.methods.base import Method
from pai_modelscope.methods.full import FullFineTuning

__all__ = ["FullFineTuning", "Method"]
