"""The table of all notebooks, from what their last recorded runs took and found, into the READMEs.

python -m notebooks.table      # write the tables anew
"""

import json
import re
from pathlib import Path
from typing import Any

from notebooks import build
from pai_modelscope.files import write_text

RECORD = build.HERE / "results.json"
ROOT = build.HERE.parent
BEGIN, END = "<!-- notebooks: made by python -m notebooks.table -->", "<!-- end of notebooks -->"
SHOWN = 2  # figures a notebook, which names first what it claims
HEADS = {
    "README.md": ("notebook", "about", "time", "memory", "figures"),
    "README.zh.md": ("Notebook", "内容", "时间", "内存", "数字"),
}

ENGLISH = {
    "两种方式最大相差": "both ways differ by, of 255,",
    "正确名称名次的中位数": "median rank of the right name",
    "背景颜色正确的比例": "backgrounds of the right colour",
    "长提示词的分段": "chunks of the long prompt",
    "描边卡通，底模": "style recognised: base model",
    "描边卡通，装上 LoRA": "with the LoRA",
    "比底模的花更像向日葵的比例": "nearer to real sunflowers than the base model's flowers",
    "更像向日葵而不是底模的花的比例": "nearer to sunflowers than to its flowers",
    "比底模的鸟更像企鹅的朵拉鸟": "nearer to real penguins than the base model's birds",
    "与企鹅的相似度，底模的鸟": "likeness to penguins: base model's birds",
    "strength 最小时与原图相差": "distance to the original at the least strength",
    "strength 最大时与原图相差": "at the most",
    "边缘吻合，没有控制": "agreement of edges: without control",
    "边缘吻合，有控制": "with control",
    "认得出食物，底模": "food recognised: base model",
    "认得出食物，美食模型": "food model",
    "十亿参数模型的参数，百万": "millions of parameters of the large model",
    "算出的画图显存，GiB": "GiB to draw, computed",
    "VAE 的平均 PSNR": "mean PSNR of the VAE, dB",
    "潜变量的平均": "mean of the latents",
}


def read_record() -> dict[str, Any]:
    """By notebook, then by form ('full', 'fast'): seconds, peak_gib, figures."""
    return dict(json.loads(RECORD.read_text(encoding="utf-8"))) if RECORD.exists() else {}


def titles(source: Path) -> tuple[str, str]:
    """The Chinese title of a notebook, and the English line under it."""
    text = source.read_text(encoding="utf-8")
    (chinese, _), (_, english) = re.findall(r"^# (?:# (.+)|\*(.+)\*)$", text, flags=re.MULTILINE)[:2]
    return chinese, english


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def table(rows: dict[str, dict[str, Any]], readme: str = "README.md") -> str:
    """Markdown: a line a notebook; those that are not in `rows`, a record by notebook, have no figures."""
    names = ENGLISH if readme == "README.md" else {}
    lines = ["| " + " | ".join(HEADS[readme]) + " |", "| --- | --- | ---: | ---: | --- |"]
    for source in build.sources():
        link = f"[{source.stem[:2]}](notebooks/{build.target(source).name})"
        about, took = titles(source)[readme == "README.md"], ["", "", ""]
        if row := rows.get(source.stem):
            shown = list(row["figures"].items())[:SHOWN]
            figures = ", ".join(f"{names.get(name, name)} {value:g}" for name, value in shown)
            took = [duration(row["seconds"]), f"{row['peak_gib']:.1f} GiB", figures]
        lines.append(f"| {link} | {about} | {' | '.join(took)} |")
    return "\n".join(lines)


def in_readme(readme: str) -> str:
    """The README with the table of what is recorded between its two marks."""
    rows = {name: forms["full"] for name, forms in read_record().items() if "full" in forms}
    text = (ROOT / readme).read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(rows, readme)}\n\n{END}{rest.split(END)[1]}"


def update_readmes() -> None:
    for readme in HEADS:
        write_text(ROOT / readme, in_readme(readme))


if __name__ == "__main__":
    update_readmes()
