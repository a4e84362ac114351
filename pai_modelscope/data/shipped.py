"""The data set that ships with the package: SVG pictures with Chinese names, rendered when they are read."""

import json
import lzma
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.config.option import Bounds, plain_number, problem_of_number
from pai_modelscope.data.captions import captions_of
from pai_modelscope.data.examples import Example, PictureReference, Reader, digest
from pai_modelscope.data.folders import Columns
from pai_modelscope.data.render import Background, on_background, render_svg
from pai_modelscope.data.tables import CONDITION
from pai_modelscope.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

FOLDER = Path(__file__).parents[1] / "assets" / "dataset"
Row = dict[str, object]  # of `open_dataset`, by its columns


class Record(TypedDict):
    """A shipped picture as its file has it; of a pair, with the drawing without colour as well."""

    id: str
    name: str
    style: str
    style_id: str
    aliases: list[str]
    keywords: list[str]
    en_name: str
    key: str
    family: str
    group: str
    subgroup: str
    is_flag: bool
    is_food: bool
    variant: bool
    source: str
    author: str
    license: str
    url: str
    svg: str
    split: str
    base: bool
    food_test: bool
    condition_id: NotRequired[str]
    condition_svg: NotRequired[str]


# A drawing without colour (the condition) and the coloured one of the same design (the target).
CONTROL_PAIRS = {
    "emojione-monotone": "emojione",
    "icon-park-outline": "icon-park",
    "fluent-emoji-high-contrast": "fluent-emoji-flat",
}


@dataclass(frozen=True)
class Split:
    """Which rows of which files; `pairs` joins a condition and a target into one row; `of_each`: so many of each style,
    which a hash of their ids chooses."""

    parts: tuple[str, ...]
    about: str
    keep: Callable[[Record], bool] = lambda record: True
    pairs: bool = False
    of_each: int | None = None

    def rows(self, records: Sequence[Record]) -> list[Record]:
        """This split's rows among those of its files."""
        kept = [record for record in records if self.keep(record)]
        if self.of_each is not None:
            styles: dict[str, list[Record]] = {}
            for record in sorted(kept, key=lambda record: digest(record["id"].encode())):
                styles.setdefault(record["style"], []).append(record)
            # In turns, so that the first so many are of all styles too.
            turns = zip_longest(*(drawings[: self.of_each] for drawings in styles.values()))
            kept = [record for turn in turns for record in turn if record]
        return pair_up(kept) if self.pairs else kept


SPLITS = {
    "food": Split(("food",), "food and drink, for continued pretraining", lambda record: not record["food_test"]),
    "food_test": Split(("food",), "foods in styles held out of `food`", lambda record: record["food_test"]),
    "style": Split(("style",), "a style that the base model has never seen, without its food"),
    "base": Split(("base",), "a style that the base model knows, without food and held-out pictures"),
    "known": Split(("base", "control"), "some of all shipped styles that the base model knows, to replay", of_each=40),
    "control": Split(("control",), "pairs of a colourless and a coloured drawing", pairs=True),
    "control_test": Split(("held",), "such pairs that the base model has never seen", pairs=True),
    "held_pair": Split(("held",), "known names in styles held out for them", lambda row: row["split"] == "held_pair"),
    "held_concept": Split(
        ("held",), "twelve things held out in every style", lambda row: row["split"] == "held_concept"
    ),
}
PARTS = tuple(dict.fromkeys(part for split in SPLITS.values() for part in split.parts))


@cache
def _part(name: str, folder: Path) -> tuple[Record, ...]:
    path = folder / f"{name}.jsonl.xz"
    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            return tuple(json.loads(line) for line in lines)
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise UserError(f"{path} cannot be read ({error!r}): install the package again.") from error


def shipped_records(split: str | None = None, folder: Path = FOLDER) -> list[Record]:
    """Rows of a split as plain dicts, every shipped picture once if `split` is None. Treat them as read-only.

    Raises:
        UserError: there is no such split, or a file of the data set is damaged.
    """
    if split is None:
        return [record for part in PARTS for record in _part(part, folder)]
    if split not in SPLITS:
        raise UserError(f"There is no split {split!r}. Give one of {', '.join(SPLITS)}.")
    return SPLITS[split].rows([record for part in SPLITS[split].parts for record in _part(part, folder)])


def pair_up(records: Sequence[Record]) -> list[Record]:
    """The coloured drawings that have a colourless twin; the twin's id and SVG join the row as `condition_*`."""
    by_key = {(record["source"], record["key"]): record for record in records}
    return [
        by_key[target, key] | {"condition_id": record["id"], "condition_svg": record["svg"]}
        for (source, key), record in by_key.items()
        if (target := CONTROL_PAIRS.get(source, "")) and (target, key) in by_key
    ]


