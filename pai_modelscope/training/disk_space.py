"""What is said when the disk is full, or can't be written."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pai_modelscope.errors import UserError, reason

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRITERS = ("inline_container", "PytorchStreamWriter")  # torch.save says in a RuntimeError that it could not write


@contextmanager
def writing(what: str, folder: Path, rest: str) -> Iterator[None]:
    """A full disk, or one that can't be written, becomes one `UserError`, which says with `rest` what is left."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in _WRITERS):
            raise
        raise UserError(
            f"{what} could not be written: {_why(error)}; {_free(folder)} are free in {folder}: make room there or "
            f"give another output_dir; {rest}"
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        return "the disk is full" if error.errno != errno.EFBIG else "the file is larger than the system allows"
    return reason(error)


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB"
    except OSError:
        return "unknown amounts"
