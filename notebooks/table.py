"""The guides' tables of all notebooks and of what training reached, from what their last recorded runs found.

python -m notebooks.table      # write the tables anew
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from notebooks import build
from pai_modelscope.files import write_text

RECORD = build.HERE / "results.json"
ROOT = build.HERE.parent
MARKS = "<!-- {0}: made by python -m notebooks.table -->", "<!-- end of {0} -->"
LANGUAGES = ("en", "zh")
HEADS = {
    "en": ("notebook", "about", "time", "memory", "figures"),
    "zh": ("Notebook", "内容", "时间", "内存", "数字"),
}
# What the tables show of a notebook's figures, with the English name.
SHOWN = {
    "01_first_picture": {
        "两种方式最大相差": "most that both ways differ by, of 255",
        "正确名称名次的中位数": "median rank of the right name",
    },
    "02_prompts_and_zoo": {
        "背景颜色正确的比例": "backgrounds of the right colour",
        "两个同时用，黄色背景的比例": "of the right colour with two LoRAs at once",
    },
    "03_lora": {
        "描边卡通，底模": "style recognised, base model",
        "描边卡通，装上 LoRA": "style recognised, with the LoRA",
    },
    "04_textual_inversion": {
        "比底模的花更像向日葵的比例": "nearer to real sunflowers than the base model's flowers",
        "认得出是向日葵，新词": "recognised as sunflowers",
    },
    "05_dreambooth": {
        "与企鹅的相似度，底模的鸟": "likeness to penguins, base model's birds",
        "与企鹅的相似度，训练后的朵拉鸟": "likeness to penguins, taught",
        "鸟仍是鸟，有类别图": "birds that are still birds",
    },
    "06_editing": {
        "strength 最小时与原图相差": "distance to the original, least strength",
        "strength 最大时与原图相差": "distance to the original, most",
    },
    "07_controlnet": {
        "边缘吻合，没有控制": "agreement of edges, without control",
        "边缘吻合，有控制": "agreement of edges, with control",
    },
    "09_food": {
        "认对的菜，底模": "dishes recognised, base model",
        "认对的菜，美食模型": "dishes recognised, food model",
        "认对的菜，画师的图": "dishes recognised, painted pictures",
    },
    "11_big_checkpoints": {
        "十亿参数模型的参数，百万": "millions of parameters of the large model",
        "算出的画图显存，GiB": "GiB to draw, computed",
    },
    "12_how_the_model_was_made": {
        "R@5，画的图": "right name in the first five, drawn",
        "R@5，真实的图": "right name in the first five, real pictures",
        "VAE 的平均 PSNR": "mean PSNR of the VAE, dB",
    },
    "13_poem_to_picture": {
        "读出的景物": "share of the things named in six lines that is read",
        "立轴的高宽比": "height of the scroll to its width",
    },
    "14_service": {
        "三个客户端的图最大相差": "greatest difference between the pictures of three clients",
        "途中有预览": "previews come on the way (1: yes)",
        "取消以后至多再走一步": "a cancelled job takes one more step at most (1: yes)",
        "kill -9 前后的图最大相差": "greatest difference between a picture before kill -9 and after",
        "带标识的文件": "labelled files of two",
    },
}


class Taught(NamedTuple):
    """A line of the table of training: what was taught in a notebook, and its figures of the two models."""

    method: str
    notebook: str
    english: str
    chinese: str
    base: str | None
    trained: str
    of: str | None = None  # what both are a share of


TAUGHT = (
    Taught(
        "lora",
        "03_lora",
        "a style held out of the base model: pictures recognised as it",
        "底模没有见过的画风：被认作这种画风的图",
        "描边卡通，底模",
        "描边卡通，装上 LoRA",
    ),
    Taught(
        "textual-inversion",
        "04_textual_inversion",
        "向日葵, from nine pictures: nearer to real ones than the base model's 花",
        "向日葵，九张图：比底模的花更像真正的向日葵",
        None,
        "比底模的花更像向日葵的比例",
    ),
    Taught(
        "dreambooth",
        "05_dreambooth",
        "企鹅, from nine pictures: nearer to real ones than the base model's 鸟",
        "企鹅，九张图：比底模的鸟更像真正的企鹅",
        None,
        "比底模的鸟更像企鹅的朵拉鸟",
    ),
    Taught(
        "dreambooth",
        "05_dreambooth",
        "鸟 still drawn as a bird",
        "鸟画出来仍是鸟",
        "鸟仍是鸟，底模",
        "鸟仍是鸟，有类别图",
    ),
    Taught(
        "dreambooth",
        "05_dreambooth",
        "the same without class pictures",
        "同上，没有类别图",
        "鸟仍是鸟，底模",
        "鸟仍是鸟，没有类别图",
    ),
    Taught(
        "controlnet",
        "07_controlnet",
        "along pictures without colours: agreement of edges; base model: with the shipped ControlNet",
        "照没有颜色的图画：边缘吻合的程度；底模用自带的 ControlNet",
        "直接读没有颜色的图，自带的",
        "直接读没有颜色的图，自己训练的",
    ),
    Taught(
        "full",
        "09_food",
        "which of eight dishes it is: recognised, share of painted pictures",
        "八道菜里的哪一道：认对的与画师的图之比",
        "认对的菜，底模",
        "认对的菜，美食模型",
        "认对的菜，画师的图",
    ),
)


def read_record() -> dict[str, Any]:
    """By notebook, then by form ('full', 'fast'): seconds, peak_gib, figures."""
    return dict(json.loads(RECORD.read_text(encoding="utf-8"))) if RECORD.exists() else {}


def titles(source: Path) -> tuple[str, str]:
    """The Chinese title of a notebook, and the English line under it."""
    text = source.read_text(encoding="utf-8")
    (chinese, _), (_, english) = re.findall(r"^# (?:# (.+)|\*(.+)\*)$", text, flags=re.MULTILINE)[:2]
    return chinese, english


def duration(seconds: float, english: bool) -> str:
    number, unit = (seconds, ("s", "秒")) if seconds < 90 else (seconds / 60, ("min", "分钟"))
    return f"{number:.0f} {unit[not english]}"


def table(rows: dict[str, dict[str, Any]], language: str = "en") -> str:
    """Markdown: a line a notebook and one for all; those that are not in `rows`, a record by notebook, are empty."""
    english = language == "en"
    lines = ["| " + " | ".join(HEADS[language]) + " |", "| --- | --- | ---: | ---: | --- |"]
    for source in build.sources():
        link = f"[{source.stem[:2]}](../../notebooks/{build.target(source).name})"
        about, took = titles(source)[english], ["", "", ""]
        if row := rows.get(source.stem):
            shown = [
                f"{name if english else own}{': ' if english else '：'}{round(row['figures'][own], 2):g}"
                for own, name in SHOWN.get(source.stem, {name: name for name in row["figures"]}).items()
            ]
            figures = ("; " if english else "；").join(shown)
            took = [duration(row["seconds"], english), f"{row['peak_gib']:.1f} GiB", figures]
        lines.append(f"| {link} | {about} | {' | '.join(took)} |")
    if rows:
        took = [duration(sum(row["seconds"] for row in rows.values()), english)]
        took += [f"{max(row['peak_gib'] for row in rows.values()):.1f} GiB", ""]
        lines.append(f"| | {'all' if english else '合计'} | {' | '.join(took)} |")
    return "\n".join(lines)


def training_table(rows: dict[str, dict[str, Any]], language: str = "en") -> str:
    """Markdown: what each method taught the shipped model, a line each of `TAUGHT` that is in `rows`."""
    english = language == "en"
    head = ("method", "taught", "base model", "trained", "notebook")
    lines = ["| " + " | ".join(head if english else ("方法", "教什么", "底模", "训练后", "Notebook")) + " |"]
    lines.append("| --- | --- | ---: | ---: | --- |")
    for line in TAUGHT:
        if row := rows.get(line.notebook):
            whole = row["figures"][line.of] if line.of else 1
            base, trained = (
                f"{row['figures'][name] / whole:.2f}" if name else "" for name in (line.base, line.trained)
            )
            link = f"[{line.notebook[:2]}](../../notebooks/{line.notebook}.ipynb)"
            taught = line.english if english else line.chinese
            lines.append(f"| `{line.method}` | {taught} | {base} | {trained} | {link} |")
    return "\n".join(lines)


def guides(language: str) -> dict[Path, tuple[str, str]]:
    """The guides that hold a table: its name between the marks, and the table of what is recorded."""
    rows = {name: forms["full"] for name, forms in read_record().items() if "full" in forms}
    folder = ROOT / "docs" / language
    return {
        folder / "notebooks.md": ("notebooks", table(rows, language)),
        folder / "fine-tune.md": ("training", training_table(rows, language)),
    }


def in_guide(guide: Path, name: str, made: str) -> str:
    """The guide's text with the table between its two marks."""
    begin, end = (mark.format(name) for mark in MARKS)
    before, rest = guide.read_text(encoding="utf-8").split(begin)
    return f"{before}{begin}\n\n{made}\n\n{end}{rest.split(end)[1]}"


def update_guides() -> None:
    for language in LANGUAGES:
        for guide, (name, made) in guides(language).items():
            write_text(guide, in_guide(guide, name, made))


if __name__ == "__main__":
    update_guides()
