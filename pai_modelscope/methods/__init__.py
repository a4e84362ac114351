"""Fine-tuning methods: what each trains, its options, its loss and what it saves. One folder a method, and a registry.

The names below are imported on first use, so that options can be shown without torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pai_modelscope.methods.base import Method, Phase, mean_metrics
    from pai_modelscope.methods.controlnet.method import ControlNetTraining
    from pai_modelscope.methods.denoising import Denoising
    from pai_modelscope.methods.denoising_options import DenoisingOptions
    from pai_modelscope.methods.dreambooth.class_pictures import (
        class_examples,
        class_pictures,
        warn_of_other_words,
        with_class_pictures,
    )
    from pai_modelscope.methods.fine_tuning import FineTuning, RunContext
    from pai_modelscope.methods.full.method import FullFineTuning
    from pai_modelscope.methods.lora.method import LoraTraining
    from pai_modelscope.methods.registry import register_method
    from pai_modelscope.methods.spec import MethodOptions, MethodSpec, RunOptions
    from pai_modelscope.methods.textual_inversion.method import TextualInversion, save_pipeline
    from pai_modelscope.methods.textual_inversion.templates import template_captions, with_word

_MODULES = {
    "ControlNetTraining": "controlnet.method",
    "Denoising": "denoising",
    "DenoisingOptions": "denoising_options",
    "FineTuning": "fine_tuning",
    "FullFineTuning": "full.method",
    "LoraTraining": "lora.method",
    "Method": "base",
    "MethodOptions": "spec",
    "MethodSpec": "spec",
    "Phase": "base",
    "RunContext": "fine_tuning",
    "RunOptions": "spec",
    "TextualInversion": "textual_inversion.method",
    "class_examples": "dreambooth.class_pictures",
    "class_pictures": "dreambooth.class_pictures",
    "mean_metrics": "base",
    "register_method": "registry",
    "save_pipeline": "textual_inversion.method",
    "template_captions": "textual_inversion.templates",
    "warn_of_other_words": "dreambooth.class_pictures",
    "with_class_pictures": "dreambooth.class_pictures",
    "with_word": "textual_inversion.templates",
}
__all__ = [
    "ControlNetTraining",
    "Denoising",
    "DenoisingOptions",
    "FineTuning",
    "FullFineTuning",
    "LoraTraining",
    "Method",
    "MethodOptions",
    "MethodSpec",
    "Phase",
    "RunContext",
    "RunOptions",
    "TextualInversion",
    "class_examples",
    "class_pictures",
    "mean_metrics",
    "register_method",
    "save_pipeline",
    "template_captions",
    "warn_of_other_words",
    "with_class_pictures",
    "with_word",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value
