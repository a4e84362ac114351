"""WebDataset's tar shards.

Each is read through once for the places of its pictures, which then are fetched where they lie.
"""

import io
import tarfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pai_modelscope import limits
from pai_modelscope.data.captions import captions_of, lines_of
from pai_modelscope.data.examples import Broken, Unread, UnreadReader
from pai_modelscope.data.folders import DOUBLE, Columns, warn_of_left_out
from pai_modelscope.data.stored_pictures import PICTURES, ByteRange, read_at
from pai_modelscope.errors import UserError, printable
from pai_modelscope.text_encoding import choose, decode, foreign, look, warn_of_encodings
from pai_modelscope.untrusted import open_regular, parse_json

Place = tuple[int, int]  # where a member's content begins in its file, and its length, in bytes
Sample = dict[str, Place]  # by what follows the first dot of the members' names
_TEXTS = ("txt", "caption")


@dataclass
class _LeftOut:
    """The members that say again what another of the same sample says."""

    pictures: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)


class TarReader(UnreadReader):
    """WebDataset shards: `000.jpg` with its caption in `000.txt`, `000.caption` or a field of `000.json`.

    `000.mask.png` is a mask and `000.conditioning.png` a conditioning picture, or whatever the columns are called.
    """

    def __init__(self, files: Sequence[Path], columns: Columns):
        """Reads all but the pictures.

        Raises:
            UserError: compressed, damaged, or without pictures. A picture without a caption is a broken example.
        """
        left_out = _LeftOut()
        rows = [row for file in files for row in _Shard(file, columns, left_out).rows()]
        if not rows:
            raise UserError(f"{files[0]} holds no pictures; give pairs such as 000.jpg and 000.txt.")
        warn_of_left_out("Pictures", left_out.pictures, DOUBLE)
        warn_of_left_out("Captions", left_out.captions, DOUBLE)
        super().__init__(rows)


def samples_of(file: BinaryIO, name: str) -> dict[str, Sample]:
    """The samples of an opened tar, by folder and stem.

    A link names a file elsewhere: it is not followed; nor are devices opened. Both are warned of.

    Raises:
        UserError: no tar, compressed, damaged, a member that claims to end behind the file, one that is there twice or
            is stored with holes, headers or members beyond `limits`.
    """
    samples: dict[str, Sample] = {}
    left_out: list[str] = []
    size = file.seek(0, 2)
    file.seek(0)
    try:
        # "r:" is without compression: only there a member can be fetched from its place.
        with tarfile.open(fileobj=_Headers(file), mode="r:") as archive:
            count = 0
            while member := archive.next():
                archive.members.clear()  # type: ignore[attr-defined]  # of millions, the list would fill the memory
                count += 1
                _check(member, name, size, count)
                if member.isfile():
                    _enter(samples, member, name)
                elif not member.isdir():
                    left_out.append(member.name)
        _check_end(file, name, archive.offset)
    except UserError:
        raise
    except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, RecursionError, MemoryError) as error:
        raise _unreadable(name, str(error) or type(error).__name__) from None
    if left_out:
        text = f"{name}: links and devices that are left out: {len(left_out)}, the first {left_out[0][:200]}."
        warnings.warn(printable(text), stacklevel=2)
    return samples