def open_dataset(split: str, size: int = 256, background: Background | None = "白色") -> "Dataset":
    """A split of the shipped data set; needs no network.

    Columns: `id`, `name`, `style`, `text` (name and style, a caption), `captions` (that and others: by other names, by
    keywords), `aliases`, `keywords` and `en_name`, `key` and
    `family` (the emoji), `group`, `subgroup`, `is_flag`, `variant`, `source`, `author`, `license`, `url`, `svg`, and
    `image`: a PIL picture, rendered when the row is read. `control` and `control_test` also have `condition_id`,
    `condition_svg` and `conditioning_image`, the drawing without colour.

    Args:
        split: a name in `SPLITS`.
        size: pixels a side of the rendered pictures.
        background: a Chinese colour name, an HTML colour or an (r, g, b) triple under RGB pictures;
            None gives RGBA with a transparent ground.

    Raises:
        UserError: no such split, no positive size, or no such colour.
    """
    render = Render(_pixels(size), background)
    render.check()
    rows = [_row(record) for record in shipped_records(split)]

    from datasets import Dataset

    return Dataset.from_list(rows).with_transform(render)


class ShippedReader(Reader[Row]):
    """A split as a training set of pictures of one size, each drawn when it is read and not before."""

    def __init__(self, split: str, columns: Columns, size: int):
        """`size`: pixels a side. Raises `UserError`: no such split, no positive size, no such column."""
        self._split, self._columns, self._render = split, columns, Render(_pixels(size), "白色")
        rows = [_row(record) for record in shipped_records(split)]
        self._condition = columns.condition or (CONDITION if CONDITION in rows[0] else None)
        wanted = [column for column in (columns.image, columns.caption, self._condition) if column]
        if missing := [column for column in wanted if column not in rows[0]] + [
            column for column in (columns.mask,) if column
        ]:
            raise UserError(f"shipped:{split} has no column {', '.join(missing)}; it has {', '.join(rows[0])}.")
        super().__init__(rows)

    def example(self, row: Row) -> Example:
        where, side = f"shipped:{self._split}, {row['id']}", self._render.size
        picture = self._drawing(row, self._columns.image, where)
        return Example(
            name=where,
            captions=captions_of(row[self._columns.caption], where, self._columns.caption),
            size=(side, side),
            digest=picture.digest(),
            picture=picture,
            condition=self._drawing(row, self._condition, where) if self._condition else None,
        )

    def _drawing(self, row: Row, column: str, where: str) -> "Drawing":
        svg = row[column]
        if not isinstance(svg, str):
            raise UserError(f"{where}: {column!r} is no drawing; give 'image' as the column of pictures.")
        return Drawing(svg, self._render)


def _pixels(size: object) -> int:
    """A side of a picture as Python's own number."""
    side = Bounds(minimum=1, maximum=math.isqrt(limits.PICTURE_PIXELS))
    if wrong := problem_of_number("size", size, whole=True, bounds=side):
        raise UserError(f"{wrong} pixels.")
    return int(plain_number(size, whole=True))


_COLUMNS = "id name style aliases keywords en_name key family group subgroup is_flag variant source author license url"
# The columns that a transform turns into pictures; they hold the SVG itself, so that each works without the others.
_PICTURES = {"image": "svg", "conditioning_image": "condition_svg"}


def _row(record: Record) -> Row:
    values: Mapping[str, object] = record
    row = {column: values[column] for column in _COLUMNS.split()}
    text, style = f"{record['name']},{record['style']}", record["style"]
    others = [f"{word},{style}" for word in (*record["aliases"][:3], *record["keywords"][:3])]
    row |= {"text": text, "captions": list(dict.fromkeys([text, f"{style}的{record['name']}", *others]))}
    row |= {column: values[column] for column in ("svg", "condition_id", "condition_svg") if column in values}
    return row | {picture: values[svg] for picture, svg in _PICTURES.items() if svg in values}


@dataclass(frozen=True)
class Render:
    """The transform of `open_dataset`: picture columns from SVG to PIL. It pickles, as worker processes ask."""

    size: int
    background: Background | None

    def check(self) -> None:
        """Raise for settings that no picture can be rendered with."""
        self.draw('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')

    def __call__(self, batch: dict[str, list[str]]) -> Mapping[str, Sequence[str | Image.Image]]:
        drawn = {column: [self.draw(svg) for svg in batch[column]] for column in _PICTURES if column in batch}
        return {**batch, **drawn}

    def draw(self, svg: str) -> Image.Image:
        return on_background(render_svg(svg, self.size), self.background)


@dataclass(frozen=True)
class Drawing(PictureReference):
    """A vector picture, which holds all that its pixels follow from."""

    svg: str
    render: Render

    def read(self) -> Image.Image:
        return self.render.draw(self.svg)

    def digest(self) -> str:
        return digest(f"{self.render} {self.svg}".encode())
