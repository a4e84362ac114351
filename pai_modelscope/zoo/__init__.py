"""Which checkpoints exist, where they come from, and how a name becomes a local folder.

Imports neither torch nor ModelScope's library; the hub clients are imported when a hub is asked.
"""

from pai_modelscope.zoo.entries import ENTRIES, Entry, entries, find, lookup
from pai_modelscope.zoo.folders import is_family, problem
from pai_modelscope.zoo.listing import show, table
from pai_modelscope.zoo.push import push
from pai_modelscope.zoo.resolve import model_dir

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
