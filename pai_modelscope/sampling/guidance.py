"""Guidance rescale for every diffusers pipeline: some of them have no such option."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def rescaled_guidance(unet: Any, guidance_scale: float, rescale: float) -> Iterator[None]:
    """Inside, guided predictions of `unet` have the deviation of the conditional one (Lin et al. 2023,
    arXiv:2305.08891, eq. 15 and 16), mixed in by `rescale` from 0 (off) to 1.

    The pipelines put the unconditional half of a batch first and combine u + scale * (c - u). A hook puts the rescaled
    result into both halves, which every such combination leaves as it is.
    """
    if rescale == 0 or guidance_scale <= 1:
        yield
        return

    def hook(module: Any, args: Any, output: Any) -> Any:
        prediction = output[0] if isinstance(output, tuple) else output.sample
        unconditional, conditional = prediction.chunk(2)
        guided = unconditional + guidance_scale * (conditional - unconditional)
        axes = list(range(1, guided.ndim))
        matched = guided * (conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True))
        result = torch.cat([rescale * matched + (1 - rescale) * guided] * 2)
        return (result, *output[1:]) if isinstance(output, tuple) else type(output)(sample=result)

    handle = unet.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
