"""The one training loop."""

from pai_modelscope.training.card import CardFacts
from pai_modelscope.training.sample_order import Order
from pai_modelscope.training.source import Source
from pai_modelscope.training.trainer import Trainer, train
from pai_modelscope.training.validation import Validation
from pai_modelscope.training.validation_images import PictureValidation

__all__ = ["CardFacts", "Order", "PictureValidation", "Source", "Trainer", "Validation", "train"]
