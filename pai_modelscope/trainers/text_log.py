"""`{timestamp}.log.json` in the work_dir, an object a line, as ModelScope's `TextLoggerHook` writes it."""

import json
from pathlib import Path

import torch
from accelerate.tracking import GeneralTracker
from modelscope.utils.constant import LogKeys, ModeKeys

_DIGITS = 5  # of every float but the learning rate


class TextLog(GeneralTracker):
    """Numbers of a run as the loop logs them, under ModelScope's names: mode, epoch and iter, both from 1, lr, loss,
    memory in MiB on a GPU, iter_time in seconds. What we do not measure (data_load_time) is left out."""

    name = "modelscope"
    requires_logging_directory = False

    def __init__(self, path: Path, iters_per_epoch: int, samples_per_iter: int):
        super().__init__()
        self.path = path
        self._iters_per_epoch, self._samples = iters_per_epoch, samples_per_iter

    @property
    def tracker(self) -> Path:
        return self.path

    def store_init_configuration(self, values: dict[str, object]) -> None:
        """The file holds numbers alone."""

    def log(self, values: dict[str, object], step: int | None = None, **more: object) -> None:
        """Add a line. Raises `OSError` as the file does."""
        before = max((step or 0) - 1, 0)
        row: dict[str, object] = {
            LogKeys.MODE: ModeKeys.TRAIN if LogKeys.LR in values else ModeKeys.EVAL,
            LogKeys.EPOCH: before // self._iters_per_epoch + 1,
            LogKeys.ITER: before % self._iters_per_epoch + 1,
        }
        if torch.cuda.is_available():
            row[LogKeys.MEMORY] = torch.cuda.max_memory_allocated() // 2**20
        row |= values
        speed = row.pop("images_per_second", None)
        if isinstance(speed, int | float) and speed:
            row[LogKeys.ITER_TIME] = self._samples / speed
        row = {name: _rounded(value) if name != LogKeys.LR else value for name, value in row.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _rounded(value: object) -> object:
    return round(value, _DIGITS) if isinstance(value, float) else value
