"""How the command line speaks: one line an error, no chatter of other libraries."""

import argparse
import contextlib
import difflib
import errno
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn, TypeAlias, TypeVar, overload

from pai_modelscope.errors import UserError, printable, reason

ENVIRONMENT = {
    # Threads that wait spin for long by default, and take the cores from each other on a machine that has other work
    # too. Seconds a picture of eight steps on two cores of an EPYC, alone and beside a second such process: 0.64 and
    # 2.6 to 6.9 by default (300000), 0.80 and 1.3 with 500, 0.70 and 1.8 with this.
    "GOMP_SPINCOUNT": "3000",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "MODELSCOPE_LOG_LEVEL": "40",
    "TOKENIZERS_PARALLELISM": "false",
}
LONGEST = 4000  # characters of a notice
CHATTY = r"(accelerate|diffusers|huggingface_hub|modelscope|peft|torch|transformers)\b"


Names = TypeVar("Names")  # what the values of arguments are put into
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # where a command adds its parser


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line; the usage is one `--help` away. Its namespace has the command's `parser`."""

    def __init__(self, *, prog: str | None = None, description: str | None = None, add_help: bool = True):
        super().__init__(prog=prog, description=description, add_help=add_help)
        self.complete: Callable[[Parser], None] | None = None  # adds what costs time, when the command is called
        self.set_defaults(parser=self)

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: None = None
    ) -> tuple[argparse.Namespace, list[str]]: ...

    @overload
    def parse_known_args(self, args: Iterable[str] | None, namespace: Names) -> tuple[Names, list[str]]: ...

    @overload
    def parse_known_args(self, *, namespace: Names) -> tuple[Names, list[str]]: ...

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: object = None) -> tuple[object, list[str]]:
        if self.complete is not None:
            complete, self.complete = self.complete, None
            complete(self)
        return super().parse_known_args(args, namespace)

    def refuse(self, words: list[str], synonyms: Mapping[str, str]) -> NoReturn:
        """End with the words that were not understood, and the flag that is meant where one comes near.

        synonyms: other names of flags, without dashes, such as {'num_inference_steps': '--steps'}.
        """
        name = words[0].partition("=")[0]
        near = difflib.get_close_matches(
            name, [*self._option_string_actions, *(f"--{flag}" for flag in synonyms)], 1, 0.8
        )
        meant = [synonyms.get(flag[2:].replace("-", "_"), flag) for flag in (near if name.startswith("-") else [])]
        self.error(f"not understood: {' '.join(words)}{f'; is {meant[0]} meant?' if meant else ''}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {_line(message)} (see '{self.prog} --help')\n")


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


def _one_line(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
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
    """Print a notice on stderr, in one line: stdout carries results only."""
    print(f"pai-modelscope: {_line(text)}", file=sys.stderr)


def show(*results: object) -> None:
    """Print results on stdout, one a line, at once; what a terminal would obey is written out."""
    print(*(printable(str(result)) for result in results), sep="\n", end="\n" if results else "", flush=True)


def show_json(value: object) -> None:
    """Print a value as JSON in which no character is one that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    print(
        "".join(character if printable(character) == character else json.dumps(character)[1:-1] for character in text),
        flush=True,
    )


def open_streams() -> None:
    """Have all three streams where the shell closed one, and print names on any terminal, whatever it can show."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  until the process ends
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def close_stdout() -> None:
    """Nobody takes the rest of our output: let Python not try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def line_of(error: BaseException) -> str | None:
    """What to say of an error that is the fault of the input or of the machine; None for one that is our own."""
    if isinstance(error, UserError):
        return str(error)
    of_torch = isinstance(error, RuntimeError) and ("allocate memory" in str(error) or "out of memory" in str(error))
    if isinstance(error, MemoryError) or of_torch:
        return f"not enough memory ({reason(error)}): ask for fewer or smaller pictures, or free memory"
    if isinstance(error, RecursionError):
        return f"an input nests too deeply ({reason(error)}): give one of fewer levels"
    gone = isinstance(error, FileNotFoundError) and error.filename is not None  # while we worked
    if isinstance(error, OSError) and error.errno and (gone or error.errno in _OF_THE_MACHINE):
        names = " to ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        return f"{names or 'a file'} can't be read or written ({os.strerror(error.errno).lower()})"
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("pai_modelscope"):
        return f"{error.name} is needed and not installed: install pai_modelscope with what it depends on"
    return None


# Numbers of errors of disks, of rights and of names: no code of ours can be right in spite of them.
_OF_THE_MACHINE = {
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ENODEV"),
        *("EISDIR", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EBUSY", "ETXTBSY", "ESTALE"),
    )
    if hasattr(errno, name)
}


def _line(text: str) -> str:
    line = printable(" ".join(text[: 2 * LONGEST].split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(text)} characters)"


def program() -> str:
    """The command as this user can type it: `.venv/bin/pai-modelscope` where that folder is not on the PATH."""
    import shutil

    called = sys.argv[0]
    if os.path.basename(called) != "pai-modelscope" or shutil.which("pai-modelscope") == os.path.abspath(called):
        return "pai-modelscope"
    return os.path.relpath(called)
