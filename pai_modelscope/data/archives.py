"""WebDataset's tar shards.

Each is read through once for the places of its pictures, which then are fetched where they lie.
"""

import tarfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from pai_modelscope import limits
from pai_modelscope.data.folders import DOUBLE, Columns, warn_of_left_out
from pai_modelscope.data.records import PICTURES, Listed, Load, Maker, broken, captions_of, example, lines_of, read_at
from pai_modelscope.errors import UserError, printable
from pai_modelscope.text_encoding import Look, choose, decode, foreign, look, warn_of_encodings
from pai_modelscope.untrusted import open_regular, parse_json

Place = tuple[int, int]  # where a member's content begins in its file, and its length, in bytes
Sample = dict[str, Place]  # by what follows the first dot of the members' names
_TEXTS = ("txt", "caption")


@dataclass
class _LeftOut:
    """The members that say again what another of the same sample says."""

    pictures: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)


def open_tars(files: Sequence[Path], columns: Columns) -> Listed:
    """WebDataset shards: `000.jpg` with its caption in `000.txt`, `000.caption` or a field of `000.json`.

    `000.mask.png` is a mask and `000.conditioning.png` a conditioning picture, or whatever the columns are called.

    Raises:
        UserError: compressed, damaged, or without pictures. A picture without a caption is a broken example.
    """
    left = _LeftOut()
    makers = [maker for file in files for maker in _tar(file, columns, left)]
    if not makers:
        raise UserError(f"{files[0]} holds no pictures; give pairs such as 000.jpg and 000.txt.")
    warn_of_left_out("Pictures", left.pictures, DOUBLE)
    warn_of_left_out("Captions", left.captions, DOUBLE)
    return Listed(makers)


def samples_of(file: BinaryIO, name: str) -> dict[str, Sample]:
    """The samples of an opened tar, by folder and stem.

    A link names a file elsewhere: it is not followed; nor are devices opened. Both are warned of.

    Raises:
        UserError: no tar, compressed, damaged, a member that claims to end behind the file, one that is there twice or
            is stored with holes, headers or members beyond `limits`.
    """
    samples: dict[str, Sample] = {}
    left: list[str] = []
    size = file.seek(0, 2)
    file.seek(0)
    try:
        # "r:" is without compression: only there a member can be fetched from its place.
        with tarfile.open(fileobj=cast(Any, _Headers(file)), mode="r:") as archive:
            count = 0
            while member := archive.next():
                cast(Any, archive).members.clear()  # of millions, the list would fill the memory
                count += 1
                _check(member, name, size, count)
                if member.isfile():
                    _enter(samples, member, name)
                elif not member.isdir():
                    left.append(member.name)
        _check_end(file, name, archive.offset)
    except UserError:
        raise
    except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, RecursionError, MemoryError) as error:
        raise _unreadable(name, str(error) or type(error).__name__) from None
    if left:
        text = f"{name}: links and devices that are left out: {len(left)}, the first {left[0][:200]}."
        warnings.warn(printable(text), stacklevel=2)
    return samples


