"""The options of training: documented, and with the very defaults of the classes that they go to."""

import inspect
from dataclasses import MISSING, fields, is_dataclass

import pytest

from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.data import DataOptions
from pai_modelscope.config.option import declaration_of
from pai_modelscope.config.validation import ValidationOptions
from pai_modelscope.data import open_training_set
from pai_modelscope.methods import ControlNetTraining, FullFineTuning, LoraTraining, TextualInversion
from pai_modelscope.methods.controlnet.options import ControlNetOptions
from pai_modelscope.methods.denoising import Denoising
from pai_modelscope.methods.denoising_options import DenoisingOptions
from pai_modelscope.methods.dreambooth.options import DreamBoothOptions
from pai_modelscope.methods.full.options import FullOptions
from pai_modelscope.methods.lora.options import LoraOptions
from pai_modelscope.methods.textual_inversion.options import TextualInversionOptions

ALL = (
    TrainingConfig,
    DataOptions,
    DenoisingOptions,
    FullOptions,
    LoraOptions,
    TextualInversionOptions,
    DreamBoothOptions,
    ControlNetOptions,
    ValidationOptions,
)
# Of what a method is made from, before it is made.
BEFORE = {"prediction_type", "rescale_betas_zero_snr", "annotator", "controlnet_model_name_or_path"}


@pytest.mark.parametrize("options", ALL)
def test_every_option_says_what_it_is(options):
    helps = {field.name: declaration_of(field).help for field in fields(options)}
    assert helps and all(len(text) > 5 for text in helps.values()), helps


@pytest.mark.parametrize(
    ("options", "takes"),
    [
        (DenoisingOptions, Denoising),
        (FullOptions, FullFineTuning),
        (LoraOptions, LoraTraining),
        (ControlNetOptions, ControlNetTraining),
    ],
)
def test_defaults_are_those_of_the_method(options, takes):
    parameters = inspect.signature(takes).parameters
    inherited = {field.name for base in options.__bases__ if is_dataclass(base) for field in fields(base)}
    for field in fields(options):
        if field.name not in BEFORE | inherited:
            assert field.default is not MISSING and parameters[field.name].default == field.default, field.name


def test_the_others_exist_where_they_go():
    parameters = inspect.signature(TextualInversion).parameters
    assert {"placeholder", "initializer", "num_vectors"} <= parameters.keys()
    assert parameters["num_vectors"].default == TextualInversionOptions.num_vectors
    columns = inspect.signature(open_training_set).parameters
    for name in ("image_column", "caption_column", "conditioning_image_column", "mask_column"):
        assert columns[name].default == getattr(DataOptions, name)
