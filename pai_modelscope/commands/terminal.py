"""How the command line speaks: one line an error, no chatter of other libraries."""

import argparse
import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

ENVIRONMENT = {
    # Threads that wait spin for long by default, and take the cores from each other on a machine that has other work
    # too. Seconds a picture on two cores, alone and beside a second such process: 1.9 and 7 by default, 2.3 and 2.9
    # without any spinning, 1.85 and 3.1 with this.
    "GOMP_SPINCOUNT": "500",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "MODELSCOPE_LOG_LEVEL": "40",
    "TOKENIZERS_PARALLELISM": "false",
}
CHATTY = r"(accelerate|diffusers|huggingface_hub|modelscope|peft|torch|transformers)\b"


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line; the usage is one `--help` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see '{self.prog} --help')\n")


def quieten() -> None:
    """Silence the notices of the libraries below; warnings of this package stay, one line each.

    To be called before those libraries are imported. Variables that the user has set are left as they are.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # The hub client takes the level of that variable by name, ModelScope by number; but it adds no handler to another.
    logging.getLogger("modelscope_hub").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=CHATTY)
    warnings.showwarning = _one_line


def quieten_bars() -> None:
    """Switch off the progress bars that diffusers and transformers show while they load; imports both."""
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def _one_line(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    say(f"warning: {message}")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let a Ctrl-C wait until the block is through: a picture is then saved, counted and named, or none of these."""
    waiting: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting:
        raise KeyboardInterrupt


def say(text: str) -> None:
    """Print a notice on stderr: stdout carries results only."""
    print(f"pai-modelscope: {text}", file=sys.stderr)


def program() -> str:
    """The command as this user can type it: `.venv/bin/pai-modelscope` where that folder is not on the PATH."""
    import shutil

    called = sys.argv[0]
    if os.path.basename(called) != "pai-modelscope" or shutil.which("pai-modelscope") == os.path.abspath(called):
        return "pai-modelscope"
    return os.path.relpath(called)
