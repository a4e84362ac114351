"""Emoji keys ("1F469-200D-1F373": code points without FE0F), their families, and names in English back to keys."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from recipes.mini.dataset.packages import load_json

SKIN_TONES = frozenset({"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"})
_SIGNS = frozenset({"2640", "2642", "27A1"})  # female, male, facing right
_HAIR = frozenset({"1F9B0", "1F9B1", "1F9B2", "1F9B3"})
_PERSON, _MAN, _WOMAN, _JOINER = "1F9D1", "1F468", "1F469", "200D"
_CHILDREN = frozenset({"1F466", "1F467", "1F9D2"})
_COUPLES = {"1F48B": "1F48F", "2764": "1F491", "1F91D": "1F46B", "1F430": "1F46F"}
_SAME_DESIGN = {"1F46C": "1F46B", "1F46D": "1F46B", "2603": "26C4"}


class Entry(NamedTuple):
    """What Unicode says of an emoji, as `emojibase-data` gives it."""

    key: str
    label: str
    group: str
    subgroup: str


def key_of_hex(code: str) -> str:
    """`1f469-200d-1f373` or `1F469_200D_1F373` to the canonical key; variation selectors are dropped."""
    parts = re.split(r"[-_ ]", code.upper())
    return "-".join(part.lstrip("0").zfill(4) for part in parts if part != "FE0F")


def key_of_text(text: str) -> str:
    return "-".join(f"{ord(char):04X}" for char in text if ord(char) != 0xFE0F)


def has_skin_tone(key: str) -> bool:
    parts = key.split("-")
    return len(parts) > 1 and not SKIN_TONES.isdisjoint(parts)


def family(key: str) -> str:
    """The key that groups designs which must be split together: no skin tone, gender, hair or direction."""
    parts = [part for part in key.split("-") if part not in SKIN_TONES] or key.split("-")
    people = [part for part in parts if part in (_MAN, _WOMAN, _PERSON)]
    if _JOINER in parts and people:
        if _CHILDREN.intersection(parts):
            return "1F46A"
        for sign, couple in _COUPLES.items():
            if sign in parts and (sign != "2764" or "1F48B" not in parts) and len(people) > 1:
                return couple
        parts = [_PERSON if part in (_MAN, _WOMAN) else part for part in parts]
    kept: list[str] = []
    for part in parts:
        if part in _SIGNS and kept and kept[-1] == _JOINER:
            kept.pop()
        else:
            kept.append(part)
    name = "-".join(kept)
    return _SAME_DESIGN.get(name, name)


def is_variant(key: str) -> bool:
    """Whether the picture is nearly that of another key: gendered, haired, turned or recombined people."""
    parts = key.split("-")
    if _JOINER not in parts:
        return False
    return family(key) != key or not _HAIR.isdisjoint(parts)


@cache
def entries(npm: Path) -> dict[str, Entry]:
    """All emoji by key, skin tones included, components (bare tones, hair, regional letters) left out."""
    table = load_json(npm / "emojibase-data/meta/groups.json")
    found = {}
    for emoji in load_json(npm / "emojibase-data/en/data.json"):
        if "group" not in emoji:
            continue
        group, subgroup = table["groups"][str(emoji["group"])], table["subgroups"][str(emoji["subgroup"])]
        for form in (emoji, *emoji.get("skins", ())):
            key = key_of_hex(form["hexcode"])
            found[key] = Entry(key, form["label"], group, subgroup)
    return {key: entry for key, entry in found.items() if entry.group != "component"}


def slug(text: str) -> str:
    text = text.lower().replace("’", "").replace("'", "").replace("ñ", "n").replace("ô", "o").replace("é", "e")
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def squeeze(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


@cache
def keys_by_name(npm: Path) -> dict[str, str]:
    """Hyphenated English names to keys, from the collections that publish such a table and from Unicode's labels."""
    # Labels first: flags that look alike (Clipperton's is France's) share one name in the collections' tables.
    emoji = entries(npm)
    known = {slug(entry.label): key for key, entry in emoji.items()}
    for prefix in ("twemoji", "noto", "fluent-emoji-flat"):
        for code, name in load_json(npm / "@iconify-json" / prefix / "chars.json").items():
            if key_of_hex(code) in emoji:
                known.setdefault(name, key_of_hex(code))
    for prefix in ("twemoji", "noto", "fluent-emoji-flat"):
        for alias, target in load_json(npm / "@iconify-json" / prefix / "icons.json").get("aliases", {}).items():
            if set(target) == {"parent"} and target["parent"] in known:
                known.setdefault(alias, known[target["parent"]])
    return known


@cache
def keys_by_squeezed_name(npm: Path) -> dict[str, str]:
    """Names without hyphens to keys; Unicode's character names count before the shortcodes of chat programs."""
    known: dict[str, str] = {}
    emoji = entries(npm)
    for name, key in keys_by_name(npm).items():
        known.setdefault(squeeze(name), key)
    for code, name in load_json(npm / "emojibase-data/meta/unicode-names.json").items():
        if key_of_hex(code) in emoji:
            known.setdefault(squeeze(name), key_of_hex(code))
    for table in ("emojibase-legacy", "emojibase", "iamcal", "joypixels"):
        for code, names in load_json(npm / f"emojibase-data/en/shortcodes/{table}.json").items():
            for name in [names] if isinstance(names, str) else names:
                if key_of_hex(code) in emoji and len(name) > 3:
                    known.setdefault(squeeze(name), key_of_hex(code))
    return known
