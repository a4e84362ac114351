"""Files and folders that are whole or absent, whatever moment the process ends at."""

import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = "partial-"  # what begins so is being written, or was when a process was killed


def sweep(folder: Path, pattern: str) -> None:
    """Remove what `whole` of a killed process left half-written in `folder`: files whose names match `pattern`.

    A name tells the machine and the process that wrote it. What others may still be writing stays.
    """
    leftover = re.compile(rf"{PARTIAL}{_machine()}-(?P<process>\d+)-(?:{pattern})")
    for path in folder.glob(f"{PARTIAL}*"):
        match = leftover.fullmatch(path.name)
        if match and not _lives(int(match["process"])):
            path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link, but not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_at_once(folder: Path, scratch: Path | None = None) -> None:
    """Remove a folder that never looks half whole meanwhile: it is first moved into `scratch`, or beside itself."""
    scratch = scratch or folder.parent
    going = scratch / f".{PARTIAL}{secrets.token_hex(8)}"  # a name that nobody else has
    folder.rename(going)
    remove(going)


def publish(partial: Path, final: Path, scratch: Path | None = None) -> None:
    """Give what was written to `partial` its name, once it is on the disk. `scratch`: of `remove_at_once`."""
    _settle(partial)
    if final.is_dir():
        remove_at_once(final, scratch)
    partial.replace(final)


@contextmanager
def whole(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Give a place to write to, which gets the name `path` once the block has ended without an error. Makes the folder.

    The place lies in `scratch`, on the same disk, or beside `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = (scratch or path.parent) / f"{PARTIAL}{_machine()}-{os.getpid()}-{path.name}"
    try:
        yield partial
        publish(partial, path)
    finally:
        remove(partial)


@contextmanager
def new(path: Path) -> Iterator[Path]:
    """As `whole`, but nothing is replaced, except an empty folder by a folder; the folder of `path` has to be there.

    The place to write to has the same name, in a hidden folder of its own.

    Raises:
        FileExistsError: a file of that name is there. What it raises for a folder that is not empty is an `OSError`.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        made = scratch / path.name
        yield made
        _settle(made)
        if made.is_dir():
            made.rename(path)
        else:
            _link(made, path)
    finally:
        remove(scratch)


def write_text(path: Path, text: str, scratch: Path | None = None) -> None:
    """Write a text file, as `whole` does."""
    with whole(path, scratch) as partial:
        partial.write_text(text, encoding="utf-8")


def _settle(made: Path) -> None:
    """What was written is on the disk, and as open to others as any file: safetensors' are the user's alone."""
    with tempfile.TemporaryDirectory(prefix=".", dir=made.parent) as folder:
        Path(folder, "usual").touch()
        mode = Path(folder, "usual").stat().st_mode
    for path in [p for p in made.rglob("*") if p.is_file()] if made.is_dir() else [made]:
        if path.stat().st_mode != mode:
            path.chmod(mode)
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def _link(made: Path, path: Path) -> None:
    try:
        os.link(made, path)  # unlike a rename, a link never replaces a file that came in between
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        made.rename(path)


def _machine() -> str:
    """Of this machine or container, among those that share a disk."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _lives(process: int) -> bool:
    if os.name == "nt":  # there, os.kill ends it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's; a number that no process has
        return True
    return True
