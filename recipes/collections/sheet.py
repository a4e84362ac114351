"""Contact sheets to look at: `python -m recipes.collections.sheet --pictures build/collections/collections.jsonl.xz`.

For each source 64 pictures, evenly spaced over its records, with what is said of them underneath.
"""

import argparse
import subprocess
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pai_modelscope.data.render import on_background, render_svg
from recipes.collections.portrait_captions import phrases
from recipes.mini.dataset.build import read_records
from recipes.mini.dataset.sources import Record

COLUMNS, NUMBER, CELL, LINES, LINE = 8, 64, 176, 3, 18
_GROUND = (208, 224, 234)  # white drawings show on it


def sheet(records: list[Record], font: Path) -> Image.Image:
    """Return a contact sheet, RGB, of up to 64 records of one source."""
    step = max(len(records) / NUMBER, 1)
    shown = [records[int(index * step)] for index in range(min(NUMBER, len(records)))]
    letters = ImageFont.truetype(str(font), 14)
    height = CELL + LINES * LINE + 4
    image = Image.new("RGB", (COLUMNS * CELL, -(-len(shown) // COLUMNS) * height), "white")
    draw = ImageDraw.Draw(image)
    for index, record in enumerate(shown):
        left, top = index % COLUMNS * CELL, index // COLUMNS * height
        image.paste(on_background(render_svg(record["svg"], CELL - 6), _GROUND), (left + 3, top + 3))
        for row, text in enumerate(_wrapped(_words(record), CELL // 14 - 1)[:LINES]):
            draw.text((left + 4, top + CELL + row * LINE - 2), text, fill="black", font=letters)
    return image


def _words(record: Record) -> str:
    if record["attributes"]:
        return "，".join([record["attributes"].get("person", "人"), *phrases(record["attributes"])])
    return "|".join([record["name"], *record["aliases"]])


def _wrapped(text: str, width: int) -> list[str]:
    return [text[start : start + width] for start in range(0, len(text), width)]


def chinese_font() -> Path:
    """Return a font with Chinese letters, as fontconfig finds it."""
    run = subprocess.run(["fc-match", "-f", "%{file}", ":lang=zh-cn"], capture_output=True, text=True, check=True)
    return Path(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, default=Path("build/collections/collections.jsonl.xz"))
    parser.add_argument("--out", type=Path, default=Path("build/collections/sheets"))
    parser.add_argument("--font", type=Path, help="a font file; by default one that fontconfig finds")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    font = options.font or chinese_font()
    for source, records in groupby(read_records(options.pictures), key=lambda record: record["source"]):
        path = options.out / f"{source}.png"
        sheet(list(records), font).save(path)
        print(path)


if __name__ == "__main__":
    main()
