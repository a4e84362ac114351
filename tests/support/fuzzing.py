"""What the fuzzing tests share: how many examples, and the property that each of them holds.

`make test` draws 200 examples a parser, always the same ones; `make test-slow` draws 2,000 (`FUZZ_EXAMPLES`).
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pai_modelscope.errors import UserError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
SECONDS = 1.0  # of the processor, an example
MEMORY = 256 * 2**20  # bytes more than before, an example

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,  # a shared machine may stand still for a second: the processor's time is what counts
    derandomize=EXAMPLES == 200,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

# What parsers trip over: brackets, quotes, colons, tags, numbers that are none, marks without width, other alphabets.
PIECES = [
    *"()[]{}<>:|\\/_,,、=\"'#%&*+-.;~`^$@!?\n\t\r \x00\x1b\ufeff\u200b\u202e\ud800",
    *(
        "(((((",
        ")))))",
        "[[",
        "]]",
        "\\(",
        "\\\\",
        "<lora:",
        ":0.5>",
        "(猫:1.3)",
        "猫",
        "熊猫",
        " AND ",
        "BREAK",
        "__x__",
    ),
    *("nan", "-inf", "1e999", "1" * 400, "0x10", "½", "٣", "-0", "1e-400", "2**63"),
    *("true", "null", "{}", "[]", '{"a":', "\r\n", "é", "🐼", "👩\u200d🚀", "a" * 300),
]

T = TypeVar("T")


def texts(*pieces: str, most: int = 40) -> st.SearchStrategy[str]:
    """Texts of a parser's own words, of `PIECES`, and of any characters, in any order."""
    part = st.one_of(st.sampled_from([*pieces, *PIECES]), st.text(max_size=8))
    return st.lists(part, max_size=most).map("".join)


def values() -> st.SearchStrategy[Any]:
    """What JSON, YAML and callers may put in a place: every kind of value, absurd numbers among them."""
    numbers = st.sampled_from(
        [0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan")]
    )
    plain = st.one_of(st.none(), st.booleans(), numbers, st.integers(), st.floats(), texts(most=3))
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(most=2), inner, max_size=3),
        max_leaves=8,
    )


def value_or_error(read: Callable[..., T], *given: Any, **options: Any) -> T | None:
    """What `read` returns, or None where it raises `UserError` of one line; in bounded time and memory.

    What takes too long is read once more: the first reading may import a library.
    """
    _forget_peak()
    before = _memory("VmRSS")
    value, spent = _timed(read, *given, **options)
    if spent >= SECONDS:
        value, spent = _timed(read, *given, **options)
    more = _memory("VmHWM") - before
    assert spent < SECONDS, f"took {spent:.1f} s"
    assert more < MEMORY, f"took {more >> 20} MiB more"
    return value


def _timed(read: Callable[..., T], *given: Any, **options: Any) -> tuple[T | None, float]:
    begun = time.process_time()
    value: T | None = None
    try:
        value = read(*given, **options)
    except UserError as error:
        assert str(error).strip(), "an error that says nothing"
        assert "\x1b" not in str(error) and "\x00" not in str(error), "what a terminal would obey comes through"
    return value, time.process_time() - begun


def _forget_peak() -> None:
    """Let the kernel count the peak of memory from now on (proc(5), clear_refs)."""
    with suppress(OSError):  # another system: the peak is then that of the whole process
        Path("/proc/self/clear_refs").write_text("5")


def _memory(what: str) -> int:
    """VmRSS, what is held, or VmHWM, the most that was, in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))
