"""One run at a time in a folder: a lock of the operating system, which ends with its process, however that ends."""

import json
import os
import socket
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from accelerate import Accelerator
from filelock import FileLock, Timeout

from pai_modelscope import untrusted
from pai_modelscope.errors import UserError, printable, reason
from pai_modelscope.training.disk_space import writing
from pai_modelscope.training.interrupts import Agreement
from pai_modelscope.training.ownership import RESULT, RunFolder

_LOCK, _HOLDER = "lock", "holder.json"
_held: set[Path] = set()  # folders that this process holds


@contextmanager
def claimed(
    output_dir: Path | str, accelerator: Accelerator, results: Iterable[str] = (RESULT,)
) -> Iterator[RunFolder]:
    """The folder of a run, which no other run has meanwhile; to be entered by all processes of one launch, of which
    the main one holds the lock.

    `results`: see `RunFolder.check`, by which the folder is checked. What a killed run left half-written is removed.

    Raises:
        UserError: in every process: another run has the folder; it can't be written; something there is not ours.
    """
    folder, key = RunFolder(output_dir), Path(output_dir).resolve()
    lock: FileLock | None = None
    problem: UserError | None = None
    if accelerator.is_main_process:
        try:
            lock = _take(folder, key)
            folder.check(results)
            folder.begin()
        except UserError as error:
            problem = error
    try:
        if Agreement(accelerator.num_processes).any(problem is not None):
            raise problem or UserError(f"{output_dir} can't be trained in: the first process says why")
        _held.add(key)
        try:
            yield folder
        finally:
            _held.discard(key)
    finally:
        if lock is not None:
            (folder.state_folder / _HOLDER).unlink(missing_ok=True)
            lock.release()


def _take(folder: RunFolder, key: Path) -> FileLock | None:
    """The lock, held; None where the file system has none. Raises `UserError` if another run holds it."""
    if key in _held:
        raise UserError(f"{folder.path} is in use by another run of this process: {_ADVICE}")
    with writing("the run folder", folder.path, "nothing was trained"):
        folder.refuse_links()
        folder.state_folder.mkdir(parents=True, exist_ok=True)
        folder.scratch.mkdir(exist_ok=True)
        (folder.state_folder / _LOCK).touch()
    holder = _read(folder)
    lock: FileLock | None = FileLock(str(folder.state_folder / _LOCK))
    try:
        assert lock is not None
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder.path} is in use by {_holder_text(holder)}: {_ADVICE}") from None
    except (OSError, NotImplementedError) as error:
        lock = None
        warnings.warn(
            f"{folder.path} can't be locked ({reason(error)}): see to it that no other run writes there.", stacklevel=4
        )
    if holder and holder.get("host") != socket.gethostname():
        # Some network file systems keep the locks of each machine apart.
        warnings.warn(f"{folder.path} was left by {_holder_text(holder)}: if that goes on, stop it.", stacklevel=4)
    now = datetime.now().astimezone().isoformat(" ", timespec="seconds")
    with writing("the run folder", folder.path, "nothing was trained"):
        text = json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": now})
        folder.replace_text(_HOLDER, text)
    return lock


_ADVICE = "wait for its end, stop it, or give another output_dir"


def _read(folder: RunFolder) -> Mapping[str, object]:
    """Who holds the folder, or held it when it was killed."""
    try:
        holder = untrusted.read_json(folder.state_folder / _HOLDER, 4096)
    except UserError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _holder_text(holder: Mapping[str, object]) -> str:
    if not holder:
        return "another run"
    known = {name: printable(str(holder.get(name, "unknown"))[:80]) for name in ("process", "host", "since")}
    return f"another run, process {known['process']} on {known['host']}, since {known['since']}"
