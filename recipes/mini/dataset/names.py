"""Chinese names and keywords of emoji, from Unicode CLDR and emojibase."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from recipes.mini.dataset import codepoints
from recipes.mini.dataset.packages import load_json

_CJK = re.compile(r"[\u4e00-\u9fff]")
# CLDR's names that hold no Chinese, or that another emoji bears as well.
_NAMES = {"1F44C": "OK手形", "1F4C0": "DVD光盘", "1F9EC": "DNA双螺旋", "24C2": "圆圈M", "1F646": "OK姿势"}
# Regional codes of territories and unions: their flags are no national flags.
_NO_STATES = re.compile(
    "A[CIQSWX]|B[LMQV]|C[CKPQX]|DG|E[AHU]|F[KO]|G[FGILPSU]|H[KM]|I[CMO]|JE|KY|M[FOPQS]|N[CFU]|P[FMNR]|RE|S[HJX]|"
    "T[ACFKW]|U[MN]|V[GI]|WF|XK|YT"
)
_BRACKETS = re.compile(r'[“”"\'‘’「」]')


@dataclass
class Names:
    """The name a caption uses, its full synonyms, and looser keywords; all Chinese, none repeated."""

    name: str
    aliases: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)


def mostly_chinese(text: str) -> bool:
    return len(_CJK.findall(text)) >= 0.3 * max(len(text), 1)


def clean(text: str) -> str:
    """Make a label sound like a name: no quotes, no "A: B" form, no stray spaces or punctuation."""
    text = _BRACKETS.sub("", text.strip().strip(":")).replace("_", " ")
    head, colon, tail = text.replace("：", ":").partition(":")
    if colon:
        text = _join(head.strip(), re.sub(r"[，,、\s]+", "", tail))
    text = re.sub(r"[!！?？]\s*(?=\S)", "", text)
    return re.sub(r"\s+", "", text)


def _join(head: str, tail: str) -> str:
    if head == "家庭":
        return f"{tail}组成的家庭"
    if tail.startswith("面向"):
        return f"{tail}的{head}"
    if head in ("旗", "旗帜"):
        return f"{tail}旗帜"
    return f"{head}{tail}" if head in ("按键", "键帽") else f"{tail}{head}"


def country_code(key: str) -> str:
    """`1F1E8-1F1F3` to `CN`."""
    return "".join(chr(int(part, 16) - 0x1F1E6 + ord("A")) for part in key.split("-"))


class ChineseNames:
    """Looks up the Chinese names of an emoji key; `None` where no source has one."""

    def __init__(self, npm: Path):
        self._labels: dict[str, list[str]] = {}
        self._keywords: dict[str, list[str]] = {}
        self._entries = codepoints.entries(npm)
        self._read_cldr(npm)
        self._read_emojibase(npm)

    def _read_cldr(self, npm: Path) -> None:
        for package, part in (("annotations", "annotations"), ("annotations-derived", "annotationsDerived")):
            table = load_json(npm / f"cldr-{package}-full" / part / "zh/annotations.json")[part]["annotations"]
            for text, entry in table.items():
                self._add(codepoints.key_of_text(text), entry.get("tts", []), entry.get("default", []))

    def _read_emojibase(self, npm: Path) -> None:
        for emoji in load_json(npm / "emojibase-data/zh/data.json"):
            for form in (emoji, *emoji.get("skins", ())):
                self._add(codepoints.key_of_hex(form["hexcode"]), [form["label"]], form.get("tags", []))

    def _add(self, key: str, labels: list[str], keywords: list[str]) -> None:
        self._labels.setdefault(key, []).extend(labels)
        self._keywords.setdefault(key, []).extend(keywords)

    @cache  # noqa: B019 - one instance lives as long as the build
    def __call__(self, key: str) -> Names | None:
        labels = [clean(label) for label in self._labels.get(key, ())]
        entry = self._entries.get(key)
        if entry and entry.subgroup == "country-flag" and not _NO_STATES.fullmatch(country_code(key)):
            labels = [re.sub("旗帜$", "国旗", label) for label in labels]
        if key in _NAMES:
            labels.insert(0, _NAMES[key])
        labels = _unique(label for label in labels if mostly_chinese(label))
        if not labels:
            return None
        words = _unique(word.strip() for word in self._keywords.get(key, ()))
        keywords = [word for word in words if _CJK.search(word) and ":" not in word and word not in labels]
        return Names(labels[0], labels[1:], keywords)


def _unique(items) -> list[str]:
    return list(dict.fromkeys(items))
