"""Pickles of tensors, looked over before PyTorch opens them: what they ask for, and the sizes that they claim.

`torch.load(weights_only=True)` runs no code, yet it allocates whatever size an old pickle claims, unpacks whatever an
archive compresses, hashes whatever keys it is told to, and makes tensors that are larger than the bytes behind them.
"""

import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError, reason
from pai_modelscope.model_layout import AGAIN
from pai_modelscope.untrusted import open_regular


def check_pickle(path: Path, advice: str = AGAIN) -> None:
    """Raise `UserError` for a pickle that is damaged, claims more bytes than the file has, or has keys of odd types.

    It is read once, and nothing that it asks for is made: every class and function in it is a `_Thing`.
    """
    with open_regular(path) as file:
        check_open(file, os.fstat(file.fileno()).st_size, path, advice)


def check_open(file: BinaryIO, size: int, path: Path, advice: str) -> None:
    """As `check_pickle`, for `size` bytes of an open file, or of a part of the file at `path`."""
    zipped = file.read(4) == b"PK\x03\x04"  # as PyTorch tells them apart: it looks for no archive at the end
    file.seek(0)
    try:
        claimed = _claimed_by_zip(file, size) if zipped else _claimed(file, size)
    except Exception as error:  # whatever damaged bytes set off in there
        raise UserError(f"{path} is damaged, cut short or no PyTorch file ({reason(error)}). {advice}") from None
    if claimed > size:
        raise UserError(f"{path} claims to hold {claimed} bytes, but has {size}: it is damaged. {advice}")


def asks_for_more(path: Path, error: pickle.UnpicklingError) -> UserError:
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    kind = "is a pickle that" if wanted else "is damaged or"  # what it asks for is not told of newer pickles
    return UserError(
        f"{path} {kind} asks for more than tensors{f' ({wanted[1]})' if wanted else ''}, which could run code: "
        "it is not loaded. Download it again, or ask its author for safetensors files."
    )


def check_sizes(path: Path, content: object) -> None:
    """Raise `UserError` where a tensor is larger than its storage, or all together are far larger than the file."""
    total = 0
    for tensor in _tensors(content):
        plain = tensor.layout == torch.strided and not tensor.is_quantized
        if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise UserError(f"{path} holds a tensor {tuple(tensor.shape)} larger than its storage: it is damaged.")
        total += tensor.numel() * tensor.element_size()
    if total > limits.PICKLE_VIEWS * path.stat().st_size:
        raise UserError(f"{path} holds tensors of {total} bytes, far more than the file has: it is damaged.")


def _tensors(content: object) -> Iterator[torch.Tensor]:
    """Every tensor in lists and dictionaries; one object that lies in many places comes once."""
    seen: set[int] = set()
    rest = [content]
    while rest:
        value = rest.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict):
            rest += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            rest += value


def _claimed_by_zip(file: BinaryIO, size: int) -> int:
    """The bytes that an archive's entries unpack to, or that the pickle in it claims, whichever is more."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        # Python's reader looks past what is put before an archive or behind it; PyTorch's would see other entries.
        if archive.comment or min((entry.header_offset for entry in entries), default=0) or _shift(file):
            raise ValueError("bytes before or behind the archive")
        unpacked = sum(entry.file_size for entry in entries)
        pickles = [entry for entry in entries if entry.filename.lower().endswith(".pkl")]
        if unpacked > size:
            return unpacked
        for entry in pickles:
            with archive.open(entry) as inner:
                unpacked = max(unpacked, _claimed(inner, entry.file_size))
        return unpacked


def _shift(file: BinaryIO) -> int:
    """How many bytes the list of an archive's entries lies from where its end says that it is.

    The end is 22 bytes long; before it stand 76 more in an archive of zip64, whose numbers are those that count.
    """
    end = file.seek(-22, os.SEEK_END)
    mark: bytes
    start: int
    length: int
    mark, length, start = struct.unpack("<4s8xII2x", file.read(22))
    if mark != b"PK\5\6":
        raise ValueError("bytes behind the archive")
    if end >= 76:
        file.seek(end - 76)
        wide_length: int
        wide_start: int
        mark, wide_length, wide_start, where = struct.unpack("<4s36xQQ8xQ4x", file.read(76))
        if mark == b"PK\6\6":
            if where != end - 76:
                raise ValueError("bytes within the archive's end")
            return abs(end - 76 - wide_length - wide_start)
    return abs(end - length - start)


def _claimed(file: IO[bytes], size: int) -> int:
    """The bytes that the storages of a pickle claim; PyTorch's old format has five in a row, of which one is a mark."""
    reader = BoundedReader(file, size)
    claimed = 0
    for _ in range(5):
        look = PickleInspector(reader)
        value = look.load()
        claimed += sum(look.storages.values())
        if reader.marked is None:
            reader.marked = value == _OLD_FORMAT
        if not reader.marked:
            break
    return claimed


