"""The brush font of scrolls: a subset of Zhi Mang Xing, by how common characters are in verse.

    python -m recipes.mini_v2.brush_font --poems chinese-poetry/dist/quantangshi --font FILE.woff

Poems are those of npm's `chinese-poetry`, the font that of npm's `@fontsource/zhi-mang-xing`.
"""

import argparse
import io
import json
import lzma
from collections import Counter
from pathlib import Path

from pai_modelscope.prompting.simplified import simplified

OUT = Path("pai_modelscope/assets/fonts/ZhiMangXing-Regular-subset.ttf.xz")
_ALWAYS = "零一二三四五六七八九十年月日春夏秋冬派印章画诗书甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
_UNITS = 160  # of an em: finer than a scroll shows
_DROPPED = "GSUB GPOS GDEF BASE VORG DSIG STAT gasp meta vhea vmtx"


def commonest(poems: Path) -> list[str]:
    """Characters of every fourth file, the commonest first."""
    counts: Counter[str] = Counter()
    for path in sorted(poems.glob("poet.*.json"))[::4]:
        texts = ("".join(poem.get("paragraphs", [])) for poem in json.loads(path.read_text(encoding="utf-8")))
        counts.update(simplified("".join(texts)))
    return [character for character, _ in counts.most_common() if "\u3400" <= character <= "\u9fff"]


def cut(font: Path, characters: list[str], count: int) -> bytes:
    """The subset of the first `count` characters that the font has, as TrueType."""
    from fontTools import subset
    from fontTools.ttLib import TTFont
    from fontTools.ttLib.scaleUpem import scale_upem

    made = TTFont(font)
    there = made.getBestCmap()
    kept = [character for character in characters if ord(character) in there][:count]
    options = subset.Options(
        hinting=False,
        layout_features=[],
        notdef_outline=True,
        drop_tables=_DROPPED.split(),
        name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14],
    )
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=sorted({ord(character) for character in (*kept, *_ALWAYS) if ord(character) in there}))
    cutter.subset(made)
    scale_upem(made, _UNITS)
    made.flavor = None
    content = io.BytesIO()
    made.save(content, reorderTables=None)
    return content.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.brush_font")
    parser.add_argument("--poems", type=Path, required=True)
    parser.add_argument("--font", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3000)
    args = parser.parse_args()
    content = cut(args.font, commonest(args.poems), args.count)
    OUT.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
