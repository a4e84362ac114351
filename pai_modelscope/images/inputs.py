"""A user's picture or mask, whatever it came as, becomes a Pillow picture in RGB or L."""

import base64
import binascii
import io
import os
import re
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from pai_modelscope.errors import UserError
from pai_modelscope.images.masks import MOST_PIXELS, Resized, nearest_size, resize

__all__ = ["Resized", "Source", "nearest_size", "open_image", "open_mask", "resize"]

Source = str | os.PathLike[str] | bytes | bytearray | Image.Image | np.ndarray

# Not EPS and its like, which run programs; not SVG, which Pillow can't read.
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "JPEG2000", "PPM")
_VALID = "a path, a PIL picture, a uint8 array as OpenCV gives (height, width, BGR), the bytes of a file or a data: URL"

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


def open_image(source: Source, *, what: str = "image") -> Image.Image:
    """A new RGB picture, upright by its EXIF orientation and in sRGB if it names another colour space.

    What is transparent is laid on white. Of 16-bit grays the upper 8 bits' worth remains. The picture carries no
    metadata: opened again, it is the same.

    Args:
        source: a path, a PIL picture, a uint8 array (height, width), (height, width, 3) in BGR or (height, width, 4)
            in BGRA, the bytes of a file, or a `data:image/...;base64,` URL.
        what: the noun for messages.

    Raises:
        UserError: no such file, not a picture of a known format, damaged, animated, beyond 64 megapixels, an array of
            another type or shape, an http(s) URL.
    """
    picture = _read(source, what)
    if _transparent(picture):
        picture = _srgb(picture.convert("RGBA"))
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture.getchannel("A"))
        return paper
    picture = _srgb(picture).convert("RGB")
    picture.info = {}
    return picture


def open_mask(source: Source, size: tuple[int, int] | None = None) -> Image.Image:
    """A new mask in L of `size` (width, height): white is repainted, black stays; grays between blend.

    Takes what `open_image` takes, and boolean arrays. Of a picture in one colour, the transparent part is repainted,
    as editors export an erased region; of black and white on a transparent ground, what is white.

    Raises:
        UserError: as `open_image`; no pixel is brighter than half; not of `size`; colours and transparency both.
    """
    if isinstance(source, np.ndarray) and source.dtype == bool:
        source = source.astype(np.uint8) * 255
    picture = _read(source, "mask")
    mask = _mask_of_transparency(picture.convert("RGBA")) if _transparent(picture) else picture.convert("L")
    mask.info = {}
    if size is not None and mask.size != tuple(size):
        raise UserError(
            f"The mask is {mask.width}x{mask.height} and the picture {size[0]}x{size[1]}: give a mask of the picture's "
            "size."
        )
    brightest = int(np.asarray(mask).max())
    if brightest < 128:
        raise UserError(
            f"The mask leaves nothing to repaint (its brightest pixel is {brightest} of 255): paint the region white."
        )
    return mask


def _read(source: Any, what: str) -> Image.Image:
    """Decoded and upright, in a mode with 8 bits a channel."""
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        raise UserError(f"The {what} {_short(source)} is on the network: download it first and give the file's path.")
    if isinstance(source, np.ndarray):
        return _from_array(source, what)
    if isinstance(source, str) and source[:5].lower() == "data:":
        return _decode(io.BytesIO(_from_url(source, what)), f"The {what} in the data: URL")
    if isinstance(source, bytes | bytearray):
        return _decode(io.BytesIO(source), f"The {what} ({len(source)} bytes)")
    if isinstance(source, str | os.PathLike):
        return _from_file(source, what)
    if isinstance(source, Image.Image):
        return _upright(source, f"The {what}")
    raise UserError(f"The {what} is a {type(source).__name__}; valid are {_VALID}.")


def _from_file(path: str | os.PathLike[str], what: str) -> Image.Image:
    name = f"{what} {_short(path)}"
    try:
        if Path(path).is_dir():
            raise UserError(f"The {name} is a folder: give one picture file.")
        if not Path(path).is_file():
            raise UserError(f"There is no {name}: give the path of a picture file.")
        with open(path, "rb") as file:
            return _decode(file, f"The {name}")
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"The {name} can't be read ({reason}): give the path of a picture file.") from None


def _from_url(url: str, what: str) -> bytes:
    head, comma, body = url.partition(",")
    text = re.sub(r"\s", "", unquote(body))
    try:
        if not comma or not re.search(r";\s*base64\s*$", head, re.IGNORECASE):
            raise ValueError("no ;base64, part")
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(
            f"The {what} {_short(url)} can't be read ({error}): give data:image/png;base64, and the file in base64."
        ) from None


