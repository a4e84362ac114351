"""How a picture is made."""

from dataclasses import dataclass
from typing import Any

from pai_modelscope import limits
from pai_modelscope.config.option import option


@dataclass
class GenerationOptions:
    """How a picture is made. `None` means: what the model folder recommends, else the value in the comment."""

    negative_prompt: str = ""
    num_inference_steps: int | None = option(None, minimum=1, maximum=1000)  # 20
    guidance_scale: float | None = option(None, minimum=0, maximum=100)  # 7.5
    guidance_rescale: float | None = option(None, minimum=0, maximum=1)  # 0.0
    height: int | None = option(None, minimum=64, maximum=4096)  # the model's own, pixels, a multiple of 8
    width: int | None = option(None, minimum=64, maximum=4096)
    num_images_per_prompt: int = option(1, minimum=1, maximum=limits.PICTURES)
    seed: int | list[int] | None = None  # random, and reported
    scheduler: str | None = None  # the model's own
    clip_skip: int | None = option(None, minimum=0)  # below the layers of the text encoder
    output_type: str = option("bgr", choices=("bgr", "pil"))  # 'bgr' (uint8 array) or 'pil'
    batch_size: int | None = option(
        None, minimum=1, maximum=limits.BATCH
    )  # pictures denoised at once: 1 on a CPU, 8 on a GPU
    batch_pos: int | None = option(
        None, minimum=0
    )  # remake a picture of a batch: its row (from 0) among `batch_size` rows
    image: Any = None  # start from this picture: a path, PIL picture, BGR array, bytes or data URL
    strength: float | None = option(None, above=0, maximum=1)  # how far from `image` to go: 0.6, with a mask 1.0
    resize: str = option(
        "crop", choices=("crop", "fit", "stretch")
    )  # how `image` comes to height and width: 'crop', 'fit' (pad) or 'stretch'
    mask: Any = None  # what of `image` is drawn anew: white; the rest comes back unchanged
    mask_blur: int = option(4, minimum=0, maximum=limits.MASK_PIXELS)  # pixels over which new and old blend
    mask_only: bool = False  # draw just the surroundings of the mask, at full height and width
    mask_padding: int = option(
        32, minimum=0, maximum=limits.MASK_PIXELS
    )  # pixels around the mask that `mask_only` draws too
    outpaint: tuple[int, int, int, int] | None = None  # pixels to draw around `image`: left, right, top, bottom
    loras: Any = None  # {'poem.safetensors': 0.4}: a file, zoo name or loaded name, and its weight
    embeddings: Any = None  # files whose words the texts may use, such as `<小奶猫>`
    control: Any = None  # pictures that steer, by ControlNet: {'canny': picture}, see sampling/controls.py
    upscale: int | None = option(None, choices=(2, 4))  # the finished picture so many times larger per side: 2 or 4
    upscaler: str | None = option(
        None, choices=("hires", "realesrgan")
    )  # 'hires' (drawn over at the large size) or 'realesrgan' (an extra): 'hires'
    upscale_strength: float | None = option(
        None, above=0, below=1
    )  # how far 'hires' goes from the finished picture: 0.2


# What a `None` above means where the model folder recommends nothing.
GENERATION_FALLBACKS = {"num_inference_steps": 20, "guidance_scale": 7.5, "guidance_rescale": 0.0}
# How far to go from a picture, and under a mask, where `strength` is left open.
IMAGE_STRENGTH, MASK_STRENGTH = 0.6, 1.0
# How a picture is enlarged where only `upscale` is given. At 0.2 the shipped model sharpens edges and leaves shapes as
# they are, from 0.3 contours fray, and from 0.4 it draws patches into what was plain.
UPSCALER, UPSCALE_STRENGTH = "hires", 0.2
