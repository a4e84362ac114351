"""The pairs of an input: where each lies, and its picture decoded once."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from pai_modelscope.data.examples import TrainingSet
from pai_modelscope.data.load_dataset import open_training_set
from pai_modelscope.errors import UserError
from pai_modelscope.images.open_images import open_image

_FILES = (".tar", ".parquet", ".tsv")  # of which each is a part of its own


@dataclass(frozen=True)
class Columns:
    """What tables call the picture and the caption."""

    image: str = "image"
    caption: str = "text"


@dataclass(frozen=True)
class Pair:
    """One row. `id`: its part and place; `path`: what it is called there; `image`: RGB, None where it can't be read,
    and `problem` says why."""

    id: str
    place: int
    path: str
    caption: str
    digest: str = ""
    image: Image.Image | None = None
    problem: str | None = None

    @property
    def picture(self) -> Image.Image:
        """The image of a pair that can be read: scorers see no other."""
        assert self.image is not None
        return self.image


def parts_of(source: str) -> list[str]:
    """The files of a folder of archives or tables, each to be read by itself; anything else is one part.

    Raises:
        UserError: nothing is there.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(
            file for file in path.iterdir() if file.suffix.lower() in _FILES and not file.name.startswith(".")
        )
        return [os.fspath(file) for file in files] or [source]
    return [source]


def count_pairs(part: str, columns: Columns) -> int:
    """Raises `UserError` for a part that can't be read."""
    return len(_opened(part, columns))


def read_pairs(part: str, places: range, columns: Columns) -> Iterator[Pair]:
    """The pairs at these places of a part, one after the other, each decoded once; nothing is left out."""
    opened, name = _opened(part, columns), os.path.basename(part.rstrip(os.sep))
    for place in places:
        yield _pair(opened, f"{name}:{place}", place)


def read_content(part: str, place: int, columns: Columns) -> bytes | Image.Image:
    """The picture of a pair as it lies there. Raises `UserError`: it can't be read any more."""
    return _opened(part, columns)[place].picture.read()


def _pair(opened: TrainingSet, id: str, place: int) -> Pair:
    try:
        example = opened[place]
        caption = "\n".join(example.captions)
        try:
            image = open_image(example.picture.read(), what=f"picture of {example.name}")
        except UserError as error:
            return Pair(id, place, example.name, caption, example.digest, problem=str(error))
        return Pair(id, place, example.name, caption, example.digest, image)
    except UserError as error:
        return Pair(id, place, "", "", problem=str(error))


@lru_cache(maxsize=2)
def _opened(part: str, columns: Columns) -> TrainingSet:
    return open_training_set(part, image_column=columns.image, caption_column=columns.caption)
