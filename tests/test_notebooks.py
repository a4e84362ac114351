"""Notebooks: made from their sources, written for Chinese readers, and they run and prove what they claim."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from notebooks import build

SECTIONS = ["简介", "费用与资源说明", "准备工作", "结果与检验", "延伸"]
LONGEST_CELL = 30
SOURCES = build.sources()
each = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def cells(source: Path, kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(build.target(source).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_notebooks_and_none_is_left_over() -> None:
    assert len(SOURCES) >= 2
    assert {path.name for path in build.HERE.glob("*.ipynb")} == {build.target(source).name for source in SOURCES}


@each
def test_in_sync_with_the_source(source: Path) -> None:
    assert build.target(source).read_text(encoding="utf-8") == build.render(source), "run 'make notebooks-sync'"


@each
def test_no_outputs(source: Path) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(source, "code"))


@each
def test_one_cell_of_parameters(source: Path) -> None:
    tagged = [cell for cell in cells(source, "code") if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert "FAST = False" in text(tagged[0]), "a reader runs it in full; the tests set FAST"


@each
def test_written_for_chinese_readers(source: Path) -> None:
    prose = [text(cell) for cell in cells(source, "markdown")]
    title, subtitle = [line for line in prose[0].splitlines() if line.strip()][:2]
    assert re.match(r"# .*[\u4e00-\u9fff]", title)
    assert re.fullmatch(r"\*[\x20-\x7e]+\*", subtitle), "an English line under the title"
    assert all(re.search(r"[\u4e00-\u9fff]", part) for part in prose)
    headings = re.findall(r"^## (.+)$", "\n".join(prose), flags=re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS


@each
def test_ends_on_a_check_that_can_fail(source: Path) -> None:
    code = [text(cell) for cell in cells(source, "code")]
    last = ast.parse(code[-1]).body[-1]
    assert isinstance(last, ast.Assert)
    assert not isinstance(last.test, ast.Constant), "an assert on a constant proves nothing"


@each
def test_cells_are_short_and_call_the_package(source: Path) -> None:
    code = [text(cell) for cell in cells(source, "code")]
    assert max(len(cell.splitlines()) for cell in code) <= LONGEST_CELL
    assert any("pai_modelscope" in cell for cell in code)


@each
def test_runs(source: Path, tmp_path: Path) -> None:
    executed = build.run([source.stem], fast=True, results=tmp_path)
    notebook = json.loads(executed[0].read_text(encoding="utf-8"))
    assert all(cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code")
