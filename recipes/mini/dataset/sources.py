"""The collections that make up the training set, and how each one's pictures become records."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.mini.dataset import codepoints, packages
from recipes.mini.dataset.names import ChineseNames, mostly_chinese

Record = dict[str, Any]
ALLOWED_LICENSES = ("Apache-2.0", "CC-BY-4.0", "MIT")


@dataclass(frozen=True)
class Source:
    """A collection: its npm package, its style in Chinese, and the family of styles whose designs it shares.

    `base` is False for IconPark: 2,400 abstract icons in each of four weights are more than a UNet of this size can
    hold beside the emoji. The VAE, CLIP and the judge see them, the UNet does not.
    """

    name: str
    style: str
    style_family: str
    license: str
    author: str
    kind: str = "emoji"
    base: bool = True

    @property
    def package(self) -> str:
        return "@lobehub/fluent-emoji-3d" if self.kind == "3d" else f"@iconify-json/{self.name}"


_MICROSOFT = "Microsoft Corporation (Fluent Emoji)"
_GOOGLE = "Google Inc (Noto Emoji)"
_EMOJITWO = "EmojiOne and EmojiTwo contributors"
_BYTEDANCE = "ByteDance (IconPark)"
SOURCES = (
    Source("twemoji", "扁平插画风格", "twemoji", "CC-BY-4.0", "Twitter, Inc and other contributors (Twemoji)"),
    Source("noto", "渐变卡通风格", "noto", "Apache-2.0", _GOOGLE),
    Source("noto-v1", "圆润贴纸风格", "noto-v1", "Apache-2.0", _GOOGLE),
    Source("fluent-emoji", "立体渐变风格", "fluent", "MIT", _MICROSOFT),
    Source("fluent-emoji-flat", "现代扁平风格", "fluent", "MIT", _MICROSOFT),
    Source("fluent-emoji-high-contrast", "黑白剪影风格", "fluent", "MIT", _MICROSOFT),
    Source("fluent-emoji-3d", "三维立体风格", "fluent", "MIT", _MICROSOFT, kind="3d"),
    Source("emojione", "柔和彩绘风格", "emojione", "CC-BY-4.0", _EMOJITWO),
    Source("emojione-monotone", "单色图标风格", "emojione", "CC-BY-4.0", _EMOJITWO),
    Source("fxemoji", "淡彩风格", "fxemoji", "Apache-2.0", "Mozilla (Firefox OS Emoji)"),
    Source("icon-park", "双色线性图标风格", "icon-park", "Apache-2.0", _BYTEDANCE, kind="icon-park", base=False),
    Source("icon-park-outline", "线稿图标风格", "icon-park", "Apache-2.0", _BYTEDANCE, kind="icon-park", base=False),
    Source("icon-park-solid", "实心图标风格", "icon-park", "Apache-2.0", _BYTEDANCE, kind="icon-park", base=False),
    Source("icon-park-twotone", "双调图标风格", "icon-park", "Apache-2.0", _BYTEDANCE, kind="icon-park", base=False),
    Source("streamline-emojis", "描边卡通风格", "streamline", "CC-BY-4.0", "Streamline", kind="streamline"),
)
STYLE_FAMILIES = {source.name: source.style_family for source in SOURCES}

# Food and drink outside the emoji group "food-drink": the mushroom counts as a plant there.
_FOOD_FAMILIES = frozenset({"1F344"})
_FOOD_WORDS = re.compile(
    "苹果$|苹果汁|梨$|西瓜|葡萄|樱桃|草莓|菠萝|香蕉|橙子|柠檬|桃子|水果|蔬菜|萝卜|白菜|南瓜|玉米|蘑菇|辣椒|番茄|土豆|面包|蛋糕|饼干|糖果|"
    "巧克力|冰淇淋|雪糕|米饭|面条|饺子|寿司|汉堡$|披萨|薯条|鸡腿|鸡蛋|火锅|烧烤|奶茶|咖啡|茶杯|茶叶|泡茶|啤酒|红酒|葡萄酒|鸡尾酒|酒杯|"
    "酒瓶|牛奶|果汁|饮料|可乐|食物|食品|美食|蜂蜜|竹笋|牛油果|香槟|白酒"
)


class Reader:
    """Turns the pictures of a source into records; names and keys come from the same npm folder."""

    def __init__(self, npm: Path):
        self._npm = npm
        self._names = ChineseNames(npm)
        self._entries = codepoints.entries(npm)
        self._family_by_name = self._distinct_names()
        self._park = {icon["name"]: icon for icon in packages.load_json(npm / "@icon-park/svg/icons.json")}

    def records(self, source: Source) -> Iterator[Record]:
        """Records of one source, each with a distinct id; the split is added later."""
        read = {"emoji": self._emoji, "3d": self._rasters, "icon-park": self._icon_park, "streamline": self._streamline}
        yield from read[source.kind](source)

    def _distinct_names(self) -> dict[str, str]:
        """Chinese names to emoji families, so that an icon of the same thing moves with its emoji."""
        found: dict[str, str] = {}
        for key in self._entries:
            names = None if codepoints.has_skin_tone(key) or codepoints.is_variant(key) else self._names(key)
            if names:
                found.setdefault(names.name, codepoints.family(key))
        return found

    def _icons(self, source: Source) -> Iterator[packages.Icon]:
        misnamed = _MISNAMED.get(source.name, ())
        return (icon for icon in packages.icons(self._npm, source.name) if icon.name not in misnamed)

    def _emoji(self, source: Source) -> Iterator[Record]:
        seen: set[str] = set()
        for icon in self._icons(source):
            key = find_key(self._npm, icon.name, icon.synonyms)
            if key and key not in seen and (record := self._record(source, key, icon.name)):
                seen.add(key)
                yield record | {"svg": icon.svg}

    def _rasters(self, source: Source) -> Iterator[Record]:
        seen: set[str] = set()
        for path in sorted((self._npm / source.package / "assets").glob("*.webp")):
            key = codepoints.key_of_hex(path.stem)
            if key not in seen and (record := self._record(source, key, path.stem)):
                seen.add(key)
                yield record | {"raster": f"rasters/{source.name}/{key}.webp", "path": path}

    def _streamline(self, source: Source) -> Iterator[Record]:
        """Several drawings may share a key, so the icon's own name makes the id; people come in two skin colours."""
        for icon in self._icons(source):
            key = streamline_key(self._npm, icon.name)
            record = self._record(source, key, icon.name) if key else None
            if record:
                recoloured = record["group"] == "people-body" and bool(re.search(r"-[2-9]$", icon.name))
                variant = record["variant"] or recoloured
                yield record | {"id": f"{source.name}/{icon.name}", "variant": variant, "svg": icon.svg}

    def _record(self, source: Source, key: str, icon_name: str) -> Record | None:
        entry = self._entries.get(key)
        names = None if codepoints.has_skin_tone(key) else self._names(key)
        if entry is None or names is None:
            return None
        family = codepoints.family(key)
        return _common(source, self._npm, key, icon_name) | {
            "family": family,
            "name": names.name,
            "aliases": names.aliases,
            "keywords": names.keywords,
            "en_name": entry.label,
            "group": entry.group,
            "subgroup": entry.subgroup,
            "is_food": self._is_food(key) or family in _FOOD_FAMILIES,
            "is_flag": entry.subgroup in ("country-flag", "subdivision-flag"),
            "variant": codepoints.is_variant(key),
        }

    def _icon_park(self, source: Source) -> Iterator[Record]:
        for icon in packages.icons(self._npm, source.name):
            meta = self._park.get(icon.name)
            if meta is None or meta["category"] == "Brand":  # logos: trademarks, and mostly Latin names
                continue
            name = icon_title(meta["title"])
            if not mostly_chinese(name):
                continue
            tags = dict.fromkeys(tag.strip() for tag in meta["tag"] if tag.strip() and mostly_chinese(tag))
            is_food, family = self._food_and_family(meta["category"], name)
            yield _common(source, self._npm, icon.name, icon.name) | {
                "family": family,
                "name": name,
                "aliases": [],
                "keywords": [tag for tag in tags if tag != name],
                "en_name": icon.name.replace("-", " "),
                "group": meta["category"],
                "subgroup": meta["categoryCN"],
                "is_food": is_food,
                "is_flag": False,
                "variant": False,
                "svg": icon.svg,
            }

    def _food_and_family(self, category: str, name: str) -> tuple[bool, str]:
        """An icon joins the emoji family of its name, unless one is food and the other an animal (鱼, 火鸡)."""
        says_food = category == "Foods" or bool(_FOOD_WORDS.search(name))
        family = self._family_by_name.get(name)
        if family and self._is_food(family):
            return True, family
        return says_food, family if family and not says_food else f"icon-park:{name}"

    def _is_food(self, family: str) -> bool:
        return family in _FOOD_FAMILIES or self._entries[family].group == "food-drink"


