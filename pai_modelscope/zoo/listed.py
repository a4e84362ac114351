"""What a hub lists, looked over before anything of it is fetched, and what may be said of a download."""

import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pai_modelscope import limits
from pai_modelscope.errors import UserError, printable
from pai_modelscope.untrusted import inside

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # Git's SHA-1, or SHA-256


_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # of both hubs, whose clients make folders of it


@dataclass(frozen=True)
class Listed:
    """A file of a repository: its path there, its size in bytes, and its hash: SHA-256, Git's SHA-1, or None."""

    path: str
    size: int
    hash: str | None = None


def is_hash(text: object) -> bool:
    """Whether it is 40 or 64 hexadecimal digits, as commits and files' hashes are."""
    return isinstance(text, str) and _HASH.fullmatch(text.lower()) is not None


def is_id(name: str) -> bool:
    """Whether it is OWNER/NAME, and no path such as ./name or a/b/c."""
    return _ID.fullmatch(name) is not None and ".." not in name


def check_listing(files: list[Listed], folder: Path) -> None:
    """Compare the files of a repository with what may be written into `folder`.

    Raises:
        UserError: a path that leads out of the folder, or holds a backslash or what a terminal obeys; a size or a hash
            that is none; too many files.
    """
    if len(files) > limits.HUB_FILES:
        raise UserError(f"it lists {len(files)} files; valid are up to {limits.HUB_FILES}.")
    for file in files:
        if not isinstance(file.path, str) or "\\" in file.path or _obeyed(file.path):
            raise UserError(f"it lists a file {str(file.path)[:200]!r}, which is no path: nothing is fetched.")
        inside(folder, file.path)
        if not isinstance(file.size, int) or not 0 <= file.size <= limits.HUB_FILE_BYTES:
            size = f"it lists {file.path} with {str(file.size)[:40]} bytes"
            raise UserError(f"{size}; valid are up to {limits.HUB_FILE_BYTES}.")
        if file.hash is not None and not is_hash(file.hash):
            raise UserError(
                f"it lists {file.path} with the hash {str(file.hash)[:80]!r}; valid are 40 or 64 hexadecimal digits."
            )


def check_free_space(files: list[Listed], folder: Path) -> None:
    """Raise `UserError` where the files are larger than the free space on the disk of `folder`, which may not exist."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    size, free = sum(file.size for file in files), shutil.disk_usage(there).free
    if size > free:
        raise UserError(f"its {len(files)} files have {size} bytes, and {free} are free in {there}: make room there.")


class Answers:
    """Counts what a hub answers to one question. Each method raises `UserError` beyond a limit."""

    def __init__(self) -> None:
        self._pages = self._bytes = 0

    def begin(self, claimed: str | None) -> None:
        """Count one more answer, of `claimed` bytes by its Content-Length."""
        self._pages += 1
        self._here = 0
        if self._pages > limits.HUB_PAGES:
            raise UserError(f"it answers with more than {limits.HUB_PAGES} pages: that is no honest listing.")
        if claimed is not None and claimed.isdecimal() and int(claimed[:20]) > limits.HUB_ANSWER_BYTES:
            raise _too_long()

    def more(self, count: int) -> None:
        """Count bytes that came."""
        self._here += count
        self._bytes += count
        if self._here > limits.HUB_ANSWER_BYTES or self._bytes > limits.HUB_LISTING_BYTES:
            raise _too_long()


def fetching(path: str, size: int | None = None) -> None:
    """Say on stderr which file is being fetched: a hub may fall silent in the midst of it."""
    print(printable(f"Fetching {path}" + (f" ({size} bytes)" if size else "")), file=sys.stderr, flush=True)


@contextmanager
def printable_log(name: str) -> Iterator[None]:
    """Clean a client's log of what the hub said of what a terminal obeys."""
    handlers = logging.getLogger(name).handlers
    for handler in handlers:
        handler.addFilter(_spell)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_spell)


def _spell(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def _obeyed(path: str) -> bool:
    return printable(path) != path or "\n" in path or "\t" in path


def _too_long() -> UserError:
    return UserError(
        f"it answers with more than {limits.HUB_ANSWER_BYTES} bytes, or {limits.HUB_LISTING_BYTES} in all: that is no "
        "honest listing."
    )
