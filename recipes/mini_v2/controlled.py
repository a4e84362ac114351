"""A sheet of what a ControlNet makes of held-out pictures' edges or sketches.

    python -m recipes.mini_v2.controlled --model build/v2/model --controlnet FOLDER --kind sketch --out sheet.png

A row for each picture: the picture, and for each roughness (edges have one) the control and what was drawn after it.
"""

import argparse
from pathlib import Path

import numpy as np
from diffusers.utils import make_image_grid
from PIL import Image

from pai_modelscope import Sampler
from pai_modelscope.images.sketch_palette import paint_classes
from recipes.mini.controlnet import canny
from recipes.mini_v2.controls import KINDS
from recipes.mini_v2.domains import DOMAINS, Drawn
from recipes.mini_v2.pool import parse_size
from recipes.mini_v2.sketches import sketch
from recipes.mini_v2.vae_report import HELD_OUT_SEED

_ROUGHNESS = (0.0, 0.4, 0.8)


def controls_of(kind: str, drawn: Drawn, seed: int) -> list[Image.Image]:
    """What a ControlNet of a kind may be shown of a picture, from exact to rough."""
    if kind == "canny":
        return [Image.fromarray(canny(drawn.image)).convert("RGB")]
    if drawn.labels is None:
        raise ValueError("only landscapes have label maps, from which sketches are made")
    sketches = [
        sketch(drawn.labels, np.random.default_rng([seed, number]), value) for number, value in enumerate(_ROUGHNESS)
    ]
    return [Image.fromarray(paint_classes(classes)) for classes in sketches]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.controlled")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--controlnet", type=Path, required=True, help="the folder that training wrote")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--domain", choices=list(DOMAINS), default="landscapes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--size", default="256x256")
    args = parser.parse_args()
    width, height = size = parse_size(args.size)
    sampler = Sampler.from_pretrained(str(args.model))
    rows: list[list[Image.Image]] = []
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + args.count):
        drawn = DOMAINS[args.domain](args.work, seed, size)
        prompt = max(drawn.captions.values(), key=len)
        row = [Image.fromarray(drawn.image)]
        for picture in controls_of(args.kind, drawn, seed):
            control = {"kind": args.kind, "image": picture, "model": str(args.controlnet), "annotate": False}
            row += [picture, sampler(prompt, seed=seed, width=width, height=height, control=[control])[0].image]
        rows.append(row)
        print(prompt)
    make_image_grid([image for row in rows for image in row], len(rows), len(rows[0])).save(args.out)


if __name__ == "__main__":
    main()
