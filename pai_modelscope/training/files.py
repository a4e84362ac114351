"""Files that are whole or absent, whatever moment the process ends at, and what is said when the disk is full."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pai_modelscope.errors import UserError, reason

PARTIAL = "partial-"  # what begins so is being written, or was when a run was killed
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRITERS = ("inline_container", "PytorchStreamWriter")  # torch.save says in a RuntimeError that it could not write


def sweep(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in folder.glob(f"{PARTIAL}*"):
        remove(path)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_at_once(folder: Path) -> None:
    """A folder that is being removed does not look like a whole one."""
    going = folder.with_name(f"{PARTIAL}old-{folder.name}")
    folder.rename(going)
    remove(going)


def publish(partial: Path, final: Path) -> None:
    """Give what was written to `partial` its name, once it is on the disk."""
    for path in [p for p in partial.rglob("*") if p.is_file()] if partial.is_dir() else [partial]:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    if final.is_dir():
        remove_at_once(final)
    partial.replace(final)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(PARTIAL + path.name)
    partial.write_text(text, encoding="utf-8")
    publish(partial, path)


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
