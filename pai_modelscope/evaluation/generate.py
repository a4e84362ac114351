"""Many pictures from a plain diffusers pipeline: each with its own seed, in large batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image


def half_precision(device: torch.device) -> torch.autocast:
    """On a GPU the networks compute in float16; latents and the scheduler stay in float32. On a CPU nothing changes."""
    return torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda")


def generate(
    pipe: Any,
    prompts: Sequence[str],
    options: Mapping[str, Any],
    seeds: Sequence[int],
    batch: int = 128,
    controls: Sequence[Image.Image] | None = None,
) -> list[Image.Image]:
    """One RGB picture a prompt; `options` go to the call of the `StableDiffusionPipeline`, or of one that is steered by
    `controls`, a picture a prompt.

    Noise is drawn on the CPU from each picture's own seed, so that a picture depends on neither the device's random
    numbers nor its place in a batch (rounding aside). Prompts must fit into the text encoder's length.
    """
    images: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds[part]]
        steering = {} if controls is None else {"image": list(controls[part])}
        with half_precision(pipe.device):
            images += pipe(prompt=list(prompts[part]), generator=generators, **steering, **options).images
    return images


@torch.inference_mode()
def reconstruct(pipe: Any, images: Sequence[Image.Image], batch: int = 64) -> list[Image.Image]:
    """Pictures through the autoencoder and back, at the mean of the latent distribution."""
    processor, vae = pipe.image_processor, pipe.vae
    found: list[Image.Image] = []
    for start in range(0, len(images), batch):
        pixels = processor.preprocess(list(images[start : start + batch])).to(vae.device, vae.dtype)
        found += processor.postprocess(vae.decode(vae.encode(pixels).latent_dist.mode()).sample)
    return found
