"""Training sets with rows and columns: saved data sets, those of both hubs, and any object with such rows."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import unquote

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.data.captions import captions_of
from pai_modelscope.data.examples import Content, Example, PictureReference, Reader
from pai_modelscope.data.folders import Columns
from pai_modelscope.data.stored_pictures import file_in, load_file
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import check_regular, inside, read_json

if TYPE_CHECKING:
    from datasets import DatasetBuilder

CONDITION = "conditioning_image"  # the column that diffusers' script reads unasked
Locate = Callable[[str, str], Path]  # a path in a row and where that is, for messages


@runtime_checkable
class Table(Protocol):
    """Rows by number, each a mapping of columns: a `datasets.Dataset`, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Mapping[str, object]: ...


class MsDataset(Protocol):
    """A data set of ModelScope, which wraps one of Hugging Face's library."""

    def to_hf_dataset(self) -> Table: ...


def any_file(path: str, where: str) -> Path:
    """A path in the rows of a user's own program, which may name any file."""
    return Path(path)


class TableColumns:
    """The columns of a table, read one by one.

    A caption can be read so without decoding a picture, and pictures are as they are stored.
    """

    def __init__(self, table: Table, columns: Sequence[str], name: str, locate: Locate):
        """`name`: of the whole, for messages; `locate`: what a path in a row is."""
        self._table, self._name, self._locate = table, name, locate
        self._views = {column: _view(table, column) for column in columns}

    def where(self, row: int) -> str:
        return f"{self._name}, row {row}"

    def value(self, row: int, column: str) -> object:
        """Raises `UserError` for a value that can't be read."""
        for rows in (self._views[column], self._table):  # a transform may make a column of others
            try:
                return rows[row][column]
            except KeyError:
                continue
            except Exception as error:  # of a transform, or of damaged data
                raise UserError(f"{self.where(row)}: {column} can't be read ({reason(error)}).") from None
        raise UserError(f"{self.where(row)}: there is no column {column}; add it or remove the row.")

    def picture(self, row: int, column: str) -> Content:
        """Raises `UserError` for a value that is no picture, and for a file that can't be read."""
        value, where = self.value(row, column), f"{self.where(row)}, column {column}"
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes | Image.Image):
            return value
        if isinstance(value, str | os.PathLike) and os.fspath(value):
            return load_file(self._locate(os.fspath(value), where), where)
        raise UserError(
            f"{where}: a picture is of type {type(value).__name__}; valid are encoded bytes, PIL pictures and paths."
        )


@dataclass(frozen=True)
class TableCell(PictureReference):
    """A picture in a row of a table."""

    table: TableColumns
    row: int
    column: str

    def read(self) -> Content:
        return self.table.picture(self.row, self.column)


class TableReader(Reader[int]):
    """A table whose pictures may be PIL pictures, encoded bytes, {'bytes', 'path'} or paths."""

    def __init__(self, table: Table, columns: Columns, name: str, locate: Locate):
        """As `TableColumns`; `columns`: of the picture and so on. Raises `UserError`: no such column."""
        super().__init__(range(len(table)))
        names = _names(table, name)
        if columns.condition is None and CONDITION in names:
            columns = replace(columns, condition=CONDITION)
        self._columns = columns
        self._table = TableColumns(table, check_columns(names, columns, name), name, locate)

    def example(self, row: int) -> Example:
        columns, where = self._columns, self._table.where(row)
        condition, mask = (
            TableCell(self._table, row, column) if column else None for column in (columns.condition, columns.mask)
        )
        captions = captions_of(self._table.value(row, columns.caption), where, columns.caption)
        return Example.of(where, captions, TableCell(self._table, row, columns.image), condition, mask)


def open_table(source: object, columns: Columns, name: str = "the data set", locate: Locate = any_file) -> TableReader:
    """An object with `len()` and rows by number that are dicts: a `datasets.Dataset`, an `MsDataset`, a list.

    Args:
        columns: of the picture and so on.
        name: of the whole, for messages.
        locate: what a path in a row is.

    Raises:
        UserError: no rows, a stream without length, no such column.
    """
    table = source.to_hf_dataset() if hasattr(source, "to_hf_dataset") else source
    if isinstance(table, dict):
        raise UserError(f"{name} has several splits ({', '.join(table)}); give one of them.")
    if not isinstance(table, Table):
        raise UserError(f"{name} is a {type(table).__name__} without rows by number: load it without streaming.")
    if not len(table):
        raise UserError(f"{name} has no rows.")
    if len(table) > limits.ROWS:
        raise UserError(f"{name} has {len(table)} rows; valid are up to {limits.ROWS}: give several sets.")
    return TableReader(table, columns, name, locate)


