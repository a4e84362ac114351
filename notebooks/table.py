"""The table of all notebooks, from what their last recorded runs took and found, into the READMEs.

python -m notebooks.table      # write the tables anew
"""

import json
import re
from pathlib import Path
from typing import Any

from notebooks import build
from pai_modelscope.training.files import write_text

RECORD = build.HERE / "results.json"
ROOT = build.HERE.parent
BEGIN, END = "<!-- notebooks: made by python -m notebooks.table -->", "<!-- end of notebooks -->"
HEADS = {
    "README.md": ("notebook", "about", "time", "memory", "figures"),
    "README.zh.md": ("Notebook", "内容", "时间", "内存", "数字"),
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
    lines = ["| " + " | ".join(HEADS[readme]) + " |", "| --- | --- | ---: | ---: | --- |"]
    for source in build.sources():
        link = f"[{source.stem[:2]}](notebooks/{build.target(source).name})"
        about, took = titles(source)[readme == "README.md"], ["", "", ""]
        if row := rows.get(source.stem):
            figures = ", ".join(f"{name} {value:g}" for name, value in row["figures"].items())
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
