"""What an encoded picture says before its pixels, checked before Pillow reads it: it may claim more than it holds.

Each function is linear in the bytes, and returns what is wrong, or nothing. What is no picture is left to Pillow.
"""

import re
import struct
from collections.abc import Iterator

from pai_modelscope import limits
from pai_modelscope.images.avif import avif_problem, is_avif

# Start of scan: its length is six bytes and two for each of up to four components (ITU T.81, B.2.3).
_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
_ALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG's markers without a length
_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}  # TIFF's, in bytes
_INNER = {34665, 34853, 40965}  # tags that point to EXIF's further directories, which Pillow reads with the first
# How a TIFF's pixels are laid out: sizes, bits, samples, strips, planes, tiles. SHORT, LONG and LONG8 may say so.
_LAYOUT, _WHOLE = {256, 257, 258, 277, 278, 284, 322, 323}, {3, 4, 16}
_TILE_WIDTH, _TILE_LENGTH = 322, 323


def file_problem(content: bytes) -> str:
    """Say what makes this file one that Pillow must not open: '' if nothing does."""
    if content[:3] == b"\xff\xd8\xff":
        return _jpeg(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        count = sum(kind != b"IDAT" for kind, _ in png_chunks(content))
        return "too many chunks" if count > limits.PICTURE_BLOCKS else ""
    if content[:3] == b"GIF":
        return "too long comments" if _gif_comments(content) > limits.COMMENT_BYTES else ""
    if is_avif(content):
        return avif_problem(content)
    return _tiff(content) if content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") else ""


def tags_fit(content: bytes) -> bool:
    """Whether the directories of a TIFF, or of EXIF without its `Exif` mark, hold no more than twice the file.

    Each tag may name the same bytes: 65,535 tags of a megabyte ask for 64 GiB.
    """
    if content[:2] not in (b"II", b"MM") or len(content) < 16:
        return True
    order, big, offset = _first_directory(content)
    total, waiting, seen = 0, [offset], set()
    while waiting:
        offset = waiting.pop()
        if offset in seen:
            continue
        seen.add(offset)
        entries = _entries(content, offset, order, big)
        if entries is None:
            return False
        total += sum(_TYPES.get(kind, 1) * count for _, kind, count, _ in entries)
        waiting += [value for tag, _, _, value in entries if tag in _INNER]
    return total <= 2 * len(content)


def tile_pixels(content: bytes) -> int:
    """Of each tile of a TIFF, all of which are decoded whole: the picture may be smaller. 0 for what has no tiles."""
    if content[:2] not in (b"II", b"MM") or len(content) < 16:
        return 0
    order, big, offset = _first_directory(content)
    sides = {
        tag: _number(content, kind, count, value, order, big)
        for tag, kind, count, value in _entries(content, offset, order, big) or []
        if tag in (_TILE_WIDTH, _TILE_LENGTH)
    }
    return sides.get(_TILE_WIDTH, 0) * sides.get(_TILE_LENGTH, 0)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Read the kinds and the contents of a PNG's chunks, as far as they are whole."""
    view, place = memoryview(content), 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        if length > len(content) - place - 12:
            return
        yield content[place + 4 : place + 8], view[place + 8 : place + 8 + length]
        place += 12 + length


def without_forged_exif(content: bytes) -> bytes:
    """Leave out of a JPEG the EXIF whose tags claim more than it holds; any other file as it is."""
    if content[:3] != b"\xff\xd8\xff":
        return content
    parts = [(start, end) for start, end in _segments(content) if content[start + 4 : start + 10] == b"Exif\0\0"]
    if tags_fit(b"".join(content[start + 10 : end] for start, end in parts)):
        return content
    for start, end in reversed(parts):
        content = content[:start] + content[end:]
    return content


def _tiff(content: bytes) -> str:
    """Pillow checks what it reads in the tags, and libtiff, which reads them for itself, decodes: both must see the
    same. Of a tag that is there twice, Pillow takes the last and libtiff the first."""
    if not tags_fit(content):
        return "tags that claim more than the file holds"
    if len(content) < 16:
        return ""
    order, big, offset = _first_directory(content)
    layout = [(tag, kind) for tag, kind, _, _ in _entries(content, offset, order, big) or [] if tag in _LAYOUT]
    if len({tag for tag, _ in layout}) < len(layout):
        return "a tag on the layout of its pixels twice"
    if any(kind not in _WHOLE for _, kind in layout):
        return "a tag on the layout of its pixels that is no whole number"
    return ""


def _jpeg(content: bytes) -> str:
    exif = 0
    for count, (start, _) in enumerate(_segments(content), 1):
        exif += content[start + 4 : start + 10] == b"Exif\0\0"
        if count > limits.PICTURE_BLOCKS or exif > limits.EXIF_SEGMENTS:
            return "too many segments"
    if sum(1 for _ in _SCAN.finditer(content)) > limits.PICTURE_SCANS:
        return "too many scans"
    return ""


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Where a JPEG's segments before its first scan begin, and where each ends."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != 0xDA:
        if content[place + 1] == 0xFF or content[place + 1] in _ALONE:
            place += 1 if content[place + 1] == 0xFF else 2
            continue
        end = place + 2 + struct.unpack_from(">H", content, place + 2)[0]
        yield place, end
        place = end


def _gif_comments(content: bytes) -> int:
    """Bytes of all comments of a GIF (GIF89a, sections 17 to 26)."""
    if len(content) < 13:
        return 0
    place, comments = 13 + _colours(content[10]), 0
    while place + 2 < len(content):
        if content[place] == 0x2C and place + 10 < len(content):
            place = _gif_blocks(content, place + 11 + _colours(content[place + 9]))
        elif content[place] == 0x21:
            end = _gif_blocks(content, place + 2)
            comments += (end - place) * (content[place + 1] == 0xFE)
            place = end
        else:
            place += 1  # Pillow, too, looks for the next block
    return comments


def _gif_blocks(content: bytes, place: int) -> int:
    while place < len(content) and content[place]:
        place += 1 + content[place]
    return place + 1


def _colours(flags: int) -> int:
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0


def _first_directory(content: bytes) -> tuple[str, bool, int]:
    """The order of bytes of a TIFF as `struct` writes it, whether it is a BigTIFF, and where its directory begins."""
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    (offset,) = struct.unpack_from(f"{order}Q", content, 8) if big else struct.unpack_from(f"{order}I", content, 4)
    return order, big, offset


def _number(content: bytes, kind: int, count: int, value: int, order: str, big: bool) -> int:
    """The first whole number of an entry, which stands in it if it fits there, else where its value points."""
    size, field = _TYPES.get(kind, 1), struct.pack(f"{order}{'Q' if big else 'I'}", value)
    field_bytes = field[:size] if size * count <= len(field) else content[value : value + size]
    return int.from_bytes(field_bytes, "little" if order == "<" else "big")


def _entries(content: bytes, offset: int, order: str, big: bool) -> list[tuple[int, int, int, int]] | None:
    """Tag, type, count and value of a directory's entries; None if they are too many."""
    head, entry = (f"{order}Q", f"{order}HHQQ") if big else (f"{order}H", f"{order}HHII")
    if offset + struct.calcsize(head) > len(content):
        return []
    (count,) = struct.unpack_from(head, content, offset)
    if count > limits.IFD_ENTRIES:
        return None
    start, size = offset + struct.calcsize(head), struct.calcsize(entry)
    whole = content[start : start + min(count, (len(content) - start) // size) * size]
    return list(struct.iter_unpack(entry, whole))
