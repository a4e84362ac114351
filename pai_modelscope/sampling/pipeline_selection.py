"""Which of diffusers' pipelines a request needs, and what it is given beside text and noise."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers import (
    DiffusionPipeline,
    SchedulerMixin,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
)
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.sampling.denoiser import Denoiser
from pai_modelscope.sampling.init_image import canvas
from pai_modelscope.sampling.request import ResolvedRequest


@dataclass(frozen=True)
class Task:
    """A kind of pipeline, the arguments that it takes beside text and noise, and what becomes of its pictures.

    `pipeline`: None for that of text to image; `control_pictures`: what the request's ControlNets see, (1, 3, H, W)
    from 0 to 1; `from_noise`: whether noise is all that it starts from.
    """

    pipeline: type[DiffusionPipeline] | None
    inputs: Mapping[str, object]
    control_pictures: Sequence[torch.Tensor]
    finish: Callable[[Image.Image], Image.Image]
    from_noise: bool = True

    def open(self, base: DiffusionPipeline, denoiser: Denoiser, scheduler: SchedulerMixin) -> DiffusionPipeline:
        """The pipeline, which nobody else calls, over the networks of `base`, the text-to-image pipeline; the denoiser
        predicts for it."""
        pipe = copy.copy(base)
        if self.pipeline:
            pipe = self.pipeline(**base.components, requires_safety_checker=False)
            pipe.set_progress_bar_config(disable=True)
        scheduler.from_noise = self.from_noise
        pipe.scheduler, pipe.unet = scheduler, denoiser
        denoiser.evaluations = lambda: pipe.num_timesteps
        return pipe


def task(request: ResolvedRequest) -> Task:
    """What a request asks for; ControlNets are of no matter, they are the denoiser's."""
    width, height = size = request.width, request.height
    sides = {"height": height, "width": width}
    if request.init_image is None:
        pictures = [control.picture(size, request.resize, None, size) for control in request.controls]
        return Task(None, sides, [_as_tensor(picture) for picture in pictures], _as_drawn)
    start = canvas(request.init_image, size, request.resize)
    pictures = [control.picture(size, request.resize, start.box, start.whole) for control in request.controls]
    inputs: dict[str, object] = {"image": start.image, "strength": request.init_image.strength}
    pipeline: type[DiffusionPipeline] = StableDiffusionImg2ImgPipeline
    if start.mask is not None:
        pipeline = StableDiffusionInpaintPipeline
        inputs |= {"mask_image": start.mask, **sides}
    from_noise = request.steps_run >= request.num_inference_steps
    return Task(pipeline, inputs, [_as_tensor(picture) for picture in pictures], start.finish, from_noise)


def _as_tensor(picture: Image.Image) -> torch.Tensor:
    """As diffusers' ControlNet pipelines prepare a picture: (1, 3, H, W) from 0 to 1."""
    prepared: torch.Tensor = VaeImageProcessor(do_convert_rgb=True, do_normalize=False, do_resize=False).preprocess(
        picture
    )
    return prepared


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
