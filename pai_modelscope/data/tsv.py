"""EasyNLP's TSV: a picture a line, in base64.

The file is read through once for the places of its pictures, which then are fetched where they lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pai_modelscope import limits
from pai_modelscope.data.captions import captions_of
from pai_modelscope.data.examples import Broken, Unread, UnreadReader
from pai_modelscope.data.stored_pictures import Base64Range
from pai_modelscope.errors import UserError, reason
from pai_modelscope.text_encoding import choose, decode, foreign, look, readable, warn_of_encodings
from pai_modelscope.untrusted import open_regular


@dataclass(frozen=True)
class Line:
    """A line that is not empty: its number from 1, its columns before the picture, and where in the file that lies."""

    number: int
    columns: int
    head: tuple[bytes, ...]
    offset: int
    length: int


class TsvReader(UnreadReader):
    """EasyNLP's form, a picture a line: a number or name, the caption, and the picture in base64, between tabs."""

    def __init__(self, file: Path):
        """Reads all but the pictures.

        Raises:
            UserError: no line has the three columns; a line that is longer than any picture; UTF-16. Single lines that
                lack a column are broken examples.
        """
        try:
            with open_regular(file) as opened:
                lines = list(lines_of(opened, str(file)))
        except OSError as error:
            raise UserError(f"{file} can't be read ({error.strerror or reason(error)}).") from None
        good = [line for line in lines if line.columns == 3]
        if not good:
            raise UserError(f"{_problem(file, lines[0] if lines else None)} No line of the file is valid.")
        encodings = dict(zip(good, choose([look(b"\t".join(line.head)) for line in good]), strict=True))
        super().__init__([_row(file, line, encodings.get(line, "")) for line in lines])
        names = ((f"{file}, line {line.number}", encoding) for line, encoding in encodings.items())
        warn_of_encodings(names, "Captions")


def lines_of(file: BinaryIO, name: str) -> Iterator[Line]:
    """The lines of an opened TSV; pictures are passed over, so that one costs no memory.

    Raises:
        UserError: a line above the bounds, more lines than `limits.ROWS`, UTF-16.
    """
    most = limits.PICTURE_BYTES // 3 * 4 + limits.LINE_BYTES
    start = 0
    for number in range(1, limits.ROWS + 2):
        piece = file.readline(limits.LINE_BYTES)
        if not piece:
            return
        if number > limits.ROWS:
            raise UserError(f"{name} has more than {limits.ROWS} lines: give fewer.")
        head, length, tabs, blank = piece.split(b"\t", 2), len(piece), piece.count(b"\t"), not piece.strip()
        if number == 1 and (kind := look(b"".join(head[:2])).kind).startswith(("utf-16", "utf-32")):
            raise UserError(f"{name} is in {readable(kind)}: save it as UTF-8.")
        if number == 1 and b"\0" in b"".join(head[:2]):
            raise UserError(f"{name} is no text, or is in UTF-16: save it as UTF-8.")
        last = piece
        while not last.endswith(b"\n") and (last := file.readline(limits.MIB)):
            length, tabs, blank = length + len(last), tabs + last.count(b"\t"), blank and not last.strip()
            if length > most:
                raise UserError(f"{name}, line {number} has more than {most} bytes: that is no picture.")
        if not blank:
            columns = tabs + 1 if len(head) == 3 or tabs < 2 else 0
            before = len(head[0]) + len(head[1]) + 2 if len(head) == 3 else 0
            yield Line(number, columns, tuple(head[:2]), start + before, length - before)
        start += length


def _row(file: Path, line: Line, encoding: str) -> Unread | Broken:
    if line.columns != 3:
        return Broken(_problem(file, line))
    where = f"{file}, line {line.number}"
    try:
        name, caption = (decode(part, encoding or foreign(part), where) for part in line.head)
    except UserError as error:
        return Broken(str(error))
    picture = Base64Range(file, line.offset, line.length, where)
    return Unread(f"{where} ({name[:80]})", captions_of(caption, where, "the caption"), picture)


def _problem(file: Path, line: Line | None) -> str:
    number, columns = (line.number, line.columns) if line else (1, 1)
    return (
        f"{file}, line {number}: {columns} columns in place of three; give a number, the caption and the picture in "
        "base64, with tabs between."
    )
