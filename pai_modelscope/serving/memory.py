"""How much memory this process may still take, of the machine's and of its container's."""

from pathlib import Path

import psutil

# Of cgroups, version 2 and 1: the bound, what is taken, and of that what the kernel gives back (the cache of files).
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)


def free_memory() -> int:
    """In bytes."""
    of_machine: int = psutil.virtual_memory().available
    return min([of_machine, *(free for group in _GROUPS if (free := _of_group(*group)) is not None)])


def _of_group(most: str, taken: str, stat: str, cache: str) -> int | None:
    """None: there is no such group, or it has no bound."""
    try:
        bound = int(Path(most).read_text())  # 'max' is no number
        told = dict(line.split() for line in Path(stat).read_text().splitlines())
        return max(0, bound - int(Path(taken).read_text()) + int(told.get(cache, 0)))
    except (OSError, ValueError):
        return None
