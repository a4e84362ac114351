"""A user's picture or mask, whatever it came as, becomes a Pillow picture in RGB or L."""

import base64
import binascii
import io
import os
import re
import warnings
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from PIL import Image, ImageCms

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.images.decoding import check_size, decode, is_picture, short, upright
from pai_modelscope.images.masks import Resized, nearest_size, resize
from pai_modelscope.images.transparency import coloured, mask_of
from pai_modelscope.untrusted import open_regular

__all__ = ["Resized", "Source", "nearest_size", "open_image", "open_mask", "read_mask", "resize"]

Source = str | os.PathLike[str] | bytes | bytearray | Image.Image | np.ndarray

_VALID = "a path, a PIL picture, a uint8 array as OpenCV gives (height, width, BGR), the bytes of a file or a data: URL"


def open_image(source: Source, *, what: str = "image") -> Image.Image:
    """Open a picture as a new one in RGB, upright by its EXIF orientation and in sRGB if it names another colour space.

    What is transparent is laid on white. Of 16-bit grays the upper 8 bits' worth remains. The picture carries no
    metadata: opened again, it is the same.

    Args:
        source: a path, a PIL picture, a uint8 array (height, width), (height, width, 3) in BGR or (height, width, 4)
            in BGRA, the bytes of a file, or a `data:image/...;base64,` URL.
        what: the noun for messages.

    Raises:
        UserError: no such file, not a picture of a known format, damaged, animated, beyond the bounds of `limits` (64
            megapixels, 32,768 pixels a side, 64 times as long as wide), an array of another type or shape, an http(s)
            URL.
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
    """Open a mask as a new one in L of `size` (width, height): white is repainted, black stays; grays between blend.

    Takes what `open_image` takes, and boolean arrays. Of a mask that is transparent in places, alpha is the mask: what
    is painted is repainted, and what is transparent stays (see `transparency.mask_of`).

    Raises:
        UserError: as `read_mask`; no pixel is brighter than half; not of `size`.
    """
    mask = read_mask(source, warn=True)
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


def read_mask(source: Source, *, what: str = "mask", warn: bool = False) -> Image.Image:
    """Open a mask as a new one in L of any size and any brightness: of a training set, or a step of `open_mask`.

    warn: of an opaque picture in colours, whose brightness is taken, and which may be no mask.

    Raises:
        UserError: as `open_image`; transparent all over.
    """
    if isinstance(source, np.ndarray) and source.dtype == bool:
        source = source.astype(np.uint8) * 255
    picture = _read(source, what)
    transparent = _transparent(picture)
    if warn and not transparent and coloured(picture):
        warnings.warn(
            f"The {what} is a picture in colours: its brightness is taken, white is repainted and black stays. Give "
            "one in black and white, or with transparency.",
            stacklevel=3,
        )
    mask = mask_of(picture.convert("RGBA"), f"The {what}") if transparent else picture.convert("L")
    mask.info = {}
    return mask


def open_alpha(source: Source, *, what: str = "mask") -> Image.Image | None:
    """Open how opaque a picture is, in L: 0 is transparent; None if its file says nothing of that.

    Raises:
        UserError: as `open_image`.
    """
    picture = _read(source, what)
    alpha = picture.convert("RGBA").getchannel("A") if _transparent(picture) else None
    if alpha is not None:
        alpha.info = {}
    return alpha


def _read(source: object, what: str) -> Image.Image:
    """Decoded and upright, in a mode with 8 bits a channel."""
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        raise UserError(f"The {what} {short(source)} is on the network: download it first and give the file's path.")
    if isinstance(source, np.ndarray):
        return _from_array(source, what)
    if isinstance(source, str) and source[:5].lower() == "data:":
        return decode(_from_url(source, what), f"The {what} in the data: URL")
    if isinstance(source, bytes | bytearray):
        return decode(bytes(source), f"The {what} ({len(source)} bytes)")
    if isinstance(source, str | os.PathLike):
        return _from_file(source, what)
    if isinstance(source, Image.Image):
        return upright(source, f"The {what}")
    raise UserError(f"The {what} is a {type(source).__name__}; valid are {_VALID}.")


def _from_file(path: str | os.PathLike[str], what: str) -> Image.Image:
    name = f"{what} {short(path)}"
    try:
        if Path(path).is_dir():
            raise UserError(f"The {name} is a folder: give one picture file.")
        if not Path(path).exists():
            raise UserError(f"There is no {name}: give the path of a picture file.")
        with open_regular(path, limits.PICTURE_BYTES) as file:
            content = file.read(32)  # what is no picture is not read whole
            content += file.read(limits.PICTURE_BYTES) if is_picture(content) else b""
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"The {name} can't be read ({reason}): give the path of a picture file.") from None
    return decode(content, f"The {name}")


def _from_url(url: str, what: str) -> bytes:
    if len(url) > 2 * limits.PICTURE_BYTES:
        raise UserError(f"The {what} in the data: URL has {len(url)} characters: give the path of a file instead.")
    head, comma, body = url.partition(",")
    text = re.sub(r"\s", "", unquote(body))
    try:
        if not comma or not re.search(r";\s*base64\s*$", head, re.IGNORECASE):
            raise ValueError("no ;base64, part")
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(
            f"The {what} {short(url)} can't be read ({error}): give data:image/png;base64, and the file in base64."
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
    check_size(array.shape[1], array.shape[0], f"The {what}")
    channels = {2: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2] if array.ndim == 3 else 2]
    return Image.fromarray(np.ascontiguousarray(array if array.ndim == 2 else array[:, :, channels]))


def _transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info


def _srgb(picture: Image.Image) -> Image.Image:
    """Converted from the colour profile that it carries, if any: without, phones' photographs come out pale."""
    data = picture.info.get("icc_profile")
    if not data or len(data) > limits.ICC_BYTES:
        return picture
    picture = picture.convert("RGB") if picture.mode == "P" else picture
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), outputMode=mode) or picture
    except (
        ImageCms.PyCMSError,
        OSError,
        ValueError,
        TypeError,
        MemoryError,
    ):  # a damaged profile, or of other channels
        return picture
