"""Embeddings inside pictures, as AUTOMATIC1111's WebUI saves them while it trains.

A PNG's text chunk `sd-ti-embedding` holds them as base64 of JSON. Where a website took the chunk away, they are still
in the pixels: to the left and to the right of the picture, each parted from it by a black column, stand the lower and
the upper halves of the bytes of a zlib stream of that JSON, in the low four bits of R, G and B, row by row. Both are
covered by pseudo-random numbers, see `_cover`. The JSON writes a tensor as {"TORCHTENSOR": nested lists}.
"""

import base64
import io
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pai_modelscope import limits
from pai_modelscope.errors import UserError, reason
from pai_modelscope.images import heads
from pai_modelscope.untrusted import Json, parse_json, read_bytes

PICTURES = (".png", ".webp", ".avif")
_CHUNK = "sd-ti-embedding"


def read_picture(file: Path) -> dict[str, object]:
    """Read what the WebUI stored in a picture: {"string_to_param": {"*": (n, width) float32}, "name": ..., ...}.

    Raises:
        UserError: no picture, none with an embedding, or one that is damaged or beyond the limits.
    """
    try:
        content = read_bytes(file, limits.PICTURE_BYTES)
        if wrong := heads.file_problem(content):
            raise UserError(f"{file} has {wrong}: give the file as it was saved.")
        with Image.open(io.BytesIO(content), formats=("PNG", "WEBP", "AVIF")) as image:
            if image.width * image.height > limits.EMBEDDING_PIXELS:
                raise UserError(
                    f"{file} is {image.width}x{image.height}; valid are up to {limits.EMBEDDING_PIXELS} pixels."
                )
            text = getattr(image, "text", {}).get(_CHUNK)
            pixels = np.empty(0) if text else np.asarray(image.convert("RGB"))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"There is no file {file}. Give an embedding's file.") from None
    except Exception as error:  # whatever damaged bytes set off in a decoder
        raise UserError(f"{file} can't be read as a picture ({reason(error)}).") from None
    embedding = _of_chunk(text, file) if text else _of_pixels(pixels, file)
    if not isinstance(embedding, dict):
        raise _nothing(file)
    params = embedding.get("string_to_param")
    if not isinstance(params, dict) or not params:
        raise _nothing(file)
    return {**embedding, "string_to_param": {name: _tensor(value, file) for name, value in params.items()}}


def _of_chunk(text: str, file: Path) -> Json:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise UserError(f"{file} is damaged: its chunk {_CHUNK} can't be read ({reason(error)}).") from None
    return parse_json(content, f"the chunk {_CHUNK} of {file}")


def _of_pixels(pixels: np.ndarray, file: Path) -> Json:
    """`pixels`: (height, width, 3) uint8."""
    bright = pixels.min(axis=2) > 0
    rows, columns = np.flatnonzero(np.any(bright, axis=1)), np.flatnonzero(np.any(bright, axis=0))
    if not len(rows):
        raise _nothing(file)
    low = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & 0x0F
    black = np.flatnonzero(low.max((0, 2)) == 0)
    if len(black) < 2 or not 0 < black[0] == low.shape[1] - 1 - black[-1]:
        raise _nothing(file)
    cover = _cover(low[:, : black[0]].size)
    lower, upper = (half.ravel() ^ cover for half in (low[:, : black[0]], low[:, black[-1] + 1 :]))
    stream = zlib.decompressobj()
    try:
        content = stream.decompress((upper << 4 | lower).tobytes(), limits.JSON_BYTES)
    except zlib.error:
        raise _nothing(file) from None
    if not stream.eof:
        raise UserError(
            f"{file} is damaged: the embedding in its pixels is cut short or beyond {limits.JSON_BYTES} bytes."
        )
    return parse_json(content, f"the embedding in the pixels of {file}")


def _cover(count: int) -> np.ndarray:
    """(count,) uint8, 0 to 15: x = 1664525 x + 1013904223 modulo 2**32 from 0 on (Numerical Recipes), the low four
    bits of x modulo 255. The numbers are made by doubling: k steps at once are of the same form as one."""
    factor, shift = np.uint32(1664525), np.uint32(1013904223)
    numbers = np.array([shift], np.uint32)
    with np.errstate(over="ignore"):
        while len(numbers) < count:
            numbers = np.concatenate([numbers, numbers * factor + shift])
            factor, shift = factor * factor, factor * shift + shift
    return (numbers[:count] % np.uint32(255)).astype(np.uint8) & 0x0F


def _tensor(value: Json, file: Path) -> torch.Tensor:
    """(n, width) float32 of {"TORCHTENSOR": n lists of as many numbers}."""
    rows = value.get("TORCHTENSOR") if isinstance(value, dict) else None
    if isinstance(rows, list) and rows and not isinstance(rows[0], list):
        rows = [rows]
    try:
        if not isinstance(rows, list) or not 0 < len(rows) <= limits.EMBEDDING_VECTORS:
            raise ValueError
        vectors = [_numbers(row) for row in rows]
        if not all(0 < len(vector) == len(vectors[0]) for vector in vectors):
            raise ValueError
        return torch.tensor(vectors, dtype=torch.float32)
    except (ValueError, OverflowError):
        raise UserError(
            f"{file} is damaged: where its vectors belong stand no lists of as many numbers, or more than "
            f"{limits.EMBEDDING_VECTORS}."
        ) from None


def _numbers(row: Json) -> list[float]:
    """Raises `ValueError` for what is no list of numbers, `OverflowError` for numbers that are too large."""
    values = row if isinstance(row, list) else [None]
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        raise ValueError
    return numbers


def _nothing(file: Path) -> UserError:
    return UserError(
        f"{file} carries no embedding, neither in a text chunk {_CHUNK} nor in its pixels: give the file itself, for "
        "websites and editors remove what a picture carries."
    )
