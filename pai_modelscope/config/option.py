"""Options, declared once: default, help and bounds of each, and the one function that compares a value with them.

`rank: int = option(16, help="of the matrices", minimum=1, maximum=4096)` in a dataclass. The command line, YAML,
ModelScope's configuration, JSON schema and the tables of the documentation are made from it. Values from the command
line, YAML, a picture's parameters and a model's configuration.json are all compared here.
"""

import dataclasses
import math
import operator
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass
from typing import ClassVar, Protocol, SupportsFloat, SupportsIndex, TypedDict, TypeVar, Unpack, overload

from pai_modelscope.errors import Fault

Value = TypeVar("Value")


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


_DECLARATION = "declaration"
_KINDS: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Bounds:
    """`minimum` and `maximum` are valid values, `above` and `below` are not; None: no bound."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[object, ...] = ()

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
    modelscope: str | None = None
    bounds: Bounds = Bounds()


_UNDECLARED = Declaration()


class _Words(TypedDict, total=False):
    """What `option` takes beside default and help."""

    flag: str
    absent: str
    modelscope: str
    choices: Iterable[object]
    minimum: float
    maximum: float
    above: float
    below: float


@overload
def option(default: Value, *, help: str, **words: Unpack[_Words]) -> Value: ...


@overload
def option(*, kind: type[Value], help: str, **words: Unpack[_Words]) -> Value: ...


def option(
    default: object = dataclasses.MISSING, *, kind: type | None = None, help: str, **words: Unpack[_Words]
) -> object:
    """Declare a field of a dataclass of options.

    Args:
        default: what holds where nobody sets it; without one, it must be set, and `kind` is its type.
        help: what it says or does, as a phrase.
        flag: its flag on the command line, where that is not made from its name.
        absent: what holds where it is left out, if that is not its default.
        modelscope: its place in the section "train" of ModelScope's configuration.json, as in "optimizer.lr".
        choices: all valid values, where there are few.
        minimum, maximum, above, below: see `Bounds`.
    """
    bounds = Bounds(
        words.get("minimum"),
        words.get("maximum"),
        words.get("above"),
        words.get("below"),
        tuple(words.get("choices", ())),
    )
    declaration = Declaration(help, words.get("flag"), words.get("absent"), words.get("modelscope"), bounds)
    metadata = {_DECLARATION: declaration}
    return dataclasses.field(default=default, metadata=metadata)


def as_declared(options: type[Dataclass], name: str, default: Value) -> Value:
    """Declare a field as another dataclass declares the one of this name, with another default."""
    declared = next(field for field in dataclasses.fields(options) if field.name == name)
    return typing.cast(Value, dataclasses.field(default=default, metadata=declared.metadata))


def declaration_of(field: Field[object]) -> Declaration:
    """What `option` said of a field."""
    declaration = field.metadata.get(_DECLARATION)
    return declaration if isinstance(declaration, Declaration) else _UNDECLARED


def bounds_of(field: Field[object]) -> Bounds:
    return declaration_of(field).bounds


def flag_of(field: Field[object]) -> str:
    """The flag of the command line: `--guidance-scale`."""
    return declaration_of(field).flag or f"--{field.name.replace('_', '-')}"


def kind_of(field: Field[object]) -> object:
    """The type of a field, such as `int` or `list[str]`; of one that may also be None, the other type."""
    kinds = typing.get_args(field.type) or (field.type,)
    return next(kind for kind in kinds if kind is not type(None))


def is_list(field: Field[object]) -> bool:
    """Whether the field holds a list, or None."""
    return typing.get_origin(kind_of(field)) is list


def problem(field: Field[object], value: object) -> str | None:
    """One phrase on what is wrong with a value of the field's type: out of bounds, not finite, no choice of it.

    None is right where the field may be None. A value of another type is what `problem_of_number` says of numbers;
    other types are compared by their class.
    """
    kind, bounds = kind_of(field), bounds_of(field)
    if value is None:
        optional = type(None) in typing.get_args(field.type) or field.default is None
        return None if optional else f"{field.name} is None; give {_KINDS.get(kind, 'a value')}"
    if kind is object:
        return None
    if bounds.choices:
        good = (
            isinstance(kind, type)
            and isinstance(value, kind)
            and not isinstance(value, bool)
            and value in bounds.choices
        )
        return None if good else f"{field.name} is {short_repr(value)}; valid are {valid(field)}"
    if kind in (int, float):
        return problem_of_number(field.name, value, whole=kind is int, bounds=bounds)
    texts = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(text, str) and half_characters(text) for text in texts):
        return f"{field.name} is {short_repr(value)}, which is no text: it holds half a character; give UTF-8"
    if not isinstance(kind, type) or isinstance(value, kind) or (kind is str and isinstance(value, os.PathLike)):
        return None
    return f"{field.name} is {short_repr(value)}; give {_KINDS.get(kind, kind.__name__)}"


def fault(field: Field[object], value: object) -> Fault | None:
    """`problem` as a fault of the field."""
    message = problem(field, value)
    return None if message is None else Fault(field.name, message, valid(field))


def valid(field: Field[object]) -> str:
    """What a field may be: "'crop', 'fit', 'stretch'", 'a whole number from 1 to 1000'; empty where anything may be."""
    kind, bounds = kind_of(field), bounds_of(field)
    if bounds.choices:
        return ", ".join(map(repr, bounds.choices))
    return f"{_KINDS.get(kind, '')} {bounds}".strip()


def faults_in(options: type[Dataclass], values: Mapping[str, object]) -> list[Fault]:
    """The faults of those of `values` that are fields of the dataclass `options`; for an instance, give its `vars`."""
    named = ((field, values[field.name]) for field in dataclasses.fields(options) if field.name in values)
    return [wrong for field, value in named if (wrong := fault(field, value))]


def problem_of_number(name: str, value: object, *, whole: bool, bounds: Bounds) -> str | None:
    """One phrase on what is wrong with a value that is to be a number within bounds, or None."""
    try:
        number = plain_number(value, whole=whole)
        good = math.isfinite(number) and bounds.hold(number)
    except (OverflowError, TypeError, ValueError, RuntimeError):  # beyond what a float holds; no number at all
        good = False
    text = f"{'a whole number' if whole else 'a number'} {bounds}".rstrip()
    return None if good else f"{name} is {short_repr(value)}; give {text}"


def plain_number(value: object, *, whole: bool) -> int | float:
    """Python's own number for one of NumPy or PyTorch.

    Raises `TypeError`, `ValueError`, `OverflowError` or `RuntimeError` for what is none: truth values and texts, too.
    """
    kind = str(getattr(value, "dtype", type(value).__name__))
    if kind.removeprefix("torch.") in ("bool", "bool_", "str", "bytes", "bytearray"):
        raise TypeError(f"{kind} is no number")
    if whole and isinstance(value, SupportsIndex):
        return operator.index(value)
    if not whole and isinstance(value, SupportsFloat | SupportsIndex | str):
        return float(value)
    raise TypeError(f"{kind} is no number")


def half_characters(text: str) -> bool:
    """Whether the text holds halves of characters, which no encoding can write (Unicode's lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _plain(number: float | None) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def short_repr(value: object) -> str:
    """How a message shows a value: not at its full length, which may be that of a file."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of more digits than Python prints
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
