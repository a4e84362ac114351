"""Many pictures from a plain diffusers pipeline: each with its own seed, in batches."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pai_modelscope.errors import UserError


def load_pipeline(folder: str | Path, device: torch.device | str) -> Any:
    """A plain `StableDiffusionPipeline` in float32, laid out for convolutions, without a progress bar.

    Raises:
        UserError: the folder holds no such pipeline.
    """
    from diffusers import StableDiffusionPipeline

    try:
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{folder} is no model that diffusers opens ({reason}). Give the folder of a model.") from error
    pipe = pipe.to(device)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def recommended(folder: str | Path) -> dict[str, Any]:
    """The sampling settings that a model folder recommends in its `configuration.json`."""
    file = Path(folder) / "configuration.json"
    settings = json.loads(file.read_text(encoding="utf-8")).get("generation", {}) if file.is_file() else {}
    return {"num_inference_steps": 20, **settings}


def half_precision(device: torch.device) -> torch.autocast:
    """On a GPU the networks compute in float16; latents and the scheduler stay in float32. On a CPU nothing changes."""
    return torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda")


def generate(
    pipe: Any, prompts: Sequence[str], options: Mapping[str, Any], seeds: Sequence[int], batch: int = 125
) -> list[Image.Image]:
    """One RGB picture a prompt; `options` go to the pipeline's call.

    Noise is drawn on the CPU from each picture's own seed, so that a picture depends on neither the device's random
    numbers nor its place in a batch (rounding aside).
    """
    images: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds[part]]
        with half_precision(pipe.device):
            images += pipe(prompt=list(prompts[part]), generator=generators, **options).images
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
