"""How well a VAE keeps pictures that it has not seen: PSNR by domain, and a sheet of originals beside reconstructions.

python -m recipes.mini_v2.vae_report --work build/v2 --vae build/v2/stage/vae --out sheet.png
"""

import argparse
import json
import os
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from recipes.mini_v2.domains import DOMAINS, Drawn

HELD_OUT_SEED = 10_000_000  # no training picture has a seed above it
_TOGETHER = 16


@torch.no_grad()
def reconstructed(vae: AutoencoderKL, images: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) uint8 through encoder and decoder, at the mean of the latents."""
    device, parts = vae.device, []
    for start in range(0, len(images), _TOGETHER):
        pixels = (
            torch.from_numpy(images[start : start + _TOGETHER]).to(device, vae.dtype).permute(0, 3, 1, 2) / 127.5 - 1
        )
        decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample.float()
        parts.append(((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(parts)


def psnr(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) decibels of each picture."""
    error = ((images.astype(np.float32) - others.astype(np.float32)) / 255) ** 2
    return -10 * np.log10(np.maximum(error.mean((1, 2, 3)), 1e-10))


def _draw(seed: int, work: Path, domain: str) -> Drawn:
    return DOMAINS[domain](work, seed, (256, 256))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.vae_report")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=128, help="pictures of each domain")
    parser.add_argument("--domains", default=",".join(DOMAINS))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vae = AutoencoderKL.from_pretrained(args.vae).to(device).eval()
    rows = []
    with get_context("spawn").Pool(args.workers) as pool:
        for domain in args.domains.split(","):
            seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + args.count)
            drawn = pool.map(partial(_draw, work=args.work, domain=domain), seeds, chunksize=4)
            images = np.stack([picture.image for picture in drawn])
            others = reconstructed(vae, images)
            values = psnr(images, others)
            print(
                json.dumps(
                    {"domain": domain, "psnr": round(float(values.mean()), 2), "worst": round(float(values.min()), 2)}
                )
            )
            for start in (0, 4, 8):
                pairs = [part for i in range(start, start + 4) for part in (images[i], others[i])]
                rows.append(np.concatenate(pairs, 1))
    Image.fromarray(np.concatenate(rows)).save(args.out)


if __name__ == "__main__":
    main()
