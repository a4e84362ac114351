"""The box for prompts in notebooks, with real widgets, and what it does where there are none."""

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pai_modelscope import notebook
from pai_modelscope.notebook import PromptBox, prompt_box

SMALL = {"num_inference_steps": 2, "height": 64, "width": 64}


@pytest.fixture
def box(sampler: Any, monkeypatch: pytest.MonkeyPatch) -> PromptBox:
    monkeypatch.setattr(notebook, "widgets_work", lambda: True)
    return prompt_box(sampler, "熊猫", seed=3, **SMALL)


def test_a_click_draws_what_the_fields_say(box: PromptBox, sampler: Any) -> None:
    assert box.picture is None and box.shown.children == ()
    box.prompt.value, box.seed.value, box.steps.value = "蝴蝶", 5, 3
    box.button.click()
    expected = sampler("蝴蝶", seed=5, **{**SMALL, "num_inference_steps": 3})[0].image
    assert np.array_equal(np.asarray(box.picture), np.asarray(expected))
    shown = Image.open(io.BytesIO(box.shown.children[0].value))
    assert np.array_equal(np.asarray(shown), np.asarray(expected))
    assert (box.progress.value, box.progress.max) == (3, 3)


def test_what_is_told_draws_the_same_picture(box: PromptBox, sampler: Any) -> None:
    import html

    box.button.click()
    again = eval(html.unescape(box.message.value), {"sampler": sampler})
    assert np.array_equal(np.asarray(again[0].image), np.asarray(box.picture))


def test_the_button_rests_while_drawing_and_progress_counts(box: PromptBox) -> None:
    seen = []
    box.progress.observe(lambda change: seen.append((change.new, box.button.disabled)), "value")
    box.button.click()
    assert seen == [(1, True), (2, True)]
    assert not box.button.disabled


def test_bad_input_is_told_and_the_last_picture_stays(box: PromptBox) -> None:
    box.button.click()
    picture = box.picture
    box.prompt.value = "熊猫 <lora:没有:1>"
    box.button.click()
    assert "没有" in box.message.value
    assert box.picture is picture and not box.button.disabled


def test_a_prompt_is_shown_as_text_and_not_read_as_html(box: PromptBox) -> None:
    box.prompt.value = "<b>熊猫</b>"
    box.button.click()
    assert "&lt;b&gt;" in box.message.value and "<b>" not in box.message.value


def test_warnings_are_told(box: PromptBox) -> None:
    box.prompt.value = "熊貓"
    box.button.click()
    assert "貓" in box.message.value.split("<br>")[0]


def test_errors_of_programming_reach_the_log(box: PromptBox, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    box._sampler = broken
    box.button.click()
    assert "ZeroDivisionError" in caplog.text and not box.button.disabled


def test_without_ipywidgets_the_prompt_is_drawn_once(
    sampler: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ipywidgets" else find(name))
    picture = prompt_box(sampler, "熊猫", seed=3, **SMALL)
    line = capsys.readouterr().out.splitlines()[-1]
    again = eval(line, {"sampler": sampler})[0].image
    assert np.array_equal(np.asarray(picture), np.asarray(again))


@pytest.mark.parametrize(("answers", "shown"), [(True, True), (False, False)])
def test_widgets_work_where_somebody_can_answer(monkeypatch: pytest.MonkeyPatch, answers: bool, shown: bool) -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=answers))
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    assert notebook.widgets_work() is shown


def test_a_terminal_has_no_widgets() -> None:
    assert notebook.widgets_work() is False


def test_unattended_kernels_draw_and_keep_no_widget_state(tmp_path: Path) -> None:
    import nbformat
    import papermill

    source = (
        "from types import SimpleNamespace\nfrom PIL import Image\nfrom pai_modelscope.notebook import prompt_box\n"
        "prompt_box(lambda *a, **k: [SimpleNamespace(image=Image.new('RGB', (8, 8)))], '熊猫')"
    )
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(written, tmp_path / "in.ipynb")
    papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", kernel_name="python3", progress_bar=False)
    made = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))
    outputs = made["cells"][0]["outputs"]
    assert "image/png" in outputs[-1]["data"] and "widgets" not in made["metadata"]


def test_importing_needs_no_widgets() -> None:
    code = "import pai_modelscope.notebook, sys; sys.exit(any(n in sys.modules for n in ('ipywidgets', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