def open_saved(folder: Path, columns: Columns) -> TableReader:
    """What `Dataset.save_to_disk` wrote. Raises `UserError` if it is damaged."""
    from datasets import load_from_disk

    try:
        state = read_json(folder / "state.json")
        files = state["_data_files"] if isinstance(state, dict) else None
        if not isinstance(files, list):
            raise TypeError("state.json lists no files")
        names = [str(file["filename"]) for file in files if isinstance(file, dict)]
        for file in (folder / "dataset_info.json", *(inside(folder, name, links=True) for name in names)):
            check_regular(file)
        table = load_from_disk(str(folder))
    except UserError:
        raise
    except Exception as error:  # pyarrow's and datasets' own, of many kinds
        raise UserError(f"{folder} can't be read as a saved data set ({reason(error)}); save it again.") from None
    return open_table(table, columns, str(folder))


def check_columns(names: list[str], columns: Columns, name: str) -> list[str]:
    """The columns that are asked for. Raises `UserError` if one is not among `names`."""
    wanted = [column for column in (columns.image, columns.caption, columns.condition, columns.mask) if column]
    if missing := [column for column in wanted if column not in names]:
        valid = ", ".join(f"{column}"[:40] for column in names[:20]) + (" ..." if len(names) > 20 else "")
        raise UserError(f"{name} has no column {', '.join(missing)}; it has {valid}.")
    return wanted


def open_hub(name: str, split: str, columns: Columns) -> TableReader:
    """A data set of Hugging Face's hub, or in its cache.

    Raises:
        UserError: no such data set or split, no network, files that are not the data set's own.
    """
    import datasets

    from pai_modelscope.zoo import huggingface

    try:
        with huggingface.watched():
            builder = datasets.load_dataset_builder(name)
            for (repository, commit), files in _files_of(builder).items():
                huggingface.download(repository, "dataset", commit, files.intersection)
            builder.download_and_prepare()
            table = builder.as_dataset(split=split)
    except Exception as error:  # of the hub, the network, the data set's own files
        raise UserError(
            f"{name} can't be loaded from Hugging Face with split {split!r} ({reason(error)}); check its name, split "
            "and the network, or download it and give the folder."
        ) from None
    return open_table(table, columns, name, _in_cache)


def _files_of(builder: "DatasetBuilder") -> dict[tuple[str, str | None], set[str]]:
    """The files that a data set is made of, by repository and commit; its card may name any file at all.

    Raises `UserError` for a file that is not of the hub, such as one on this machine.
    """
    by_repository: dict[tuple[str, str | None], set[str]] = {}
    for files in (getattr(builder.config, "data_files", None) or {}).values():
        for file in map(str, files):
            match = re.fullmatch(r"hf://datasets/([^/@]+(?:/[^/@]+)?)(?:@([^/]+))?/(.+)", file)
            if not match:
                raise UserError(f"it is made of {file[:200]!r}, which is no file of a data set on that hub")
            by_repository.setdefault((match[1], match[2] and unquote(match[2])), set()).add(match[3])
    return by_repository


def modelscope_folder(name: str) -> Path:
    """A data set of ModelScope's hub, downloaded into its cache.

    Raises:
        UserError: no such data set, no network, a listing that is not honest.
    """
    from pai_modelscope.zoo import hubs, modelscope

    try:
        return modelscope.download(name, "dataset", None, list)
    except Exception as error:
        raise UserError(
            f"{name} can't be fetched from ModelScope ({hubs.reason(error)}); check its name and the network, or "
            "download it and give the folder."
        ) from None


def _in_cache(path: str, where: str) -> Path:
    """`datasets` has made relative paths absolute, into its cache; any other would be the data set's own idea."""
    from datasets import config
    from huggingface_hub.constants import HF_HUB_CACHE

    homes = [Path(home) for home in (config.HF_CACHE_HOME, config.HF_DATASETS_CACHE, HF_HUB_CACHE)]
    home = next((home for home in homes if Path(path).is_relative_to(home)), homes[0])
    return file_in(home, str(Path(path).relative_to(home)) if Path(path).is_relative_to(home) else path, where)


def _names(table: Table, name: str) -> list[str]:
    names = getattr(table, "column_names", None)
    if names is not None:
        return list(names)
    first = table[0]
    if not isinstance(first, dict):
        raise UserError(f"{name} has rows of type {type(first).__name__}; give dicts of an image and a text.")
    return list(first)


def _view(table: Table, column: str) -> Table:
    """One column alone, with pictures as they are stored; the table itself where it can't be cut so."""
    if not hasattr(table, "select_columns"):
        return table
    from datasets import Dataset, Image

    view = table.select_columns([column])
    stored = isinstance(view, Dataset) and isinstance(view.features.get(column), Image) and view.format["type"] is None
    cast: Table = view.cast_column(column, Image(decode=False)) if stored else view
    return cast
