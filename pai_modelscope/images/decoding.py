"""Encoded pictures become Pillow's, upright and with 8 bits a channel; what claims more than it holds is refused."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.images.completeness import is_whole, least_bytes
from pai_modelscope.images.heads import file_problem, tags_fit, tile_pixels, without_forged_exif

# Not EPS and its like, which run programs; not SVG, which Pillow can't read.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "JPEG2000", "PPM")

_ORIENTATION = 0x0112
# EXIF's orientation to the turn that sets the picture upright (TIFF 6.0, Orientation).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = {5, 6, 7, 8}  # turned by a quarter
_TURNED_PNG = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")  # where a PNG may say so


def decode(content: bytes, name: str) -> Image.Image:
    """Decode a picture file's content; `name` says in messages which it is.

    Raises:
        UserError: empty, no picture of a known format, damaged, animated, beyond the bounds of `limits`, of other
            pixels than its head claims.
    """
    picture = _open(content, name)
    upright_picture = upright(picture, name)
    try:
        whole = is_whole(picture, content)
    except Exception as error:
        raise _damaged(name, error) from None
    if not whole:
        raise _cut_off(picture, name)
    return upright_picture


def head_size(content: bytes, name: str) -> tuple[int, int]:
    """Read width and height of the upright picture, from the head alone where that is possible. Raises as `decode`."""
    picture = _open(content, name)
    # Asked for what is not in a PNG's head, Pillow decodes all of it: only where there is something to find.
    if picture.format == "PNG" and not any(mark in content for mark in _TURNED_PNG):
        return picture.size
    return picture.size[::-1] if _orientation(picture) in _LYING else picture.size


def upright(picture: Image.Image, name: str) -> Image.Image:
    """Load a picture, turned by its EXIF orientation, with 8 bits a channel; `info` keeps the colour profile."""
    check_size(*picture.size, name)
    try:
        # The further frames of MPO, which phones write, are depth and other views of the one photograph.
        animated = picture.format != "MPO" and getattr(picture, "is_animated", False)
        if not animated:
            picture.load()
    except Exception as error:  # MemoryError is one
        raise _damaged(name, error) from None
    if animated:
        raise UserError(f"{name} has more than one frame; valid is a single picture: save one frame of it.")
    turn = _TURNS.get(_orientation(picture))
    return _eight_bits(picture if turn is None else picture.transpose(turn), name)


def check_size(width: int, height: int, name: str) -> None:
    """Raise `UserError` for sides, proportions and areas that no honest picture has."""
    if not width or not height:
        raise UserError(f"{name} is {dimensions((width, height))} pixels, so empty: give a picture.")
    if width * height > limits.PICTURE_PIXELS or max(width, height) > limits.PICTURE_SIDE:
        raise UserError(
            f"{name} is too large ({dimensions((width, height))}); valid are up to {limits.PICTURE_PIXELS >> 20} "
            f"megapixels and {limits.PICTURE_SIDE} pixels a side: scale it down."
        )
    if max(width, height) > limits.PICTURE_PROPORTION * min(width, height):
        raise UserError(
            f"{name} is too oblong ({dimensions((width, height))}); valid is a longer side of up to "
            f"{limits.PICTURE_PROPORTION} times the shorter: crop it."
        )


def is_picture(head: bytes) -> bool:
    """Whether a file that begins with `head` is of a known format, as far as that tells."""
    Image.init()
    accepts = (Image.OPEN[kind][1] for kind in FORMATS if kind in Image.OPEN)
    return any(accept is None or accept(head) for accept in accepts)


def short(text: object, most: int = 80) -> str:
    """Shorten a text to one line; paths in quotes, and cut in their middle: the file's name tells the most."""
    line = " ".join(str(text).split())
    if len(line) > most:
        line = line[: most // 2] + "…" + line[-(most // 2 - 1) :]
    return line if isinstance(text, Exception) else repr(line)


def _open(content: bytes, name: str) -> Image.Image:
    if not content:
        raise UserError(f"{name} is empty: give a picture file.")
    if len(content) > limits.PICTURE_BYTES:
        raise UserError(f"{name} has {len(content)} bytes; valid are up to {limits.PICTURE_BYTES}: scale it down.")
    if not is_picture(content[:32]):
        raise _unknown(name)
    if wrong := file_problem(content):
        raise UserError(f"{name} has {wrong}: save it anew with a program that shows it.")
    try:
        file = io.BytesIO(without_forged_exif(content))
        picture = Image.open(file, formats=[kind for kind in FORMATS if kind in Image.OPEN])
    except UnidentifiedImageError:
        raise _unknown(name) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(
            f"{name} is too large; valid are up to {limits.PICTURE_PIXELS >> 20} megapixels: scale it down."
        ) from None
    except Exception as error:  # decoders raise anything on damaged data
        raise _damaged(name, error) from None
    check_size(*picture.size, name)
    if (pixels := tile_pixels(content)) > max(limits.TILE_PIXELS, 2 * picture.width * picture.height):
        raise UserError(
            f"{name} is {dimensions(picture.size)} pixels in tiles of {pixels} each; valid are tiles of up to "
            f"{limits.TILE_PIXELS}: save it anew without tiles."
        )
    if len(content) < least_bytes(picture):
        raise _cut_off(picture, name)
    return picture


def _orientation(picture: Image.Image) -> int:
    try:
        exif = picture.info.get("exif")
        if isinstance(exif, bytes) and not tags_fit(exif.removeprefix(b"Exif\0\0")):
            return 1
        text = picture.info.get("Raw profile type exif")
        if isinstance(text, str) and not tags_fit(_unhex(text)):
            return 1
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # a picture with broken metadata is still a picture
        return 1


def _unhex(text: str) -> bytes:
    """ImageMagick's form of EXIF in a PNG, read as Pillow reads it."""
    return bytes.fromhex("".join(text.split("\n")[3:])).removeprefix(b"Exif\0\0")


def _eight_bits(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        return _upper_half(picture)
    if picture.mode in ("I", "F"):
        raise UserError(
            f"{name} has 32-bit pixels (mode {picture.mode}), whose range is unknown; valid are 8 and 16 bit."
        )
    return picture.convert("LA") if picture.mode == "La" else picture


def _upper_half(picture: Image.Image) -> Image.Image:
    """Of 16-bit grays. Pillow's own conversion cuts at 255, which turns most of such a picture white."""
    pixels = np.asarray(picture)
    gray = Image.fromarray(((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8))
    key = picture.info.get("transparency")
    if isinstance(key, int):  # a PNG's one gray that is transparent
        gray.putalpha(Image.fromarray(np.where(pixels == key, 0, 255).astype(np.uint8)))
    gray.info = {name: value for name, value in picture.info.items() if name != "transparency"}
    return gray


def _unknown(name: str) -> UserError:
    return UserError(f"{name} is not a picture of a known format; valid are {', '.join(FORMATS)}.")


def _cut_off(picture: Image.Image, name: str) -> UserError:
    return UserError(
        f"{name} claims {dimensions(picture.size)} pixels and holds fewer: give a file that opens elsewhere."
    )


def _damaged(name: str, error: Exception) -> UserError:
    return UserError(f"{name} is damaged or cut off ({short(error, 120)}): give a file that opens elsewhere.")


def dimensions(size: tuple[int, int]) -> str:
    """Width and height for a message, such as '640x480'."""
    return f"{size[0]}x{size[1]}"
