"""Whether an encoded picture holds all the pixels that its head claims.

Pillow takes a PNG, a JPEG or a TIFF whose pixels end early, and leaves the rest black or gray. Each check looks at the
picture's end first, and reads the file again only where that looks so.
"""

import io
import zlib
from math import ceil

import numpy as np
from PIL import Image

from pai_modelscope.images.heads import png_chunks

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types
# Across, down and the steps of each pass of an interlaced PNG (PNG, 8.1).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_AT_ONCE = 2**20
_ROWS = 256
_NO_PIXELS = b"\x55\xaa" * 2048  # more for a JPEG's decoder, where it still wants some


def is_whole(picture: Image.Image, content: bytes) -> bool:
    """Whether the loaded `picture` is all of the file `content`."""
    if picture.format == "PNG":
        rows = np.asarray(picture.crop((0, max(0, picture.height - 2), *picture.size)))
        return bool(all(row.any() for row in rows)) or _png_is_whole(content)
    if picture.format in ("JPEG", "MPO"):
        return not _ends_gray(picture) or _jpeg_is_whole(picture, content)
    return picture.format != "TIFF" or _tiff_is_whole(picture)


def least_bytes(picture: Image.Image) -> int:
    """Of a file that can hold so many pixels, before they are decoded; 0 where there is no telling."""
    if picture.format in ("JPEG", "MPO"):
        return ceil(picture.width / 8) * ceil(picture.height / 8) // 8  # a bit for each block of pixels
    if picture.format == "PNG":
        return picture.width * picture.height // 8 // 1032  # a bit for each pixel, and what DEFLATE can do at most
    return 0


def _png_is_whole(content: bytes) -> bool:
    chunks = png_chunks(content)
    head = next((bytes(data) for kind, data in chunks if kind == b"IHDR"), b"")
    if len(head) != 13:
        return False
    width, height = int.from_bytes(head[:4]), int.from_bytes(head[4:8])
    bits, interlaced = head[8] * _CHANNELS.get(head[9], 0), head[12]
    sizes = [(width, height)]
    if interlaced:
        sizes = [(ceil((width - x) / right), ceil((height - y) / down)) for x, y, right, down in _PASSES]
    expected = sum((1 + ceil(across * bits / 8)) * down for across, down in sizes if across > 0 and down > 0)
    inflate, count = zlib.decompressobj(), 0
    try:
        for kind, data in chunks:
            rest = bytes(data) if kind == b"IDAT" else b""
            while rest and count < expected:
                count += len(inflate.decompress(rest, _AT_ONCE))
                rest = inflate.unconsumed_tail
        while count < expected and (more := inflate.decompress(inflate.unconsumed_tail, _AT_ONCE)):
            count += len(more)
    except zlib.error:
        return False
    return count >= expected


def _ends_gray(picture: Image.Image) -> bool:
    """Whether the last pixels are what a decoder leaves where it got nothing."""
    box = (max(0, picture.width - 8), picture.height - 1, *picture.size)
    last = np.asarray(picture.crop(box)).reshape(-1, len(picture.getbands()))
    return bool((np.ptp(last, axis=0) == 0).all() and (abs(last[0].astype(int) - 128) < 3).any())


def _jpeg_is_whole(picture: Image.Image, content: bytes) -> bool:
    """A decoder that has had all it needs does not look at what else stands before the end."""
    end = content.rfind(b"\xff\xd9")
    if end < 0:
        return False
    with Image.open(io.BytesIO(content[:end] + _NO_PIXELS + content[end:]), formats=["JPEG"]) as other:
        if other.size != picture.size or other.mode != picture.mode:
            return False
        for top in range(0, picture.height, _ROWS):
            box = (0, top, picture.width, min(top + _ROWS, picture.height))
            if other.crop(box).tobytes() != picture.crop(box).tobytes():
                return False
        return True


def _tiff_is_whole(picture: Image.Image) -> bool:
    """Whether there are as many strips or tiles as the size asks for (TIFF 6.0, sections 8 and 15), none empty."""
    tags = getattr(picture, "tag_v2", {})
    counts = tags.get(325) or tags.get(279) or ()
    width, height = int(tags.get(256, 0)), int(tags.get(257, 0))
    if 322 in tags and 323 in tags:
        needed = ceil(width / max(1, int(tags[322]))) * ceil(height / max(1, int(tags[323])))
    else:
        needed = ceil(height / max(1, min(height, int(tags.get(278, height)))))
    needed *= int(tags.get(277, 1)) if tags.get(284, 1) == 2 else 1  # each channel by itself
    return not counts or (len(counts) >= needed and all(counts[:needed]))
