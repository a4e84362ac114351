"""The networks of version 2: the anatomy of PAI-Diffusion, as in version 1, with more room for scenes."""

from diffusers import AutoencoderKL


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
