"""Results that take the place of an earlier run's: a run that was stopped and goes on writes its result twice."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make `path`, a file or a folder, in a room of its own; what was there goes when that is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as room:
        made = Path(room) / path.name
        write(made)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(made, path)
