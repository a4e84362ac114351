"""How a picture is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pai_modelscope import limits
from pai_modelscope.config.option import as_declared, option

# What `None` means where the model folder recommends nothing.
GENERATION_FALLBACKS = {"num_inference_steps": 20, "guidance_scale": 7.5, "guidance_rescale": 0.0}
# How far to go from a picture, and under a mask, where `strength` is left open.
IMAGE_STRENGTH, MASK_STRENGTH = 0.6, 1.0
# How a picture is enlarged where only `upscale` is given. At 0.2 the shipped model sharpens edges and leaves shapes as
# they are, from 0.3 contours fray, and from 0.4 it draws patches into what was plain.
UPSCALER, UPSCALE_STRENGTH = "hires", 0.2


@dataclass
class GenerationOptions:
    """How a picture is made. `None` means: what the model folder recommends, else what `absent` says."""

    negative_prompt: str = option("", help="what the picture should not show", absent="nothing")
    num_inference_steps: int | None = option(
        None, help="denoising steps", flag="--steps", absent="the model's own", minimum=1, maximum=1000
    )
    guidance_scale: float | None = option(
        None, help="how strongly the text steers; 1 is off", absent="the model's own", minimum=0, maximum=100
    )
    guidance_rescale: float | None = option(
        None, help="0 to 1, holds back the contrast of guidance", absent="the model's own", minimum=0, maximum=1
    )
    height: int | None = option(
        None, help="pixels, a multiple of 8", absent="the model's own", minimum=64, maximum=4096
    )
    width: int | None = option(None, help="pixels, a multiple of 8", absent="the model's own", minimum=64, maximum=4096)
    num_images_per_prompt: int = option(
        1, help="pictures for each text", flag="--num-images", minimum=1, maximum=limits.PICTURES
    )
    seed: int | list[int] | None = option(
        None, help="whole number, or several with commas between, one a picture", absent="random"
    )
    scheduler: str | None = option(
        None, help="name of the sampling method, such as 'DPM++ 2M'", absent="the model's own"
    )
    clip_skip: int | None = option(None, help="last layers of the text encoder to leave out", absent="none", minimum=0)
    output_type: str = option("bgr", help="'bgr', an array of uint8, or 'pil'", choices=("bgr", "pil"))
    batch_size: int | None = option(
        None, help="pictures drawn at once", absent="1 on a CPU, 8 on a GPU", minimum=1, maximum=limits.BATCH
    )
    batch_pos: int | None = option(
        None, help="remake a picture of a batch: its row, from 0, among batch_size rows", minimum=0
    )
    image: object = option(None, help="picture to start from, a file", absent="none")
    strength: float | None = option(
        None,
        help="how far from the image to go, 0 to 1",
        absent=f"{IMAGE_STRENGTH}, with a mask {MASK_STRENGTH}",
        above=0,
        maximum=1,
    )
    resize: str = option(
        "crop", help="how the image comes to the size: crop, fit or stretch", choices=("crop", "fit", "stretch")
    )
    mask: object = option(
        None, help="what of the image to draw anew: a picture of the same size, white there", absent="none"
    )
    mask_blur: int = option(4, help="pixels over which new and old blend", minimum=0, maximum=limits.MASK_PIXELS)
    mask_only: bool = option(False, help="draw just the surroundings of the mask, at full size")
    mask_padding: int = option(
        32, help="pixels around the mask that --mask-only draws too", minimum=0, maximum=limits.MASK_PIXELS
    )
    outpaint: tuple[int, int, int, int] | None = option(
        None, help="pixels to draw around the image: left,right,top,bottom", absent="none"
    )
    loras: object = option(
        None,
        help="FILE or FILE=WEIGHT; prompts may say <lora:name:0.8> instead; may be repeated",
        flag="--lora",
        absent="none",
    )
    embeddings: object = option(
        None,
        help="FILE whose word the texts may use, such as <小奶猫>; may be repeated",
        flag="--embedding",
        absent="none",
    )
    control: object = option(
        None,
        help="a picture that steers, KIND=FILE, as in canny=photo.png; more after commas: model=FOLDER, scale=0.8, "
        "start=0, end=0.7, annotate=no (the file already shows edges); may be repeated",
        absent="none",
    )
    upscale: int | None = option(
        None, help="how many times larger per side the finished picture is made: 2 or 4", absent="none", choices=(2, 4)
    )
    upscaler: str | None = option(
        None,
        help="hires (drawn over at the large size), painter (drawn sharp, by a small network that ships) or realesrgan "
        "(drawn sharp, where installed)",
        absent=UPSCALER,
    )
    upscale_strength: float | None = option(
        None, help="how far hires goes from the picture, 0 to 1", absent=str(UPSCALE_STRENGTH), above=0, below=1
    )
    poem: str | None = option(
        None, help="lines of verse, from which the prompt is made where none is given", absent="none"
    )
    beautify: bool = option(False, help="add the style, season, light and composition that the prompt leaves open")
    scroll: bool = option(False, help="mount the picture, with the poem, as a scroll of 3:1, beside the picture itself")
    scroll_date: str | None = option(
        None, help="what the scroll's signature says, up to 12 Chinese characters", absent="year and season of today"
    )
    scroll_seal: str | None = option(None, help="one to four Chinese characters on the scroll's seal", absent="派")


Value = TypeVar("Value")


def _as_declared(name: str, default: Value) -> Value:
    """The option of `GenerationOptions` of this name, with another default."""
    return as_declared(GenerationOptions, name, default)


@dataclass(frozen=True)
class GenerationRequest:
    """One text to draw, and its options as `GenerationOptions` declares them, all of which JSON can hold.

    `None` leaves an option to what the requests of a call share, then to the model's folder, then to the default.
    """

    prompt: str = option("", help="what to draw")
    negative_prompt: str | None = _as_declared("negative_prompt", None)
    num_inference_steps: int | None = _as_declared("num_inference_steps", None)
    guidance_scale: float | None = _as_declared("guidance_scale", None)
    guidance_rescale: float | None = _as_declared("guidance_rescale", None)
    height: int | None = _as_declared("height", None)
    width: int | None = _as_declared("width", None)
    num_images_per_prompt: int | None = _as_declared("num_images_per_prompt", None)
    seed: int | Sequence[int] | None = _as_declared("seed", None)
    scheduler: str | None = _as_declared("scheduler", None)
    clip_skip: int | None = _as_declared("clip_skip", None)
    output_type: str | None = _as_declared("output_type", None)
    batch_size: int | None = _as_declared("batch_size", None)
    batch_pos: int | None = _as_declared("batch_pos", None)
    image: str | None = _as_declared(
        "image", None
    )  # a path, a data URL, or a name of the pictures that come beside the requests
    strength: float | None = _as_declared("strength", None)
    resize: str | None = _as_declared("resize", None)
    mask: str | None = _as_declared("mask", None)  # as `image`
    mask_blur: int | None = _as_declared("mask_blur", None)
    mask_only: bool | None = _as_declared("mask_only", None)
    mask_padding: int | None = _as_declared("mask_padding", None)
    outpaint: Sequence[int] | None = _as_declared("outpaint", None)
    loras: Mapping[str, float | None] | None = _as_declared("loras", None)
    embeddings: str | Sequence[str] | None = _as_declared("embeddings", None)
    control: Mapping[str, object] | Sequence[object] | None = _as_declared("control", None)  # its pictures as `image`
    upscale: int | None = _as_declared("upscale", None)
    upscaler: str | None = _as_declared("upscaler", None)
    upscale_strength: float | None = _as_declared("upscale_strength", None)
    poem: str | None = _as_declared("poem", None)
    beautify: bool | None = _as_declared("beautify", None)
    scroll: bool | None = _as_declared("scroll", None)
    scroll_date: str | None = _as_declared("scroll_date", None)
    scroll_seal: str | None = _as_declared("scroll_seal", None)
