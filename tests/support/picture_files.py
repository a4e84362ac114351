"""Training sets of shipped pictures, written in any form that users bring."""

import base64
import io
import json
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import datasets
from PIL import Image

from pai_modelscope.data import open_dataset
from pai_modelscope.data.examples import PictureReference

# Widths and heights: a square, lying and upright ones.
SIZES = ((96, 96), (144, 96), (96, 144), (96, 96), (128, 96), (96, 128))
FEATURES = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})


@cache
def picture(number: int) -> Image.Image:
    """A shipped picture, made as wide or high as SIZES has it; its left and right sides differ."""
    row = open_dataset("food_test", size=96)[number]["image"]
    ground = Image.new("RGB", SIZES[number % len(SIZES)], (250, 240 - 20 * number, 200))
    ground.paste(row.resize((80, 80)), (2, 4))
    return ground


def name(number: int) -> str:
    return open_dataset("food_test", size=16)[number]["name"]


def png(number: int) -> bytes:
    file = io.BytesIO()
    picture(number).save(file, "PNG")
    return file.getvalue()


def write_metadata(folder: Path, count: int = 4, **columns) -> Path:
    """A folder with metadata.jsonl; `columns`: functions of a number, for more of a row."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        (folder / f"{number}.png").write_bytes(png(number))
        rows.append({"file_name": f"{number}.png", "text": name(number), **{k: f(number) for k, f in columns.items()}})
    write_rows(folder, rows)
    return folder


def write_rows(folder: Path, rows: list[dict]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


def write_plain(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(png(number))
        (folder / f"{number}.txt").write_text(name(number), encoding="utf-8")
    return folder


def write_tsv(file: Path, count: int = 3) -> Path:
    lines = (f"{number}\t{name(number)}\t{base64.b64encode(png(number)).decode()}\n" for number in range(count))
    file.write_text("".join(lines), encoding="utf-8")
    return file


def write_tar(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def members(first: int, count: int) -> dict[str, bytes]:
    made = {}
    for number in range(first, first + count):
        made[f"{number:03d}.png"] = png(number)
        made[f"{number:03d}.txt"] = name(number).encode()
    return made


def write_parquet(file, count=3, column="image"):
    rows = [{column: {"bytes": png(n), "path": f"{n}.png"}, "text": name(n)} for n in range(count)]
    datasets.Dataset.from_list(rows).to_parquet(str(file))
    return file


@dataclass(frozen=True, eq=False)
class Painted(PictureReference):
    """A picture in memory."""

    image: Image.Image

    def read(self) -> Image.Image:
        return self.image.copy()
