"""Captions of one painting, of every kind that fits it."""

from collections.abc import Sequence

import numpy as np

from recipes.landscapes.captions.lexicon import (
    ADJECTIVES,
    AIR,
    BACKGROUND,
    DISCS,
    FALLING,
    MOONLIT,
    NUMBERS,
    SEASON_OF,
    SEASONS,
    TIMES,
    WATERS,
    WORDS,
    Word,
)
from recipes.landscapes.paint import Painting
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES
from recipes.landscapes.visible import Sight

KINDS = ("short", "keywords", "sentence", "position", "relation", "verse", "verse with style", "tags and style")
_MANY = "几"
_APART = 0.12  # of the picture's height, between what is above and what is below


def captions(painting: Painting, rng: np.random.Generator) -> dict[str, str]:
    """By kind, Chinese captions that name nothing that `painting` does not show.

    A kind is missing where nothing fits it. Every caption has a place, time, weather, relation or style in it: a bare
    noun is an icon's caption.
    """
    writer = _Writer(painting, rng)
    texts = {
        "short": writer.short(),
        "keywords": writer.keywords(),
        "sentence": writer.sentence(),
        "position": writer.position(),
        "relation": writer.relation(),
        "verse": writer.verse(),
        "verse with style": writer.verse_with_style(),
        "tags and style": writer.tags(),
    }
    return {kind: text for kind, text in texts.items() if text}


