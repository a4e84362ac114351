"""The upscaler: `python -m recipes.mini_v2.upscaler --work build/v2`: pictures of 512 pixels and their halves.

The halves are made in several ways, and most go through the VAE as a sampler's pictures do, with the noise that a
sampler leaves: what the decoder blurs or rings at, the upscaler learns to mend. Its target is what the painter painted.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import nn

from pai_modelscope.config import TrainingConfig
from pai_modelscope.images.upscalers.painter_network import PainterUpscaler
from pai_modelscope.methods import Method
from pai_modelscope.methods.base import MAIN, Batch, Losses, Phase
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from recipes.mini.vae import decibels, reconstruction_loss, with_leftover_noise
from recipes.mini_v2.pool import CropSource, parse_shares, parse_size
from recipes.mini_v2.sharpness import Contest, Features


class UpscalerTraining(Method):
    """Pictures (n, 3, h, w) in [-1, 1], of which the network sees halves."""

    def __init__(
        self,
        network: PainterUpscaler,
        vae: AutoencoderKL,
        features: Features,
        *,
        perceptual: float,
        adversarial: float,
        decoded: float = 0.75,
    ):
        """`perceptual`, `adversarial`: weights; `decoded`: share of a batch's halves that go through the VAE."""
        super().__init__()
        self.decoded = decoded
        self.network, self.vae, self.features = network, vae.requires_grad_(False).eval(), features
        self.contest, self.perceptual, self.adversarial = Contest(), perceptual, adversarial

    def phases(self) -> list[Phase]:
        return [Phase(MAIN, [{"params": list(self.network.parameters())}]), self.contest.phase(0)]

    def compilable_modules(self) -> list[nn.Module]:
        return [self.network]

    def training_step(self, batch: Batch, phase: str) -> Losses:
        if phase != MAIN:
            return self.contest.discriminator_losses()
        target = batch["pictures"].float()
        output = self.network((self.halves(target) + 1) / 2).float() * 2 - 1
        losses = {"features": self.features(output, target), "adversarial": self.contest.generator_loss(output, target)}
        loss = reconstruction_loss(output, target) + self.perceptual * losses["features"]
        losses["psnr"] = decibels(output.detach(), target)
        return {"loss": loss + self.adversarial * losses["adversarial"], **losses}

    @torch.no_grad()
    def halves(self, target: torch.Tensor) -> torch.Tensor:
        """(n, 3, h/2, w/2) in [-1, 1]."""
        soft, sharp = F.avg_pool2d(target, 2), F.interpolate(target, scale_factor=0.5, mode="bicubic", antialias=True)
        halves = torch.lerp(soft, sharp, torch.rand(len(target), 1, 1, 1, device=target.device))
        count = round(len(halves) * self.decoded)
        if count:
            latents = with_leftover_noise(self.vae.encode(halves[:count]).latent_dist.mean.float())
            halves[:count] = self.vae.decode(latents).sample.float()
        return halves.clamp(-1, 1)

    def save(self, folder: Path) -> None:
        weights = {name: value.half().contiguous() for name, value in self.network.state_dict().items()}
        save_file(weights, folder / "model.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.upscaler")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--init", type=Path, help="an upscaler's file to begin from")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--crop", type=int, default=192, help="of the large pictures")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--shares", default="landscapes=0.6,icons=0.15,compositions=0.15,portraits=0.1")
    parser.add_argument("--size", default="512x512", help="of the pool's pictures")
    parser.add_argument("--perceptual", type=float, default=0.5)
    parser.add_argument("--adversarial", type=float, default=0.02)
    parser.add_argument("--limit", type=int, default=20_000, help="pictures of a domain that the device holds")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--checkpointing-steps", type=int, default=2000)
    parser.add_argument("--max-seconds", type=float, default=0)
    args = parser.parse_args()
    config = TrainingConfig(
        output_dir=str(args.work / "upscaler"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler="cosine",
        lr_warmup_steps=args.steps // 50,
        ema_decay=0.999,
        mixed_precision=args.precision,
        seed=6,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    accelerator = open_accelerator(config)
    source = CropSource(
        args.work, parse_shares(args.shares), args.crop, accelerator.device, args.limit, parse_size(args.size)
    )
    torch.manual_seed(6)
    network = PainterUpscaler()
    if args.init:
        network.load_state_dict(load_file(args.init))
    vae = AutoencoderKL.from_pretrained(args.work / "stage/vae", torch_dtype=torch.float32)
    method = UpscalerTraining(
        network, vae, Features.of_judge(), perceptual=args.perceptual, adversarial=args.adversarial
    )
    train(method, source, config, accelerator)


if __name__ == "__main__":
    main()
