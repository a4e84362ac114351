"""The networks of `pai-diffusion-mini-zh`: the anatomy of PAI-Diffusion, sized so that all weights fit 42 MiB in fp16.

Every class is a stock one of diffusers or transformers; this file holds only the numbers. The choice of numbers is
explained, with the alternatives that were measured, in recipes/mini/README.md.
"""

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    ConvNextConfig,
    ConvNextModel,
    EfficientNetConfig,
    EfficientNetModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)

PROMPT_TOKENS = 32  # the length of one chunk, as in PAI-Diffusion
TEXT_WIDTH = 256
CLIP_PIXELS = 128  # side of the pictures that the CLIP and the judge see
UNET_CHANNELS = (96, 128, 192)


def text_config(vocab_size: int) -> CLIPTextConfig:
    # [SEP] (id 3) ends a text. It must not be 2: transformers keeps a compatibility branch for eos_token_id == 2
    # that pools at the largest token id instead of at the first end-of-text token.
    return CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=TEXT_WIDTH,
        intermediate_size=768,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=8,
        max_position_embeddings=PROMPT_TOKENS,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )


def clip(vocab_size: int) -> VisionTextDualEncoderModel:
    """The model's own Chinese CLIP: a ConvNeXt image tower (128 px) and the text tower that the UNet reads."""
    # `hidden_size` is what the dual encoder asks for; ConvNeXt itself only knows `hidden_sizes`.
    vision = ConvNextConfig(
        hidden_sizes=[32, 64, 96, 160], depths=[1, 2, 3, 2], image_size=CLIP_PIXELS, hidden_size=160
    )
    text = text_config(vocab_size)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=TEXT_WIDTH)
    return VisionTextDualEncoderModel(config, ConvNextModel(vision), CLIPTextModel(text))


def judge(vocab_size: int) -> VisionTextDualEncoderModel:
    """The judge: another image architecture (EfficientNet), another text architecture (BERT), another seed."""
    tower = judge_tower(CLIP_PIXELS)
    text = BertConfig(
        vocab_size=vocab_size,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=384,
        max_position_embeddings=PROMPT_TOKENS,
    )
    config = VisionTextDualEncoderConfig.from_vision_text_configs(tower.config, text, projection_dim=192)
    return VisionTextDualEncoderModel(config, tower, BertModel(text))


def judge_tower(pixels: int) -> EfficientNetModel:
    """The judge's image tower, for pictures of `pixels` a side; it says 768 numbers."""
    # `hidden_dim` must be the width of the last convolution, 1280 x width_coefficient; the dual encoder reads
    # the same number as `hidden_size`.
    config = EfficientNetConfig(
        image_size=pixels,
        width_coefficient=0.6,
        depth_coefficient=0.6,
        hidden_dim=768,
        hidden_size=768,
        # The library's default of 0.99 is TensorFlow's convention; in torch it would forget all but the last batch.
        batch_norm_momentum=0.05,
        batch_norm_eps=1e-5,
    )
    tower = EfficientNetModel(config)
    # The library draws every weight, even the gains of batch norm, around 0: the signal would die out in the tower.
    for module in tower.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return tower


def vae(channels: tuple[int, int, int, int] = (48, 64, 96, 96)) -> AutoencoderKL:
    """8x, 4 latent channels; no attention in the middle, so that any picture size costs linear memory."""
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        mid_block_add_attention=False,
        sample_size=256,
        scaling_factor=0.18215,
    )


def unet(channels: tuple[int, int, int] = UNET_CHANNELS) -> UNet2DConditionModel:
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


def scheduler() -> DDIMScheduler:
    """Zero terminal SNR with v-prediction (Lin et al. 2023, arXiv:2305.08891), sampled at trailing timesteps."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
