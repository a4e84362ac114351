"""Pictures in files, and in the middle of files: where they lie, and how their bytes are read within bounds."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from pai_modelscope import limits
from pai_modelscope.data.examples import PictureReference
from pai_modelscope.errors import UserError, printable, reason
from pai_modelscope.untrusted import inside, open_regular, read_bytes

PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".ppm")
_LONGEST = 1024  # characters of a path
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class PictureFile(PictureReference):
    """A file of its own. `where`: what names it, such as a row of a metadata file; messages begin with it."""

    path: Path
    where: str

    def read(self) -> bytes:
        return load_file(self.path, self.where)


@dataclass(frozen=True)
class ByteRange(PictureReference):
    """Bytes from the middle of a file, as a member of a tar."""

    path: Path
    offset: int
    length: int

    def read(self) -> bytes:
        return read_at(self.path, self.offset, self.length)


@dataclass(frozen=True)
class Base64Range(PictureReference):
    """Base64, in either alphabet, in the middle of a file. `where`: its line, for messages."""

    path: Path
    offset: int
    length: int
    where: str

    def read(self) -> bytes:
        text = read_at(self.path, self.offset, self.length).strip()
        try:
            return base64.b64decode(text.translate(_URL_SAFE) if b"-" in text or b"_" in text else text, validate=True)
        except binascii.Error as error:
            problem = f"the picture is no valid base64 ({error})"
            raise UserError(f"{self.where}: {problem}; make the line again.") from None


def file_in(root: Path, name: str, where: str) -> Path:
    """A file that a data file names, relative to the folder `root`; it need not exist.

    It may be a symbolic link that leads out of the folder, as every file of Hugging Face's cache is: who made the
    folder made the link.

    Raises:
        UserError: an absolute path, or one with `..`.
    """
    try:
        return inside(root, name, links=True)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def load_file(path: Path, where: str) -> bytes:
    """The bytes of a picture file. Raises `UserError`, which begins with `where`, if there is none that can be one."""
    return read_file(path, where, limits.PICTURE_BYTES)


def read_file(path: Path, where: str, most: int) -> bytes:
    """The bytes of a file. Raises `UserError`, which begins with `where`: none there, no regular file, above `most`."""
    try:
        return read_bytes(path, most)
    except UserError as error:
        raise UserError(str(error) if where == str(path) else f"{where}: {error}") from None
    except (OSError, ValueError) as error:  # a name that no file system takes is a ValueError
        name = printable(str(path))
        name = name if len(name) < _LONGEST else f"{name[:80]}..."  # what stands in its place may be no path at all
        problem = getattr(error, "strerror", None) or reason(error)
        raise UserError(f"{where}: {name} can't be read ({problem}); add the file or remove its row.") from None


def read_at(file: Path, offset: int, length: int) -> bytes:
    """Bytes from the middle of a file. Raises `UserError` if it has become shorter, or they are too many."""
    if length > limits.PICTURE_BYTES // 3 * 4 + limits.LINE_BYTES:  # a picture in base64
        raise UserError(f"{file} has a picture of {length} bytes; valid are up to {limits.PICTURE_BYTES}.")
    try:
        with open_regular(file) as opened:
            opened.seek(offset)
            content = opened.read(length)
    except OSError as error:
        raise UserError(f"{file} can't be read any more ({error.strerror or reason(error)}).") from None
    if len(content) < length:
        raise UserError(f"{file} ends within a picture: it was changed or cut off; make it again.")
    return content
