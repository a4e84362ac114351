"""Stage 1, the VAE: `python -m recipes.mini.vae --work build/mini` (or under torchrun for several GPUs).

Reconstruction is L1 on pixels and on their gradients over three scales: icons are flat areas with sharp edges, and the
gradient term is what keeps those edges. A quarter of the steps shrink or turn the latents and ask the decoder for the
shrunk or turned picture (EQ-VAE, Kouzelis et al. 2025, arXiv:2502.09509): latents become smoother and easier to
generate, and sizes other than 256 work.

`--part decoder` is the second part (as in sd-vae-ft-mse): the encoder is frozen, because the UNet's latents come from
it, and the decoder alone learns on, on slightly noisy latents, while the UNet trains.
"""

import math
import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import AutoencoderKL
from torch import nn

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.training import train
from pai_modelscope.training.source import Source
from recipes.mini import models
from recipes.mini.cli import parse
from recipes.mini.data import SEEN_BY_TOWERS, Workspace, scene_source
from recipes.mini.scenes import SceneMix


def gradient_l1(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of horizontal and vertical pixel differences of (n, 3, h, w)."""
    across = (a[..., 1:] - a[..., :-1] - b[..., 1:] + b[..., :-1]).abs().mean()
    down = (a[..., 1:, :] - a[..., :-1, :] - b[..., 1:, :] + b[..., :-1, :]).abs().mean()
    return across + down


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor, scales: int = 3) -> torch.Tensor:
    """Pixels and gradients at full, half and quarter size; the squared term pulls large errors in."""
    loss = 2 * F.mse_loss(output, target)
    for scale in range(scales):
        if scale:
            output, target = F.avg_pool2d(output, 2), F.avg_pool2d(target, 2)
        loss = loss + F.l1_loss(output, target) + 0.5 * gradient_l1(output, target)
    return loss


def decibels(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Peak signal to noise ratio of pictures in [-1, 1]."""
    return -10 / math.log(10) * (F.mse_loss(output, target) / 4).log()


# Tried beside each other; what each gives is in recipes/mini/README.md.
LOSSES: dict[str, Callable[..., torch.Tensor]] = {"edges": reconstruction_loss, "l1": F.l1_loss, "mse": F.mse_loss}


class VaeTraining(Method):
    """Pictures (n, 3, h, w) in [-1, 1] through encoder, posterior sample and decoder."""

    # The first batches keep their shape, so that the compiler specialises on it and not on a rare one.
    PLAIN_BATCHES = 4

    def __init__(
        self,
        vae: AutoencoderKL,
        kl_weight: float = 1e-3,
        equivariance: float = 0.25,
        decoder: bool = False,
        loss: str = "edges",
    ):
        """`decoder`: train the decoder only. `loss`: one of `LOSSES`."""
        super().__init__()
        self.reconstruction_loss = LOSSES[loss]
        self.vae, self.kl_weight, self.equivariance, self.decoder = vae, kl_weight, equivariance, decoder
        if decoder:
            vae.encoder.requires_grad_(False)
            vae.quant_conv.requires_grad_(False)
        self.batches = 0

    def compilable_modules(self) -> list[nn.Module]:
        return [self.vae.encoder, self.vae.decoder]

    def training_step(self, batch: dict[str, torch.Tensor], phase: str) -> dict[str, torch.Tensor]:
        pictures = batch["pictures"]
        self.batches += 1
        with torch.set_grad_enabled(not self.decoder):
            posterior = self.vae.encode(pictures).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        latents = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
        if self.decoder:
            latents = with_leftover_noise(latents)
        if self.batches > self.PLAIN_BATCHES and random.random() < self.equivariance:
            latents, pictures = self.transformed(latents, pictures)
        output = self.vae.decode(latents).sample.float()
        reconstruction = self.reconstruction_loss(output, pictures.float())
        # KL to the unit Gaussian (Kingma & Welling 2014, arXiv:1312.6114, app. B), a mean over latent values.
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        with torch.no_grad():
            psnr = decibels(output, pictures.float())
        return {"loss": reconstruction + self.kl_weight * kl, "kl": kl, "psnr": psnr}

    @staticmethod
    def transformed(latents: torch.Tensor, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents and pictures under the same random shrinking and quarter turn."""
        scale = random.choice((0.5, 0.75))
        turns = random.choice((0, 0, 1, 2, 3))
        latents = F.interpolate(latents, scale_factor=scale, mode="bilinear", antialias=True)
        size = (latents.shape[2] * 8, latents.shape[3] * 8)
        pictures = F.interpolate(pictures.float(), size, mode="bilinear", antialias=True)
        return latents.rot90(turns, (2, 3)), pictures.rot90(turns, (2, 3))

    def save(self, folder: Path) -> None:
        self.vae.save_pretrained(folder / "vae", safe_serialization=True)


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Fold (z - mean) / (0.18215 std) into `quant_conv`, and its inverse into `post_quant_conv`.

    `mean`, `std` (4,): of the encoder's latents. Afterwards latents times the customary factor 0.18215, which WebUI
    tools hard-code, have zero mean and unit variance in every channel; decoding is unchanged.
    """
    factor = std * vae.config.scaling_factor
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:4] /= factor[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - mean) / factor
    quant.bias[4:] -= 2 * factor.log()
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= factor[None, :, None, None]


@torch.no_grad()
def with_leftover_noise(latents: torch.Tensor) -> torch.Tensor:
    """Latents (n, 4, h, w) as a sampler leaves them: with noise of up to a tenth of their deviation."""
    level = 0.1 * latents.std() * torch.rand(len(latents), 1, 1, 1, device=latents.device)
    return latents + level * torch.randn_like(latents)


def latent_statistics(
    vae: AutoencoderKL, source: Source, count: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (4,) of unscaled latents of the first `count` scenes."""
    latents = []
    for start in range(0, count, 64):
        indices = torch.arange(start, min(start + 64, count))
        pictures = source.batch(0, indices, device, indices)["pictures"]
        latents.append(vae.encode(pictures).latent_dist.mean.float())
    stacked = torch.cat(latents)
    return stacked.mean((0, 2, 3)), stacked.std((0, 2, 3))


def main() -> None:
    args = parse("vae", steps=9000, batch=40, learning_rate=1e-3, part="both", loss="edges", equivariance="0.25")
    decoder = args.part == "decoder"
    workspace, accelerator = Workspace(args.work), Accelerator(mixed_precision=args.precision)
    mix = SceneMix(pairs=0.25, coloured=0.55, exact=0.25)
    scenes = args.scenes or 400_000
    source = scene_source(workspace, SEEN_BY_TOWERS, scenes, 256, mix, 11, accelerator.device)
    torch.manual_seed(1)
    folder = args.work / "stage"
    method = (
        VaeTraining(AutoencoderKL.from_pretrained(folder / "vae"), equivariance=0.1, decoder=True)
        if decoder
        else VaeTraining(models.vae(), equivariance=float(args.equivariance), loss=args.loss)
    )
    config = TrainingConfig(
        output_dir=str(args.work / ("vae-decoder" if decoder else "vae")),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_warmup_steps=args.steps // 50,
        adam_weight_decay=1e-4,
        ema_decay=0.999,
        mixed_precision=args.precision,
        compile=args.compile,
        seed=1,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    result = train(method, source, config, accelerator)
    if accelerator.is_main_process and (result["finished"] or args.finish):
        trained = AutoencoderKL.from_pretrained(f"{config.output_dir}/result/vae").to(accelerator.device)
        if not decoder:
            normalise_latents(trained, *latent_statistics(trained, source, min(4096, scenes), accelerator.device))
        trained.save_pretrained(folder / ("vae-decoder" if decoder else "vae"), safe_serialization=True)


if __name__ == "__main__":
    main()
