"""Captions as they lie in rows and in files of their own, in whatever encoding those are."""

import reprlib
from contextlib import suppress
from pathlib import Path

from pai_modelscope import limits
from pai_modelscope.data.stored_pictures import read_file
from pai_modelscope.errors import UserError
from pai_modelscope.text_encoding import choose, decode, foreign, look, warn_of_encodings


def captions_of(value: object, where: str, column: str) -> tuple[str, ...]:
    """One caption or a list of them. Raises `UserError` for anything else."""
    values = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    captions = tuple(caption for caption in values if isinstance(caption, str))
    if not captions or len(captions) < len(values):
        raise UserError(f"{where}: {column!r} is {reprlib.repr(value):.80}; give a text or a list of texts.")
    if sum(map(len, captions)) > limits.CAPTION_BYTES:
        raise UserError(
            f"{where}: {column!r} has {sum(map(len, captions))} characters; valid are up to {limits.CAPTION_BYTES}."
        )
    return captions


def lines_of(text: str) -> list[str]:
    """The captions of a text, one a line; an empty text is an empty caption."""
    lines = text.replace("\r", "\n").split("\n")  # not `splitlines`: a caption may hold Word's and Unicode's own breaks
    return [line.strip() for line in lines if line.strip()] or [""]


def encodings_of(files: list[Path]) -> dict[Path, str]:
    """The encoding of each caption file that is not in UTF-8, judged together; warns once if there are any."""
    looks, readable = [], []
    for file in files:
        with suppress(UserError):  # said when its picture is asked for
            looks.append(look(read_file(file, str(file), limits.CAPTION_BYTES)))
            readable.append(file)
    encodings = dict(zip(readable, choose(looks), strict=True))
    for file in [file for file, encoding in encodings.items() if not encoding]:
        encodings[file] = foreign(read_file(file, str(file), limits.CAPTION_BYTES))
    warn_of_encodings(((str(file), encoding) for file, encoding in encodings.items()), "Captions")
    return {file: encoding for file, encoding in encodings.items() if encoding != "utf-8"}


def read_caption_file(file: Path, encoding: str) -> str:
    """The text of a caption file. Raises `UserError`: not to be read, too long, not of that encoding."""
    return decode(read_file(file, str(file), limits.CAPTION_BYTES), encoding, str(file))
