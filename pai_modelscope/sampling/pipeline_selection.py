"""Which of diffusers' pipelines draws a request, and what it is given beside text and noise."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from pai_modelscope.sampling.controls import Control
from pai_modelscope.sampling.init_image import Canvas, canvas
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.sampling.request import ResolvedRequest


@dataclass(frozen=True)
class PipelineInputs:
    """What a pipeline is given for a batch beside text and noise, and what becomes of its pictures.

    `control_pictures`: what each of the ControlNets sees, (pictures, 3, H, W) from 0 to 1.
    """

    inputs: Mapping[str, object]
    control_pictures: Sequence[torch.Tensor]
    finish: Callable[[Image.Image], Image.Image]


def pipeline_inputs(rows: Sequence[ResolvedRequest]) -> PipelineInputs:
    """The sizes, and where the requests have an initial image, that image and its mask as they are drawn on.

    The rows of a batch share all of this; each may have control pictures of its own, which are the denoiser's.
    """
    request = rows[0]
    sides = {"height": request.height, "width": request.width}
    if request.init_image is None:
        return PipelineInputs(sides, _control_pictures(rows, None), _as_drawn)
    start = canvas(request.init_image, (request.width, request.height), request.resize)
    inputs: dict[str, object] = {"image": start.image, "strength": request.init_image.strength}
    if start.mask is not None:
        inputs |= {"mask_image": start.mask, **sides}
    return PipelineInputs(inputs, _control_pictures(rows, start), start.finish)


def _control_pictures(rows: Sequence[ResolvedRequest], start: Canvas | None) -> list[torch.Tensor]:
    size = rows[0].width, rows[0].height
    box, whole = (start.box, start.whole) if start else (None, size)
    drawn: dict[Control, torch.Tensor] = {}
    for control in dict.fromkeys(control for row in rows for control in row.controls):
        drawn[control] = _as_tensor(control.picture(size, rows[0].resize, box, whole))
    several = zip(*(row.controls for row in rows), strict=True)
    return [torch.cat([drawn[control] for control in controls]) for controls in several]


def open_pipeline(model: LoadedModel, request: ResolvedRequest, scheduler: SchedulerMixin) -> DiffusionPipeline:
    """A pipeline for what the request starts from, which nobody else calls, over the model's parts.

    The scheduler is its own, too: it is told whether noise is all that the picture starts from.
    """
    start, steps = request.init_image, request.num_inference_steps
    if start is None:
        pipe = copy.copy(model.pipe)
    else:
        pipeline = model.family.pipeline_class("image" if start.mask is None and start.outpaint is None else "mask")
        pipe = pipeline(**model.pipe.components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
    scheduler.from_noise = start is None or start.steps_taken(steps) >= steps
    pipe.scheduler = scheduler
    return pipe


def _as_tensor(picture: Image.Image) -> torch.Tensor:
    """As diffusers' ControlNet pipelines prepare a picture: (1, 3, H, W) from 0 to 1."""
    prepared: torch.Tensor = VaeImageProcessor(do_convert_rgb=True, do_normalize=False, do_resize=False).preprocess(
        picture
    )
    return prepared


def _as_drawn(picture: Image.Image) -> Image.Image:
    return picture
