"""Which facts of a picture a caption states, so that a drawing of the caption is asked for nothing else."""

from collections.abc import Callable, Mapping, Sequence

from recipes.collections.portrait_captions import person
from recipes.landscapes.captions.lexicon import ADJECTIVES, AIR, FALLING, SEASONS, TIMES, WORDS
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES
from recipes.mini_v2.domains import Fact
from recipes.mini_v2.questions import answers

Facts = Mapping[str, Fact]


def _of_landscape(facts: Facts, caption: str) -> dict[str, set[str]]:
    style, time, season, weather, place = (str(facts[fact]) for fact in ("style", "time", "season", "weather", "place"))
    words: dict[str, Sequence[str]] = {
        "style": (style, *STYLES[style].words),
        "time": (*TIMES[time], *ADJECTIVES[time]),
        "season": SEASONS[season],
        "weather": (*FALLING[weather].nouns, *ADJECTIVES[weather]) if weather in FALLING else (),
        "place": PLACES[place].words if place in PLACES else (),
    }
    stated = {fact: {str(facts[fact])} for fact, said in words.items() if any(word in caption for word in said)}
    nouns = {name: (*word.nouns, *word.five, *word.seven) for name, word in (*WORDS.items(), *AIR.items())}
    things = {thing for thing in facts["things"] if any(noun in caption for noun in (thing, *nouns.get(thing, ())))}
    return {**stated, **({"things": things} if things else {})}


def _of_portrait(facts: Facts, caption: str) -> dict[str, set[str]]:
    attributes = {fact: value for fact, value in facts.items() if isinstance(value, str)}
    words: dict[str, Sequence[str]] = {fact: (value,) for fact, value in attributes.items()}
    for colour, thing in (("hair_color", "hair"), ("clothes_color", "clothes")):
        words[colour] = (attributes.get(colour, "") + attributes[thing],) if thing in attributes else ()
    words["person"] = person(attributes) if "person" in attributes else ()
    return {
        fact: {value} for fact, value in attributes.items() if value and any(word in caption for word in words[fact])
    }


def _of_composition(facts: Facts, caption: str) -> dict[str, set[str]]:
    """All captions of a composition say how many there are of what, and where; those of a surreal one, its design."""
    return {fact: right for fact in ("design", "count") if (right := answers(facts, fact) - {""})}


STATED: Mapping[str, Callable[[Facts, str], dict[str, set[str]]]] = {
    "landscapes": _of_landscape,
    "portraits": _of_portrait,
    "compositions": _of_composition,
    "dishes": lambda facts, caption: {"dish": {str(facts["dish"])}} if str(facts["dish"]) in caption else {},
}
