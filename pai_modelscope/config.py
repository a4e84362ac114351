"""Every option that a user can set, and the only place where its default is written."""

from dataclasses import dataclass


@dataclass
class GenerationOptions:
    """How a picture is made. `None` means: what the model folder recommends, else the value in the comment."""

    negative_prompt: str = ""
    num_inference_steps: int | None = None  # 20
    guidance_scale: float | None = None  # 7.5
    guidance_rescale: float | None = None  # 0.0
    height: int | None = None  # the model's own, pixels
    width: int | None = None
    num_images_per_prompt: int = 1
    seed: int | list[int] | None = None  # random, and reported
    scheduler: str | None = None  # the model's own
    clip_skip: int | None = None
    output_type: str = "bgr"  # 'bgr' (uint8 array) or 'pil'
