"""Options, declared once: default, help and bounds of each, and the one function that compares a value with them.

`rank: int = option(16, help="of the matrices", minimum=1, maximum=4096)` in a dataclass. The command line, YAML, JSON
schema and the tables of the documentation are made from it. Values from the command line, YAML, a picture's parameters
and a model's configuration.json are all compared here.
"""

import dataclasses
import math
import operator
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any

from pai_modelscope.errors import Fault

_DECLARATION = "declaration"
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Bounds:
    """`minimum` and `maximum` are valid values, `above` and `below` are not; None: no bound."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()

    def hold(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """'from 1 to 4096', 'above 0 and below 1', '' without bounds."""
        parts = [f"above {_plain(self.above)}"] if self.above is not None else []
        if self.minimum is not None and self.maximum is not None:
            parts.append(f"from {_plain(self.minimum)} to {_plain(self.maximum)}")
        elif self.minimum is not None:
            parts.append(f"of at least {_plain(self.minimum)}")
        elif self.maximum is not None:
            parts.append(f"of at most {_plain(self.maximum)}")
        parts += [f"below {_plain(self.below)}"] if self.below is not None else []
        return " and ".join(parts)


@dataclass(frozen=True)
class Declaration:
    """What `option` says of a field beside its name, type and default."""

    help: str = ""
    flag: str | None = None
    absent: str | None = None
    bounds: Bounds = Bounds()


_UNDECLARED = Declaration()


def option(
    default: Any = MISSING,
    *,
    help: str,
    flag: str | None = None,
    absent: str | None = None,
    choices: Iterable[Any] = (),
    **bounds: float,
) -> Any:
    """A field of a dataclass of options.

    Args:
        help: what it says or does, as a phrase.
        flag: its flag on the command line, where that is not made from its name.
        absent: what holds where it is left out, if that is not its default.
        bounds: minimum, maximum, above, below, see `Bounds`.
    """
    declaration = Declaration(help, flag, absent, Bounds(choices=tuple(choices), **bounds))
    return dataclasses.field(default=default, metadata={_DECLARATION: declaration})


def declaration_of(field: Field[Any]) -> Declaration:
    return field.metadata.get(_DECLARATION, _UNDECLARED)


def bounds_of(field: Field[Any]) -> Bounds:
    return declaration_of(field).bounds


def flag_of(field: Field[Any]) -> str:
    """The flag of the command line: `--guidance-scale`."""
    return declaration_of(field).flag or f"--{field.name.replace('_', '-')}"


def kind_of(field: Field[Any]) -> Any:
    """The type of a field; of one that may also be None, the other type."""
    kinds = typing.get_args(field.type) or (field.type,)
    return next(kind for kind in kinds if kind is not type(None))


def problem(field: Field[Any], value: Any) -> str | None:
    """One phrase on what is wrong with a value of the field's type: out of bounds, not finite, no choice of it.

    None is right where the field may be None. A value of another type is what `problem_of_number` says of numbers;
    other types are compared by their class.
    """
    kind, bounds = kind_of(field), bounds_of(field)
    if value is None:
        optional = type(None) in typing.get_args(field.type) or field.default is None
        return None if optional else f"{field.name} is None; give {_KINDS.get(kind, 'a value')}"
    if kind is Any:
        return None
    if bounds.choices:
        good = isinstance(value, kind) and not isinstance(value, bool) and value in bounds.choices
        return (
            None if good else f"{field.name} is {short_repr(value)}; valid are {', '.join(map(repr, bounds.choices))}"
        )
    if kind in (int, float):
        return problem_of_number(field.name, value, whole=kind is int, bounds=bounds)
    texts = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(text, str) and half_characters(text) for text in texts):
        return f"{field.name} is {short_repr(value)}, which is no text: it holds half a character; give UTF-8"
    good = not isinstance(kind, type) or isinstance(value, kind) or (kind is str and isinstance(value, os.PathLike))
    return None if good else f"{field.name} is {short_repr(value)}; give {_KINDS.get(kind, kind.__name__)}"


def fault(field: Field[Any], value: Any) -> Fault | None:
    """`problem` as a fault of the field."""
    message = problem(field, value)
    return None if message is None else Fault(field.name, message, valid(field))


def valid(field: Field[Any]) -> str:
    """What a field may be: "'crop', 'fit', 'stretch'", 'a whole number from 1 to 1000'; empty where anything may be."""
    kind, bounds = kind_of(field), bounds_of(field)
    if bounds.choices:
        return ", ".join(map(repr, bounds.choices))
    return f"{_KINDS.get(kind, '')} {bounds}".strip()


def problems_of(options: Any) -> list[str]:
    """`problem` of each field of a dataclass of options, where there is one."""
    return problems_in(options, vars(options))


def problems_in(options: Any, values: Mapping[str, Any]) -> list[str]:
    """`problem` of those of `values` that are fields of the dataclass `options`."""
    named = ((field, values[field.name]) for field in dataclasses.fields(options) if field.name in values)
    return [phrase for field, value in named if (phrase := problem(field, value))]


def problem_of_number(name: str, value: Any, *, whole: bool, bounds: Bounds) -> str | None:
    """One phrase on what is wrong with a value that is to be a number within bounds, or None."""
    try:
        number = plain_number(value, whole=whole)
        good = math.isfinite(number) and bounds.hold(number)
    except (OverflowError, TypeError, ValueError, RuntimeError):  # beyond what a float holds; no number at all
        good = False
    text = f"{'a whole number' if whole else 'a number'} {bounds}".rstrip()
    return None if good else f"{name} is {short_repr(value)}; give {text}"


def plain_number(value: Any, *, whole: bool) -> int | float:
    """Python's own number for one of NumPy or PyTorch.

    Raises `TypeError`, `ValueError`, `OverflowError` or `RuntimeError` for what is none: truth values and texts, too.
    """
    kind = str(getattr(value, "dtype", type(value).__name__))
    if kind.removeprefix("torch.") in ("bool", "bool_", "str", "bytes", "bytearray"):
        raise TypeError(f"{kind} is no number")
    return operator.index(value) if whole else float(value)


def half_characters(text: str) -> bool:
    """Whether the text holds halves of characters, which no encoding can write (Unicode's lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _plain(number: float | None) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def short_repr(value: Any) -> str:
    """How a message shows a value: not at its full length, which may be that of a file."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of more digits than Python prints
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
