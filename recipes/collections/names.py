"""Chinese names: hand-written tables by picture, and the emoji that bear the same name."""

import re
from pathlib import Path
from typing import NamedTuple

from recipes.collections.leaks import chinese_leak
from recipes.mini.dataset import codepoints
from recipes.mini.dataset.names import ChineseNames

# Words of time, weather and place: as a caption they ask for a scene, as in 日出.
_SCENES = re.compile(
    "日出|日落|夕阳|烈日|星夜|阴天|多云|下雨|下雪|雷雨|太阳雨|雨云|雪云|雾|夜|春|夏|秋|冬|山丘|海岛|小岛|沙滩$|风景|露营|农场|月光|阳光"
)

TABLES = Path(__file__).parent / "names"


class Names(NamedTuple):
    """The name that a caption uses first, and other names of what the picture shows."""

    name: str
    aliases: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.name, *self.aliases


def stands_alone(names: Names) -> bool:
    """Say whether the names may be captions by themselves: none speaks of a time, a weather or a place."""
    return not any(map(_SCENES.search, names.names))


def read_table(source: str) -> dict[str, Names]:
    """Read `names/SOURCE.tsv`: a picture's path or icon name, a tab, and its Chinese names between bars.

    Every name was written beside the rendered picture. A picture without a line has no sound Chinese name.

    Raises:
        ValueError: a line is malformed or a picture is named twice.
    """
    table: dict[str, Names] = {}
    for line in (TABLES / f"{source}.tsv").read_text(encoding="utf-8").splitlines():
        picture, _, names = line.partition("\t")
        if not names or picture in table or "\t" in names:
            raise ValueError(f"{source}.tsv: {line!r}; give each picture once, a tab, and names between bars.")
        name, *aliases = names.split("|")
        table[picture] = Names(name, tuple(aliases))
    return table


class EmojiNames:
    """Which emoji bears a Chinese name, and the looser keywords that Unicode gives it."""

    def __init__(self, npm: Path):
        self._names = ChineseNames(npm)
        self._keys = _keys_by_name(npm, self._names)

    def family(self, names: Names) -> str:
        """Return the emoji family of the first name that an emoji bears, or a family of its own."""
        key = self._key(names)
        return codepoints.family(key) if key else f"collections:{names.name}"

    def keywords(self, names: Names) -> list[str]:
        """Return Unicode's Chinese keywords of the emoji of that very name, without what is held out (蜜蜂: 蜂蜜)."""
        key = self._keys.get(names.name)
        emoji = self._names(key) if key else None
        taken = {names.name, *names.aliases}
        return [word for word in emoji.keywords if word not in taken and not chinese_leak(word)] if emoji else []

    def _key(self, names: Names) -> str | None:
        return next((self._keys[name] for name in (names.name, *names.aliases) if name in self._keys), None)


def _keys_by_name(npm: Path, names: ChineseNames) -> dict[str, str]:
    keys: dict[str, str] = {}
    for key in codepoints.entries(npm):
        plain = not codepoints.has_skin_tone(key) and not codepoints.is_variant(key)
        if plain and (emoji := names(key)):
            for name in (emoji.name, *emoji.aliases):
                keys.setdefault(name, key)
    return keys
