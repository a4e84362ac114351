"""What a place is: how it is composed, what captions call it, and when it can be seen."""

from collections.abc import Callable
from dataclasses import dataclass, field

from recipes.landscapes.facts import PlaceRules
from recipes.landscapes.scene import Scene


@dataclass(frozen=True)
class Place:
    """`words`: what captions call it in Chinese, the plainest first; `compose`: paints all but weather and finish."""

    name: str
    words: tuple[str, ...]
    compose: Callable[[Scene], None]
    rules: PlaceRules = field(default_factory=PlaceRules)
