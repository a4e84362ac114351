"""A sheet of pictures to look at: `python -m recipes.mini_v2.draw --model build/v2/model --out sheet.png`.

Without `--prompts`, the 64 that were written before training, in their order.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from diffusers.utils import make_image_grid
from PIL import Image
from tqdm.auto import tqdm

from pai_modelscope import Sampler
from recipes.mini_v2.phrases import TEXTS
from recipes.mini_v2.pool import Size, parse_size


def prompts_of(path: Path) -> list[str]:
    """One a line: bare, or as JSON under `prompt` or `text`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix != ".jsonl":
        return lines
    rows = [json.loads(line) for line in lines]
    return [row.get("prompt") or row["text"] for row in rows]


def draw(sampler: Sampler, prompts: list[str], batch: int, size: Size, seed: int = 0) -> list[Image.Image]:
    """A picture of each prompt; the seeds of a batch begin at `seed` and its place."""
    width, height = size
    images: list[Image.Image] = []
    for start in tqdm(range(0, len(prompts), batch), desc="drawing", disable=None):
        drawn = sampler(prompts[start : start + batch], seed=seed + start, width=width, height=height)
        images += [picture.image for picture in drawn]
    return images


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.draw")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, default=TEXTS / "prompts64.jsonl")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    width, height = parse_size(args.size)
    prompts = prompts_of(args.prompts)
    sampler = Sampler.from_pretrained(str(args.model))
    images = draw(sampler, prompts, args.batch, (width, height), args.seed)
    rows = -(-len(images) // args.columns)
    empty = [Image.new("RGB", (width, height), "white")] * (rows * args.columns - len(images))
    make_image_grid([*images, *empty], rows, args.columns).save(args.out)
    print(f"{len(images)} pictures, mean {np.mean([np.asarray(image).mean() for image in images]):.0f}")


if __name__ == "__main__":
    main()
