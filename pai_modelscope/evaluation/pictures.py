"""Real pictures: records of the full set or of the shipped one, and their rendering, many at a time."""

import lzma
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.errors import UserError, reason
from pai_modelscope.images.colors import NAMED_COLOURS
from pai_modelscope.untrusted import Json, parse_json

SHIPPED = "shipped"
PIXELS = 256  # side of a rendered picture
POOL_FROM = 2000  # fewer pictures are rendered sooner than processes start


@dataclass(frozen=True)
class Record:
    """One drawing: what it shows in Chinese, in which style, and who may have trained on it."""

    id: str
    key: str  # the same for one emoji in every style
    family: str
    name: str
    aliases: tuple[str, ...]
    keywords: tuple[str, ...]
    style: str
    style_id: str
    split: str  # train, food, food_test, held_style, held_concept or held_pair
    plain: bool  # a design of its own: no flag, no gendered or turned variant, no redrawing for other weights
    svg: str | None = field(repr=False)
    raster: str | None = None  # path of a WebP file


@dataclass(frozen=True)
class Scene:
    """What a real picture must show to stand beside a generated one: drawings side by side on a ground colour."""

    records: tuple[Record, ...]
    colour: str = "白色"


class Pictures:
    """The records of a data set with the questions that rows of the table ask of them."""

    def __init__(self, records: Iterable[Record], title: str):
        self.records = list(records)
        self.title = title

    @cached_property
    def names(self) -> list[str]:
        """All distinct names, sorted: the judge's candidates."""
        return sorted({record.name for record in self.records})

    def of(self, split: str) -> list[Record]:
        """The plain designs of a split."""
        return [record for record in self.records if record.split == split and record.plain]

    @cached_property
    def styles(self) -> dict[str, str]:
        """style_id to its Chinese phrase, of base styles and the held-out one, sorted."""
        return dict(sorted({r.style_id: r.style for r in self.records if r.plain}.items()))

    def targets(self, record: Record) -> frozenset[str]:
        """The names that are right for a picture: its own, its aliases, and what other sources call the same thing."""
        names = {record.name, *record.aliases, *self._names_of_key.get(record.key, ())}
        return frozenset(names).intersection(self._name_set)

    def bearers(self, keyword: str) -> frozenset[str]:
        """The names of all drawings that carry a keyword."""
        return self._names_of_keyword.get(keyword, frozenset())

    @cached_property
    def _name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _names_of_key(self) -> dict[str, frozenset[str]]:
        return _collect((record.key, record.name) for record in self.records)

    @cached_property
    def _names_of_keyword(self) -> dict[str, frozenset[str]]:
        return _collect((word, record.name) for record in self.records for word in record.keywords)


def _collect(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    by_key: dict[str, set[str]] = {}
    for key, value in pairs:
        by_key.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in by_key.items()}


def open_pictures(data: str) -> Pictures:
    """Open the shipped data set for `'shipped'`, else a `pictures.jsonl.xz` with the rasters beside it.

    Raises:
        UserError: there is no such file, or it is no list of pictures.
    """
    if data.lower() == SHIPPED:
        from pai_modelscope.data import shipped_records

        shipped = shipped_records()
        return Pictures((_record(dict(row)) for row in shipped), f"the shipped data set ({len(shipped)} pictures)")
    path = Path(data)
    if not path.is_file():
        raise UserError(f"There is no file {data}. Give '{SHIPPED}' or the pictures.jsonl.xz of recipes/mini.")
    try:
        content = list(_rows(path))
        records = [_record(row, path.parent) for row in content]
    except (lzma.LZMAError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{data} is no list of pictures ({reason(error)}). Give the pictures.jsonl.xz of recipes/mini."
        ) from error
    return Pictures(records, f"the full data set ({len(records)} pictures)")


def _rows(path: Path) -> Iterator[Json]:
    """The rows of a `.jsonl.xz`, a line at a time: what its bytes unfold to has a bound."""
    read = 0
    with lzma.open(path) as lines:
        while line := lines.readline(limits.LINE_BYTES + 1):
            read += len(line)
            if len(line) > limits.LINE_BYTES or read > limits.METADATA_BYTES:
                raise ValueError(f"a line of more than {limits.LINE_BYTES} bytes, or more than {limits.METADATA_BYTES}")
            yield parse_json(line, str(path))


def _record(row: Any, folder: Path = Path()) -> Record:
    """Raises `KeyError`, `TypeError` or `AttributeError` for a row of another form."""
    return Record(
        id=row["id"],
        key=row["key"],
        family=row["family"],
        name=row["name"],
        aliases=tuple(row["aliases"]),
        keywords=tuple(row["keywords"]),
        style=row["style"],
        style_id=row["style_id"],
        split="food_test" if row.get("food_test") else row["split"],
        plain=row["base"] and not row["variant"] and not row["is_flag"],
        svg=row.get("svg"),
        raster=str(folder / row["raster"]) if row.get("raster") else None,
    )


def render_all(scenes: Sequence[Scene], workers: int = 1) -> list[Image.Image]:
    """Draw RGB pictures of `PIXELS` a side, one for each scene, 8 ms each.

    workers: processes that share many. They start by importing the main module, so a program that asks for more than
        one must do its work under `if __name__ == "__main__"`.
    """
    if len(scenes) < POOL_FROM or workers == 1:
        return [render(scene) for scene in scenes]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(render, scenes, chunksize=max(1, len(scenes) // (workers * 4))))


def render(scene: Scene) -> Image.Image:
    """Draw a scene: one drawing fills the ground; of two, each has its half at half the size."""
    ground = Image.new("RGB", (PIXELS, PIXELS), NAMED_COLOURS[scene.colour])
    count = len(scene.records)
    side = PIXELS // count
    for place, record in enumerate(scene.records):
        drawing = _drawing(record, side)
        ground.paste(drawing, (place * side, (PIXELS - side) // 2), drawing)
    return ground


def _drawing(record: Record, side: int) -> Image.Image:
    """The drawing on its transparent ground, RGBA."""
    from pai_modelscope.data.render import render_svg

    if record.svg is not None:
        return render_svg(record.svg, side)
    with Image.open(str(record.raster)) as image:
        return image.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
