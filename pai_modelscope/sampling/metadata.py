"""What a picture says of itself: all that is needed to make it again."""

import json
from collections.abc import Mapping
from typing import Any

from pai_modelscope.images.infotext import format_infotext
from pai_modelscope.sampling.controls import remembered
from pai_modelscope.sampling.init_image import infotext_values
from pai_modelscope.sampling.jobs import Job
from pai_modelscope.sampling.loras import tagged
from pai_modelscope.sampling.upscale import upscale_values


def describe(job: Job, recommended: Mapping[str, Any], more: Mapping[str, Any]) -> str:
    """The infotext of a job's picture; `recommended`: what the model's folder sets, `more`: what the sampler knows."""
    from pai_modelscope import __version__

    options = job.options

    def said(name: str) -> bool:
        """Off is worth saying where the model's folder recommends that it be on."""
        return bool(getattr(options, name)) or (getattr(options, name) == 0 and bool(recommended.get(name)))

    values = {
        "Steps": options.num_inference_steps,
        "Sampler": options.scheduler,
        "CFG scale": float(options.guidance_scale),
        "Seed": job.seed,
        "Size": f"{options.width}x{options.height}",
        "CFG rescale": float(options.guidance_rescale) if said("guidance_rescale") else None,
        "Clip skip": options.clip_skip + 1 if said("clip_skip") else None,
        **infotext_values(options),
        **upscale_values(options),
        "Controls": json.dumps(remembered(options.control), ensure_ascii=False) if options.control else None,
        **more,
        "Version": f"pai_modelscope {__version__}",
    }
    return format_infotext(tagged(job.prompt, options.loras), options.negative_prompt, values)