class _Headers:
    """A tar as `tarfile` reads it: heads of members alone, none larger than its bound, whatever it claims."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= limits.TAR_HEADER_BYTES:
            raise tarfile.ReadError(f"a name or header of {size} bytes")
        return self._file.read(size)


def _check(member: tarfile.TarInfo, name: str, size: int, count: int) -> None:
    end = member.offset_data + member.size
    if member.issparse():
        raise UserError(f"{name}: {member.name[:200]} is stored with holes; pack it without --sparse.")
    if member.size < 0 or (member.isfile() and end > size):
        problem = f"{member.name[:200]} has {member.size} bytes, to byte {end}, and the file ends at {size}"
        raise _unreadable(name, problem)
    if count > limits.ROWS:
        raise UserError(f"{name} has more than {limits.ROWS} members: give several shards.")


def _enter(samples: dict[str, Sample], member: tarfile.TarInfo, name: str) -> None:
    folder, _, base = member.name.rpartition("/")
    if base[:1] == ".":
        return
    stem, _, kind = base.partition(".")
    parts = samples.setdefault(f"{folder}/{stem}", {})
    if kind.lower() in parts:
        raise UserError(f"{name} has {member.name[:200]} twice; give each sample a name of its own.")
    parts[kind.lower()] = member.offset_data, member.size


def _check_end(file: BinaryIO, name: str, offset: int) -> None:
    """Raise `UserError` if something else than zeros follows on the members: `tarfile` takes that for the end, too."""
    file.seek(offset)
    rest = file.read(tarfile.RECORDSIZE)
    while rest and not rest.strip(b"\0"):
        rest = file.read(tarfile.RECORDSIZE)
    if rest or file.tell() == offset:
        raise UserError(
            f"{name} does not end where its members do, at byte {offset}: it is damaged, cut off, or several tars in "
            "one; download or pack it again."
        )


def _unreadable(name: str, problem: str) -> UserError:
    return UserError(
        f"{name} can't be read as a tar ({problem}); give whole shards without compression (.tar, not .tar.gz)."
    )


def _tar(file: Path, columns: Columns, left: _LeftOut) -> list[Maker]:
    try:
        with open_regular(file) as opened:
            samples = samples_of(opened, str(file))
    except OSError as error:
        raise _unreadable(str(file), error.strerror or str(error)) from None
    named = columns.caption != Columns.caption
    texts: dict[tuple[str, str], bytes] = {}
    for name, parts in samples.items():
        kind = next((kind for kind in _TEXTS if kind in parts), None)
        for wanted in ([kind] if kind else []) + (["json"] if "json" in parts and (named or not kind) else []):
            if parts[wanted][1] <= limits.CAPTION_BYTES:
                texts[name, wanted] = read_at(file, *parts[wanted])
    looks: dict[tuple[str, str], Look] = {key: look(content) for key, content in texts.items()}
    encodings = dict(zip(texts, choose(list(looks.values())), strict=True))
    warn_of_encodings(
        ((f"{file}, {name.lstrip('/')}", encoding) for (name, _), encoding in encodings.items()), "Captions"
    )

    def read(name: str, kind: str) -> str:
        where = f"{file}, {name.lstrip('/')}.{kind}"
        if (name, kind) not in texts:
            raise UserError(f"{where} has {samples[name][kind][1]} bytes; valid are up to {limits.CAPTION_BYTES}.")
        content = texts[name, kind]
        return decode(content, encodings[name, kind] or foreign(content), where)

    return [_sample(file, name, parts, columns, partial(read, name), left) for name, parts in samples.items()]


def _sample(file: Path, name: str, parts: Sample, columns: Columns, read: Any, left: _LeftOut) -> Maker:
    where = f"{file}, {name.lstrip('/')}"

    def load(*prefixes: str) -> Load | None:
        kinds = [f"{prefix}{kind}".lstrip(".") for prefix in prefixes for kind in PICTURES]
        present = [kind for kind in kinds if kind in parts]
        left.pictures += [f"{where}.{kind}" for kind in present[1:]]
        return partial(read_at, file, *parts[present[0]]) if present else None

    picture = load("", columns.image)
    if picture is None:
        return broken(f"{where}: no picture among {_kinds(parts)}; add one or remove the rest.")
    condition = load(columns.condition) if columns.condition else load("conditioning", "conditioning_image")
    mask = load(columns.mask or "mask")
    for column, part in ((columns.condition, condition), (columns.mask, mask)):
        if column and part is None:
            return broken(f"{where}: no picture {column}.png among {_kinds(parts)}; add it.")
    try:
        captions = _captions(where, parts, columns, read)
        left.captions += _other_captions(file, where, parts, columns, captions)
    except UserError as error:
        return broken(str(error))
    return partial(example, where, captions, picture, condition, mask)


def _captions(where: str, parts: Sample, columns: Columns, read: Any) -> Sequence[str]:
    kind, named = next((kind for kind in _TEXTS if kind in parts), None), columns.caption != Columns.caption
    row = parse_json(read("json"), f"{where}.json") if "json" in parts and (named or not kind) else {}
    column = _caption_field(row, columns)
    if kind and not (named and column == columns.caption):  # a field that was asked for by its name goes before
        return lines_of(read(kind))
    if column is None:
        raise UserError(f"{where}: no caption; add .txt, or .json with the field {columns.caption!r}.")
    return captions_of(row[column], where, column)


def _caption_field(row: Any, columns: Columns) -> str | None:
    return next((name for name in (columns.caption, "caption") if isinstance(row, dict) and name in row), None)


def _other_captions(file: Path, where: str, parts: Sample, columns: Columns, captions: Sequence[str]) -> Iterator[str]:
    """The members whose captions are not those that are taken."""
    texts = [kind for kind in _TEXTS if kind in parts]
    yield from (f"{where}.{kind}" for kind in texts[1:])
    if texts and columns.caption == Columns.caption and _fits(parts.get("json")):
        with suppress(UserError):  # it is not used, and may be anything
            row = parse_json(read_at(file, *parts["json"]), where)
            name = _caption_field(row, columns)
            if name and lines_of("\n".join(captions_of(row[name], where, name))) != list(captions):
                yield f"{where}.json"


def _fits(place: Place | None) -> bool:
    return place is not None and place[1] <= limits.CAPTION_BYTES


def _kinds(parts: Sample) -> str:
    return ", ".join(sorted(parts)[:20])[:400]