def _from_array(array: np.ndarray, what: str) -> Image.Image:
    shape = f"{array.dtype} {array.shape}"
    if array.dtype != np.uint8:
        raise UserError(
            f"The {what} is an array of {shape}; valid is uint8 from 0 to 255, so scale it and use astype('uint8')."
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or not array.size:
        raise UserError(
            f"The {what} is an array of {shape}; valid are (height, width), (height, width, 3) in BGR and "
            "(height, width, 4) in BGRA."
        )
    _check_area(array.shape[1], array.shape[0], f"The {what}")
    channels = {2: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2] if array.ndim == 3 else 2]
    return Image.fromarray(np.ascontiguousarray(array if array.ndim == 2 else array[:, :, channels]))


def _decode(file: BinaryIO, name: str) -> Image.Image:
    if not file.read(1):
        raise UserError(f"{name} is empty: give a picture file.")
    file.seek(0)
    Image.init()
    try:
        picture = Image.open(file, formats=[kind for kind in _FORMATS if kind in Image.OPEN])
    except UnidentifiedImageError:
        raise UserError(f"{name} is not a picture of a known format; valid are {', '.join(_FORMATS)}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{name} is too large; valid are up to {MOST_PIXELS >> 20} megapixels.") from None
    except Exception as error:  # decoders raise anything on damaged data
        raise _damaged(name, error) from None
    return _upright(picture, name)


def _upright(picture: Image.Image, name: str) -> Image.Image:
    """Loaded, turned by its EXIF orientation, 8 bits a channel; `info` keeps the colour profile."""
    _check_area(*picture.size, name)
    try:
        # The further frames of MPO, which phones write, are depth and other views of the one photograph.
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        if frames == 1:
            picture.load()
    except Exception as error:
        raise _damaged(name, error) from None
    if frames > 1:
        raise UserError(f"{name} has {frames} frames; valid is a single picture: save one frame of it.")
    try:
        turn = _TURNS.get(picture.getexif().get(0x0112, 1))
    except Exception:  # a picture with broken metadata is still a picture
        turn = None
    return _eight_bits(picture if turn is None else picture.transpose(turn), name)


def _eight_bits(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        # Pillow's own conversion cuts at 255, which turns most of a 16-bit picture white.
        gray = Image.fromarray(((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8))
        gray.info = {key: value for key, value in picture.info.items() if key != "transparency"}
        return gray
    if picture.mode in ("I", "F"):
        raise UserError(
            f"{name} has 32-bit pixels (mode {picture.mode}), whose range is unknown; valid are 8 and 16 bit."
        )
    return picture.convert("LA") if picture.mode == "La" else picture


def _transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info


def _srgb(picture: Image.Image) -> Image.Image:
    """Converted from the colour profile that it carries, if any: without, phones' photographs come out pale."""
    data = picture.info.get("icc_profile")
    if not data:
        return picture
    picture = picture.convert("RGB") if picture.mode == "P" else picture
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), outputMode=mode) or picture
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a damaged profile, or of other channels
        return picture


def _mask_of_transparency(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture)
    colours, alpha = pixels[..., :3], pixels[..., 3]
    if alpha.min() == 255:
        return picture.convert("L")
    seen = colours[alpha > 0].astype(int)
    if not len(seen) or (colours == colours[0, 0]).all():
        return Image.fromarray(255 - alpha)
    if np.ptp(seen, axis=-1).max() > 16:  # a photograph with a hole, or a red brush? They mean opposite things
        raise UserError(
            "The mask has both colours and transparency, which can mean either: give white (repaint) on black (keep)."
        )
    ground = Image.new("L", picture.size, 0)
    ground.paste(picture.convert("L"), mask=picture.getchannel("A"))
    return ground


def _check_area(width: int, height: int, name: str) -> None:
    if not width or not height:
        raise UserError(f"{name} is {width}x{height} pixels, so empty: give a picture.")
    if width * height > MOST_PIXELS:
        raise UserError(
            f"{name} is too large ({width}x{height}); valid are up to {MOST_PIXELS >> 20} megapixels: scale it down."
        )


def _damaged(name: str, error: Exception) -> UserError:
    return UserError(f"{name} is damaged or cut off ({_short(error, 120)}): give a file that opens elsewhere.")


def _short(text: Any, most: int = 80) -> str:
    """On one line and not too long; paths in quotes, and cut in their middle: the file's name tells the most."""
    line = " ".join(str(text).split())
    if len(line) > most:
        line = line[: most // 2] + "…" + line[-(most // 2 - 1) :]
    return line if isinstance(text, Exception) else repr(line)
