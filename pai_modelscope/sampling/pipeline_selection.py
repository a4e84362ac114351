"""Which of diffusers' pipelines a job needs, over the same networks, and what it is given beside text and noise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
)
from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.sampling.init_image import Canvas, canvas

# By (starts from a picture, repaints a part of it, is controlled).
_PIPELINES: dict[tuple[bool, bool, bool], type] = {
    (True, False, False): StableDiffusionImg2ImgPipeline,
    (True, True, False): StableDiffusionInpaintPipeline,
    (False, False, True): StableDiffusionControlNetPipeline,
    (True, False, True): StableDiffusionControlNetImg2ImgPipeline,
    (True, True, True): StableDiffusionControlNetInpaintPipeline,
}


@dataclass(frozen=True)
class Task:
    """A pipeline, the arguments that only it takes, what becomes of its pictures, and whether noise is all it starts
    from."""

    pipe: Any
    inputs: dict[str, Any]
    finish: Callable[[Image.Image], Image.Image]
    from_noise: bool = True

    def use(self, scheduler: Any) -> None:
        """Have the pipeline step by this scheduler."""
        scheduler.from_noise = self.from_noise
        self.pipe.scheduler = scheduler


def task(base: Any, options: Any, controlnets: list[Any]) -> Task:
    """For a job's settled `GenerationOptions`; `base` is the text-to-image pipeline, `controlnets` the options' own."""
    start = None if options.image is None else canvas(options)
    size = {"height": options.height, "width": options.width}
    if start is None and not controlnets:
        return Task(base, size, _as_drawn)
    parts = {**base.components, "requires_safety_checker": False}
    inputs: dict[str, Any] = {}
    if start is not None:
        inputs |= {"image": start.image, "strength": options.strength}
        if start.mask is not None:
            inputs |= {"mask_image": start.mask, **size}
    if controlnets:
        parts["controlnet"] = controlnets
        inputs |= {**size, **_steering(start, options)}
    pipe: Any = _PIPELINES[start is not None, bool(start and start.mask), bool(controlnets)](**parts)
    pipe.set_progress_bar_config(disable=True)
    if start is None:
        return Task(pipe, inputs, _as_drawn)
    whole = int(options.num_inference_steps * options.strength) >= options.num_inference_steps  # as diffusers counts
    return Task(pipe, inputs, start.finish, from_noise=whole)


def _steering(start: Canvas | None, options: Any) -> dict[str, Any]:
    size = options.width, options.height
    box, whole = (start.box, start.whole) if start else (None, size)
    pictures = [control.picture(size, options.resize, box, whole) for control in options.control]
    return {
        "image" if start is None else "control_image": pictures,
        "controlnet_conditioning_scale": [float(control.scale) for control in options.control],
        "control_guidance_start": [float(control.start) for control in options.control],
        "control_guidance_end": [float(control.end) for control in options.control],
    }


def _as_drawn(picture: Image.Image) -> Image.Image:
    return picture


def out_of_memory(error: Exception, rows: int, options: Any) -> Exception:
    """What to raise for an error of the drawing itself."""
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return UserError(
            f"Not enough memory for {rows} pictures of {options.width}x{options.height} at once: choose a smaller size "
            "or batch_size=1."
        )
    return error


def no_picture(dtype: torch.dtype, options: Any) -> UserError:
    """What to raise for numbers that are infinite or none."""
    half = dtype != torch.float32
    weights = f"overflow in {str(dtype).removeprefix('torch.')}: try float32" if half else "are damaged: get them again"
    causes = [f"the model's weights {weights}"]
    if names := ", ".join(use.name for use in options.loras):
        causes.insert(0, f"a LoRA ({names}) is damaged or too strong: leave it out, or lower its weight")
    return UserError(f"What was drawn is no picture, but numbers that are not finite: {'; or '.join(causes)}.")
