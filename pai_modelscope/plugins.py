"""What installed packages bring by entry points: methods of fine-tuning, families of models."""

import importlib.metadata
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from pai_modelscope.errors import reason

T = TypeVar("T")


def installed(group: str, noun: str, check: Callable[[object, str], T]) -> tuple[T, ...]:
    """What the entry points of a group name. `check` of an object and its place returns it with its type, or raises
    for what can't be used.

    Each is imported once. An entry that fails is left out, with one warning, which calls it by `noun`.
    """
    return _installed(group, noun, check, tuple(sys.path))  # the packages on another path are others


@lru_cache(maxsize=16)
def _installed(group: str, noun: str, check: Callable[[object, str], T], path: tuple[str, ...]) -> tuple[T, ...]:
    loaded = []
    for entry in importlib.metadata.entry_points(group=group):
        try:
            loaded.append(check(entry.load(), entry.value))
        except Exception as error:  # a package of somebody else, which may fail in any way
            source = f" of {entry.dist.name}" if entry.dist else ""
            warnings.warn(f"the {noun} {entry.name!r}{source} can't be used: {reason(error)}", stacklevel=5)
    return tuple(loaded)
