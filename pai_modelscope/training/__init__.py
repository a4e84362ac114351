"""The one training loop."""

from pai_modelscope.training.card import About
from pai_modelscope.training.loop import train
from pai_modelscope.training.order import Order
from pai_modelscope.training.pictures import PictureValidation
from pai_modelscope.training.source import Source
from pai_modelscope.training.validation import Validation

__all__ = ["About", "Order", "PictureValidation", "Source", "Validation", "train"]
