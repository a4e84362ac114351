"""Reads the fields of a WebUI request; what is wrong with them is gathered, not raised."""

from collections.abc import Mapping, Sequence

from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import Fault


class Fields:
    """The fields of a JSON object. Each is taken once; what is never taken is unknown."""

    def __init__(self, values: Mapping[str, object], faults: list[Fault], before: str = ""):
        """`faults`: what is wrong is added to it; `before`: stands before the names in its messages."""
        self._values, self._faults, self._before = dict(values), faults, before

    def take(self, name: str) -> object:
        """None where it is missing."""
        return self._values.pop(name, None)

    def number(self, name: str, least: float, most: float, *, whole: bool = False) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if said := problem_of_number(self._before + name, value, whole=whole, bounds=Bounds(least, most)):
            self.fault(name, said)
            return None
        return float(value)  # type: ignore[arg-type]  # it was found to be a number

    def count(self, name: str, least: int, most: int) -> int | None:
        value = self.number(name, least, most, whole=True)
        return None if value is None else int(value)

    def text(self, name: str) -> str:
        """'' where it is missing."""
        value = self.take(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; give a text")
        return ""

    def flag(self, name: str, usual: bool = False) -> bool:
        value = self.take(name)
        if value is None:
            return usual
        if isinstance(value, bool | int) and value in (0, 1):
            return bool(value)
        self.fault(name, f"{self._before}{name} is {short_repr(value)}; give true or false")
        return usual

    def choice(self, name: str, choices: Mapping[object, str], usual: str) -> str:
        """What a name or number stands for."""
        value = self.take(name)
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
        if value is not None and value not in harmless:
            self.fault(name, f"{self._before}{name} is {short_repr(value)}, which this service can't do: leave it out")

    def fault(self, name: str, message: str, valid: str = "") -> None:
        self._faults.append(Fault(name, message, valid))

    def finish(self, known: Sequence[str] = ()) -> None:
        """What was not taken is a fault of its own."""
        for name in self._values:
            self.fault(name[:100], f"unknown field {short_repr(self._before + name)}", ", ".join(known))
        self._values = {}
