"""Running notebooks: what fails is named, figures are read, and those that moved are told."""

import json
from pathlib import Path

import pytest

from notebooks import build, execute, table

CELLS = """# %% [markdown]
# # 数一数
#
# *Counting*
#
# ## 简介

# %% tags=["parameters"]
FAST = False
OUTPUT = "out/counting"

# %%
import time
from pathlib import Path

held = bytearray(400_000_000)
held[::4096] = b"x" * len(held[::4096])
time.sleep(1)  # long enough to be seen
Path(OUTPUT).mkdir(parents=True, exist_ok=True)
Path(OUTPUT, "kept").write_text(str(FAST))

# %% tags=["figures"]
{"张数": 3 if FAST else 12, "认出的比例": 0.5}

# %%
assert FAST, "only the short form holds"
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small notebook in a folder of its own; its full form fails in the last cell."""
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(execute, "RECORD", tmp_path / "results.json")
    monkeypatch.setattr(table, "RECORD", tmp_path / "results.json")
    (tmp_path / "src").mkdir()
    source = tmp_path / "src/99_counting.py"
    source.write_text(CELLS, encoding="utf-8")
    build.target(source).write_text(build.render(source), encoding="utf-8")
    return source


def test_a_run_tells_time_memory_and_figures(source: Path, tmp_path: Path) -> None:
    found = execute.run(source, fast=True, results=tmp_path / "results")
    assert found.figures == {"张数": 3, "认出的比例": 0.5}
    assert found.seconds > 0.5 and 0.4 < found.peak_gib < 2
    assert (tmp_path / "results/99_counting.ipynb").exists()


def test_the_short_form_leaves_alone_what_the_full_form_wrote(source: Path, tmp_path: Path) -> None:
    with pytest.raises(execute.Failed):
        execute.run(source, fast=False, results=tmp_path / "results")
    execute.run(source, fast=True, results=tmp_path / "results")
    assert (tmp_path / "out/counting/kept").read_text() == "False"


def test_a_notebook_behind_its_source_is_not_run(source: Path, tmp_path: Path) -> None:
    source.write_text(CELLS.replace("3 if", "4 if"), encoding="utf-8")
    with pytest.raises(execute.Failed, match="99_counting: the notebook is not that of its source"):
        execute.run(source, fast=True, results=tmp_path / "results")


def test_a_failing_cell_is_named_with_its_error_and_the_others_run(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    other = source.with_name("99_later.py")
    other.write_text(CELLS.replace("assert FAST", "assert held"), encoding="utf-8")
    build.target(other).write_text(build.render(other), encoding="utf-8")
    wrong = execute.run_all([], fast=False, record=True, results=tmp_path / "results")
    assert len(wrong) == 1
    # The number that the executed copy shows: its first cell holds the parameters that were set.
    assert wrong[0].startswith("99_counting, cell 5: AssertionError: only the short form holds; ")
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["99_later"]
    assert "| [99](../../notebooks/99_later.ipynb) | Counting |" in capsys.readouterr().out


def test_a_name_that_no_notebook_has_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr("sys.argv", ["execute", "01", "99"])
    with pytest.raises(SystemExit) as ended:
        execute.main()
    assert ended.value.code == 2
    assert "no notebook begins with 99; there are 01_first_picture, 02_prompts" in capsys.readouterr().err


def test_figures_that_moved_fail_and_are_told(source: Path, tmp_path: Path) -> None:
    assert execute.run_all([], fast=True, record=True, results=tmp_path / "results") == []
    assert execute.run_all([], fast=True, record=False, results=tmp_path / "results") == []
    record = json.loads((tmp_path / "results.json").read_text())
    record["99_counting"]["fast"]["figures"] |= {"张数": 9, "认出的比例": 0.1, "从前": 1}
    (tmp_path / "results.json").write_text(json.dumps(record))
    assert execute.run_all([], fast=True, record=False, results=tmp_path / "results") == [
        "99_counting: 张数 is 3, recorded is 9 (within 4.5)",
        "99_counting: 认出的比例 is 0.5, recorded is 0.1 (within 0.35)",
        "99_counting: 从前 is missing",
    ]


@pytest.mark.parametrize(
    "shown", [[], ["1"], ["{'a': 'b'}"], ["{'a': True}"], ["{'a': np.float64(1.0)}"], ["[1]"], ["open('x')"]]
)
def test_a_cell_of_figures_that_shows_none_is_told(shown: list[str], tmp_path: Path) -> None:
    cell = {"metadata": {"tags": ["figures"]}, "outputs": [{"data": {"text/plain": text}} for text in shown]}
    file = tmp_path / "01_x.ipynb"
    file.write_text(json.dumps({"cells": [cell]}))
    with pytest.raises(execute.Failed, match="01_x shows no figures"):
        execute.figures_of(file)


def test_the_tables_show_figures_of_every_notebook_that_are_recorded() -> None:
    record = table.read_record()
    assert list(table.SHOWN) == [source.stem for source in build.sources()]
    for name, shown in table.SHOWN.items():
        for form in record[name].values():
            assert len(shown) >= 2 and [figure for figure in shown if figure not in form["figures"]] == []


def test_the_tables_of_the_guides_are_those_of_the_record() -> None:
    for language in table.LANGUAGES:
        for guide, (name, made) in table.guides(language).items():
            written = guide.read_text(encoding="utf-8")
            assert written == table.in_guide(guide, name, made), "run 'python -m notebooks.table'"