class BoundedReader:
    """A file of which no more is read, nor asked for, than there is."""

    def __init__(self, file: IO[bytes], size: int, steps: int | None = None):
        self._file, self._left, self._steps = file, min(size, limits.PICKLE_BYTES), 0
        self._most = limits.PICKLE_STEPS if steps is None else steps
        self.marked: bool | None = None

    def read(self, count: int) -> bytes:
        self._steps += 1
        if not 0 <= count <= self._left or self._steps > self._most:
            raise EOFError("it ends too early, or has no end")
        self._left -= count
        return bytes(self._file.read(count))

    def readline(self) -> bytes:
        line = bytes(self._file.readline(limits.PATH_CHARACTERS))
        self._left -= len(line)
        return line


class _Thing:
    """Stands for any class, function or object that a pickle names."""

    def __init__(self, name: str = ""):
        self.name = name

    def __call__(self, *arguments: object) -> "_Thing":
        if self.name.endswith(("bytearray", "Tensor")) and any(isinstance(value, int) for value in arguments):
            raise ValueError(f"a {self.name} of a size alone")
        return _Thing()

    def __setitem__(self, *_: object) -> None: ...

    def append(self, _: object) -> None: ...

    def extend(self, _: object) -> None: ...

    def add(self, _: object) -> None: ...


_Step = Callable[[Any], None]  # typeshed has the unpickler of C as its argument


class PickleInspector(pickle._Unpickler):
    """Python's own unpickler (that of C allocates what an index in the file says) over a world of `_Thing`s."""

    stack: list[object]
    read: Callable[[int], bytes]
    dispatch: ClassVar[dict[int, _Step]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, reader: BoundedReader):
        super().__init__(reader, encoding="latin1")
        self.storages: dict[str | int, int] = {}  # bytes by key

    def find_class(self, module: str, name: str) -> _Thing:
        return _Thing(name)

    def persistent_load(self, saved: object) -> _Thing:
        if isinstance(saved, tuple) and len(saved) >= 5 and saved[0] == "storage":
            kind, key, _, count = saved[1:5]
            if not isinstance(count, int) or not 0 <= count < 2**56:
                raise ValueError("a storage without a size")
            if not isinstance(key, str | int):  # of tuples of tuples, the text alone takes for ever
                raise ValueError("a storage without a name")
            self.storages[key] = count * _ITEM.get(getattr(kind, "name", ""), 1)
        return _Thing()

    def is_name(self, key: object) -> bool:
        """Whether it costs no more than its length to hash it."""
        return key is None or isinstance(key, str | int | float | bytes)

    def _new(self) -> None:
        self.stack.pop()
        self.stack[-1] = _Thing()

    def _build(self) -> None:
        self.stack.pop()

    def _frame(self) -> None:
        """What comes next is read without it, a step at a time."""
        self.read(8)


def _plain_keys(load: _Step, step: int) -> _Step:
    """A step of the unpickler that hashes things, for keys that cost no more than their length.

    Tuples of tuples, each twice the one before, take for ever to hash.
    """

    def checked(look: PickleInspector) -> None:
        keys = look.stack[-2:-1] if step == 0 else look.stack[::step]
        if not all(look.is_name(key) for key in keys):
            raise ValueError("keys that are no names")
        load(look)

    return checked


# Opcodes, and which of the values on the stack are hashed: one key, every second value, all.
for _code, _step in (
    (pickle.SETITEM, 0),
    (pickle.SETITEMS, 2),
    (pickle.DICT, 2),
    (pickle.ADDITEMS, 1),
    (pickle.FROZENSET, 1),
):
    PickleInspector.dispatch[_code[0]] = _plain_keys(PickleInspector.dispatch[_code[0]], _step)
PickleInspector.dispatch[pickle.NEWOBJ[0]] = PickleInspector._new
PickleInspector.dispatch[pickle.BUILD[0]] = PickleInspector._build
PickleInspector.dispatch[pickle.FRAME[0]] = PickleInspector._frame
del PickleInspector.dispatch[pickle.BYTEARRAY8[0]]  # makes as many bytes as it says; PyTorch knows no such step

_OLD_FORMAT = 0x1950A86A20F9469CFC6C  # what a file begins with that PyTorch before 1.6 wrote
_ITEM = {
    f"{name}Storage": size
    for size, names in (
        (16, ("ComplexDouble",)),
        (8, ("Double", "Long", "ComplexFloat")),
        (4, ("Float", "Int", "QInt32")),
        (2, ("Half", "Short", "BFloat16")),
    )
    for name in names
}
