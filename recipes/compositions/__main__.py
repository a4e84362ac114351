"""Contact sheets: python -m recipes.compositions OUT.png [--work build/v2] [--count 24] [--kind count] ..."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from recipes.compositions.art import library
from recipes.compositions.captions import captions
from recipes.compositions.facts import KINDS, RELATIONS
from recipes.compositions.paint import paint
from recipes.compositions.surreal import DESIGNS

_GAP = 4


def main() -> None:
    parser = argparse.ArgumentParser(description="Compose pictures onto a contact sheet, and print their captions.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/v2"), help="the folder of version 1's pictures")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--relation", choices=RELATIONS)
    parser.add_argument("--design", choices=list(DESIGNS))
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    wishes = {name: getattr(args, name) for name in ("kind", "relation", "design") if getattr(args, name)}
    art = library(args.work)
    columns = min(args.columns, args.count)
    rows = -(-args.count // columns)
    sheet = np.full((rows * (height + _GAP), columns * (width + _GAP), 3), 255, np.uint8)
    begun = time.perf_counter()
    for i in range(args.count):
        seed = args.seed + i
        made = paint(seed, (width, height), art, **wishes)
        y, x = (i // columns) * (height + _GAP), (i % columns) * (width + _GAP)
        sheet[y : y + height, x : x + width] = made.image
        print(seed, made.facts.kind, *captions(made, np.random.default_rng([seed, 2])).values(), sep=" | ")
    print(f"{args.count / (time.perf_counter() - begun):.1f} pictures a second")
    Image.fromarray(sheet).save(args.out)


if __name__ == "__main__":
    main()
