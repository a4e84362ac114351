"""The words that go with the shipped pictures: the data card, and the attribution for the project's NOTICE."""

from collections import Counter
from typing import cast

from pai_modelscope.data import shipped as shipped_set
from pai_modelscope.data.shipped import SPLITS
from recipes.mini.dataset.sources import Record
from recipes.mini.dataset.splits import HELD_CONCEPTS

# Where each collection is made; the npm packages are Iconify's and LobeHub's conversions of these.
HOMES = {
    "twemoji": "https://github.com/jdecked/twemoji",
    "noto": "https://github.com/googlefonts/noto-emoji",
    "fluent": "https://github.com/microsoft/fluentui-emoji",
    "emojione": "https://github.com/EmojiTwo/emojitwo",
    "fxemoji": "https://github.com/mozilla/fxemoji",
    "icon-park": "https://github.com/bytedance/IconPark",
    "streamline": "https://github.com/webalys-hq/streamline-vectors",
}
_LICENSE_URLS = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "MIT": "https://opensource.org/license/mit",
}

_CARD = """---
license: other
language: [zh]
task_categories: [text-to-image]
pretty_name: Pictures with Chinese names behind pai-diffusion-mini-zh
---
# The shipped picture set

{total:,} vector pictures with Chinese names, taken from openly licensed collections of emoji and icons: what the
notebooks, the tests and the evaluation of `pai-diffusion-mini-zh` need, in {mib:.1f} MiB. It opens without a network:

```python
from pai_modelscope.data import open_dataset

foods = open_dataset("food", size=256, background="白色")  # a datasets.Dataset
foods[0]["text"], foods[0]["image"]  # a caption and a PIL picture, rendered from the SVG on use
```

## Splits
| split | rows | what it is |
| --- | ---: | --- |
{splits}

`food` and `food_test` are food and drink: no such picture entered the training of the base UNet. `style` is the whole
of Streamline's emoji but for its food, never seen by the UNet in any form. `held_concept` are twelve things held out in
every style: {concepts}.
`held_pair` and `control_test` are pictures whose name the UNet knows from at least three other styles; `food_test`
holds such pairs out of `food`. Pictures of one design (an emoji with its genders, tones and hair; the four Fluent sets;
both EmojiOne sets; all IconPark sets) move together. `base` (Twemoji) and `control` were trained on, but for IconPark's
pictures: the UNet has seen none of those. Version 2 of the model also learned from painted landscapes, portraits and
compositions, which are not in this set.

## Columns
`id`, `name`, `aliases`, `keywords` (Chinese), `en_name`, `style` (a Chinese phrase), `text` (name and style), `key` and
`family` (the emoji's code points; designs that were split together), `group`, `subgroup`, `is_flag`, `variant` (nearly
another picture: gendered, turned or recombined people), `source`, `svg`, `image`, and for attribution, picture by
picture, `author`, `url`, `license`. The control splits add `condition_id`, `condition_svg` and `conditioning_image`.

## Sources, versions and licences
| source | npm package | version | licence | author | shipped here |
| --- | --- | --- | --- | --- | ---: |
{sources}

Chinese names and keywords come from Unicode CLDR ({cldr}, Unicode-3.0), emojibase-data ({emojibase}, MIT) and, for
icons, from `@icon-park/svg` ({park}, Apache-2.0). `LICENSES.txt` beside this file holds the copyright notices.
Nothing here is share-alike or GPL. Changed by us: each picture was put into a square view box; ink that followed a web
page's text colour was fixed to #202020; pictures that render blank or repeat another of their source were left out, and
so were skin-tone variants and IconPark's brand logos.

## Limits
- Names are Unicode's: some are odd as captions (怒, 冷汗), and one name may have several designs (蛋糕 in IconPark).
- `@lobehub/fluent-emoji-3d` took part in the training but is no vector art: none of it ships, held-out rows included.
- IconPark draws many abstract commands (对齐, 展开) that no picture can tell apart by name alone.
- Emoji carry the views of their makers: people default to yellow or light skin here, since tones were left out.

Made by `recipes/mini/dataset` (build, then pack); the same npm packages give the same bytes.
"""


def card(parts: dict[str, list[Record]], size: int, summary: dict) -> str:
    """The data card of the rows in `parts`, `size` bytes in all; versions come from the build's summary."""
    shipped = Counter(record["source"] for rows in parts.values() for record in rows)
    versions = summary["tables"]
    records = cast(dict[str, list[shipped_set.Record]], parts)  # as they will be read
    counts = {
        name: len(split.rows([record for part in split.parts for record in records[part]]))
        for name, split in SPLITS.items()
    }
    return _CARD.format(
        total=sum(shipped.values()),
        mib=size / 2**20,
        splits="\n".join(f"| `{name}` | {count:,} | {SPLITS[name].about} |" for name, count in counts.items()),
        concepts="、".join(HELD_CONCEPTS.values()),
        sources="\n".join(_source_row(name, source, shipped[name]) for name, source in summary["sources"].items()),
        cldr=versions["cldr-annotations-full"],
        emojibase=versions["emojibase-data"],
        park=versions["@icon-park/svg"],
    )


def _source_row(name: str, source: dict, count: int) -> str:
    licence = f"[{source['license']}]({_LICENSE_URLS[source['license']]})"
    author = f"[{source['author']}]({_home(name)})"
    return f"| {name} | `{source['package']}` | {source['version']} | {licence} | {author} | {count:,} |"


def _home(source: str) -> str:
    return next(url for prefix, url in HOMES.items() if source.startswith(prefix))


def notice(summary: dict) -> str:
    """The paragraph on pictures and names for the project's NOTICE."""
    lines = [
        "Pictures. The model pai-diffusion-mini-zh was trained on, and the data set in pai_modelscope/assets/dataset",
        "contains, pictures from these collections, converted to a common form (see the data card there):",
        "",
    ]
    for name, source in summary["sources"].items():
        lines.append(f"- {name}, by {source['author']}, {source['license']}, {_home(name)}")
        lines.append(f"  (npm {source['package']} {source['version']})")
    lines += [
        "",
        "CC-BY-4.0: https://creativecommons.org/licenses/by/4.0/ . Author, address and licence of every single picture",
        "are columns of the data set. The notices that MIT and Unicode-3.0 ask for are in",
        "pai_modelscope/assets/dataset/LICENSES.txt.",
        "",
        "Names. Chinese names and keywords of emoji: Unicode CLDR, Copyright 2004-2026 Unicode, Inc., Unicode-3.0;",
        "emojibase-data, Copyright 2017-2019 Miles Johnson, MIT. Of icons: IconPark, ByteDance, Apache-2.0.",
    ]
    return "\n".join(lines) + "\n"
