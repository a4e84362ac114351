"""The fonts that ship: a plain one for labels, a brush for verse. How they were cut down: assets/fonts/README.md."""

import io
import lzma
from functools import cache
from importlib.resources import files

from PIL import ImageFont

PLAIN = "NotoSansCJKsc-Regular-subset.otf.xz"
BRUSH = "ZhiMangXing-Regular-subset.ttf.xz"


@cache
def shipped_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """`PLAIN` or `BRUSH` at a size in pixels."""
    return ImageFont.truetype(io.BytesIO(_content(name)), size)


@cache
def _content(name: str) -> bytes:
    return lzma.decompress((files("pai_modelscope") / "assets" / "fonts" / name).read_bytes())