class _Headers(io.RawIOBase):
    """A tar as `tarfile` reads it: heads of members alone, none larger than its bound, whatever it claims."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
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


class _Shard:
    """The samples of one tar, and the texts in it."""

    def __init__(self, file: Path, columns: Columns, left_out: _LeftOut):
        """Reads the heads of all members, and the texts that may be captions."""
        self._file, self._columns, self._left_out = file, columns, left_out
        self._named = columns.caption != Columns.caption  # a field that was asked for goes before a text
        try:
            with open_regular(file) as opened:
                self._samples = samples_of(opened, str(file))
        except OSError as error:
            raise _unreadable(str(file), error.strerror or str(error)) from None
        self._texts: dict[tuple[str, str], bytes] = {}
        for name, parts in self._samples.items():
            kind = _text_kind(parts)
            has_row = "json" in parts and (self._named or not kind)
            for member in ([kind] if kind else []) + (["json"] if has_row else []):
                if parts[member][1] <= limits.CAPTION_BYTES:
                    self._texts[name, member] = read_at(file, *parts[member])
        looks = [look(content) for content in self._texts.values()]
        self._encodings = dict(zip(self._texts, choose(looks), strict=True))
        names = ((self._where(name), encoding) for (name, _), encoding in self._encodings.items())
        warn_of_encodings(names, "Captions")

    def rows(self) -> list[Unread | Broken]:
        return [self._row(name, parts) for name, parts in self._samples.items()]

    def _where(self, name: str) -> str:
        return f"{self._file}, {name.lstrip('/')}"

    def _row(self, name: str, parts: Sample) -> Unread | Broken:
        where, columns = self._where(name), self._columns
        picture = self._picture(where, parts, "", columns.image)
        if picture is None:
            return Broken(f"{where}: no picture among {_kinds(parts)}; add one or remove the rest.")
        conditions = [columns.condition] if columns.condition else ["conditioning", "conditioning_image"]
        condition = self._picture(where, parts, *conditions)
        mask = self._picture(where, parts, columns.mask or "mask")
        for column, reference in ((columns.condition, condition), (columns.mask, mask)):
            if column and reference is None:
                return Broken(f"{where}: no picture {column}.png among {_kinds(parts)}; add it.")
        try:
            captions = self._captions(name, parts)
            self._left_out.captions += self._other_captions(where, parts, captions)
        except UserError as error:
            return Broken(str(error))
        return Unread(where, captions, picture, condition, mask)

    def _picture(self, where: str, parts: Sample, *prefixes: str) -> ByteRange | None:
        """The first of a sample's pictures that are called so; the others are left out."""
        kinds = [f"{prefix}{kind}".lstrip(".") for prefix in prefixes for kind in PICTURES]
        present = [kind for kind in kinds if kind in parts]
        self._left_out.pictures += [f"{where}.{kind}" for kind in present[1:]]
        return ByteRange(self._file, *parts[present[0]]) if present else None

    def _text(self, name: str, kind: str) -> str:
        """A member's text, decoded."""
        where = f"{self._where(name)}.{kind}"
        if (name, kind) not in self._texts:
            size = self._samples[name][kind][1]
            raise UserError(f"{where} has {size} bytes; valid are up to {limits.CAPTION_BYTES}.")
        content = self._texts[name, kind]
        return decode(content, self._encodings[name, kind] or foreign(content), where)

    def _captions(self, name: str, parts: Sample) -> Sequence[str]:
        where, kind = self._where(name), _text_kind(parts)
        has_row = "json" in parts and (self._named or not kind)
        content = parse_json(self._text(name, "json"), f"{where}.json") if has_row else None
        row = content if isinstance(content, dict) else {}
        column = self._caption_field(row)
        if kind and not (self._named and column == self._columns.caption):
            return lines_of(self._text(name, kind))
        if column is None:
            raise UserError(f"{where}: no caption; add .txt, or .json with the field {self._columns.caption!r}.")
        return captions_of(row[column], where, column)

    def _caption_field(self, row: Mapping[str, object]) -> str | None:
        return next((name for name in (self._columns.caption, "caption") if name in row), None)

    def _other_captions(self, where: str, parts: Sample, captions: Sequence[str]) -> Iterator[str]:
        """The members whose captions are not those that are read."""
        texts = [kind for kind in _TEXTS if kind in parts]
        yield from (f"{where}.{kind}" for kind in texts[1:])
        if texts and not self._named and _fits(parts.get("json")):
            with suppress(UserError):  # it is not used, and may be anything
                content = parse_json(read_at(self._file, *parts["json"]), where)
                row = content if isinstance(content, dict) else {}
                name = self._caption_field(row)
                if name and lines_of("\n".join(captions_of(row[name], where, name))) != list(captions):
                    yield f"{where}.json"


def _text_kind(parts: Sample) -> str | None:
    """The member of a sample that is a text of captions."""
    return next((kind for kind in _TEXTS if kind in parts), None)


def _fits(place: Place | None) -> bool:
    return place is not None and place[1] <= limits.CAPTION_BYTES


def _kinds(parts: Sample) -> str:
    return ", ".join(sorted(parts)[:20])[:400]
