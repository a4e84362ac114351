"""Clients of other services that the tests' own environment can't hold, and what their tests share.

Each is installed once, in the versions that are written here, into a folder of `build`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
_REQUIREMENTS = Path(__file__).parent / "eas_requirements.txt"
_NODE = ROOT / "tests/serving/node"
_NPM = ["ci", "--loglevel=error", "--no-audit", "--no-fund", "--no-progress", "--ignore-scripts", "--engine-strict"]
_NPM += ["--fetch-timeout=20000", "--fetch-retries=2", "--fetch-retry-maxtimeout=10000"]  # in all, less than the limit
_INSTALL_SECONDS = 180


class NotInstalled(Exception):
    """A client's packages can't be had from their registry."""


def state_of(client: httpx.Client, words: str, seconds: float = 20) -> str:
    """How the newest job whose request holds the words ended; its state, if it does not end in so many seconds."""
    until = time.monotonic() + seconds
    while True:
        jobs = client.get("/v1/jobs", params={"words": words}).json()["jobs"]
        state = str(jobs[0]["state"]) if jobs else "none"
        if state not in ("queued", "running") or time.monotonic() > until:
            return state
        time.sleep(0.1)


def with_eas_client(code: str, *arguments: str) -> Any:
    """What `code` prints as JSON, in a process of its own that has EAS's client."""
    folder = _installed("eas", [_REQUIREMENTS], [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"])
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return _said([sys.executable, "-c", code, *arguments], folder, environment)


def with_node(script: str, *arguments: str) -> Any:
    """What a script of `tests/serving/node` prints as JSON; skipped without Node, unless REQUIRE_NODE is set."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("REQUIRE_NODE"):
            pytest.fail("there is no Node: install the packages nodejs and npm")
        pytest.skip("there is no Node")
    files = [_NODE / "package.json", _NODE / "package-lock.json"]
    try:
        folder = _installed("node", files, [npm, *_NPM])
    except NotInstalled as error:
        (pytest.fail if os.environ.get("REQUIRE_NODE") else pytest.skip)(str(error))
    shutil.copy(_NODE / script, folder / f"{os.getpid()}-{script}")  # it finds its packages beside it
    return _said([node, f"{os.getpid()}-{script}", *arguments], folder, dict(os.environ))


def _installed(name: str, files: list[Path], install: list[str]) -> Path:
    """The folder of a client, installed there when its files change."""
    folder, wanted = ROOT / "build/clients" / name, "".join(file.read_text() for file in files)
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp = folder / "installed.txt"
    with FileLock(folder.with_suffix(".lock")):
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in files:
                shutil.copy(file, folder)
            into = ["--target", str(folder), "--requirement", str(files[0])] if name == "eas" else []
            _install([*install, *into], folder)
            stamp.write_text(wanted)
    return folder


def _install(command: list[str], folder: Path) -> None:
    """Fails with what the installer says, or when it takes too long: packages are fetched, from where it is set to."""
    what = f"the clients can't be installed into {folder}"
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{what}: {command[0]} is not done in {_INSTALL_SECONDS} seconds") from None
    if done.returncode:
        raise NotInstalled(f"{what}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")


def _said(command: list[str], folder: Path, environment: dict[str, str]) -> Any:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])
