"""Stage 1, the VAE: `python -m recipes.mini_v2.vae --work build/v2`.

Pixels and gradients over three scales, as in version 1; distances between features of version 1's judge, which see what
a mean of pixels does not (after Zhang et al. 2018, arXiv:1801.03924); and, from `--adversarial-from` on, a small
discriminator of patches (Isola et al. 2017, arXiv:1611.07004; hinge loss, Lim and Ye 2017, arXiv:1705.02894), its own
phase. Some steps turn and shrink latents (EQ-VAE), see `recipes.mini.vae`. Crops of 128 pixels see four times as many
pictures a second as whole ones.
"""

import argparse
import math
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn
from transformers import VisionTextDualEncoderModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.methods.base import MAIN, Batch, Losses, Phase
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from recipes.mini.vae import (
    VaeTraining,
    latent_statistics,
    normalise_latents,
    reconstruction_loss,
    with_leftover_noise,
)
from recipes.mini_v2 import models
from recipes.mini_v2.pool import CropSource, parse_shares, parse_size

JUDGE = Path("pai_modelscope/assets/judge")  # of version 1
DISCRIMINATOR = "discriminator"


class Features(nn.Module):
    """How differently a trained image tower sees two pictures."""

    def __init__(self, tower: nn.Module):
        super().__init__()
        self.tower = tower.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Features":
        """Stays as it is: its batch norm must not learn."""
        return self

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean squared distance of features, each of length 1, of (n, 3, h, w) in [-1, 1]; a mean over blocks."""
        both = torch.cat([output, target])
        hidden = self.tower(both, output_hidden_states=True).hidden_states
        distances = []
        for features in hidden[1 : 1 + len(hidden) // 2]:  # the later ones are too coarse to place an edge
            a, b = F.normalize(features.float(), dim=1).chunk(2)
            distances.append((a - b).square().sum(1).mean())
        return torch.stack(distances).mean()


class Discriminator(nn.Sequential):
    """Says of every patch of about 34 pixels whether it is real: above 0, or decoded: below 0."""

    def __init__(self, width: int = 48):
        def block(before: int, after: int, stride: int) -> list[nn.Module]:
            convolution = nn.utils.parametrizations.spectral_norm(nn.Conv2d(before, after, 4, stride, 1))
            return [convolution, nn.LeakyReLU(0.2)]

        layers = [*block(3, width, 2), *block(width, 2 * width, 2), *block(2 * width, 4 * width, 1)]
        super().__init__(*layers, nn.Conv2d(4 * width, 1, 4, 1, 1))


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
        self.vae, self.features, self.discriminator = vae, features, Discriminator()
        self.perceptual, self.adversarial, self.adversarial_from = perceptual, adversarial, adversarial_from
        self.equivariance, self.kl_weight = equivariance, kl_weight
        self.discriminator.requires_grad_(adversarial_from >= 0)
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.counted = -1  # as `steps`, without waiting for the device
        self.decoded: tuple[torch.Tensor, torch.Tensor] | None = None

    def phases(self) -> list[Phase]:
        phases = [Phase(MAIN, [{"params": [p for p in self.vae.parameters() if p.requires_grad]}])]
        if self.adversarial_from >= 0:
            discriminator = [{"params": list(self.discriminator.parameters())}]
            phases.append(Phase(DISCRIMINATOR, discriminator, first=self.adversarial_from))  # type: ignore[arg-type]
        return phases

    def compilable_modules(self) -> list[nn.Module]:
        return [self.vae.encoder, self.vae.decoder]

    def training_step(self, batch: Batch, phase: str) -> Losses:
        return self._generator(batch["pictures"]) if phase == MAIN else self._discriminator()

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
            losses["adversarial"] = -self.discriminator(output).mean()
            loss = loss + self.adversarial * losses["adversarial"]
            self.decoded = output.detach(), target
        self.steps += 1
        self.counted += 1
        with torch.no_grad():
            losses["psnr"] = -10 / math.log(10) * (F.mse_loss(output, target) / 4).log()
        return {"loss": loss, **losses}

    def _discriminator(self) -> Losses:
        """On what the generator's turn has just decoded."""
        assert self.decoded is not None
        output, target = self.decoded
        fake, real = self.discriminator(output), self.discriminator(target)
        return {"loss": (F.relu(1 - real) + F.relu(1 + fake)).mean()}

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
    tower = VisionTextDualEncoderModel.from_pretrained(JUDGE).vision_model
    method = SharpVaeTraining(
        network,
        Features(tower),
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
