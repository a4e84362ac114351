"""Files and folders that are whole or absent, whatever moment the process ends at."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = "partial-"  # what begins so is being written, or was when a run was killed


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
    _settle(partial)
    if final.is_dir():
        remove_at_once(final)
    partial.replace(final)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place to write to, which gets the name `path` once the block has ended without an error. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
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
    room = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        made = room / path.name
        yield made
        _settle(made)
        if made.is_dir():
            made.rename(path)
        else:
            _link(made, path)
    finally:
        remove(room)


def write_text(path: Path, text: str) -> None:
    with whole(path) as partial:
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
