"""The upscaler beside Lanczos, on pictures that it has not seen: figures, and sheets of pairs to choose from blindly.

    python -m recipes.mini_v2.upscaler_report --work build/v2 --model build/v2/model --out build/v2/upscaled

Pictures of 512 pixels are halved and go through the model's VAE, as what a sampler draws does; both enlarge them again.
A sheet has two pairs of crops a row, in an order drawn by chance; `key.json` says on which side the upscaler's is.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.utils import make_image_grid
from PIL import Image
from tqdm.auto import tqdm

from pai_modelscope.images.upscalers import painter
from recipes.mini_v2.domains import DOMAINS
from recipes.mini_v2.sharpness import Features
from recipes.mini_v2.vae_report import HELD_OUT_SEED, psnr, reconstructed

_LARGE, _CROP = 512, 256
_PAIRS = 10  # of a sheet


def enlarged(vae: AutoencoderKL, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(512, 512, 3) uint8 each, by the upscaler and by Lanczos, of the half of a picture of that size."""
    half = Image.fromarray(image).resize((_LARGE // 2, _LARGE // 2), Image.Resampling.LANCZOS)
    small = Image.fromarray(reconstructed(vae, np.asarray(half)[None])[0])
    sharp = painter.enlarge(small, 2, torch.device("cpu"))
    return np.asarray(sharp), np.asarray(small.resize((_LARGE, _LARGE), Image.Resampling.LANCZOS))


def _distance(features: Features, image: np.ndarray, other: np.ndarray) -> float:
    pixels = [torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1 for picture in (image, other)]
    with torch.no_grad():
        return float(features(*pixels))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.upscaler_report")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--domains", default="landscapes,icons,compositions,portraits")
    parser.add_argument("--count", type=int, default=25, help="pictures of each domain")
    args = parser.parse_args()
    vae = AutoencoderKL.from_pretrained(args.model / "vae", torch_dtype=torch.float32).eval()
    features, rng = Features.of_judge(), np.random.default_rng(0)
    args.out.mkdir(parents=True, exist_ok=True)
    pairs: list[Image.Image] = []
    key: list[str] = []
    for domain in args.domains.split(","):
        rows = []
        for seed in tqdm(range(HELD_OUT_SEED, HELD_OUT_SEED + args.count), desc=domain, disable=None):
            image = DOMAINS[domain](args.work, seed, (_LARGE, _LARGE)).image
            ways = enlarged(vae, image)
            rows.append([[float(psnr(image[None], way[None])[0]), _distance(features, image, way)] for way in ways])
            y, x = rng.integers(_LARGE - _CROP + 1, size=2)
            first = int(rng.integers(2))
            crops = [ways[side][y : y + _CROP, x : x + _CROP] for side in (first, 1 - first)]
            pairs.append(Image.fromarray(np.concatenate(crops, 1)))
            key.append("left" if first == 0 else "right")
        figures = np.array(rows)
        nearer = (figures[:, 0, 1] < figures[:, 1, 1]).mean()
        (sharp_psnr, sharp_features), (plain_psnr, plain_features) = figures.mean(0)
        print(
            f"{domain}: {sharp_psnr:.2f} dB and {sharp_features:.4f} apart in features, by Lanczos {plain_psnr:.2f} "
            f"and {plain_features:.4f}; nearer in features in {nearer:.2f} of {len(rows)}"
        )
    for start in range(0, len(pairs), _PAIRS):
        sheet = pairs[start : start + _PAIRS]
        sheet += [Image.new("RGB", sheet[0].size, "white")] * (len(sheet) % 2)
        make_image_grid(sheet, len(sheet) // 2, 2).save(args.out / f"pairs_{start // _PAIRS}.png")
    (args.out / "key.json").write_text(json.dumps(key) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
