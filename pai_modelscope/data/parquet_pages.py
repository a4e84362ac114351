"""What the pages of a parquet file unfold to, by their own headers.

The footer of a parquet file says how large a column is, and a reader believes each page instead: memory for it is
taken before it is decompressed. So each page's header is read first. It is a struct in Thrift's compact protocol
(github.com/apache/thrift, doc/specs/thrift-compact-protocol.md), whose fields 2 and 3 are the bytes of the page,
unfolded and stored (github.com/apache/parquet-format, parquet.thrift, `PageHeader`).
"""

from typing import BinaryIO, Protocol

_STRUCT_DEPTH = 8
_ELEMENTS = 10_000  # of a list in a header
_UNFOLDED, _STORED = 2, 3
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12


class ColumnChunk(Protocol):
    """What is needed of pyarrow's `ColumnChunkMetaData`: places and lengths in bytes."""

    @property
    def data_page_offset(self) -> int: ...

    @property
    def dictionary_page_offset(self) -> int | None: ...

    @property
    def total_compressed_size(self) -> int: ...


def unfolded_bytes(file: BinaryIO, size: int, chunk: ColumnChunk) -> int:
    """Bytes that the pages of a column chunk unfold to.

    file: the parquet file, opened, of `size` bytes.

    Raises:
        ValueError: headers that are none, or lead out of the chunk.
    """
    first = chunk.data_page_offset
    if chunk.dictionary_page_offset:
        first = min(first, chunk.dictionary_page_offset)
    end, total = first + chunk.total_compressed_size, 0
    if not 0 <= first <= end <= size:
        raise ValueError(f"a column from byte {first} to {end} of {size}")
    file.seek(first)
    while (place := file.tell()) < end:
        page = _struct(file)
        unfolded, stored = page.get(_UNFOLDED, -1), page.get(_STORED, -1)
        if unfolded < 0 or stored < 0 or file.tell() + stored > end:
            raise ValueError(f"the page at byte {place} has a damaged header")
        total += unfolded
        file.seek(stored, 1)
    return total


def _struct(file: BinaryIO, depth: int = 0) -> dict[int, int]:
    """The integers of a struct by the numbers of their fields; the rest is passed over."""
    fields: dict[int, int] = {}
    number = 0
    if depth > _STRUCT_DEPTH:
        raise ValueError("a page's header nests too deeply")
    while head := _byte(file):
        number = number + (head >> 4) if head >> 4 else _zigzag(file)
        kind = head & 15
        if kind in (4, 5, 6):
            fields[number] = _zigzag(file)
        elif kind not in (_TRUE, _FALSE):  # which are in the field's head
            _pass(file, kind, depth)
    return fields


def _pass(file: BinaryIO, kind: int, depth: int) -> None:
    if kind in (_TRUE, _FALSE, _BYTE):  # in a list, a truth takes a byte
        file.seek(1, 1)
    elif kind in (4, 5, 6):
        _varint(file)
    elif kind == _DOUBLE:
        file.seek(8, 1)
    elif kind == _BINARY:
        file.seek(_varint(file), 1)
    elif kind in (_LIST, _SET):
        head = _byte(file)
        count = head >> 4 if head >> 4 < 15 else _varint(file)
        _pass_all(file, [head & 15], count, depth)
    elif kind == _MAP:
        count = _varint(file)
        kinds = _byte(file) if count else 0
        _pass_all(file, [kinds >> 4, kinds & 15], count, depth)
    elif kind == _STRUCT:
        _struct(file, depth + 1)
    else:
        raise ValueError(f"a page's header has a field of the unknown kind {kind}")


def _pass_all(file: BinaryIO, kinds: list[int], count: int, depth: int) -> None:
    if count > _ELEMENTS or depth > _STRUCT_DEPTH:
        raise ValueError("a page's header is too large")
    for _ in range(count):
        for kind in kinds:
            _pass(file, kind, depth + 1)


def _byte(file: BinaryIO) -> int:
    read = file.read(1)
    if not read:
        raise ValueError("a page's header ends too early")
    return read[0]


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(file)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("a number without an end in a page's header")


def _zigzag(file: BinaryIO) -> int:
    value = _varint(file)
    return (value >> 1) ^ -(value & 1)
