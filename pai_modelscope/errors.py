"""The one error that a user sees for bad input, and text that is safe to show."""

import importlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST_FAULTS = 20  # that one message names


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: the option it is about (empty where it is about none), a phrase that says what is wrong
    and what to do, and what would be valid (empty where the phrase alone tells)."""

    field: str
    message: str
    valid: str = ""


class UserError(ValueError):
    """Bad input: the message says in one line what was wrong, what is valid and what to do.

    It takes a single string, because ModelScope re-raises pipeline errors as `type(e)(f'{name}: {e}')`. What a
    terminal would obey, such as a file's name with an escape sequence, is written out. `faults` names what is wrong one
    by one, for programs; of an error that was made from a message alone, it is that message.
    """

    faults: list[Fault]

    def __init__(self, message: str = "", faults: Iterable[Fault] = ()):
        super().__init__(printable(message))
        self.faults = list(faults) or [Fault("", str(self))]

    @classmethod
    def of(cls, faults: Iterable[Fault], before: str = "") -> "UserError":
        """Make the error of several faults, in one line that begins with `before`; of very many, it names the first."""
        several = list(dict.fromkeys(faults))
        messages = list(dict.fromkeys(fault.message for fault in several))
        more = [f"and {len(messages) - _MOST_FAULTS} more"] if len(messages) > _MOST_FAULTS else []
        return cls(before + "; ".join(messages[:_MOST_FAULTS] + more), several)


def need(extra: str, what: str, *modules: str) -> None:
    """Import the modules of an extra that `what` is made with.

    Raises:
        UserError: one of them is not installed; the message holds the command that installs it.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing = error.name or module
            raise UserError(f"{what} needs {missing}: pip install 'pai_modelscope[{extra}]'") from None


def printable(text: str) -> str:
    r"""Write out control characters, marks that turn the writing's direction and halves of characters.

    They become `\x1b`, `\u202e` and `\udcff`; line breaks and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(character) for character in text)


def first_few(names: Sequence[str], count: int = 3) -> str:
    """List the first of many names, for a message, such as 'a, b, c and 4 more'."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def reason(error: BaseException) -> str:
    """Take the first sentence of a library's message, which may go on for a page."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".")


def _spelled(character: str) -> str:
    category = unicodedata.category(character)
    harmless = character in "\n\t" or category not in ("Cc", "Cs", "Zl", "Zp")
    if harmless and unicodedata.bidirectional(character) not in _TURNING:
        return character
    return ascii(character)[1:-1]


# Characters that change the direction of those after them (Unicode Standard Annex 9).
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
