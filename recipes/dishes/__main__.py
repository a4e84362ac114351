"""Contact sheets: python -m recipes.dishes OUT.png [--count 48] [--style 写实美食] [--dish 月饼] [--all] ..."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from recipes.dishes.captions import captions
from recipes.dishes.facts import TABLES, VIEWS
from recipes.dishes.menu import MENU
from recipes.dishes.paint import paint
from recipes.dishes.style import STYLES
from recipes.dishes.vessels import VESSELS

_GAP = 4


def main() -> None:
    parser = argparse.ArgumentParser(description="Paint dishes onto a contact sheet, and print what they show.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--all", action="store_true", help="one picture a dish, in the order of the menu")
    parser.add_argument("--start", type=int, default=0, help="with --all: the first dish")
    for name, choices in (("style", STYLES), ("dish", MENU), ("view", VIEWS), ("table", TABLES), ("vessel", VESSELS)):
        parser.add_argument(f"--{name}", choices=list(choices))
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    wishes = {name: getattr(args, name) for name in ("style", "dish", "view", "table", "vessel") if getattr(args, name)}
    dishes = list(MENU)[args.start :]
    count = min(args.count, len(dishes)) if args.all else args.count
    columns = min(args.columns, count)
    rows = -(-count // columns)
    sheet = np.full((rows * (height + _GAP), columns * (width + _GAP), 3), 255, np.uint8)
    paint(args.seed, (width, height))  # the banks of noise are made once
    begun = time.process_time()
    for i in range(count):
        this = {**wishes, "dish": dishes[i]} if args.all else wishes
        painting = paint(args.seed + i, (width, height), **this)
        y, x = (i // columns) * (height + _GAP), (i % columns) * (width + _GAP)
        sheet[y : y + height, x : x + width] = painting.image
        facts, seen = painting.facts, [f"{s.name}{s.area:.3f}" for s in painting.sights.values()]
        print(args.seed + i, facts.dish, facts.style, facts.vessel, facts.view, painting.table, *seen)
        print("   ", " | ".join(captions(painting, np.random.default_rng(args.seed + i), 4)))
    print(f"{count / (time.process_time() - begun):.1f} pictures a second of processor time")
    Image.fromarray(sheet).save(args.out)


if __name__ == "__main__":
    main()
