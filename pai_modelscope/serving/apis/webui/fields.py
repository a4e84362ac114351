"""Reads the fields of a WebUI request; what is wrong with them is gathered, not raised."""

import re
from collections.abc import Mapping, Sequence

from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import Fault

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_MOST_NAMED = 20


class Fields:
    """The fields of a JSON object. Each is taken once; what is never taken is unknown."""

    def __init__(self, values: Mapping[str, object], faults: list[Fault], before: str = ""):
        """`faults`: what is wrong is added to it; `before`: stands before the names in its messages."""
        self._values, self._faults, self._before = dict(values), faults, before

    def take(self, name: str) -> object:
        """None where it is missing."""
        return self._values.pop(name, None)

    def number(self, name: str, least: float, most: float) -> float | None:
        value = _meant(self.take(name))
        if value is None or self._is_wrong(name, value, Bounds(least, most), whole=False):
            return None
        return float(value)  # type: ignore[arg-type]  # it was found to be a number

    def count(self, name: str, least: int, most: int) -> int | None:
        value = _meant(self.take(name))
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        if value is None or self._is_wrong(name, value, Bounds(least, most), whole=True):
            return None
        return int(value)  # type: ignore[call-overload, no-any-return]  # as above; a float would round large seeds

    def _is_wrong(self, name: str, value: object, bounds: Bounds, *, whole: bool) -> bool:
        said = problem_of_number(self._before + name, value, whole=whole, bounds=bounds)
        if said:
            self.fault(name, said)
        return said is not None

    def text(self, name: str) -> str:
        """'' where it is missing."""
        value = self.take(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; give a text")
        return ""

    def flag(self, name: str, usual: bool = False) -> bool:
        value = _meant(self.take(name))
        if value is None:
            return usual
        if isinstance(value, bool | int) and value in (0, 1):
            return bool(value)
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; give true or false")
        return usual

    def choice(self, name: str, choices: Mapping[object, str], usual: str) -> str:
        """What a name or number stands for."""
        value = _meant(self.take(name))
        if value is None:
            return usual
        if isinstance(value, str | int) and value in choices:
            return choices[value]
        valid = ", ".join(map(str, choices))
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; valid are {valid}", valid)
        return usual

    def mapping(self, name: str) -> dict[str, object]:
        """{} where it is missing."""
        value = self.take(name)
        if value is None or isinstance(value, dict):
            return dict(value or {})
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; give an object")
        return {}

    def several(self, name: str) -> list[object]:
        """[] where it is missing."""
        value = self.take(name)
        if value is None or isinstance(value, list):
            return list(value or ())
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; give a list")
        return []

    def skip(self, *names: str) -> None:
        """Fields whose values change nothing."""
        for name in names:
            self._values.pop(name, None)

    def expect(self, name: str, *harmless: object) -> None:
        """Any value but these, and none, is one that this service can't honour."""
        value = self.take(name)
        if value is not None and value not in harmless and _meant(value) not in harmless:
            self.fault(name, f"{self._before}{name} is {short_repr(value)}, which this service can't do: leave it out")

    def fault(self, name: str, message: str, valid: str = "") -> None:
        self._faults.append(Fault(name, message, valid))

    def finish(self, known: Sequence[str] = ()) -> None:
        """What was not taken is a fault of its own."""
        for name in self.rest():
            self.fault(name[:100], f"unknown field {short_repr(self._before + name)}", ", ".join(known))

    def rest(self) -> list[str]:
        """The names of what was not taken."""
        names = [name for name, value in self._values.items() if value is not None]
        self._values = {}
        return names


def unknown(names: Sequence[str], where: str) -> list[str]:
    """A phrase of fields that the WebUI does not have, where there are any: it takes them, and clients send some."""
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    named = ", ".join(map(short_repr, names[:_MOST_NAMED]))
    return [f"{where} has no such fields, and they change nothing: {named}{more}"]


def _meant(value: object) -> object:
    """A number, or true or false, where it came as a text, which the WebUI takes, too; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value
