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
    """8x, 4 latent channels, 5.5 M parameters; wide at the bottom, where pixels are few and cost little time.

    No attention in the middle, so that any picture size costs linear memory.
    """
    return AutoencoderKL(
        block_out_channels=(48, 96, 128, 160),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        mid_block_add_attention=False,
        sample_size=256,
        scaling_factor=0.18215,
    )


def unet(channels: tuple[int, int, int] = (96, 192, 320)) -> UNet2DConditionModel:
    """Text attention at 16x16 and 8x8; `attention_head_dim` is, as in SD-1.x configs, the number of heads."""
    return UNet2DConditionModel(
        sample_size=32,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=tuple(c // 32 for c in channels),
    )