def _common(source: Source, npm: Path, key: str, icon_name: str) -> Record:
    url = f"https://icon-sets.iconify.design/{source.name}/{icon_name}/"
    if source.kind == "3d":
        version = packages.package_version(npm, source.package)
        url = f"https://unpkg.com/{source.package}@{version}/assets/{icon_name}.webp"
    return {
        "id": f"{source.name}/{key}",
        "source": source.name,
        "key": key,
        "style_id": source.name,
        "style": source.style,
        "base": source.base,
        "license": source.license,
        "author": source.author,
        "url": url,
    }


def icon_title(title: str) -> str:
    """IconPark numbers its drawings of one thing (口红1, 口红2): the number is no part of the name."""
    title = re.sub(r"[\s\-_]+", "", title)
    return re.sub(r"(?<=[\u4e00-\u9fff])\d+$", "", title)


# Drawings that are not what Unicode's name says today: a revolver (now 水枪, a water pistol), a musical keyboard.
_MISNAMED = {
    "fxemoji": frozenset({"pistol", "keyboard", "construction"}),
    "noto-v1": frozenset({"pistol"}),
    "emojione": frozenset({"pistol"}),
    "emojione-monotone": frozenset({"pistol"}),
    "streamline-emojis": frozenset({"pistol"}),
}
_FIXES = {
    "wave": "water-wave",
    "a-button": "a-button-blood-type",
    "ab-button": "ab-button-blood-type",
    "b-button": "b-button-blood-type",
    "o-button": "o-button-blood-type",
    "exclamation-mark": "red-exclamation-mark",
}


def find_key(npm: Path, name: str, synonyms: tuple[str, ...] = ()) -> str | None:
    """The emoji that an English icon name stands for, `None` if unknown."""
    exact, squeezed = codepoints.keys_by_name(npm), codepoints.keys_by_squeezed_name(npm)
    flag = re.sub(r"^flag-for-(flag-)?", "flag-", name)
    candidates = (_FIXES.get(name, name), flag, *synonyms)
    found = (exact.get(candidate) for candidate in candidates)
    fallback = (squeezed.get(codepoints.squeeze(candidate)) for candidate in candidates)
    return next((key for key in (*found, *fallback) if key), None)


def streamline_key(npm: Path, name: str) -> str | None:
    """Streamline numbers its drawings and names countries without the word flag."""
    stem = re.sub(r"-\d$", "", name)
    return find_key(npm, f"flag-{stem}") or find_key(npm, stem)
