"""The record that all collections share, and the count of what was left out."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Picture:
    """One picture with its names, licence and author.

    `name` is what it shows in Chinese, `aliases` are other names of the same thing, `keywords` looser words. `family`
    is the emoji's code points where an emoji bears one of the names, or else `collections:` and the name. `attributes`
    and `captions` are a portrait's: what one sees, and phrases that say it. `style` is a Chinese phrase; where `bare`
    is False, a caption must not leave it away, since the name alone would promise a scene or colours. `pixels` is the
    side of the raster picture that the SVG holds, beyond which it blurs; 0 where it is drawn in vectors.
    """

    id: str
    source: str
    svg: str
    name: str
    style: str
    license: str
    author: str
    url: str
    en_name: str = ""
    family: str = ""
    bare: bool = True
    pixels: int = 0
    aliases: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    captions: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return the columns of a JSON line."""
        return asdict(self)


class LeftOut:
    """Counts pictures and styles that were not taken, by source and reason."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, source: str, reason: str, number: int = 1) -> None:
        self.counts[source, reason] += number

    def table(self) -> dict[str, dict[str, int]]:
        """Return reasons and their counts by source, the commonest reason first."""
        table: dict[str, dict[str, int]] = {}
        for (source, reason), number in sorted(
            self.counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1])
        ):
            table.setdefault(source, {})[reason] = number
        return table
