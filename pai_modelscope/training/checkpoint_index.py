"""The index of a sharded checkpoint, which PyTorch opens as a pickle, and the pieces that it names.

`torch.distributed.checkpoint` reads the index with C's unpickler, which allocates what a number in it says, and hashes
whatever keys are in it. So it is read by Python's first, with no more of Python in its reach than an index consists of,
and each piece as any other file of tensors.
"""

import os
import pickle
import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, ClassVar, NoReturn, TypeAlias, cast

import torch
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex

from pai_modelscope import limits, untrusted
from pai_modelscope.pickles import BoundedReader, PickleInspector, check_open

# What an index consists of, beside types and layouts of tensors.
_CLASSES_OF = {"torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem"}


def check(path: Path, advice: str) -> None:
    """Raise for an index that holds anything else, and for a piece that is no tensor or plain value.

    Raises:
        UserError: for a piece, as `check_pickle`, with `advice`; a name that leads out of the folder.
        pickle.UnpicklingError, ValueError and so on: for the index.
    """
    with untrusted.open_regular(path, limits.JSON_BYTES) as file:
        index = _Index(BoundedReader(file, os.fstat(file.fileno()).st_size, limits.INDEX_STEPS)).load()
    pieces = index.storage_data if isinstance(index, Metadata) else None
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for piece in (pieces or {}).values():
        if piece.transform_descriptors:
            raise ValueError("its pieces are compressed")
        places[piece.relative_path].append((piece.offset, piece.length))
    for name, parts in places.items():
        _check_pieces(untrusted.inside(path.parent, name), parts, advice)


def _check_pieces(path: Path, parts: list[tuple[int, int]], advice: str) -> None:
    with untrusted.open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        for offset, length in parts:
            if not 0 <= offset <= offset + length <= size:
                raise ValueError(f"it names bytes from {offset} to {offset + length} of {path.name}, which has {size}")
            check_open(cast(BinaryIO, _Piece(file, offset, length)), length, path, advice)


class _Piece:
    """A part of an open file, to read and seek in. That of `torch.distributed` can't seek from its end."""

    def __init__(self, file: BinaryIO, offset: int, length: int):
        self._file, self._offset, self._length, self._at = file, offset, length, 0

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        self._file.seek(self._offset + self._at)
        content = self._file.read(left if count < 0 else min(count, left))
        self._at += len(content)
        return content

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        if start + place < 0:
            raise OSError("a place before the file")  # as a file does: zipfile takes it for one that is too short
        self._at = start + place
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True


Step: TypeAlias = Callable[[Any], None]  # typeshed has the unpickler of C as its argument
_BUILD: Step = pickle._Unpickler.dispatch[pickle.BUILD[0]]


class _Index(PickleInspector):
    """Makes what an index consists of, and hashes what is no longer than it is."""

    dispatch: ClassVar[dict[int, Step]] = dict(PickleInspector.dispatch)
    stack: list[object]  # these are Python's unpickler's own
    memo: dict[int, object]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.serialization", "_get_layout"):
            return torch.serialization._get_layout  # a look-up by name
        if module == "pathlib" and name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
            return PureWindowsPath if "Windows" in name else PurePosixPath
        if "." not in name and (module == "torch" or module in _CLASSES_OF):
            value = getattr(__import__(module, fromlist=[name]), name, None)
            plain = isinstance(value, type) and (is_dataclass(value) or issubclass(value, Enum))
            if isinstance(value, torch.dtype) or value is torch.Size or (plain and value.__module__ == module):
                return value
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, saved: object) -> NoReturn:
        raise pickle.UnpicklingError("it asks for another file")

    def is_name(self, key: object) -> bool:
        if isinstance(key, MetadataIndex):
            return super().is_name(key.fqn) and (key.offset is None or isinstance(key.offset, torch.Size))
        return super().is_name(key)

    def _remember(self, number: int) -> None:
        """Under the next number, as every pickle is written: C's unpickler makes room for all up to the number."""
        if number > len(self.memo):
            raise ValueError("a number of a value that it does not have")
        self.memo[number] = self.stack[-1]

    def _put(self) -> None:
        self._remember(int(self.readline()))

    def _long_put(self) -> None:
        self._remember(*struct.unpack("<I", self.read(4)))

    def _frame(self) -> None:
        if struct.unpack("<Q", self.read(8))[0] > limits.JSON_BYTES:
            raise ValueError("a frame longer than itself")

    def _build_checked(self) -> None:
        """Values go into objects that were made, not into the classes and functions that all of Python shares."""
        target = self.stack[-2]
        if isinstance(target, type) or not is_dataclass(target):
            raise ValueError("values for what has none")
        _BUILD(self)


def _plainly(load: Step) -> Step:
    """A step that makes an object; from plain values, where it looks something up by them."""

    def checked(index: _Index) -> None:
        maker, arguments = index.stack[-2:]
        if not isinstance(arguments, tuple):
            raise ValueError("values that are no list of arguments")
        values = [value for item in arguments for value in (item if isinstance(item, tuple) else (item,))]
        if not is_dataclass(maker) and not all(index.is_name(value) for value in values):
            raise ValueError("values that are no names")
        load(index)

    return checked


for _code in (pickle.REDUCE, pickle.NEWOBJ):
    _Index.dispatch[_code[0]] = _plainly(pickle._Unpickler.dispatch[_code[0]])
for _code in (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4):  # nobody writes these
    del _Index.dispatch[_code[0]]
_Index.dispatch[pickle.BUILD[0]] = _Index._build_checked
_Index.dispatch[pickle.PUT[0]] = _Index._put
_Index.dispatch[pickle.LONG_BINPUT[0]] = _Index._long_put
_Index.dispatch[pickle.FRAME[0]] = _Index._frame
