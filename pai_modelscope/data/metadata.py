"""Training sets that are folders with `metadata.jsonl` or `metadata.csv`."""

import csv
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from pai_modelscope import limits
from pai_modelscope.data.captions import captions_of
from pai_modelscope.data.examples import Unread, UnreadReader
from pai_modelscope.data.folders import Columns, texts_in, warn_of_left_out, warn_of_others
from pai_modelscope.data.lines import text_lines
from pai_modelscope.data.stored_pictures import PictureFile, file_in
from pai_modelscope.errors import UserError, reason
from pai_modelscope.untrusted import open_regular, parse_json

Row = Mapping[str, object]


class MetadataReader(UnreadReader):
    """A folder with `metadata.jsonl` or `metadata.csv`, as of Hugging Face's ImageFolder.

    A row has `file_name` and a caption, or a list of them; `conditioning_file_name` and `mask_file_name` if it likes.
    """

    def __init__(self, file: Path, columns: Columns):
        """Reads all rows of the metadata `file`, and no picture.

        Raises:
            UserError: no rows, a line that is no row, no such column, a path that leaves the folder.
        """
        rows: list[Unread] = []
        named: set[Path] = set()
        try:
            with open_regular(file, limits.METADATA_BYTES) as opened:
                for line, row in rows_of(opened, file.suffix, str(file)):
                    if len(rows) >= limits.ROWS:
                        raise UserError(f"{file} has more than {limits.ROWS} rows: give fewer.")
                    unread, files = _unread(file, f"{file}, line {line}", row, columns)
                    rows.append(unread)
                    named.update(files)
        except OSError as error:
            raise UserError(f"{file} can't be read ({error.strerror or reason(error)}).") from None
        if not rows:
            raise UserError(f"{file} has no rows; give a file_name and a {columns.caption} for each picture.")
        warn_of_others(file.parent, named, f"no row of {file.name} names them")
        warn_of_left_out("Captions", _texts_beside(named), f"{file.name} is read instead")
        super().__init__(rows)


def rows_of(file: BinaryIO, suffix: str, name: str) -> Iterator[tuple[int, Row]]:
    """The rows of an opened metadata file, each with the number of its line.

    Args:
        suffix: '.csv', else one JSON object a line.
        name: of the file, for messages.

    Raises:
        UserError: a line that is too long, no object, of other fields than the first, or in no encoding that can be
            told.
    """
    lines = text_lines(file, name)
    yield from _csv_rows(lines, name) if suffix == ".csv" else _json_rows(lines, name)


def _unread(file: Path, where: str, row: Row, columns: Columns) -> tuple[Unread, list[Path]]:
    """What a row says of an example, and the files that it names."""
    name = _column(row, ("file_name", columns.image, f"{columns.image}_file_name"), where)
    if columns.caption not in row:
        raise UserError(f"{where}: there is no column {columns.caption!r}; the row has {_names(row)}.")
    captions = captions_of(row[columns.caption], where, columns.caption)
    names = [
        _optional(row, columns.condition, "conditioning", where),
        _optional(row, columns.mask, "mask", where),
    ]
    others = [PictureFile(file_in(file.parent, other, where), where) if other else None for other in names]
    picture = PictureFile(file_in(file.parent, name, where), where)
    return Unread(name, captions, picture, *others), [picture.path, *(other.path for other in others if other)]


def _texts_beside(pictures: set[Path]) -> list[Path]:
    """The files that would be the captions of these pictures in a folder without metadata."""
    stems: dict[Path, set[str]] = {}
    for path in pictures:
        stems.setdefault(path.parent, set()).add(path.stem)
    texts = [text for folder in stems if folder.is_dir() for text in texts_in(folder, []).values()]
    return [text for text in texts if text.stem in stems[text.parent]]


def _json_rows(lines: Iterator[str], name: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = parse_json(line, f"{name}, line {number}")
        if not isinstance(row, dict):
            raise UserError(f"{name}, line {number}: a {type(row).__name__}; give one object a line.")
        yield number, row


def _csv_rows(lines: Iterator[str], name: str) -> Iterator[tuple[int, Row]]:
    length = 0  # of the row that is being read: an open quotation mark makes one of the whole file

    def counted() -> Iterator[str]:
        nonlocal length
        for line in lines:
            length += len(line)
            if length > limits.LINE_BYTES:
                raise UserError(
                    f"{name}: a row has more than {limits.LINE_BYTES} characters: is a quotation mark open?"
                )
            yield line

    reader = csv.DictReader(counted())
    try:
        counts = Counter(filter(None, reader.fieldnames or ()))
        if twice := [column for column, count in counts.items() if count > 1]:
            raise UserError(f"{name}, line 1 names the column {twice[0][:40]!r} twice: leave one, or rename it.")
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"{name}, line {reader.line_num}: not as many fields as the {len(reader.fieldnames or ())} names "
                    "in line 1; put a caption that has commas in double quotes."
                )
            length = 0
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{name} is no valid CSV ({error}); write it with a CSV library, or as .jsonl.") from None


def _column(row: Row, names: tuple[str, ...], where: str) -> str:
    column = next((name for name in names if name in row), None)
    if column is None:
        raise UserError(f"{where}: there is no {names[0]}; the row has {_names(row)}.")
    return _text(row[column], column, where)


def _optional(row: Row, column: str | None, kind: str, where: str) -> str | None:
    """The file of a condition or mask; a column that the user named must be there."""
    if column is not None:
        return _column(row, (column, f"{column}_file_name"), where)
    name = next(filter(row.get, (f"{kind}_file_name", f"{kind}_image_file_name")), None)
    return None if name is None else _text(row[name], name, where)


def _text(value: object, column: str, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise UserError(f"{where}: {column!r} is {reprlib.repr(value)}; give the path of a file.")
    return value


def _names(row: Row) -> str:
    """The names of a row's columns, as many as a message holds."""
    names = ", ".join(f"{name}"[:40] for name in list(row)[:20])
    return (names + (" ..." if len(row) > 20 else "")) or "nothing"
