"""A server that speaks both hubs' protocols, and Python code in a process of its own whose clients know no other."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pai_modelscope import model_dir
from tests.support.hub_server import Files, HubServer, _Handler, read_folder

TRY = """
import json, sys, resource
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from pai_modelscope import UserError, limits, model_dir
from pai_modelscope.data.tables import modelscope_folder
from pai_modelscope.data import open_training_set

def said(call, *args):
    try:
        return f'OPENED {call(*args)}'
    except UserError as error:
        return str(error)
"""
IMPATIENT = """
limits.HUB_SILENCE_SECONDS, limits.HUB_PATIENCE_SECONDS, limits.HUB_SPEED_SECONDS = 1, 3, 2
"""
HASH = "ab" * 32
SAFE = {"Type": "blob", "Size": 3, "Sha256": HASH}


def tried(hub: HubServer, cache: Path, code: str, **environment: str) -> tuple[Any, str]:
    """What `code` prints as JSON in a process of its own that knows only `hub`, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", TRY + code],
        env={**os.environ, **hub.environment(cache), "MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS": "2", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr


def written(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def at(words: str, reply: Callable[[_Handler], None]) -> Callable[[_Handler], bool]:
    """Answers every request whose address holds `words` by `reply`."""

    def answer(handler: _Handler) -> bool:
        if words in handler.path and handler.command == "GET":
            reply(handler)
            return True
        return False

    return answer


@pytest.fixture(scope="session")
def shipped_files() -> Files:
    return read_folder(model_dir("pai-diffusion-mini-zh"))


@pytest.fixture
def hub(shipped_files: Files) -> Iterator[HubServer]:
    """A server that has the shipped model as `some/model`, on the branches of both hubs."""
    with HubServer({("some/model", "master"): shipped_files, ("some/model", "main"): shipped_files}) as server:
        yield server
