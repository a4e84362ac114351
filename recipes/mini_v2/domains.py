"""The domains of pictures that version 2 learns, each a way from a seed to a picture with captions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pai_modelscope.data.render import render_svg
from pai_modelscope.images.colors import NAMED_COLOURS
from recipes.landscapes.captions import captions as landscape_captions
from recipes.landscapes.paint import paint as paint_landscape
from recipes.mini.data import SEEN_BY_TOWERS
from recipes.mini.dataset.build import read_records
from recipes.mini.scenes import Record, weights
from recipes.mini_v2.icon_captions import icon_captions

_KINDS = ("first", "second", "third", "fourth")  # an icon's captions are all of one kind, in other words each time
_COLOURED = 0.5  # share of icons that stand on a named colour; the others stand on white


@dataclass(frozen=True)
class Drawn:
    """`image`: (h, w, 3) uint8; `captions`: by kind."""

    image: np.ndarray
    captions: Mapping[str, str]


Draw = Callable[[Path, int, tuple[int, int]], Drawn]  # of the recipe's folder, a seed, and width and height


def landscape(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """A painted scene."""
    painting = paint_landscape(seed, size)
    return Drawn(painting.image, landscape_captions(painting, np.random.default_rng([seed, 2])))


def icon(work: Path, seed: int, size: tuple[int, int]) -> Drawn:
    """An emoji or an icon of version 1's pictures, on white or on a named colour."""
    records, shares, root = _records(work / "pictures.jsonl.xz")
    rng = np.random.default_rng(seed)
    record = records[int(rng.choice(len(records), p=shares))]
    side = int(min(size) * rng.choice([0.8, 0.92, 1.0]))
    name = str(rng.choice(list(NAMED_COLOURS))) if rng.random() < _COLOURED else "白色"
    canvas = Image.new("RGBA", size, (*NAMED_COLOURS[name], 255))
    drawing = _drawing(record, root, side)
    corner = tuple(int((free - side) / 2 * (1 + rng.uniform(-1, 1))) for free in size)
    canvas.alpha_composite(drawing, (corner[0], corner[1]))
    colour = None if name == "白色" else name
    writers = {kind: icon_captions(seed * 8 + i) for i, kind in enumerate(_KINDS)}
    captions = {kind: writer.write(record, None, colour) for kind, writer in writers.items()}
    return Drawn(np.asarray(canvas.convert("RGB")), captions)


def _drawing(record: Record, root: Path, side: int) -> Image.Image:
    if record.get("svg"):
        return render_svg(record["svg"], side)
    with Image.open(root / record["raster"]) as raster:
        return raster.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)


@cache
def _records(path: Path) -> tuple[list[Record], np.ndarray, Path]:
    """What towers and VAE may see of version 1's pictures, and how often each is drawn."""
    records = [record for record in read_records(path) if record["split"] in SEEN_BY_TOWERS and not record["food_test"]]
    return records, weights(records), path.parent


DOMAINS: dict[str, Draw] = {"landscapes": landscape, "icons": icon}
