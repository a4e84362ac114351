"""Scalars and pictures for TensorBoard, Weights & Biases and SwanLab, through accelerate's trackers."""

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from accelerate.tracking import filter_trackers
from PIL import Image

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.training.ownership import TRACKED

PROJECT = "pai_modelscope"
_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "swanlab": ("swanlab",)}


def asked_for(report_to: str) -> list[str]:
    """Names of accelerate's trackers. Raises `UserError` for one whose package is missing."""
    if report_to == "none":
        return []
    if report_to == "all":
        return [name for name in _PACKAGES if _installed(name)]
    if not _installed(report_to):
        raise UserError(
            f"report_to is {report_to!r}, which is not installed: run `pip install {report_to}`, or set report_to to "
            "'none'; log.jsonl holds the same numbers"
        )
    return [report_to]


def _installed(tracker: str) -> bool:
    return any(importlib.util.find_spec(package) for package in _PACKAGES[tracker])


class Trackers:
    """Those that `config.report_to` names, beside any that the caller's accelerator has begun already."""

    def __init__(self, accelerator: Accelerator, config: TrainingConfig, step: int):
        """`step`: what a resumed run draws from there on replaces what an interrupted one drew."""
        self._accelerator, self._kept = accelerator, list(accelerator.trackers)
        folder, names = Path(config.output_dir), asked_for(config.report_to)
        if not names:
            return
        accelerator.project_configuration.logging_dir = str(folder / TRACKED)
        accelerator.log_with = filter_trackers(names, accelerator.logging_dir)
        options: dict[str, dict[str, object]] = {
            "tensorboard": {"purge_step": step + 1 if step else None},
            "wandb": {"name": folder.name, "dir": str(folder)},
            "swanlab": {"experiment_name": folder.name, "logdir": str(folder / TRACKED)},
        }
        accelerator.init_trackers(PROJECT, init_kwargs=options)
        for tracker in accelerator.trackers:
            if tracker.name in ("wandb", "swanlab"):  # TensorBoard would open a second run for it
                tracker.store_init_configuration({name: str(value) for name, value in asdict(config).items()})

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        numbers = {name: value for name, value in values.items() if name != "step"}
        if self._accelerator.trackers:
            self._accelerator.log(numbers, step=step)

    def picture(self, name: str, picture: Image.Image, step: int) -> None:
        pixels = np.asarray(picture.convert("RGB"))[None]
        for tracker in self._accelerator.trackers:
            if hasattr(tracker, "log_images"):
                form = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
                tracker.log_images({name: pixels}, step=step, **form)

    def close(self) -> None:
        for tracker in self._accelerator.trackers:
            if tracker not in self._kept:
                tracker.finish()
        self._accelerator.trackers = self._kept
