"""What a run folder tells of its run, so that it can be repeated: run.json and log.jsonl."""

import importlib.metadata
import json
import math
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
from accelerate import Accelerator

import pai_modelscope
from pai_modelscope import limits, untrusted
from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.files import whole, write_text
from pai_modelscope.training.ownership import LOG, RUN, RunFolder

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors", "numpy")


def write_run(
    folder: RunFolder,
    config: TrainingConfig,
    method: str,
    options: Mapping[str, object],
    accelerator: Accelerator,
    step: int,
) -> None:
    """`run.json`: how the run began; each time it went on adds an entry to 'resumed'. With its 'options' and 'config',
    `fine_tune` makes the same run again."""
    path = folder.path / RUN
    now = {"step": step, **_surroundings(config, accelerator), "method": method, "options": options}
    before = untrusted.read_json(path) if step and path.exists() else None  # none: the checkpoint is of another folder
    if isinstance(before, dict):
        resumed = before.get("resumed")
        now = {**before, "resumed": [*(resumed if isinstance(resumed, list) else []), now]}
    write_text(path, json.dumps(now, indent=1, ensure_ascii=False, default=str) + "\n", folder.scratch)


def _surroundings(config: TrainingConfig, accelerator: Accelerator) -> dict[str, object]:
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
    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def git_state(folder: Path) -> dict[str, object] | None:
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
    """`log.jsonl`: a line for every logged step. What an interrupted run logged after its checkpoint is dropped, and
    lines that are none, such as the one that a run was killed in."""

    def __init__(self, folder: RunFolder, step: int):
        self._path = folder.path / LOG
        self.last: dict[str, float] = {}  # the numbers of the last row with a loss
        if self._path.exists():
            with whole(self._path, folder.scratch) as partial, open(partial, "w", encoding="utf-8") as file:
                for row in _rows(self._path):
                    if 0 < _number(row.get("step")) <= step:
                        file.write(json.dumps(row) + "\n")
                        if math.isfinite(_number(row.get("loss"), math.nan)):
                            self.last = {name: value for name, value in row.items() if isinstance(value, int | float)}

    def add(self, row: Mapping[str, float]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _rows(path: Path) -> Iterator[dict[str, untrusted.Json]]:
    with untrusted.open_regular(path) as file:
        while line := file.readline(limits.LOG_LINE_BYTES):
            try:
                row = untrusted.parse_json(line, str(path))
            except UserError:
                continue
            if isinstance(row, dict):
                yield row


def _number(value: object, other: float = 0) -> float:
    """`value` if it is a number that a float can hold, else `other`."""
    return value if isinstance(value, int | float) and abs(value) < 2**53 else other
