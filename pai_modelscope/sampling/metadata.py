"""What a picture says of itself: all that is needed to make it again."""

import json
from collections.abc import Mapping

from pai_modelscope.images.infotext import format_infotext
from pai_modelscope.sampling.controls import remembered
from pai_modelscope.sampling.init_image import infotext_values
from pai_modelscope.sampling.request import ResolvedRequest
from pai_modelscope.sampling.upscale import upscale_values


def describe(request: ResolvedRequest, recommended: Mapping[str, object], more: Mapping[str, object]) -> str:
    """The infotext of a request's picture; `recommended`: what the model's folder sets, `more`: what the sampler
    knows."""
    from pai_modelscope import __version__

    def said(name: str) -> bool:
        """Off is worth saying where the model's folder recommends that it be on."""
        value = getattr(request, name)
        return bool(value) or (value == 0 and bool(recommended.get(name)))

    values = {
        "Steps": request.num_inference_steps,
        "Sampler": request.scheduler,
        "CFG scale": request.guidance_scale,
        "Seed": request.seed,
        "Size": f"{request.width}x{request.height}",
        "CFG rescale": request.guidance_rescale if said("guidance_rescale") else None,
        "Clip skip": (request.clip_skip or 0) + 1 if said("clip_skip") else None,
        **infotext_values(request.init_image, request.resize),
        **upscale_values(request.upscale, request.num_inference_steps, from_text=request.init_image is None),
        "Controls": json.dumps(remembered(request.controls), ensure_ascii=False) if request.controls else None,
        "Poem": request.poem,
        "Scroll date": request.scroll.date if request.scroll else None,
        "Scroll seal": request.scroll.seal if request.scroll else None,
        "Beautified": "、".join(request.added) or None,
        **more,
        "Version": f"pai_modelscope {__version__}",
    }
    # A tag for every LoRA, as the WebUI writes it, those of the option `loras` included.
    tags = "".join(f" <lora:{use.name}:{use.weight:g}>" for use in request.loras)
    return format_infotext(request.plain_prompt + tags, request.negative_prompt, values)
