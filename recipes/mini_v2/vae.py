"""Stage 1, the VAE: `python -m recipes.mini_v2.vae --work build/v2`.

Pixels and gradients over three scales, as in version 1; distances between features, and, from `--adversarial-from` on,
a contest with a discriminator, see `recipes.mini_v2.sharpness`. Some steps turn and shrink latents (EQ-VAE), see
`recipes.mini.vae`. Crops of 128 pixels see four times as many pictures a second as whole ones.
"""

import argparse
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.methods.base import MAIN, Batch, Losses, Phase
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from recipes.mini.vae import (
    VaeTraining,
    decibels,
    latent_statistics,
    normalise_latents,
    reconstruction_loss,
    with_leftover_noise,
)
from recipes.mini_v2 import models
from recipes.mini_v2.pool import CropSource, parse_shares, parse_size
from recipes.mini_v2.sharpness import Contest, Features


class SharpVaeTraining(Method):
    """Pictures (n, 3, h, w) in [-1, 1] through encoder, posterior sample and decoder."""

    def __init__(
        self,
        vae: AutoencoderKL,
        features: Features,
        *,
        perceptual: float,
        adversarial: float,
        adversarial_from: int,
        equivariance: float,
        kl_weight: float = 1e-3,
        decoder: bool = False,
    ):
        """`perceptual`, `adversarial`: weights; `adversarial_from`: the step where the latter begins, below 0 never;
        `decoder`: train the decoder alone, so that latents stay what they are."""
        super().__init__()
        self.decoder = decoder
        if decoder:
            vae.encoder.requires_grad_(False)
            vae.quant_conv.requires_grad_(False)
        self.vae, self.features, self.contest = vae, features, Contest()
        self.perceptual, self.adversarial, self.adversarial_from = perceptual, adversarial, adversarial_from
        self.equivariance, self.kl_weight = equivariance, kl_weight
        self.contest.requires_grad_(adversarial_from >= 0)
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.counted = -1  # as `steps`, without waiting for the device

    def phases(self) -> list[Phase]:
        phases = [Phase(MAIN, [{"params": [p for p in self.vae.parameters() if p.requires_grad]}])]
        if self.adversarial_from >= 0:
            phases.append(self.contest.phase(self.adversarial_from))
        return phases

    def compilable_modules(self) -> list[nn.Module]:
        return [self.vae.encoder, self.vae.decoder]

    def training_step(self, batch: Batch, phase: str) -> Losses:
        return self._generator(batch["pictures"]) if phase == MAIN else self.contest.discriminator_losses()

    def _generator(self, pictures: torch.Tensor) -> Losses:
        if self.counted < 0:
            self.counted = int(self.steps)
        with torch.set_grad_enabled(not self.decoder):
            posterior = self.vae.encode(pictures).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        latents = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
        if self.decoder:
            latents = with_leftover_noise(latents)
        if self.counted > 4 and random.random() < self.equivariance:
            latents, pictures = VaeTraining.transformed(latents, pictures)
        output, target = self.vae.decode(latents).sample.float(), pictures.float()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        losses = {"kl": kl, "features": self.features(output, target)}
        loss = reconstruction_loss(output, target) + self.kl_weight * kl + self.perceptual * losses["features"]
        if 0 <= self.adversarial_from <= self.counted:
            losses["adversarial"] = self.contest.generator_loss(output, target)
            loss = loss + self.adversarial * losses["adversarial"]
        self.steps += 1
        self.counted += 1
        with torch.no_grad():
            losses["psnr"] = decibels(output, target)
        return {"loss": loss, **losses}

    def save(self, folder: Path) -> None:
        self.vae.save_pretrained(folder / "vae", safe_serialization=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.vae")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--init", type=Path, help="a VAE's folder to begin from")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--lr-scheduler", default="constant_with_warmup")
    parser.add_argument("--shares", default="landscapes=0.55,icons=0.45", help="of the domains")
    parser.add_argument("--part", choices=("both", "decoder"), default="both", help="what learns")
    parser.add_argument("--size", default="256x256", help="of the pool's pictures")
    parser.add_argument("--perceptual", type=float, default=0.3)
    parser.add_argument("--adversarial", type=float, default=0.03)
    parser.add_argument("--adversarial-from", type=int, default=-1, help="step; below 0: never")
    parser.add_argument("--equivariance", type=float, default=0.15)
    parser.add_argument("--limit", type=int, default=40_000, help="pictures of a domain that the device holds")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpointing-steps", type=int, default=2000)
    parser.add_argument("--max-seconds", type=float, default=0)
    args = parser.parse_args()
    config = TrainingConfig(
        output_dir=str(args.work / "vae"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler=args.lr_scheduler,
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
    accelerator = open_accelerator(config)
    source = CropSource(
        args.work, parse_shares(args.shares), args.crop, accelerator.device, args.limit, parse_size(args.size)
    )
    torch.manual_seed(1)
    network = AutoencoderKL.from_pretrained(args.init) if args.init else models.vae()
    method = SharpVaeTraining(
        network,
        Features.of_judge(),
        perceptual=args.perceptual,
        adversarial=args.adversarial,
        adversarial_from=args.adversarial_from,
        equivariance=args.equivariance,
        decoder=args.part == "decoder",
    )
    train(method, source, config, accelerator)
    if accelerator.is_main_process:
        trained = AutoencoderKL.from_pretrained(f"{config.output_dir}/result/vae").to(accelerator.device)
        if args.part == "both":
            normalise_latents(trained, *latent_statistics(trained, source, 4096, accelerator.device))
        trained.save_pretrained(args.work / "stage" / "vae", safe_serialization=True)


if __name__ == "__main__":
    main()
