"""Contact sheets: python -m recipes.landscapes OUT.png [--count 48] [--style 水墨画] [--place lake] ..."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from recipes.landscapes.facts import SEASONS, TIMES, WEATHERS
from recipes.landscapes.paint import paint
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES

_GAP = 4


def main() -> None:
    parser = argparse.ArgumentParser(description="Paint landscapes onto a contact sheet, and print what they show.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="256x256")
    for name, choices in (
        ("style", STYLES),
        ("place", PLACES),
        ("time", TIMES),
        ("season", SEASONS),
        ("weather", WEATHERS),
    ):
        parser.add_argument(f"--{name}", choices=list(choices))
    parser.add_argument("--subject")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    names = ("style", "place", "time", "season", "weather", "subject")
    wishes = {name: getattr(args, name) for name in names if getattr(args, name)}
    columns = min(args.columns, args.count)
    rows = -(-args.count // columns)
    sheet = np.full((rows * (height + _GAP), columns * (width + _GAP), 3), 255, np.uint8)
    paint(args.seed, (width, height), **wishes)  # the banks of noise are made once
    begun = time.perf_counter()
    for i in range(args.count):
        painting = paint(args.seed + i, (width, height), **wishes)
        y, x = (i // columns) * (height + _GAP), (i % columns) * (width + _GAP)
        sheet[y : y + height, x : x + width] = painting.image
        facts, seen = painting.facts, [f"{s.name}{s.side}{s.area:.3f}" for s in painting.sights.values()]
        print(args.seed + i, facts.style, facts.time, facts.season, facts.weather, facts.place, *seen, *painting.air)
    print(f"{args.count / (time.perf_counter() - begun):.1f} pictures a second")
    Image.fromarray(sheet).save(args.out)


if __name__ == "__main__":
    main()
