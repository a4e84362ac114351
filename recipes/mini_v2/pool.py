"""A pool of pictures: painted by all cores into shards on the disk, read by a training while it grows.

    python -m recipes.mini_v2.pool --work build/v2 --domain landscapes --count 20000

A shard is `pool/DOMAIN/WIDTHxHEIGHT/NUMBER.npy`, (256, h, w, 3) uint8, and beside it NUMBER.jsonl with each picture's
captions, by kind, and facts. With `--labels`, for `landscapes`, NUMBER.labels.npy holds (256, h, w) uint8 classes.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes.mini_v2.domains import DOMAINS, Drawn, Fact

SHARD = 256  # pictures
_LOOK = 200  # batches between two looks for new shards
Size = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class Shard:
    """`path`: of its pictures."""

    path: Path

    def pictures(self) -> torch.Tensor:
        """(256, h, w, 3) uint8."""
        return torch.from_numpy(np.load(self.path))

    def labels(self) -> np.ndarray | None:
        """(256, h, w) uint8 classes of each pixel; None where the shard keeps none."""
        path = self.labels_path
        return np.load(path) if path.exists() else None

    @property
    def labels_path(self) -> Path:
        """Of its label maps, which may not be there."""
        return self.path.with_suffix(".labels.npy")

    def captions(self) -> list[dict[str, str]]:
        """Of each picture, by kind."""
        return [row["captions"] for row in self._rows()]

    def facts(self) -> list[dict[str, Fact]]:
        """What each picture shows."""
        return [row["facts"] for row in self._rows()]

    def _rows(self) -> list[dict[str, Any]]:
        with self.path.with_suffix(".jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


def shard(work: Path, domain: str, size: Size, number: int) -> Shard:
    """One shard, which may not be there yet."""
    return Shard(work / "pool" / domain / f"{size[0]}x{size[1]}" / f"{number:05}.npy")


def shards(work: Path, domain: str, size: Size, first: int = 0) -> Iterator[Shard]:
    """The shards that are whole, from number `first` on."""
    while (here := shard(work, domain, size, first)).path.exists():
        yield here
        first += 1


def _one(seed: int, work: Path, domain: str, size: Size) -> Drawn:
    return DOMAINS[domain](work, seed, size)


def paint_shards(
    work: Path, domain: str, count: int, size: Size, first_seed: int, workers: int, labels: bool = False
) -> None:
    """Paint `count` pictures from `first_seed` on, and with `labels` keep label maps. Shards that are there stay so."""
    draw = partial(_one, work=work, domain=domain, size=size)
    with get_context("spawn").Pool(workers) as pool:
        for number in range(-(-count // SHARD)):
            path = shard(work, domain, size, number).path
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            seeds = range(first_seed + number * SHARD, first_seed + (number + 1) * SHARD)
            drawn = pool.map(draw, seeds, chunksize=8)
            with path.with_suffix(".jsonl").open("w", encoding="utf-8") as file:
                for picture in drawn:
                    row = {"captions": dict(picture.captions), "facts": dict(picture.facts)}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            if labels:
                _save(Shard(path).labels_path, [picture.labels for picture in drawn])
            _save(path, [picture.image for picture in drawn])  # the last: with it, the shard is whole


def _save(path: Path, pictures: Sequence[np.ndarray | None]) -> None:
    there = [picture for picture in pictures if picture is not None]
    if len(there) < len(pictures):
        raise ValueError(f"{path.parent} is of a domain without label maps: leave --labels out")
    partial_path = path.with_suffix(".partial.npy")
    np.save(partial_path, np.stack(there))
    partial_path.rename(path)


def parse_shares(text: str) -> dict[str, float]:
    """'landscapes=0.6,icons=0.4' as numbers that add up to 1."""
    shares = {name: float(share) for name, share in (part.split("=") for part in text.split(","))}
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def parse_size(text: str) -> Size:
    """'768x256' as width and height."""
    width, height = map(int, text.split("x"))
    return width, height


class CropSource:
    """Crops of pooled pictures, held on the device.

    A batch holds `pictures` (n, 3, crop, crop) in [-1, 1]. The keys pick each sample's domain by `shares`, its picture,
    its corner and whether it is mirrored. Shards that appear while it is used join in; the same pool gives the same
    batches.
    """

    cycle = (0,)

    def __init__(
        self,
        work: Path,
        shares: Mapping[str, float],
        crop: int,
        device: torch.device,
        limit: int,
        size: Size = (256, 256),
    ):
        """`limit`: pictures of a domain that are held at most."""
        self.work, self.crop, self.device, self.size = work, crop, device, size
        kept = (max(1, limit // SHARD) * SHARD, size[1], size[0], 3)
        self.pictures = {domain: torch.empty(kept, dtype=torch.uint8, device=device) for domain in shares}
        self.counts = dict.fromkeys(shares, 0)
        self.shares = np.array(list(shares.values()))
        self.lengths = [1_000_000]
        self.batches = 0

    def look(self) -> None:
        """Take up the shards that have appeared."""
        for domain, pictures in self.pictures.items():
            for here in shards(self.work, domain, self.size, self.counts[domain] // SHARD):
                count = self.counts[domain]
                if count == len(pictures):
                    break
                pictures[count : count + SHARD] = here.pictures().to(self.device)
                self.counts[domain] += SHARD

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if self.batches % _LOOK == 0:
            self.look()
        self.batches += 1
        rng = np.random.default_rng([int(key) & (2**63 - 1) for key in keys[:4]])
        counts = rng.multinomial(len(keys), self.shares)
        crops = [self._crops(rng, domain, count) for domain, count in zip(self.pictures, counts.tolist(), strict=True)]
        pictures = torch.cat(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        return {"pictures": pictures.contiguous(memory_format=torch.channels_last)}

    def _crops(self, rng: np.random.Generator, domain: str, count: int) -> torch.Tensor:
        """(count, crop, crop, 3) uint8."""
        height, width = self.pictures[domain].shape[1:3]
        sides = [self.counts[domain], height - self.crop + 1, width - self.crop + 1]
        picture, y, x = (torch.from_numpy(rng.integers(side, size=(count, 1, 1))).to(self.device) for side in sides)
        line = torch.arange(self.crop, device=self.device)
        mirrored = torch.from_numpy(rng.random((count, 1, 1)) < 0.5).to(self.device)
        columns = torch.where(mirrored, line.flip(0), line)
        return self.pictures[domain][picture, y + line[:, None], x + columns]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.pool", description="Paint pictures into the pool.")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--domain", choices=list(DOMAINS), required=True)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--size", default="256x256", help="width x height")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--labels", action="store_true", help="keep the label maps, too")
    args = parser.parse_args()
    size = parse_size(args.size)
    paint_shards(args.work, args.domain, args.count, size, args.first_seed, args.workers, args.labels)


if __name__ == "__main__":
    main()
