"""A folder of painted dishes to train on: python -m recipes.dishes.training_set build/dishes [--count 1200] ...

Pictures and `metadata.jsonl`, for `pai-modelscope train full --train_data_dir build/dishes --caption_column captions`.
An interrupted run is repeated from its beginning; `metadata.jsonl` is written last, so that a folder with it is whole.
"""

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from pai_modelscope.files import write_text
from recipes.dishes.captions import captions
from recipes.dishes.menu import MENU
from recipes.dishes.paint import paint

METADATA = "metadata.jsonl"


class Row(TypedDict):
    """What `metadata.jsonl` says of a picture."""

    file_name: str
    text: str  # the first caption
    captions: list[str]
    dish: str
    style: str


def write(
    folder: Path,
    count: int,
    dishes: Sequence[str] = tuple(MENU),
    first_seed: int = 0,
    side: int = 256,
    workers: int = 1,
) -> Path:
    """Paint `count` pictures of `dishes` in turn, of `side` pixels a side, from `first_seed` on. Returns `folder`.

    The same arguments give the same bits, however many `workers` paint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).unlink(missing_ok=True)  # of pictures that are about to be painted over
    paint_one = partial(_write, folder=folder, side=side)
    jobs = [(first_seed + i, dishes[i % len(dishes)]) for i in range(count)]
    with get_context("spawn").Pool(workers) as pool:
        rows = list(tqdm(pool.imap(paint_one, jobs, chunksize=4), desc="painting", total=count, disable=None))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / METADATA, lines)
    return folder


def _write(job: tuple[int, str], folder: Path, side: int) -> Row:
    seed, dish = job
    painting = paint(seed, (side, side), dish=dish)
    texts = list(dict.fromkeys(captions(painting, np.random.default_rng([seed, 2]))))
    name = f"{seed:07}.png"
    Image.fromarray(painting.image).save(folder / name)
    return {"file_name": name, "text": texts[0], "captions": texts, "dish": dish, "style": painting.facts.style}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.dishes.training_set", description="Paint a training set.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--dishes", default=",".join(MENU), help="separated by commas; all sixty where left out")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    dishes = args.dishes.split(",")
    if unknown := [dish for dish in dishes if dish not in MENU]:
        parser.error(f"not on the menu: {', '.join(unknown)}; valid are {', '.join(MENU)}")
    if small := [name for name in ("count", "side", "workers") if getattr(args, name) < 1]:
        parser.error(f"--{small[0]} is {getattr(args, small[0])}; valid are whole numbers from 1")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"{args.out} is a file: give a folder")
    print(write(args.out, args.count, dishes, args.first_seed, args.side, args.workers))


if __name__ == "__main__":
    main()
