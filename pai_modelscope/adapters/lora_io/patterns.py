"""Names of modules as PEFT's configurations give them: compared as names, in linear time, whatever stands in the file.

PEFT takes each key of `rank_pattern` and `alpha_pattern` for a regular expression that a module's name ends in. What it
and diffusers write are names, at times escaped. Of expressions, those are understood that need no going back: `|`
between names, `^`, `$`, and single characters, `.`, `\\d`, `\\w` or sets such as `[qkv]`, with `*`, `+` or `?` behind.
"""

import re
from collections.abc import Callable, Iterable

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import Json

_NAME = re.compile(r"\^?[\w.\-]+\$?")
_TOKEN = re.compile(r"(?P<set>\[\^?[\w.\-]+\]|\\[dw]|\\[^\w\s]|[\w.\-:/ ])(?P<times>[*+?]?)")
_EXPRESSIONS = 100  # of one configuration that are no plain names: each is compared with every module


class Patterns:
    """The values of a `rank_pattern` or an `alpha_pattern`, found as PEFT finds them: the first that fits."""

    def __init__(self, values: Json, where: str):
        """Raises `UserError` for what is no object of names, too long, or an expression that is not understood."""
        if not isinstance(values, dict) or len(values) > limits.PATTERNS:
            raise UserError(f"{where} is no object of up to {limits.PATTERNS} names: it is damaged.")
        self._values = list(values.values())
        self._names: dict[tuple[bool, str], int] = {}  # anchored or not, and name: the place in the file
        self._expressions: list[tuple[int, Callable[[str], bool]]] = []
        for place, pattern in enumerate(values):
            plain = str(pattern).replace("\\.", ".")
            if _NAME.fullmatch(plain) and len(plain) <= limits.PATH_CHARACTERS:
                self._names.setdefault((plain.startswith("^"), plain.strip("^$")), place)
            else:
                self._expressions.append((place, _compile(str(pattern), where)))
        if len(self._expressions) > _EXPRESSIONS:
            raise UserError(f"{where} has {len(self._expressions)} regular expressions: give names of modules instead.")

    def get(self, module: str, usual: Json) -> Json:
        """The value for a module, or `usual`."""
        places = [self._names[key] for key in _ways(module) if key in self._names]
        places += [place for place, fits in self._expressions if fits(module)]
        return self._values[min(places)] if places else usual


def _ways(module: str) -> Iterable[tuple[bool, str]]:
    """How a name may stand in a file: whole, and whatever follows a '.' in it."""
    yield True, module
    yield False, module
    for place, character in enumerate(module):
        if character == ".":
            yield False, module[place + 1 :]


Token = tuple[Callable[[str], bool], str]


def _compile(pattern: str, where: str) -> Callable[[str], bool]:
    """Make the test whether a name fits an expression."""
    anchored: list[list[Token]] = []
    ways: list[list[Token]] = []
    for way in _alternatives(pattern):
        tokens = _tokens(way.removeprefix("^").removesuffix("$"))
        if tokens is None or len(pattern) > limits.PATH_CHARACTERS:
            raise UserError(
                f"{where} names modules by a regular expression ({pattern[:80]!r}) that is not understood: give whole "
                "names of modules."
            )
        (anchored if way.startswith("^") else ways).append(tokens)

    def fits(name: str) -> bool:
        return any(_fits(tokens, name, False) for tokens in anchored) or any(_fits(t, name, True) for t in ways)

    return fits


def _alternatives(pattern: str) -> list[str]:
    whole = pattern[1:-1] if re.fullmatch(r"\([^()]*\)", pattern) else pattern
    return whole.split("|")


def _tokens(text: str) -> list[Token] | None:
    """The characters of an expression, each with how often it comes; None where there is more to it."""
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        tokens.append((_fitting(match["set"]), match["times"]))
        place = match.end()
    return tokens or None


def _fitting(characters: str) -> Callable[[str], bool]:
    """Whether a character is one of an expression's."""
    expression = re.compile(characters, re.DOTALL)
    return lambda character: expression.fullmatch(character) is not None


def _fits(tokens: list[Token], name: str, anywhere: bool) -> bool:
    """Whether the whole name, or with `anywhere` also what follows a '.' in it, is what the tokens say.

    All ways of reading it are followed at once: the time is the product of the two lengths.
    """
    states = _skipped({0}, tokens)
    for place, character in enumerate(name):
        if anywhere and place and name[place - 1] == ".":
            states |= _skipped({0}, tokens)
        after: set[int] = set()
        for state in states:
            if state < len(tokens) and tokens[state][0](character):
                after.add(state + 1)
                if tokens[state][1] in ("*", "+"):
                    after.add(state)
        states = _skipped(after, tokens)
    return len(tokens) in states


def _skipped(states: set[int], tokens: list[Token]) -> set[int]:
    """With what follows a token that may be left out."""
    rest = list(states)
    while rest:
        state = rest.pop()
        if state < len(tokens) and tokens[state][1] in ("*", "?") and state + 1 not in states:
            states.add(state + 1)
            rest.append(state + 1)
    return states
