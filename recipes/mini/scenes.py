"""Scenes: which picture stands where, at what size, on which background, and the caption that says so."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pai_modelscope.images.colors import NAMED_COLOURS
from recipes.mini.captions import CaptionWriter

Record = dict[str, Any]
COLOURS = list(NAMED_COLOURS)
WHITE = COLOURS.index("白色")
SIZES = (0.8, 0.86, 0.92, 0.96, 1.0)


@dataclass
class Scenes:
    """Columns of equal length n; `partner` is -1 where one picture stands alone."""

    picture: np.ndarray  # int64, index of the record
    partner: np.ndarray  # int64
    background: np.ndarray  # int64, index into COLOURS
    size: np.ndarray  # float32, share of the place that the picture fills
    shift: np.ndarray  # float32 (n, 2), -1..1 of the free space, x and y
    captions: list[str]

    def __len__(self) -> int:
        return len(self.captions)


def weights(records: list[Record]) -> np.ndarray:
    """How often each record is drawn: flags and near-duplicates would dominate; icons are many and abstract."""
    weight = np.ones(len(records))
    for i, record in enumerate(records):
        if record.get("is_flag"):
            weight[i] = 0.1
        elif record.get("variant"):
            weight[i] = 0.5
        elif record["source"].startswith("icon-park"):
            weight[i] = 0.6
    return weight / weight.sum()


@dataclass(frozen=True)
class SceneMix:
    """Shares of the scene kinds."""

    pairs: float = 0.2
    coloured: float = 0.45
    long: float = 0.0  # captions of two or three chunks
    exact: float = 0.5  # share of scenes that show each picture as drawn, as large as its place and in its middle
    with_style: float = 0.7


def make_scenes(records: list[Record], n: int, seed: int, mix: SceneMix | None = None) -> Scenes:
    """`n` scenes over `records`, the same for the same seed. Partners come from the same style."""
    mix = mix or SceneMix()
    random = np.random.default_rng(seed)
    writer = CaptionWriter(seed + 1, mix.with_style)
    weight = weights(records)
    picture = random.choice(len(records), n, p=weight)
    partner = _partners(records, picture, weight, random)
    partner[random.random(n) >= mix.pairs] = -1
    coloured = random.random(n) < mix.coloured
    background = np.where(coloured, random.integers(0, len(COLOURS), n), WHITE)
    size = random.choice(SIZES, n).astype(np.float32)
    shift = random.uniform(-1, 1, (n, 2)).astype(np.float32)
    shift[partner >= 0, 1] *= 0.3  # two objects stand side by side, not one up and one down
    exact = random.random(n) < mix.exact
    size[exact], shift[exact] = 1.0, 0.0
    long = random.random(n) < mix.long
    captions = [
        writer.write(
            records[picture[i]],
            records[partner[i]] if partner[i] >= 0 else None,
            COLOURS[background[i]] if coloured[i] else None,
            bool(long[i]),
        )
        for i in range(n)
    ]
    return Scenes(picture, partner, background, size, shift, captions)


def _partners(records: list[Record], picture: np.ndarray, weight: np.ndarray, random: Any) -> np.ndarray:
    """For every scene a second picture of the same source."""
    sources = np.array([record["source"] for record in records])
    partner = np.empty(len(picture), np.int64)
    for source in np.unique(sources):
        members = np.flatnonzero(sources == source)
        here = np.flatnonzero(sources[picture] == source)
        share = weight[members] / weight[members].sum()
        partner[here] = members[random.choice(len(members), len(here), p=share)]
    return partner
