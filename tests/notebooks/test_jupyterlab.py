"""JupyterLab as a reader has it: notebook 01 is opened in a browser, run, used, restarted and run again."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notebooks import build
from tests.support.browser import visit

NOTEBOOK = "01_first_picture.ipynb"
PROMPT = "狐狸,扁平插画风格"
SECONDS = 240  # for all cells; they take 40 on two idle cores
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight stay in the page
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab beside a copy of the notebook in its fast form."""
    root, settings = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("settings")
    fast = (build.HERE / NOTEBOOK).read_text(encoding="utf-8").replace("FAST = False", "FAST = True")
    (root / NOTEBOOK).write_text(fast, encoding="utf-8")
    for name, values in SETTINGS.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/lab"
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    words += ["--IdentityProvider.token=", f"--ServerApp.root_dir={root}", f"--LabApp.user_settings_dir={settings}"]
    words += [f"--LabApp.workspaces_dir={tmp_path_factory.mktemp('workspaces')}"]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(settings), "GOMP_SPINCOUNT": "3000"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(build.HERE).parent), os.getenv("PYTHONPATH")]))
    log = (settings / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *words], env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _answers(address, server, settings / "log")
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def _answers(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(120):
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not answer: {log.read_text()[-3000:]}")


def menu(page: Any, bar: str, item: str) -> None:
    page.get_by_role("menuitem", name=bar, exact=True).first.click()
    page.get_by_role("menuitem", name=item).first.click()


def wait_until_run(page: Any) -> list[int]:
    """The numbers of the code cells' runs, once none is waiting any more; fails with the text of an error."""
    deadline, prompts = time.monotonic() + SECONDS, []
    while time.monotonic() < deadline:
        prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        if errors := page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").all_inner_texts():
            pytest.fail(f"a cell failed: {errors[0][-2000:]}")
        if prompts and all(re.fullmatch(r"\[\d+\]:", prompt) for prompt in prompts):
            return [int(prompt[1:-2]) for prompt in prompts]
        time.sleep(1)
    pytest.fail(f"the cells have not ended after {SECONDS} s: {prompts}")


@pytest.mark.slow
def test_a_reader_runs_the_first_notebook_uses_the_box_and_runs_it_again(lab: str, browser: Any) -> None:
    with visit(browser, viewport={"width": 1400, "height": 1000}) as visited:
        page = visited.page
        page.set_default_timeout(60_000)
        page.goto(f"{lab}/tree/{NOTEBOOK}")
        page.locator(".jp-CodeCell").first.wait_for()
        page.get_by_text("Python 3").first.wait_for()
        menu(page, "Run", "Run All Cells")
        count = page.locator(".jp-CodeCell").count()
        assert wait_until_run(page) == list(range(1, count + 1))
        assert page.locator(".jp-OutputArea-output img").count() >= 3
        drawn = page.locator(".jp-OutputArea-output img").first.evaluate(
            "image => [image.naturalWidth, image.complete]"
        )
        assert drawn[0] >= 256 and drawn[1]

        box = page.locator(".jp-OutputArea-output", has=page.get_by_role("button", name="生成")).last
        assert box.locator("img").count() == 0
        box.locator("input[type=text]").first.fill(PROMPT)
        box.locator("input[type=text]").first.press("Tab")
        box.get_by_role("button", name="生成").click()
        box.locator("img").wait_for(timeout=SECONDS * 1000)
        assert box.locator("img").evaluate("image => image.naturalWidth") >= 256
        assert PROMPT in box.inner_text()  # the call that draws it again
        if folder := os.environ.get("SCREENSHOTS"):
            box.scroll_into_view_if_needed()
            page.screenshot(path=f"{folder}/jupyterlab.png")

        menu(page, "Kernel", "Restart Kernel and Run All Cells")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        page.locator(".jp-Dialog").wait_for(state="detached")
        page.locator(".jp-CodeCell .jp-InputPrompt", has_text="[*]").first.wait_for()
        assert wait_until_run(page) == list(range(1, count + 1))
        assert page.locator(".jp-OutputArea-output img").count() >= 3
