"""The art that compositions are made of: pictures that the base UNet may see, by style and name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pai_modelscope.data.render import render_svg
from recipes.collections.leaks import chinese_leak
from recipes.compositions.nouns import COLLECTIONS, NOUNS, SQUARE, Noun
from recipes.mini.dataset.build import read_records

Record = dict[str, Any]
ICONS, THINGS = "pictures.jsonl.xz", "collections.jsonl.xz"  # in the folder of version 2's recipe
MONOCHROME = ("fluent-emoji-high-contrast", "emojione-monotone")  # on plain grounds alone
_SOURCES = (*COLLECTIONS.values(), *MONOCHROME)
_STYLES = {"openclipart": "剪贴画风格"}  # the one that is used, of a collection with several
_SCOUT = 96  # pixels at which a picture's extent is measured
_OPAQUE = 0.4


@dataclass(frozen=True)
class Piece:
    """One picture of a thing. `extent`: left, top, right and bottom of what is drawn, as shares of its square."""

    noun: Noun
    source: str
    style: str
    record: Record = field(hash=False, compare=False)
    folder: Path = field(hash=False, compare=False)
    extent: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    @property
    def shape(self) -> tuple[float, float]:
        """Width and height, the longer of them 1."""
        left, top, right, bottom = self.extent
        longer = max(right - left, bottom - top)
        return (right - left) / longer, (bottom - top) / longer

    def draw(self, longer: float) -> np.ndarray:
        """(h, w, 4) float32 from 0 to 1, cut to what is drawn, its longer side about `longer` pixels."""
        left, top, right, bottom = self.extent
        side = max(8, round(longer / max(right - left, bottom - top)))
        pixels = _square(self.record, self.folder, side)
        return _trimmed(pixels)


@dataclass(frozen=True)
class Library:
    """`pieces`: by source, by the record's name: the pictures of one thing in one hand."""

    pieces: Mapping[str, Mapping[str, tuple[Piece, ...]]]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.pieces)

    def names(self, source: str) -> tuple[str, ...]:
        """What there is in a source, as records call it."""
        return tuple(self.pieces[source])

    def placed(self, source: str, place: str) -> tuple[str, ...]:
        """What of a source can be on land, on water or in the air."""
        return tuple(name for name in self.pieces[source] if NOUNS[name].place == place and source in NOUNS[name].sides)


def may_be_seen(record: Record) -> bool:
    """Whether the base UNet may see a picture: never food, what is held out, or what its Chinese names would leak."""
    if "split" in record and not (record["split"] == "train" and record["base"]):
        return False
    return not any(map(chinese_leak, (record["name"], *record["aliases"])))


def library_of(records: Iterable[Record], folder: Path) -> Library:
    """The pictures of `records` that have a line in `nouns.py` and may be seen; `folder`: of their rasters."""
    pieces: dict[str, dict[str, list[Piece]]] = {}
    for record in records:
        noun, source = NOUNS.get(record["name"]), record["source"]
        if noun is None or source not in _SOURCES or record["style"] != _STYLES.get(source, record["style"]):
            continue
        if may_be_seen(record) and not record.get("captions"):
            piece = Piece(noun, source, record["style"], record, folder)
            pieces.setdefault(source, {}).setdefault(noun.record, []).append(piece)
    return Library({source: {name: tuple(group) for name, group in names.items()} for source, names in pieces.items()})


@cache
def library(folder: Path) -> Library:
    """All art of a recipe's folder: version 1's icons and, where they are there, the collections' things."""
    records: list[Record] = []
    for name in (ICONS, THINGS):
        if (folder / name).exists():
            records += read_records(folder / name)
    return library_of(records, folder)


_EXTENTS: dict[tuple[str, str], tuple[float, float, float, float] | None] = {}


def measured(piece: Piece) -> Piece | None:
    """The piece with its extent; None where its ground is not transparent or nothing can be seen."""
    key = (str(piece.folder), str(piece.record.get("id", piece.record["name"] + piece.source)))
    if key not in _EXTENTS:
        _EXTENTS[key] = _extent(_square(piece.record, piece.folder, _SCOUT)[..., 3], piece.noun.word in SQUARE)
    extent = _EXTENTS[key]
    return None if extent is None else Piece(piece.noun, piece.source, piece.style, piece.record, piece.folder, extent)


def _extent(alpha: np.ndarray, square: bool) -> tuple[float, float, float, float] | None:
    seen = alpha > _OPAQUE
    if seen.mean() < 0.02:
        return None
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    cut = seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    lower = cut[-3:, :3].mean() > 0.5 and cut[-3:, -3:].mean() > 0.5
    upper = cut[:3, :3].mean() > 0.5 and cut[:3, -3:].mean() > 0.5
    if lower and upper and not square:  # a picture with a ground of its own
        return None
    side = alpha.shape[0]
    return float(columns[0]) / side, float(rows[0]) / side, float(columns[-1] + 1) / side, float(rows[-1] + 1) / side


def _square(record: Record, folder: Path, side: int) -> np.ndarray:
    if record.get("svg"):
        image = render_svg(record["svg"], side)
    else:
        with Image.open(folder / record["raster"]) as raster:
            image = raster.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
    pixels: np.ndarray = np.asarray(image, np.float32) * np.float32(1 / 255)
    return pixels


def _trimmed(pixels: np.ndarray) -> np.ndarray:
    seen = pixels[..., 3] > 0.02
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def mirrored(drawing: np.ndarray) -> np.ndarray:
    """A drawing that looks the other way."""
    return np.ascontiguousarray(drawing[:, ::-1])


def resized(drawing: np.ndarray, width: int, height: int) -> np.ndarray:
    """A drawing (h, w, 4) at another size; colours are weighed by cover, so that no dark seam appears."""
    alpha = drawing[..., 3:]
    premultiplied = np.concatenate([drawing[..., :3] * alpha, alpha], -1)
    small = cv2.resize(premultiplied, (max(1, width), max(1, height)), interpolation=cv2.INTER_AREA)
    return np.concatenate([small[..., :3] / np.maximum(small[..., 3:], 1e-4), small[..., 3:]], -1)
