"""Whether the AV1 streams in an AVIF have the sizes that its boxes claim.

libavif reports what the `ispe` box claims, and decodes what the stream holds. Sources: AVIF 1.1; ISO/IEC 14496-12,
section 8.11 (meta, iloc, iinf, iprp); AV1 bitstream, sections 5.3 (OBUs), 5.5 (sequence header), 5.9.2 (frame header).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pai_modelscope import limits

_SEQUENCE_HEADER, _FRAME_HEADERS = 1, {3, 6, 7}  # types of OBUs
_SELECT = 2  # each frame chooses for itself
_KEY_FRAME, _SWITCH_FRAME = 0, 3
_HEAD_BYTES = 1024  # 32 operating points of 96 bits, and what stands before and behind them

Size = tuple[int, int]  # width, height
Span = tuple[int, int]  # first byte, end


def is_avif(content: bytes) -> bool:
    """Whether Pillow takes the file for an AVIF."""
    return content[4:8] == b"ftyp" and content[8:12] in (b"avif", b"avis", b"mif1", b"msf1")


def avif_problem(content: bytes) -> str:
    """Say what makes this AVIF one that must not be decoded: '' if nothing does."""
    try:
        return _problem(content)
    except _Wrong as error:
        return str(error)
    except (struct.error, IndexError):
        return str(_Wrong())


class _Wrong(Exception):
    def __init__(self, what: str = "boxes that do not fit its bytes") -> None:
        super().__init__(what)


def _problem(content: bytes) -> str:
    boxes = _boxes_once(content, (0, len(content)), {b"meta", b"moov"})
    # libavif takes a sequence's tracks where the brand says so, or says neither.
    if content[8:12] == b"avis" or (b"moov" in boxes and content[8:12] != b"avif"):
        return "a sequence of pictures"
    meta = _need(boxes, b"meta")
    boxes = _boxes_once(content, (meta[0] + 4, meta[1]), {b"iloc", b"iinf", b"iprp", b"idat"})
    kinds = _item_kinds(content, _need(boxes, b"iinf"))
    sizes = _item_sizes(content, _need(boxes, b"iprp"))
    for item, spans in _item_spans(content, _need(boxes, b"iloc"), boxes.get(b"idat")):
        claimed = sizes.get(item, (0, 0))
        if claimed[0] * claimed[1] > limits.PICTURE_PIXELS:
            return f"a part of {claimed[0]}x{claimed[1]} pixels"
        if kinds.get(item) != b"av01":
            continue
        for coded in _coded_sizes(b"".join(content[start:end] for start, end in spans)):
            if coded != claimed:
                return f"{coded[0]}x{coded[1]} pixels where its head claims {claimed[0]}x{claimed[1]}"
    return ""


def _need(boxes: dict[bytes, Span], kind: bytes) -> Span:
    if kind not in boxes:
        raise _Wrong
    return boxes[kind]


def _boxes_once(content: bytes, span: Span, kinds: set[bytes]) -> dict[bytes, Span]:
    """The contents of the boxes of these kinds, none of which may be there twice: another reader may take the other."""
    contents: dict[bytes, Span] = {}
    for kind, inside in _boxes(content, span):
        if kind in contents:
            raise _Wrong
        if kind in kinds:
            contents[kind] = inside
    return contents


def _boxes(content: bytes, span: Span) -> Iterator[tuple[bytes, Span]]:
    """The kind and the content of each box."""
    place, end = span
    count = 0
    while place + 8 <= end:
        count += 1
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", content, place + 8), 16
        size = size or end - place
        if size < head or size > end - place or count > limits.PICTURE_BLOCKS:
            raise _Wrong
        yield kind, (place + head, place + size)
        place += size


def _item_kinds(content: bytes, span: Span) -> dict[int, bytes]:
    """The type of each item: `av01`, `grid`, `Exif`."""
    kinds = {}
    start = span[0] + (6 if content[span[0]] == 0 else 8)
    for kind, (place, _) in _boxes(content, (start, span[1])):
        if kind == b"infe" and content[place] >= 2:
            head = ">H" if content[place] == 2 else ">I"
            (item,) = struct.unpack_from(head, content, place + 4)
            place += 4 + struct.calcsize(head) + 2
            kinds[item] = content[place : place + 4]
    return kinds


def _item_sizes(content: bytes, span: Span) -> dict[int, Size]:
    """What the `ispe` of each item claims."""
    properties: list[Size | None] = []
    for kind, (place, end) in _boxes(content, _need(_boxes_once(content, span, {b"ipco"}), b"ipco")):
        is_size = kind == b"ispe" and end - place >= 12
        properties.append(struct.unpack_from(">II", content, place + 4) if is_size else None)
    sizes: dict[int, Size] = {}
    for kind, (place, _) in _boxes(content, span):
        if kind != b"ipma":
            continue
        version, wide = content[place], content[place + 3] & 1
        (count,) = struct.unpack_from(">I", content, place + 4)
        place += 8
        if count > limits.PICTURE_BLOCKS:
            raise _Wrong
        for _ in range(count):
            head = ">I" if version else ">H"
            (item,) = struct.unpack_from(head, content, place)
            place += struct.calcsize(head)
            number, place = content[place], place + 1
            for index in struct.unpack_from(f">{number}{'H' if wide else 'B'}", content, place):
                index &= 0x7FFF if wide else 0x7F
                size = properties[index - 1] if index else None
                if size and sizes.setdefault(item, size) != size:
                    raise _Wrong
            place += number * (2 if wide else 1)
    return sizes


def _item_spans(content: bytes, span: Span, idat: Span | None) -> list[tuple[int, list[Span]]]:
    """Where the bytes of each item stand, piece by piece."""
    place, _ = span
    version, sizes = content[place], struct.unpack_from(">H", content, place + 4)[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    place += 6
    item_size = 2 if version < 2 else 4

    def number(size: int) -> int:
        nonlocal place
        if place + size > span[1]:
            raise _Wrong
        place += size
        return int.from_bytes(content[place - size : place])

    items, pieces = [], 0
    for _ in range(number(item_size)):
        item = number(item_size)
        method = number(2) & 15 if version else 0
        number(2)  # which file: this one
        base = number(base_size)
        start, end = (0, len(content)) if method == 0 else idat or (0, 0)
        spans = []
        for _ in range(number(2)):
            number(index_size)
            first = start + base + number(offset_size)
            length = number(length_size) or end - first
            pieces += 1
            if method > 1 or first < start or first + length > end or pieces > limits.PICTURE_BLOCKS:
                raise _Wrong
            spans.append((first, first + length))
        items.append((item, spans))
    if sum(last - first for _, spans in items for first, last in spans) > 2 * len(content):
        raise _Wrong
    return items


@dataclass(frozen=True)
class _Sequence:
    """What a sequence header says, as far as a frame's size needs it."""

    size: Size
    reduced: bool
    frame_time_bits: int
    frame_id_bits: int
    screen_content_tools: int
    integer_mv: int


