"""Checkpoints that are whole or absent, and finding the newest one."""

import re
import shutil
from pathlib import Path

from accelerate import Accelerator

NAME = re.compile(r"checkpoint-(\d+)")


def step_of(folder: Path) -> int:
    match = NAME.fullmatch(folder.name)
    if match is None:
        raise ValueError(f"{folder} is not called checkpoint-STEP")
    return int(match.group(1))


def newest(output_dir: Path) -> Path | None:
    found = [p for p in output_dir.glob("checkpoint-*") if NAME.fullmatch(p.name)]
    return max(found, key=step_of, default=None)


def exists(output_dir: Path, step: int) -> bool:
    return (output_dir / f"checkpoint-{step}").is_dir()


def save(accelerator: Accelerator, output_dir: Path, step: int) -> Path:
    """Write to a temporary name, rename when every process has finished, then drop the older checkpoints."""
    final, partial = output_dir / f"checkpoint-{step}", output_dir / f"partial-checkpoint-{step}"
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial), safe_serialization=True)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        for old in output_dir.glob("checkpoint-*"):
            if NAME.fullmatch(old.name) and step_of(old) < step:
                shutil.rmtree(old)
    accelerator.wait_for_everyone()
    return final
