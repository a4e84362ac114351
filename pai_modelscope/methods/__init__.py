"""What each fine-tuning method trains, its loss and what it saves."""

from pai_modelscope.methods.base import Method, finished
from pai_modelscope.methods.controlnet import ControlNetTraining
from pai_modelscope.methods.dreambooth import (
    class_examples,
    class_pictures,
    warn_of_other_words,
    with_class_pictures,
)
from pai_modelscope.methods.full import FullFineTuning
from pai_modelscope.methods.lora import LoraTraining
from pai_modelscope.methods.templates import template_captions, with_word
from pai_modelscope.methods.textual_inversion import TextualInversion, save_pipeline

__all__ = [
    "ControlNetTraining",
    "FullFineTuning",
    "LoraTraining",
    "Method",
    "TextualInversion",
    "class_examples",
    "class_pictures",
    "finished",
    "save_pipeline",
    "template_captions",
    "warn_of_other_words",
    "with_class_pictures",
    "with_word",
]
