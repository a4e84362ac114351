"""The one training loop."""

from pai_modelscope.training.loop import Source, train
from pai_modelscope.training.order import Order

__all__ = ["Order", "Source", "train"]