class _Bits:
    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content), 8 * len(content)

    def read(self, count: int) -> int:
        if count > self._left:
            raise _Wrong
        self._left -= count
        return self._value >> self._left & (1 << count) - 1


def _coded_sizes(stream: bytes) -> Iterator[Size]:
    """The size in each sequence header; frames may not say others."""
    sequence, place, count = None, 0, 0
    while place < len(stream):
        count += 1
        kind, extended, sized = stream[place] >> 3 & 15, stream[place] >> 2 & 1, stream[place] >> 1 & 1
        place += 1 + extended
        size = len(stream) - place
        if sized:
            size, place = _leb128(stream, place)
        if size > len(stream) - place or count > limits.PICTURE_BLOCKS:
            raise _Wrong
        head = _Bits(stream[place : place + min(size, _HEAD_BYTES)])
        if kind == _SEQUENCE_HEADER:
            sequence = _sequence(head)
            yield sequence.size
        elif kind in _FRAME_HEADERS and (sequence is None or _has_own_size(head, sequence)):
            raise _Wrong("frames with sizes of their own")
        place += size
    if sequence is None:
        raise _Wrong


def _leb128(stream: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        value |= (stream[place] & 0x7F) << shift
        place += 1
        if not stream[place - 1] & 0x80:
            return value, place
    raise _Wrong


def _sequence(bits: _Bits) -> _Sequence:
    """AV1, 5.5.1."""
    read = bits.read
    read(3)  # seq_profile
    read(1)  # still_picture
    reduced = bool(read(1))
    frame_time_bits = 0
    if reduced:
        read(5)  # seq_level_idx
    else:
        frame_time_bits = _operating_points(bits)
    width_bits, height_bits = read(4) + 1, read(4) + 1
    size = read(width_bits) + 1, read(height_bits) + 1
    frame_id_bits = 0
    if not reduced and read(1):
        frame_id_bits = read(4) + read(3) + 3
    read(3)  # 128x128 superblocks, filter_intra, intra_edge_filter
    tools = integer_mv = _SELECT
    if not reduced:
        read(4)  # interintra, masked, warped, dual filter
        if read(1):  # order hints
            read(2)
        tools = _SELECT if read(1) else read(1)
        integer_mv = _SELECT if not tools or read(1) else read(1)
    return _Sequence(size, reduced, frame_time_bits, frame_id_bits, tools, integer_mv)


def _operating_points(bits: _Bits) -> int:
    """Reads timing, decoder model and operating points; returns how many bits a frame's presentation time takes."""
    read = bits.read
    frame_time_bits = delay_bits = 0
    if read(1):  # timing info
        read(64)
        equal_intervals = read(1)
        if equal_intervals:
            zeros = 0
            while not read(1):  # uvlc
                zeros += 1
            read(zeros if zeros < 32 else 0)
        if read(1):  # decoder model
            delay_bits = read(5) + 1
            read(37)
            frame_time_bits = read(5) + 1
            if equal_intervals:
                frame_time_bits = 0
    display_delay = read(1)
    for _ in range(read(5) + 1):
        read(12)
        if read(5) > 7:
            read(1)
        if delay_bits and read(1):
            read(2 * delay_bits + 1)
        if display_delay and read(1):
            read(4)
    return frame_time_bits


def _has_own_size(bits: _Bits, sequence: _Sequence) -> bool:
    """AV1, 5.9.2, up to frame_size_override_flag."""
    read = bits.read
    if sequence.reduced:
        return False
    if read(1):  # an earlier frame is shown
        return False
    kind, show_frame = read(2), read(1)
    if show_frame:
        read(sequence.frame_time_bits)
    else:
        read(1)  # showable_frame
    if not (kind == _SWITCH_FRAME or (kind == _KEY_FRAME and show_frame)):
        read(1)  # error_resilient_mode
    read(1)  # disable_cdf_update
    tools = read(1) if sequence.screen_content_tools == _SELECT else sequence.screen_content_tools
    if tools and sequence.integer_mv == _SELECT:
        read(1)
    read(sequence.frame_id_bits)
    return kind == _SWITCH_FRAME or bool(read(1))
