"""Traditional characters as simplified ones, by OpenCC's dictionaries, whole phrases first."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencc import OpenCC


def simplified(text: str) -> str:
    """The text in the characters of the mainland, one for one: 獨釣寒江雪 is 独钓寒江雪."""
    return text if text.isascii() else str(_converter().convert(text))


@cache
def _converter() -> "OpenCC":
    from opencc import OpenCC  # its dictionaries are read when they are first needed

    return OpenCC("t2s")
