"""What a picture is of, decided before it is painted: style, time, season, weather, place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

TIMES = ("清晨", "白天", "黄昏", "夜晚")
SEASONS = ("春", "夏", "秋", "冬")
WEATHERS = ("晴", "雾", "雨", "雪")


@dataclass(frozen=True)
class Facts:
    """One wish. `subject`: the thing that the picture is of, where the place is 'study'."""

    style: str
    time: str
    season: str
    weather: str
    place: str
    subject: str = ""

    @property
    def night(self) -> bool:
        return self.time == "夜晚"

    @property
    def low_sun(self) -> bool:
        return self.time in ("清晨", "黄昏")

    @property
    def snow(self) -> bool:
        return self.weather == "雪"

    @property
    def rain(self) -> bool:
        return self.weather == "雨"

    @property
    def fog(self) -> float:
        """How thick the air is, 0 to 1."""
        return {"晴": 0.12, "雾": 0.75, "雨": 0.45, "雪": 0.4}[self.weather]


@dataclass(frozen=True)
class PlaceRules:
    """Where a place can be: its share, and the seasons and weathers that it has; `times`: all, unless it says less."""

    share: float = 1.0
    seasons: Sequence[str] = SEASONS
    weathers: Sequence[str] = WEATHERS
    times: Sequence[str] = TIMES
    styles: Sequence[str] = ()  # all, where it names none


def sample_facts(rng: np.random.Generator, styles: Sequence[str], places: Mapping[str, PlaceRules]) -> Facts:
    """Style, time and weather evenly over all that go together; then a place that they allow, and its season.

    Snow falls in winter alone. No place is drawn in a weather or season that it lacks.

    Raises:
        ValueError: where no place has a weather that goes with its seasons and times.
    """
    style = styles[int(rng.integers(len(styles)))]
    airs = [
        (time, weather)
        for time in TIMES
        for weather in WEATHERS
        if any(_allows(rules, style, time, weather) for rules in places.values())
    ]
    if not airs:
        raise ValueError(f"No place of {', '.join(places)} can be seen in {style} at its times and in its weathers.")
    time, weather = airs[int(rng.integers(len(airs)))]
    fitting = {name: rules for name, rules in places.items() if _allows(rules, style, time, weather)}
    shares = np.array([rules.share for rules in fitting.values()])
    place = list(fitting)[rng.choice(len(fitting), p=shares / shares.sum())]
    seasons = _seasons(places[place], weather)
    return Facts(style, time, seasons[int(rng.integers(len(seasons)))], weather, place)


def _seasons(rules: PlaceRules, weather: str) -> list[str]:
    return [season for season in rules.seasons if weather != "雪" or season == "冬"]


def _allows(rules: PlaceRules, style: str, time: str, weather: str) -> bool:
    fits = time in rules.times and weather in rules.weathers and (not rules.styles or style in rules.styles)
    return fits and bool(_seasons(rules, weather))


def narrowed(rules: PlaceRules, wishes: Mapping[str, str]) -> PlaceRules:
    """The rules of a place with what is wished of 'time', 'season' and 'weather', as far as the place has it."""
    times = [time for time in rules.times if time == wishes.get("time", time)]
    seasons = [season for season in rules.seasons if season == wishes.get("season", season)]
    weathers = [weather for weather in rules.weathers if weather == wishes.get("weather", weather)]
    narrow = replace(
        rules, times=times or rules.times, seasons=seasons or rules.seasons, weathers=weathers or rules.weathers
    )
    return narrow if any(_seasons(narrow, weather) for weather in narrow.weathers) else rules


def meets(rules: PlaceRules, wishes: Mapping[str, str]) -> bool:
    """Whether a place has all that is wished of 'time', 'season' and 'weather', together."""
    narrow = narrowed(rules, wishes)
    had = {"time": narrow.times, "season": narrow.seasons, "weather": narrow.weathers}
    return all(list(had[kind]) == [wishes[kind]] for kind in had if kind in wishes)


def wished(facts: Facts, **wishes: str) -> Facts:
    """`facts` with some of them decided. Snow makes it winter."""
    facts = replace(facts, **wishes)
    return replace(facts, season="冬") if facts.snow else facts
