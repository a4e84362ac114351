"""What a run folder tells of its run, so that it can be repeated: run.json and log.jsonl."""

import importlib.metadata
import json
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

import pai_modelscope
from pai_modelscope.config import TrainingConfig
from pai_modelscope.files import write_text

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors", "numpy")


def write_run(
    output_dir: Path,
    config: TrainingConfig,
    method: str,
    options: dict[str, Any],
    accelerator: Accelerator,
    step: int,
) -> None:
    """`run.json`: how the run began; each time it went on adds an entry to 'resumed'. With its 'options' and 'config',
    `fine_tune` makes the same run again."""
    path = output_dir / "run.json"
    now = {"step": step, **_surroundings(config, accelerator), "method": method, "options": options}
    try:
        before = json.loads(path.read_text(encoding="utf-8")) if step else None
    except (OSError, ValueError):  # the checkpoint came from another folder, or someone edited the file
        before = None
    if isinstance(before, dict):
        now = {**before, "resumed": [*before.get("resumed", []), now]}
    write_text(path, json.dumps(now, indent=1, ensure_ascii=False, default=str) + "\n")


def _surroundings(config: TrainingConfig, accelerator: Accelerator) -> dict[str, Any]:
    device = accelerator.device
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": config.seed,
        "config": asdict(config),
        "versions": {"python": platform.python_version(), "pai_modelscope": pai_modelscope.__version__, **_versions()},
        "git": git_state(Path.cwd()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "world_size": accelerator.num_processes,
        "distributed": accelerator.distributed_type.value,
        "mixed_precision": accelerator.mixed_precision,
    }


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that `folder` stands at, and whether its files differ from it; None outside a work tree."""
    try:
        commit, status = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, check=True, text=True, timeout=30).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "dirty": bool(status.strip())}


class Log:
    """`log.jsonl`: a line for every logged step. What an interrupted run logged after its checkpoint is dropped."""

    def __init__(self, output_dir: Path, step: int):
        self._path = output_dir / "log.jsonl"
        self.last: dict[str, Any] = {}  # of the rows with a loss
        if self._path.exists():
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line for line in lines if 0 < _step(line) <= step]
            write_text(self._path, "".join(f"{line}\n" for line in kept))
            self.last = next((row for row in map(json.loads, reversed(kept)) if "loss" in row), {})

    def add(self, row: dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _step(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # the line that was being written when the run was killed
        return 0
