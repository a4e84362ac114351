"""What a picture will look like, shown while it is drawn: small, rough, and in about a millisecond.

The finished latents are estimated from a step's prediction. A linear map takes them to colours: that of least squares
between a chart of colours and the model's own encoding of it, so that no model needs numbers of its own here.
"""

import math
from typing import TYPE_CHECKING

import torch
from PIL import Image

from pai_modelscope.families import ModelFamily

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, SchedulerMixin

_CHART = 256  # pixels a side
_FIELDS = 8  # colours a side, between which it blends
_LARGER = 4  # pixels of a preview for each of the latents


class Preview:
    """Pictures of latents, for one model. The map is found when it is first needed."""

    def __init__(self, pipe: "DiffusionPipeline", family: ModelFamily):
        self._pipe, self._family = pipe, family
        self._map: torch.Tensor | None = None

    def __call__(self, latents: torch.Tensor | None) -> list[Image.Image]:
        """A small picture of each of the latents (pictures, C, H, W); [] of None, and for a model without an
        autoencoder of such latents."""
        if latents is None or latents.ndim != 4 or not hasattr(getattr(self._pipe, "vae", None), "encode"):
            return []
        if self._map is None:
            self._map = self._fitted()
        colours = _with_ones(latents.detach().float().cpu()) @ self._map
        pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
        size = (latents.shape[3] * _LARGER, latents.shape[2] * _LARGER)
        return [Image.fromarray(each).resize(size, Image.Resampling.BICUBIC) for each in pixels]

    @torch.no_grad()
    def _fitted(self) -> torch.Tensor:
        """The map (C + 1, 3) from latents and 1 to RGB from -1 to 1."""
        vae = self._pipe.vae
        fields = torch.rand(1, 3, _FIELDS, _FIELDS, generator=torch.Generator().manual_seed(0)) * 2 - 1
        chart = torch.nn.functional.interpolate(fields, (_CHART, _CHART), mode="bilinear", align_corners=True)
        encoded = vae.encode(chart.to(vae.device, vae.dtype)).latent_dist.mean
        latents = self._family.scale_latents(self._pipe, encoded).float().cpu()
        colours = torch.nn.functional.adaptive_avg_pool2d(chart, (latents.shape[2], latents.shape[3]))
        known = _with_ones(latents).flatten(0, 2)
        fitted: torch.Tensor = torch.linalg.lstsq(known, colours.permute(0, 2, 3, 1).reshape(-1, 3)).solution
        return fitted


def finished_latents(
    scheduler: "SchedulerMixin", sample: torch.Tensor, timestep: torch.Tensor, prediction: torch.Tensor
) -> torch.Tensor | None:
    """The latents x_0 that a prediction foresees; None for schedulers of another kind of noise.

    From noise e: (x - sqrt(1 - a) e) / sqrt(a), Song et al. 2021, arXiv:2010.02502, eq. 12. From a velocity v:
    sqrt(a) x - sqrt(1 - a) v, Salimans & Ho 2022, arXiv:2202.00512, appendix D. All schedulers scale a network's input
    so that these hold for it.
    """
    shares = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(shares, torch.Tensor):
        return None
    kind = scheduler.config.get("prediction_type", "epsilon")
    share = float(shares[min(len(shares) - 1, max(0, round(float(timestep.flatten()[0]))))])
    sample = sample[:, : prediction.shape[1]]  # a network that inpaints is given more
    if kind == "epsilon":
        return (sample - math.sqrt(1 - share) * prediction) / max(math.sqrt(share), 1e-3)
    if kind == "v_prediction":
        return math.sqrt(share) * sample - math.sqrt(1 - share) * prediction
    return prediction if kind == "sample" else None


def _with_ones(latents: torch.Tensor) -> torch.Tensor:
    """(pictures, H, W, C + 1): what the map takes."""
    last = latents.permute(0, 2, 3, 1)
    return torch.cat([last, torch.ones_like(last[..., :1])], -1)
