"""The networks of version 2: the anatomy of PAI-Diffusion, as in version 1, with more room for scenes and for words."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    ConvNextConfig,
    ConvNextModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)

from recipes.mini import models as version_1
from recipes.mini.models import TEXT_WIDTH, text_config

CLIP_PIXELS = 128  # side of the pictures that the image tower sees
TEXT_LAYERS = 4


def clip(vocab_size: int) -> VisionTextDualEncoderModel:
    """The model's own Chinese CLIP: a ConvNeXt image tower, and the text tower that the UNet reads."""
    vision = ConvNextConfig(
        hidden_sizes=[48, 96, 144, 192], depths=[2, 2, 4, 2], image_size=CLIP_PIXELS, hidden_size=192
    )
    text: CLIPTextConfig = text_config(vocab_size)
    text.num_hidden_layers = TEXT_LAYERS
    config = VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=TEXT_WIDTH)
    return VisionTextDualEncoderModel(config, ConvNextModel(vision), CLIPTextModel(text))


def vae() -> AutoencoderKL:
    """As version 1's, with 5.5 M parameters; wide at the bottom, where pixels are few and cost little time."""
    return version_1.vae((48, 96, 128, 160))


def unet(channels: tuple[int, int, int] = (96, 192, 288)) -> UNet2DConditionModel:
    """As version 1's, with 24.6 M parameters: all that ships must stay below 52 MiB."""
    return version_1.unet(channels)
