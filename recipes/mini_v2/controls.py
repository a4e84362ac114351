"""What ControlNets follow, of every shard of the pool: `python -m recipes.mini_v2.controls --kind sketch`.

`canny`: the edges of the very pictures, at the annotator's own thresholds, as bits. `sketch`: of label maps, some
sketches a picture, from exact to very rough, at half the pictures' size.
`controls/KIND/DOMAIN/WIDTHxHEIGHT/NUMBER.npy`. With `--watch`, shards are taken as the painters finish them.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from pai_modelscope.images.sketch_palette import SKETCH_COLOURS
from recipes.mini.controlnet import canny
from recipes.mini_v2.latents import Bucket, LatentSource, Stored
from recipes.mini_v2.pool import Shard, parse_size, shards
from recipes.mini_v2.sketches import sketch, with_meadow

SKETCHES = 4  # of a picture
_SHRINK = 2  # sketches are kept at this fraction of the pictures' size
_MEADOW = 0.6  # share of the sketches that paint green ground as grass


def _edges(shard: Shard) -> np.ndarray:
    """(n, 1, h, w/8) uint8: a bit a pixel."""
    return np.stack([np.packbits(canny(picture) > 0, axis=1) for picture in shard.pictures().numpy()])[:, None]


def _sketches(shard: Shard) -> np.ndarray:
    """(n, SKETCHES, h/2, w/2) uint8 classes."""
    maps = shard.labels()
    if maps is None:
        raise FileNotFoundError(f"{shard.path} has no label maps: paint it with --labels")
    drawn = []
    for number, (labels, picture) in enumerate(zip(maps, shard.pictures().numpy(), strict=True)):
        small, meadow = (
            np.ascontiguousarray(classes[::_SHRINK, ::_SHRINK]) for classes in (labels, with_meadow(labels, picture))
        )
        for variant in range(SKETCHES):
            rng = np.random.default_rng([int(shard.path.stem), number, variant])
            drawn.append(sketch(meadow if rng.random() < _MEADOW else small, rng))
    return np.stack(drawn).reshape(-1, SKETCHES, *small.shape)


def _of_bits(bits: torch.Tensor) -> torch.Tensor:
    """Edges (n, 3, h, w) in [0, 1] of bits (n, h, w/8)."""
    places = torch.arange(7, -1, -1, device=bits.device, dtype=torch.uint8)
    edges = (bits[..., None] >> places & 1).flatten(2)
    return edges[:, None].float().expand(-1, 3, -1, -1)


def _of_classes(classes: torch.Tensor) -> torch.Tensor:
    """Sketches (n, 3, h, w) in [0, 1], in the palette's colours, of classes (n, h/2, w/2)."""
    palette = torch.tensor(list(SKETCH_COLOURS.values()), device=classes.device) / 255
    large = classes.repeat_interleave(_SHRINK, 1).repeat_interleave(_SHRINK, 2)
    return palette[large.long()].permute(0, 3, 1, 2)


_MAKE: Mapping[str, Callable[[Shard], np.ndarray]] = {"canny": _edges, "sketch": _sketches}
_SHOW: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {"canny": _of_bits, "sketch": _of_classes}
KINDS = tuple(_MAKE)


class ControlSource(LatentSource):
    """Latents of the pool with what a ControlNet follows.

    A batch holds beside those of `LatentSource` `control` (n, 3, h, w) in [0, 1]. Shards without controls wait.
    """

    def __init__(
        self, kind: str, work: Path, shares: Mapping[str, float], turns: Mapping[Bucket, int], device: torch.device
    ):
        """`kind`: one of `KINDS`; the others: see `LatentSource`."""
        self.kind, self.what = kind, f"latents with {kind} controls"
        super().__init__(work, shares, turns, device)

    def is_new(self, path: Path) -> bool:
        return super().is_new(path) and self._controls(path).exists()

    def load(self, path: Path) -> Stored:
        return {**super().load(path), "controls": torch.from_numpy(np.load(self._controls(path)))}

    def beside(self, stored: Stored, picked: torch.Tensor, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        controls = stored["controls"]
        variants = torch.from_numpy(rng.integers(controls.shape[1], size=len(picked))).to(controls.device)
        return {"control": _SHOW[self.kind](controls[picked, variants])}

    def _controls(self, path: Path) -> Path:
        return _path(self.work, self.kind, path.parts[-3], path.parts[-2], path.stem)


def _path(work: Path, kind: str, domain: str, size: str, number: str) -> Path:
    return work / "controls" / kind / domain / size / f"{number}.npy"


def _write(shard: Shard, work: Path, kind: str) -> None:
    domain, size = shard.path.parts[-3:-1]
    path = _path(work, kind, domain, size, shard.path.stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_suffix(".partial.npy")
    np.save(partial_path, _MAKE[kind](shard))
    partial_path.rename(path)


def missing(work: Path, kind: str) -> list[Shard]:
    """The shards of the pool that have no controls of a kind, and can have them."""
    there = [
        shard
        for folder in sorted((work / "pool").glob("*/*x*"))
        for shard in shards(work, folder.parent.name, parse_size(folder.name))
        if not _path(work, kind, folder.parent.name, folder.name, shard.path.stem).exists()
    ]
    return [shard for shard in there if kind != "sketch" or shard.labels_path.exists()]


def make_controls(work: Path, kind: str) -> int:
    """Make the controls of the shards that have none. Returns how many shards these were."""
    shards_left = missing(work, kind)
    for shard in shards_left:
        _write(shard, work, kind)
    return len(shards_left)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.controls")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--watch", action="store_true", help="go on as the pool grows, until stopped")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with get_context("spawn").Pool(args.workers) as pool:
        while (left := missing(args.work, args.kind)) or args.watch:
            pool.map(partial(_write, work=args.work, kind=args.kind), left, chunksize=1)
            if args.watch:
                time.sleep(2)


if __name__ == "__main__":
    main()
