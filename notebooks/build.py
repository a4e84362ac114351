"""Notebooks are written as `src/NN_name.py` (jupytext percent format); the `.ipynb` beside them are generated.

python -m notebooks.build     # src/*.py -> *.ipynb, without outputs
"""

import argparse
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Where the notebooks lie for those who open them by a badge. A fork changes this line, and runs `make notebooks-sync`.
REPOSITORY = "https://github.com/pai-modelscope/pai_modelscope"
BRANCH = "main"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def sources(names: list[str] | None = None) -> list[Path]:
    """The source files, all or those whose name begins with one of `names`."""
    return sorted(path for path in (HERE / "src").glob("*.py") if not names or path.stem.startswith(tuple(names)))


def target(source: Path) -> Path:
    return HERE / f"{source.stem}.ipynb"


def badges(source: Path) -> str:
    """One line of Markdown: the places where a reader opens the notebook without installing anything.

    PAI-DSW and Colab take the file's address; ModelScope opens the reader's own machine, where it is uploaded.
    """
    page = f"{REPOSITORY}/blob/{BRANCH}/notebooks/{target(source).name}"
    colab = page.removeprefix("https://github.com/")
    places = {
        "在 PAI-DSW 中打开": (
            "https://modelscope.oss-cn-beijing.aliyuncs.com/resource/Open-in-DSW20px.svg",
            f"https://gallery.pai-ml.com/#/import/{page}",
        ),
        "在 ModelScope 中打开": (
            "https://img.shields.io/badge/Open%20in-ModelScope-624aff",
            "https://modelscope.cn/my/mynotebook",
        ),
        "在 Colab 中打开": (
            "https://colab.research.google.com/assets/colab-badge.svg",
            f"https://colab.research.google.com/github/{colab}",
        ),
    }
    return " ".join(f"[![{label}]({picture})]({link})" for label, (picture, link) in places.items())


def render(source: Path) -> str:
    """The notebook as JSON text: no outputs, and cell ids that do not change from one run to the next."""
    import jupytext
    import nbformat

    notebook = jupytext.read(source, fmt="py:percent")
    title, subtitle, rest = re.split(r"\n\n", notebook.cells[0].source, maxsplit=2)
    notebook.cells[0].source = "\n\n".join([title, subtitle, badges(source), rest])
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.source = cell.source.replace("git+{REPOSITORY}", f"git+{REPOSITORY}")
        cell.id = f"cell-{number:02d}"
        cell.metadata = nbformat.from_dict({"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {})
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def sync() -> None:
    for source in sources():
        target(source).write_text(render(source), encoding="utf-8")
        print(f"written: {target(source).relative_to(HERE.parent)}")


def main() -> None:
    argparse.ArgumentParser("python -m notebooks.build", description=__doc__).parse_args()
    sync()


if __name__ == "__main__":
    main()
