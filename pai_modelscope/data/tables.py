"""Training sets with rows and columns: saved data sets, those of both hubs, and any object with such rows."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.data.examples import Example
from pai_modelscope.data.folders import Columns
from pai_modelscope.data.records import CONDITION, Listed, captions_of, example, file_in, load_file
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import check_regular, inside, read_json

Locate = Callable[[str, str], Path]  # a path in a row and where that is, for messages


def open_saved(folder: Path, columns: Columns) -> Listed:
    """What `Dataset.save_to_disk` wrote. Raises `UserError` if it is damaged."""
    from datasets import load_from_disk

    try:
        state = read_json(folder / "state.json")
        named = [file["filename"] for file in state["_data_files"]]
        for file in (folder / "dataset_info.json", *(inside(folder, name, links=True) for name in named)):
            check_regular(file)
        table = load_from_disk(str(folder))
    except UserError:
        raise
    except Exception as error:  # pyarrow's and datasets' own, of many kinds
        raise UserError(f"{folder} can't be read as a saved data set ({reason(error)}); save it again.") from None
    return open_table(table, columns, str(folder))


def open_table(table: Any, columns: Columns, name: str = "the data set", locate: Locate | None = None) -> Listed:
    """An object with `len()` and rows by number that are dicts: a `datasets.Dataset`, an `MsDataset`, a list.

    Pictures may be PIL pictures, encoded bytes, {'bytes', 'path'} or paths.

    Args:
        columns: of the picture and so on.
        name: of the whole, for messages.
        locate: what a path in a row is; None: any file, as a program's own rows may name.

    Raises:
        UserError: no rows, a stream without length, no such column.
    """
    table = table.to_hf_dataset() if hasattr(table, "to_hf_dataset") else table
    if isinstance(table, dict):
        raise UserError(f"{name} has several splits ({', '.join(table)}); give one of them.")
    if not hasattr(table, "__len__") or not hasattr(table, "__getitem__"):
        raise UserError(f"{name} is a {type(table).__name__} without rows by number: load it without streaming.")
    if not len(table):
        raise UserError(f"{name} has no rows.")
    if len(table) > limits.ROWS:
        raise UserError(f"{name} has {len(table)} rows; valid are up to {limits.ROWS}: give several sets.")
    names = _names(table, name)
    if columns.condition is None and CONDITION in names:
        columns = replace(columns, condition=CONDITION)
    views = {column: _view(table, column) for column in check_columns(names, columns, name)}
    make = partial(_example, table, views, columns, name, locate or (lambda path, where: Path(path)))
    return Listed([partial(make, row) for row in range(len(table))])


def check_columns(names: list[str], columns: Columns, name: str) -> list[str]:
    """The columns that are asked for. Raises `UserError` if one is not among `names`."""
    wanted = [column for column in (columns.image, columns.caption, columns.condition, columns.mask) if column]
    if missing := [column for column in wanted if column not in names]:
        valid = ", ".join(f"{column}"[:40] for column in names[:20]) + (" ..." if len(names) > 20 else "")
        raise UserError(f"{name} has no column {', '.join(missing)}; it has {valid}.")
    return wanted


def open_hub(name: str, split: str, columns: Columns) -> Listed:
    """A data set of Hugging Face's hub, or in its cache.

    Raises:
        UserError: no such data set or split, no network, files that are not the data set's own.
    """
    import datasets

    from pai_modelscope.zoo import huggingface

    try:
        with huggingface.watched():
            builder = datasets.load_dataset_builder(name)
            for (repository, commit), files in _own_files(builder).items():
                huggingface.download(repository, "dataset", commit, files.intersection)
            builder.download_and_prepare()
            table = builder.as_dataset(split=split)
    except Exception as error:  # of the hub, the network, the data set's own files
        raise UserError(
            f"{name} can't be loaded from Hugging Face with split {split!r} ({reason(error)}); check its name, split "
            "and the network, or download it and give the folder."
        ) from None
    return open_table(table, columns, name, _in_cache)


def _own_files(builder: Any) -> dict[tuple[str, str | None], set[str]]:
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


def _names(table: Any, name: str) -> list[str]:
    names = getattr(table, "column_names", None)
    if names is None:
        first = table[0]
        if not isinstance(first, dict):
            raise UserError(f"{name} has rows of type {type(first).__name__}; give dicts of an image and a text.")
        names = list(first)
    return names


def _view(table: Any, column: str) -> Any:
    """One column alone, so that a caption can be read without decoding a picture, and pictures as they are stored."""
    if not hasattr(table, "select_columns"):
        return table
    from datasets import Dataset, Image

    view = table.select_columns([column])
    stored = isinstance(view, Dataset) and isinstance(view.features.get(column), Image) and view.format["type"] is None
    return view.cast_column(column, Image(decode=False)) if stored else view


def _example(table: Any, views: dict[str, Any], columns: Columns, name: str, locate: Locate, row: int) -> Example:
    where = f"{name}, row {row}"

    def value(column: str) -> Any:
        for rows in (views[column], table):  # a transform may make a column of others
            try:
                return rows[row][column]
            except KeyError:
                continue
            except Exception as error:  # of a transform, or of damaged data
                raise UserError(f"{where}: {column} can't be read ({reason(error)}).") from None
        raise UserError(f"{where}: there is no column {column}; add it or remove the row.")

    def load(column: str) -> bytes | Image.Image:
        return _content(value(column), f"{where}, column {column}", locate)

    loads = {"condition": columns.condition, "mask": columns.mask}
    return example(
        where,
        captions_of(value(columns.caption), where, columns.caption),
        partial(load, columns.image),
        **{kind: partial(load, column) for kind, column in loads.items() if column},
    )


def _content(value: Any, where: str, locate: Locate) -> bytes | Image.Image:
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes | Image.Image):
        return value
    if isinstance(value, str | os.PathLike) and os.fspath(value):
        return load_file(locate(os.fspath(value), where), where)
    raise UserError(
        f"{where}: a picture is of type {type(value).__name__}; valid are encoded bytes, PIL pictures and paths."
    )
