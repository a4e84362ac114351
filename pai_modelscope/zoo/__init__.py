"""Which checkpoints exist, where they come from, and how a name becomes a local folder.

Imports neither torch nor ModelScope's library; the hub clients are imported when a hub is asked.
"""

from .entries import ENTRIES, Entry, entries, find, lookup
from .folders import is_family, problem
from .listing import show, table
from .push import push
from .resolve import model_dir

__all__ = [
    "ENTRIES",
    "Entry",
    "entries",
    "find",
    "is_family",
    "lookup",
    "model_dir",
    "problem",
    "push",
    "show",
    "table",
]
