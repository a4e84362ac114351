"""A training set by its path, id or object, whatever its form."""

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

from pai_modelscope.config.option import Bounds, plain_number, problem_of_number, short_repr
from pai_modelscope.data.archives import TarReader
from pai_modelscope.data.checking import Scanned
from pai_modelscope.data.combined import Subset
from pai_modelscope.data.examples import Example, Reader, TrainingSet
from pai_modelscope.data.folders import (
    METADATA,
    Columns,
    in_sight,
    is_kohya,
    open_kohya,
    open_plain,
    warn_of_others,
)
from pai_modelscope.data.metadata import MetadataReader
from pai_modelscope.data.parquet import open_parquet
from pai_modelscope.data.shipped import ShippedReader
from pai_modelscope.data.tables import MsDataset, Table, modelscope_folder, open_hub, open_saved, open_table
from pai_modelscope.data.tsv import TsvReader
from pai_modelscope.errors import UserError, printable, reason
from pai_modelscope.untrusted import check_regular

TrainingData = str | os.PathLike[str] | TrainingSet | Table | MsDataset
_SHIPPED = "shipped:"
_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_FORMS = (
    "a folder with metadata.jsonl or metadata.csv; of folders such as 30_dog; of pictures with .txt beside them; of "
    ".parquet or .tar files; one .tsv (number, caption, base64), .parquet or .tar file; shipped:food; "
    "modelscope:owner/name or huggingface:owner/name"
)


def open_training_set(
    source: TrainingData,
    *,
    image_column: str = "image",
    caption_column: str = "text",
    conditioning_image_column: str | None = None,
    mask_column: str | None = None,
    split: str = "train",
    limit: int | None = None,
    caption: str | None = None,
    size: int = 512,
) -> TrainingSet:
    """The pictures and captions of `source`.

    Args:
        source: a path (see the forms below), `shipped:food`, the id of a data set on ModelScope (`modelscope:a/b`) or
            Hugging Face (`huggingface:a/b`; `a/b` tries ModelScope, then Hugging Face), an object with rows such as
            `datasets.Dataset` or `MsDataset`, or a training set, which stays what it is.
        image_column, caption_column: in tables and metadata files; a caption may be a list, of which one is drawn
            whenever the picture is shown. In text files, every line is a caption.
        conditioning_image_column, mask_column: must be there if given. Unasked, tables bring along the column
            `conditioning_image`, metadata files `conditioning_file_name` and `mask_file_name`, tars
            `.conditioning.png` and `.mask.png`.
        split: of a hub's data set, or of a folder that has one of that name.
        limit: only the first so many.
        caption: for pictures in a plain folder that have no text: DreamBooth's instance prompt.
        size: pixels a side of the shipped pictures, which are vectors and have none of their own.

    Forms of folders and files: `metadata.jsonl` or `.csv` (`file_name`, `text`); kohya's `30_小狗/`; pictures with a
    `.txt` or `.caption` of the same name; EasyNLP's TSV; parquet; WebDataset's tars.

    Raises:
        UserError: nothing there, no known form, a form that is not kept, or a path that leaves its folder. What is
            wrong with a single picture is raised when it is asked for: `scan` finds all of them beforehand.
    """
    limit = _checked_limit(limit)
    names = {"image_column": image_column, "caption_column": caption_column, "split": split}
    optional = {"conditioning_image_column": conditioning_image_column, "mask_column": mask_column, "caption": caption}
    _check_texts(names, {name: value for name, value in optional.items() if value is not None})
    columns = Columns(image_column, caption_column, conditioning_image_column, mask_column)
    return _first(_opened(source, columns, split, caption, size), limit)


def _opened(source: TrainingData, columns: Columns, split: str, caption: str | None, size: int) -> TrainingSet:
    if not isinstance(source, str | os.PathLike):
        return source if _is_training_set(source) else open_table(source, columns)
    name = os.fspath(source)
    if name.startswith(_SHIPPED):
        return ShippedReader(name.removeprefix(_SHIPPED), columns, size)
    return _open_named(name, columns, split, caption)


def _first(training_set: TrainingSet, limit: int | None) -> TrainingSet:
    """The first `limit` places; all if None."""
    if limit is None or limit >= len(training_set):
        return training_set
    return Subset(training_set, range(limit))


