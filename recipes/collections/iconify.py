"""Colourful icon collections from npm, in Iconify's format."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recipes.collections.drawing import cut_out
from recipes.collections.licenses import LicenseError, agreed_license
from recipes.collections.names import EmojiNames, Names, read_table, stands_alone
from recipes.collections.pictures import LeftOut, Picture
from recipes.mini.dataset.packages import Icon, icons, load_json


def _plain(name: str) -> tuple[str, str]:
    return name, ""


def _filled(name: str) -> tuple[str, str]:
    """Meteocons draws each thing twice: "rain-fill" is "rain" with filled shapes."""
    base = name.removesuffix("-fill")
    return base, "fill" if base != name else "line"


def _sized(name: str) -> tuple[str, str]:
    """Fluent repeats each icon for several sizes: "mail-32" is "mail"."""
    base, _, size = name.rpartition("-")
    return (base, size) if size.isdigit() else (name, "")


@dataclass(frozen=True)
class Collection:
    """A package, its author, the address of its home, a style for each variant, and how a name is taken apart.

    `parts` gives the name that the table holds, and the variant. Where `styles` does not list the variants, they are
    sizes and the largest is taken.
    """

    source: str
    author: str
    url: str
    styles: dict[str, str]
    parts: Callable[[str], tuple[str, str]] = _plain
    animated: bool = False


COLLECTIONS = (
    Collection(
        "flat-color-icons", "Icons8", "https://github.com/icons8/flat-color-icons", {"": "平面彩色图标风格"}, _plain
    ),
    Collection(
        "fluent-color",
        "Microsoft Corporation",
        "https://github.com/microsoft/fluentui-system-icons",
        {"": "渐变彩色图标风格"},
        _sized,
    ),
    Collection(
        "meteocons",
        "Bas Milius",
        "https://github.com/basmilius/weather-icons",
        {"fill": "天气图标风格", "line": "天气线条图标风格"},
        _filled,
        animated=True,
    ),
)


def read(npm: Path, collection: Collection, emoji: EmojiNames, left_out: LeftOut) -> Iterator[Picture]:
    """Read the icons that `names/SOURCE.tsv` names, each variant or the largest size."""
    package = npm / "@iconify-json" / collection.source
    drawn = _variants(collection, icons(npm, collection.source))
    try:
        license = agreed_license(
            [
                load_json(package / "package.json").get("license"),
                load_json(package / "info.json")["license"].get("spdx"),
            ]
        )
    except LicenseError as error:
        left_out.add(collection.source, str(error), len(drawn))
        return
    table = read_table(collection.source)
    for (base, variant), icon in drawn.items():
        if base not in table:
            left_out.add(collection.source, "no Chinese name written")
            continue
        svg = cut_out((_still(icon.svg) if collection.animated else icon.svg).encode())
        yield _picture(collection, icon, svg, variant, table[base], license, emoji)


def _variants(collection: Collection, found: Iterator[Icon]) -> dict[tuple[str, str], Icon]:
    """Icons by name and variant; of several sizes the largest, whose variant is then empty."""
    drawn: dict[tuple[str, str], Icon] = {}
    sizes: dict[str, int] = {}
    for icon in found:
        base, variant = collection.parts(icon.name)
        if variant in collection.styles:
            drawn[base, variant] = icon
        elif int(variant) > sizes.get(base, 0):
            sizes[base] = int(variant)
            drawn[base, ""] = icon
    return drawn


def _still(svg: str) -> str:
    """Show what an animation fades in: drops and flakes start invisible, and no renderer of pictures runs a clock."""
    svg = re.sub(r"<animate(?:Transform|Motion)?\b[^>]*/>", "", svg)
    return svg.replace(' opacity="0"', "")


def _picture(
    collection: Collection, icon: Icon, svg: str, variant: str, names: Names, license: str, emoji: EmojiNames
) -> Picture:
    return Picture(
        id=f"{collection.source}/{icon.name}",
        source=collection.source,
        svg=svg,
        name=names.name,
        aliases=list(names.aliases),
        keywords=emoji.keywords(names),
        family=emoji.family(names),
        en_name=icon.name.replace("-", " "),
        style=collection.styles[variant],
        bare=stands_alone(names) and not collection.animated,
        license=license,
        author=collection.author,
        url=collection.url,
    )
