"""Training sets packed into few files: EasyNLP's TSV with base64, and WebDataset's tar shards.

Both are read through once for the places of their pictures, which then are fetched where they lie.
"""

import base64
import binascii
import json
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pai_modelscope.data.folders import Columns
from pai_modelscope.data.records import PICTURES, Listed, Load, Maker, broken, captions_of, example, lines_of
from pai_modelscope.errors import UserError

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def open_tsv(file: Path) -> Listed:
    """EasyNLP's form, a picture a line: a number or name, the caption, and the picture in base64, between tabs.

    Raises:
        UserError: no line has the three columns. Single lines that don't are broken examples.
    """
    makers: list[Maker] = []
    good = 0
    with open(file, "rb") as lines:
        start = 0
        for number, line in enumerate(lines, 1):
            if line.strip():
                maker = _tsv_line(file, number, start, line)
                good += maker is not None
                makers.append(maker or broken(_tsv_problem(file, number, line)))
            start += len(line)
    if not good:
        raise UserError(f"{_tsv_problem(file, 1, b'')} No line of the file is valid.")
    return Listed(makers)


def _tsv_line(file: Path, number: int, start: int, line: bytes) -> Maker | None:
    columns = line.rstrip(b"\r\n").split(b"\t")
    try:
        name, caption = (column.decode() for column in columns[:2])
    except ValueError:
        return None
    if len(columns) != 3:
        return None
    where = f"{file}, line {number}"
    offset = start + len(columns[0]) + len(columns[1]) + 2
    load = partial(_base64, file, offset, len(columns[2]), where)
    return partial(example, f"{where} ({name})", [caption.removeprefix("\ufeff")], load)


def _tsv_problem(file: Path, number: int, line: bytes) -> str:
    return (
        f"{file}, line {number}: {line.count(bytes([9])) + 1} columns in place of three in UTF-8; give a number, the "
        "caption and the picture in base64, with tabs between."
    )


def _base64(file: Path, offset: int, length: int, where: str) -> bytes:
    text = read_at(file, offset, length).strip().translate(_URL_SAFE)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UserError(f"{where}: the picture is no valid base64 ({error}); make the line again.") from None


def read_at(file: Path, offset: int, length: int) -> bytes:
    """Bytes from the middle of a file. Raises `UserError` if it has become shorter."""
    with open(file, "rb") as opened:
        opened.seek(offset)
        content = opened.read(length)
    if len(content) < length:
        raise UserError(f"{file} ends within a picture: it was changed or cut off; make it again.")
    return content


def open_tars(files: Sequence[Path], columns: Columns) -> Listed:
    """WebDataset shards: `000.jpg` with its caption in `000.txt`, `000.caption` or a field of `000.json`.

    `000.mask.png` is a mask and `000.conditioning.png` a conditioning picture, or whatever the columns are called.

    Raises:
        UserError: compressed, damaged, or without pictures. A picture without a caption is a broken example.
    """
    makers = [maker for file in files for maker in _tar(file, columns)]
    if not makers:
        raise UserError(f"{files[0]} holds no pictures; give pairs such as 000.jpg and 000.txt.")
    return Listed(makers)


def _tar(file: Path, columns: Columns) -> list[Maker]:
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        # "r:" is without compression: only there a member can be fetched from its place.
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                folder, _, base = member.name.rpartition("/")
                if member.isfile() and base[:1] != ".":  # a link names a file elsewhere: not followed
                    stem, _, kind = base.partition(".")
                    parts = samples.setdefault(f"{folder}/{stem}", {})
                    if kind.lower() in parts:
                        raise UserError(f"{file} has {member.name} twice; give each sample a name of its own.")
                    parts[kind.lower()] = member.offset_data, member.size
            _check_end(file, archive.offset)
    except (tarfile.TarError, OSError) as error:
        raise UserError(
            f"{file} can't be read as a tar ({error}); give whole shards without compression (.tar, not .tar.gz)."
        ) from None
    return [_tar_sample(file, name.lstrip("/"), parts, columns) for name, parts in samples.items()]


def _check_end(file: Path, offset: int) -> None:
    """Raise `UserError` if something else than zeros follows on the members: `tarfile` takes that for the end, too."""
    with open(file, "rb") as opened:
        opened.seek(offset)
        rest = opened.read(tarfile.RECORDSIZE)
        while rest and not rest.strip(b"\0"):
            rest = opened.read(tarfile.RECORDSIZE)
        if rest or opened.tell() == offset:
            raise UserError(
                f"{file} does not end where its members do, at byte {offset}: it is damaged, cut off, or several tars "
                "in one; download or pack it again."
            )


def _tar_sample(file: Path, name: str, parts: dict[str, tuple[int, int]], columns: Columns) -> Maker:
    where = f"{file}, {name}"

    def load(*prefixes: str) -> Load | None:
        kinds = [f"{prefix}{kind}" for prefix in prefixes for kind in PICTURES]
        found = next((kind.lstrip(".") for kind in kinds if kind.lstrip(".") in parts), None)
        return partial(read_at, file, *parts[found]) if found else None

    picture = load("", columns.image)
    if picture is None:
        return broken(f"{where}: no picture among {', '.join(sorted(parts))}; add one or remove the rest.")
    condition = load(columns.condition) if columns.condition else load("conditioning", "conditioning_image")
    mask = load(columns.mask or "mask")
    for column, found in ((columns.condition, condition), (columns.mask, mask)):
        if column and found is None:
            return broken(f"{where}: no picture {column}.png among {', '.join(sorted(parts))}; add it.")
    try:
        captions = _tar_captions(file, where, parts, columns)
    except UserError as error:
        return broken(str(error))
    return partial(example, where, captions, picture, condition, mask)


def _tar_captions(file: Path, where: str, parts: dict[str, tuple[int, int]], columns: Columns) -> Sequence[str]:
    kind, named = next((kind for kind in ("txt", "caption") if kind in parts), None), columns.caption != Columns.caption
    try:
        row = json.loads(read_at(file, *parts["json"])) if "json" in parts and (named or not kind) else {}
        field = next((name for name in (columns.caption, "caption") if isinstance(row, dict) and name in row), None)
        if kind and not (named and field == columns.caption):  # a field that was asked for by its name goes before
            return lines_of(read_at(file, *parts[kind]).decode("utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{where}: the caption can't be read ({error}); give UTF-8.") from None
    if field is None:
        raise UserError(f"{where}: no caption; add .txt, or .json with the field {columns.caption!r}.")
    return captions_of(row[field], where, field)