class _Writer:
    def __init__(self, painting: Painting, rng: np.random.Generator):
        self.rng, self.facts, self.sights = rng, painting.facts, painting.sights
        self.air = [name for name in painting.air if name in AIR]
        style = STYLES[self.facts.style]
        self.style = self.pick([self.facts.style, *style.words])
        disc = next((name for name in DISCS if name in self.sights), "")
        self.disc = disc
        time_seen = style.shows_time or disc or self.facts.night
        self.time = self.facts.time if time_seen else ""
        self.season = self._season()
        self.place = self._place()
        self.main = [sight for name, sight in self.sights.items() if name not in BACKGROUND and name in WORDS]
        self.rng.shuffle(self.main)

    # Words

    def pick(self, words: Sequence[str]) -> str:
        return words[int(self.rng.integers(len(words)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _season(self) -> str:
        seasons = {SEASON_OF[name] for name in self.sights if name in SEASON_OF}
        if self.facts.snow:
            return "冬"
        return seasons.pop() if len(seasons) == 1 and self.facts.season in seasons else ""

    def _place(self) -> str:
        if self.facts.subject:
            return ""
        return self.pick(PLACES[self.facts.place].words)

    def adjective(self) -> str:
        """Of the weather, else of the time, as far as they are seen."""
        key = self.facts.weather if self.facts.weather != "晴" else self.time
        words = [word for word in ADJECTIVES.get(key, ()) if word != MOONLIT or self.disc in ("明月", "弯月")]
        return self.pick(words) if words else ""

    def when(self) -> str:
        season = self.pick(SEASONS[self.season]) if self.season else ""
        time = self.pick(TIMES[self.time]) if self.time else ""
        return season + time

    def noun(self, name: str) -> str:
        return self.pick(WORDS[name].nouns)

    def phrase(self, sight: Sight) -> str:
        """A thing with its number, its measure word and at times an attribute: 两棵松树, 一轮明月."""
        word = WORDS[sight.name]
        if not word.measure:
            return self.noun(sight.name)
        number = "一" if sight.count == 1 else NUMBERS.get(sight.count, _MANY)
        attribute = self.pick(word.attributes) if word.attributes and self.chance(0.3) else ""
        return f"{number}{word.measure}{attribute}{self.noun(sight.name)}"

    def listing(self, most: int) -> str:
        """Up to `most` of the things that the picture is of."""
        phrases = [self.phrase(sight) for sight in self.main[: int(self.rng.integers(1, most + 1))]]
        if not phrases:
            return ""
        return phrases[0] if len(phrases) == 1 else "、".join(phrases[:-1]) + "和" + phrases[-1]

    def scene(self) -> str:
        """The place with what is known of weather and time: 雾蒙蒙的湖边."""
        return f"{self.adjective()}{self.place}" if self.place else ""

    # Kinds

    def short(self) -> str:
        things = self.listing(1)
        parts = [self.scene() or f"{self.adjective()}{self.noun(self.main[0].name) if self.main else ''}", self.style]
        if self.chance(0.3) and things:
            parts.insert(1, things)
        if self.chance(0.3):
            parts.reverse()
        return ",".join(part for part in parts if part)

    def keywords(self) -> str:
        names = [self.noun(name) for name in self.sights if name in WORDS and name != "印章"]
        names += [self.pick(AIR[name].nouns) for name in self.air]
        if self.facts.weather in FALLING:
            names.append(self.pick(FALLING[self.facts.weather].nouns))
        self.rng.shuffle(names)
        words = names[: int(self.rng.integers(2, 6))]
        words += [self.style, *([self.when()] if self.when() and self.chance(0.6) else [])]
        self.rng.shuffle(words)
        return self.pick((",", "、", ", ", " ")).join(dict.fromkeys(words))

    def tags(self) -> str:
        names = [self.noun(sight.name) for sight in self.main[:3]]
        return ",".join([self.style, *([self.place] if self.place else []), *names])

    def sentence(self) -> str:
        things, when = self.listing(3), self.when()
        of = f"{when}的" if when else ""
        if not things:
            return f"{of}{self.place},{self.style}" if self.place else ""
        place = self.place
        where = self.scene()
        return self.pick(
            [
                f"一幅{self.style},画着{things}",
                f"{of}{place},有{things}。{self.style}" if place else f"{of}{things},{self.style}",
                f"{things},{where},{self.style}" if where else f"{things},{self.style}",
                f"{self.style}:{where},{things}" if where else f"{self.style}:{of}{things}",
                f"这是一幅{self.style},{of}{place or '风景'},可以看到{things}。",
                f"{where},画面里有{things},{self.style}" if where else f"{of}{things},{self.style}",
            ]
        )

    def position(self) -> str:
        """Where things are in the picture."""
        sided = [sight for sight in self.main if sight.side]
        if not sided:
            return ""
        first = sided[0]
        others = [sight for sight in sided[1:] if sight.side != first.side]
        second = f",{others[0].side}是{self.phrase(others[0])}" if others and self.chance(0.6) else ""
        where = self.scene() or self.style
        return self.pick(
            [
                f"{where},{first.side}有{self.phrase(first)}{second},{self.style}",
                f"画面{first.side}是{self.phrase(first)}{second},{self.style}",
                f"{self.style},{self.noun(first.name)}在{first.side}{second}",
            ]
        )

    def relation(self) -> str:
        """What is over, on, or beside what."""
        water = next((name for name in WATERS if name in self.sights), "")
        ways: list[str] = []
        if self.disc and water and self.sights[self.disc].y + _APART < self.sights[water].y:
            disc = self.phrase(self.sights[self.disc])
            ways += [
                f"{self.adjective()}{self.disc}在{self.noun(water)}上,{self.style}",
                f"{self.noun(water)}上有{disc},{self.style}",
                f"{disc}照着{self.noun(water)},{self.style}",
            ]
        for boat in ("小船", "帆船", "竹筏"):
            if boat in self.sights and water:
                ways += [
                    f"{self.phrase(self.sights[boat])}漂在{self.noun(water)}上,{self.style}",
                    f"{self.adjective()}{self.noun(water)}上有{self.phrase(self.sights[boat])},{self.style}",
                ]
        for upper in self.main:
            for lower in self.main:
                overlap = abs(upper.x - lower.x) < (upper.width + lower.width) / 2
                if (
                    upper.name != lower.name
                    and overlap
                    and upper.y + 2 * _APART < lower.y
                    and upper.label in ("日月", "云")
                ):
                    ways.append(f"{self.noun(lower.name)}上方有{self.phrase(upper)},{self.style}")
        return self.pick(ways) if ways else ""

    def verse(self) -> str:
        """Lines that name what is seen."""
        words: list[Word] = [WORDS[name] for name in self.sights if name in WORDS]
        words += [AIR[name] for name in self.air]
        if self.facts.weather in FALLING:
            words.append(FALLING[self.facts.weather])
        five = [self.pick(word.five) for word in words if word.five]
        seven = [self.pick(word.seven) for word in words if word.seven]
        lines = list(dict.fromkeys(five if self.chance(0.5) else seven))
        self.rng.shuffle(lines)
        if len(lines) < 2:
            return ""
        if len(lines) > 3 and self.chance(0.3):
            return f"{lines[0]},{lines[1]}。{lines[2]},{lines[3]}。"
        return f"{lines[0]},{lines[1]}。"

    def verse_with_style(self) -> str:
        verse = self.verse().rstrip("。")
        return self.pick([f"{verse},{self.style}", f"{self.style},{verse}"]) if verse else ""
