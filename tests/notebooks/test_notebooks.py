"""Notebooks: made from their sources, written for Chinese readers, and they run and prove what they claim."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from notebooks import build, execute
from tests.support import notebook_rules as rules

SOURCES = build.sources()
WITH_PAIRS = {"06_editing", "09_food"}
# All run whole by `make notebooks`, and in their quick form by `make test-slow`. In `make test`, one stands for all;
# what 01 calls runs as the README's Python, see test_docs.py.
ALWAYS_RUN = {"06_editing"}
each = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_there_are_notebooks_and_none_is_left_over() -> None:
    assert len(SOURCES) >= 10
    assert {path.name for path in build.HERE.glob("*.ipynb")} == {build.target(source).name for source in SOURCES}


@each
def test_in_sync_with_the_source(source: Path) -> None:
    assert build.target(source).read_text(encoding="utf-8") == build.render(source), "run 'make notebooks-sync'"


@each
def test_of_one_form(source: Path) -> None:
    assert rules.problems(read(build.target(source))) == []


@each
def test_guides_list_it(source: Path) -> None:
    for language in ("en", "zh"):
        guide = build.HERE.parent / "docs" / language / "notebooks.md"
        assert f"(../../notebooks/{build.target(source).name})" in guide.read_text(encoding="utf-8")


def test_pictures_before_and_after() -> None:
    assert {path.stem for path in SOURCES if rules.tagged(read(build.target(path)), "before-after")} == WITH_PAIRS


@pytest.mark.parametrize(
    "source",
    [pytest.param(path, marks=[] if path.stem in ALWAYS_RUN else [pytest.mark.slow]) for path in SOURCES],
    ids=lambda path: path.stem,
)
def test_runs(source: Path, tmp_path: Path) -> None:
    found = execute.run(source, fast=True, results=tmp_path)
    executed = read(tmp_path / build.target(source).name)
    recorded = execute.read_record()[source.stem]["fast"]["figures"]
    assert execute.moved(found.figures, recorded, "fast") == []
    assert all(cell["execution_count"] for cell in rules.of_kind(executed, "code"))
    assert list(rules.pairs_shown(executed)) == []
    assert "widgets" not in executed["metadata"]
    for cell in rules.tagged(executed, "before-after"):
        assert len({size(out) for out in cell["outputs"] if "data" in out}) == 1, "pictures of one size"


def size(output: dict[str, Any]) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))).size


def remove_line(start: str) -> Callable[[dict[str, Any]], None]:
    """Take the first line that begins so away."""

    def change(notebook: dict[str, Any]) -> None:
        for cell in notebook["cells"]:
            lines = cell["source"]
            if found := [line for line in lines if line.startswith(start)]:
                lines.remove(found[0])
                return
        raise AssertionError(f"no line begins with {start}")

    return change


def replace(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        before = json.dumps(notebook["cells"])
        for cell in notebook["cells"]:
            cell["source"] = [line.replace(old, new) for line in cell["source"]]
        assert before != json.dumps(notebook["cells"]), f"{old} does not occur"

    return change


def last_code(*lines: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: rules.of_kind(notebook, "code")[-1].update(source=[f"{line}\n" for line in lines])


def figure(*lines: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: rules.tagged(notebook, "figures")[0].update(source=[f"{line}\n" for line in lines])


def swap(one: int, other: int) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        cells = notebook["cells"]
        cells[one], cells[other] = cells[other], cells[one]

    return change


def untag(tag: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: rules.tagged(notebook, tag)[0].update(metadata={})


def output(notebook: dict[str, Any]) -> None:
    rules.of_kind(notebook, "code")[0]["outputs"].append({"output_type": "stream", "name": "stdout", "text": "1"})


def title_in_english(notebook: dict[str, Any]) -> None:
    notebook["cells"][0]["source"][0] = "# The first picture\n"


def only_common_sections(notebook: dict[str, Any]) -> None:
    kept = {f"## {name}\n" for name in rules.FIRST + rules.LAST}
    for cell in notebook["cells"]:
        cell["source"] = [line for line in cell["source"] if not line.startswith("## ") or line in kept]


def pair(source: str) -> dict[str, Any]:
    """A cell of pictures before and after."""
    cell = {"cell_type": "code", "id": "x", "metadata": {"tags": ["before-after"]}, "source": [source]}
    return cell | {"outputs": [], "execution_count": None}


BREAKAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "widgets": (lambda notebook: notebook["metadata"].update(widgets={}), "metadata"),
    "kernel": (lambda notebook: notebook["metadata"]["kernelspec"].update(name="mine"), "metadata"),
    "output": (output, "outputs"),
    "count": (lambda notebook: rules.of_kind(notebook, "code")[0].update(execution_count=1), "outputs"),
    "english line": (remove_line("*"), "first_cell"),
    "english title": (title_in_english, "first_cell"),
    "no title": (remove_line("# "), "first_cell"),
    "badges": (remove_line("[!["), "first_cell"),
    "one badge": (replace("colab.research.google.com/github", "example.org"), "first_cell"),
    "section": (remove_line("## 费用与资源说明"), "sections"),
    "order of sections": (replace("## 准备工作", "## 结果与检验"), "sections"),
    "nothing between": (only_common_sections, "sections"),
    "english text": (lambda notebook: notebook["cells"][2].update(source=["English"]), "sections"),
    "nothing of the package": (replace("pai_modelscope", "package"), "cells"),
    "training without steps": (last_code("assert fine_tune(SEED)"), "parameters"),
    "one picture": (lambda notebook: notebook["cells"].insert(-9, pair("display(1)")), "pairs"),
    "installation": (replace("is None", "is not None"), "parameters"),
    "parameters": (untag("parameters"), "parameters"),
    "a parameter": (remove_line("DEVICE = "), "parameters"),
    "fast": (replace("FAST = False", "FAST = True"), "parameters"),
    "long cell": (last_code(*["assert SEED"] * 31), "cells"),
    "long function": (last_code("def f():", *["    SEED"] * 40), "cells"),
    "no figures": (untag("figures"), "figures"),
    "figures elsewhere": (swap(-3, -2), "figures"),
    "figures without names": (figure("[1, 2]"), "figures"),
    "figures with computed names": (figure("{str(SEED): 1}"), "figures"),
    "no assertion": (last_code("print(SEED)"), "ending"),
    "constant assertion": (last_code("assert True"), "ending"),
    "more than assertions": (last_code("seed = SEED", "assert seed"), "ending"),
    "last section": (swap(-1, -2), "ending"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_is_broken_is_seen(breakage: str) -> None:
    notebook = read(build.target(SOURCES[0]))
    change, rule = BREAKAGES[breakage]
    change(notebook)
    assert rule in {problem.split(":")[0] for problem in rules.problems(notebook)}


def test_a_fork_changes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "REPOSITORY", "https://github.com/someone/fork")
    rendered = build.render(SOURCES[0])
    assert rendered.count("someone/fork/blob/main/notebooks/01_first_picture.ipynb") == 2
    assert "git+https://github.com/someone/fork" in rendered
    assert "pai-modelscope/" not in rendered