def _checked_limit(limit: object) -> int | None:
    """Python's own number, for which NumPy's may stand. Raises `UserError` for what is no whole number from 1 on."""
    if limit is None:
        return None
    if wrong := problem_of_number("limit", limit, whole=True, bounds=Bounds(minimum=1)):
        raise UserError(f"{wrong}, or None for all.")
    return int(plain_number(limit, whole=True))


def _check_texts(*named: Mapping[str, object]) -> None:
    for name, value in (item for values in named for item in values.items()):
        if not isinstance(value, str):
            raise UserError(f"{name} is {short_repr(value)}; give a text.")


def _is_training_set(source: TrainingSet | Table | MsDataset) -> TypeGuard[TrainingSet]:
    if isinstance(source, Reader | Scanned):
        return True
    if isinstance(source, dict) or not isinstance(source, Table):
        return False
    return len(source) > 0 and isinstance(source[0], Example)


def _open_named(source: str, columns: Columns, split: str, caption: str | None) -> TrainingSet:
    prefix, _, rest = source.partition(":")
    if prefix in ("modelscope", "huggingface") and not _ID.fullmatch(rest):
        raise UserError(f"{rest!r} is no id of a data set; give owner/name.")
    if prefix == "modelscope":
        return _open_path(modelscope_folder(rest), columns, split, caption)
    if prefix == "huggingface":
        return open_hub(rest, split, columns)
    path = Path(os.path.expanduser(source))
    if os.path.exists(path):
        return _open_path(path, columns, split, caption)
    if not _ID.fullmatch(source) or source.startswith("."):
        raise UserError(f"There is no training set {source!r}; valid are {_FORMS}.")
    try:
        folder = modelscope_folder(source)
    except UserError as first:
        try:
            return open_hub(source, split, columns)
        except UserError as second:
            raise UserError(f"There is no folder {source}. {first} {second}") from None
    return _open_path(folder, columns, split, caption)


def _open_path(path: Path, columns: Columns, split: str, caption: str | None) -> TrainingSet:
    try:
        if not path.is_dir():
            check_regular(path)
            return _open_file(path, columns)
        return _open_folder(path, columns, split, caption)
    except OSError as error:  # permissions, a folder that goes away meanwhile
        raise UserError(f"{path} can't be read ({error.strerror or reason(error)}).") from None


def _open_folder(path: Path, columns: Columns, split: str, caption: str | None) -> TrainingSet:
    for folder in (path, path / split):
        if files := [folder / name for name in METADATA if (folder / name).exists()]:
            for unread in files[1:]:
                warnings.warn(printable(f"{unread} is not read: {files[0].name} lies beside it."), stacklevel=2)
            return MetadataReader(files[0], columns)
    if is_kohya(path):
        return open_kohya(path)
    if tars := _of_split(path, "*.tar", split):
        warn_of_others(path, why=f"beside {tars[0].name} only .tar files are read")
        return TarReader(tars, columns)
    if tables := _of_split(path, "**/*.parquet", split):
        return open_parquet(tables, columns)
    for folder in (path, path / split):
        if (folder / "dataset_info.json").is_file():
            return open_saved(folder, columns)
    if len(files := [*path.glob("*.tsv")]) == 1:
        warn_of_others(path, why=f"{files[0].name} is read instead")
        return TsvReader(files[0])
    return open_plain(path, caption)


def _of_split(root: Path, pattern: str, split: str) -> list[Path]:
    """The files named after the split, or in a folder of its name; all where none is."""
    files = [file for file in sorted(root.glob(pattern)) if in_sight(file, root)]
    of_split = [file for file in files if file.name.startswith(split) or split in file.relative_to(root).parts[:-1]]
    return of_split or files


def _open_file(path: Path, columns: Columns) -> TrainingSet:
    if path.suffix in (".jsonl", ".csv"):
        return MetadataReader(path, columns)
    if path.suffix == ".tsv":
        return TsvReader(path)
    if path.suffix == ".parquet":
        return open_parquet([path], columns)
    if path.suffix == ".tar":
        return TarReader([path], columns)
    raise UserError(f"{path} is no training set; valid are {_FORMS}.")
