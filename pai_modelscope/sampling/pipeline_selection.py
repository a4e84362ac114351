"""Which of diffusers' pipelines a request needs, over the same networks, and what it is given beside text and noise."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from diffusers import (
    DiffusionPipeline,
    ModelMixin,
    SchedulerMixin,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
)
from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.sampling.init_image import Canvas, canvas
from pai_modelscope.sampling.request import ResolvedRequest

# By (starts from a picture, repaints a part of it, is controlled).
_PIPELINES: dict[tuple[bool, bool, bool], type[DiffusionPipeline]] = {
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

    pipe: DiffusionPipeline
    inputs: Mapping[str, object]
    finish: Callable[[Image.Image], Image.Image]
    from_noise: bool = True

    def use(self, scheduler: SchedulerMixin) -> None:
        """Have the pipeline, which nobody else calls, step by this scheduler."""
        scheduler.from_noise = self.from_noise
        self.pipe.scheduler = scheduler


def task(base: DiffusionPipeline, request: ResolvedRequest, controlnets: list[ModelMixin]) -> Task:
    """For a request; `base` is the text-to-image pipeline, `controlnets` those of the request's controls."""
    width, height = size = request.width, request.height
    start = None if request.init_image is None else canvas(request.init_image, size, request.resize)
    sides = {"height": height, "width": width}
    if start is None and not controlnets:
        return Task(copy.copy(base), sides, _as_drawn)
    parts = {**base.components, "requires_safety_checker": False}
    inputs: dict[str, object] = {}
    from_noise = True
    if start is not None and request.init_image is not None:
        strength, steps = request.init_image.strength, request.num_inference_steps
        inputs |= {"image": start.image, "strength": strength}
        from_noise = int(steps * strength) >= steps  # as diffusers counts
        if start.mask is not None:
            inputs |= {"mask_image": start.mask, **sides}
    if controlnets:
        parts["controlnet"] = controlnets
        inputs |= {**sides, **_steering(start, request)}
    pipe = _PIPELINES[start is not None, bool(start and start.mask), bool(controlnets)](**parts)
    pipe.set_progress_bar_config(disable=True)
    return Task(pipe, inputs, _as_drawn if start is None else start.finish, from_noise)


def _steering(start: Canvas | None, request: ResolvedRequest) -> dict[str, object]:
    size = request.width, request.height
    box, whole = (start.box, start.whole) if start else (None, size)
    pictures = [control.picture(size, request.resize, box, whole) for control in request.controls]
    return {
        "image" if start is None else "control_image": pictures,
        "controlnet_conditioning_scale": [control.scale for control in request.controls],
        "control_guidance_start": [control.start for control in request.controls],
        "control_guidance_end": [control.end for control in request.controls],
    }


def _as_drawn(picture: Image.Image) -> Image.Image:
    return picture


def out_of_memory(error: Exception, rows: int, request: ResolvedRequest) -> Exception:
    """What to raise for an error of the drawing itself."""
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return UserError(
            f"Not enough memory for {rows} pictures of {request.width}x{request.height} at once: choose a smaller size "
            "or batch_size=1."
        )
    return error


def no_picture(dtype: torch.dtype, request: ResolvedRequest) -> UserError:
    """What to raise for numbers that are infinite or none."""
    half = dtype != torch.float32
    weights = f"overflow in {str(dtype).removeprefix('torch.')}: try float32" if half else "are damaged: get them again"
    causes = [f"the model's weights {weights}"]
    if names := ", ".join(use.name for use in request.loras):
        causes.insert(0, f"a LoRA ({names}) is damaged or too strong: leave it out, or lower its weight")
    return UserError(f"What was drawn is no picture, but numbers that are not finite: {'; or '.join(causes)}.")
