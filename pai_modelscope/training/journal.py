"""What a run tells while it goes: run.json, log.jsonl, samples and trackers, all by the main process."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from accelerate import Accelerator

from pai_modelscope.config import TrainingConfig
from pai_modelscope.training.disk_space import writing
from pai_modelscope.training.ownership import RunFolder
from pai_modelscope.training.run_folder import Log, write_run
from pai_modelscope.training.trackers import Trackers
from pai_modelscope.training.validation import Outcome, grid, save_grid


class Journal:
    def __init__(
        self,
        accelerator: Accelerator,
        folder: RunFolder,
        config: TrainingConfig,
        method: str,
        options: Mapping[str, object],
        step: int,
    ):
        self._writes, self._folder = accelerator.is_main_process, folder
        if self._writes:
            with self.writing("the run folder"):
                self._log = Log(self._folder, step)
                write_run(self._folder, config, method, options, accelerator, step)
        self.last = self._log.last if self._writes else {}  # what was logged before a run went on
        self._trackers = Trackers(accelerator, config, step)

    def writing(self, what: str) -> AbstractContextManager[None]:
        """A full disk becomes a `UserError`."""
        return writing(what, self._folder.path, "resume_from_checkpoint='latest' goes on from the newest checkpoint")

    def row(self, row: Mapping[str, float]) -> None:
        """Values with their 'step'."""
        if self._writes:
            with self.writing("the log"):
                self._log.add(row)
                self._trackers.scalars(row, int(row["step"]))

    def show(self, outcome: Outcome, step: int) -> None:
        """What a validation gave: numbers or pictures."""
        if isinstance(outcome, dict):
            numbers = {f"validation/{name}": float(value) for name, value in outcome.items()}
            self.row({"step": step, **numbers})
        elif outcome and self._writes:
            page = grid(outcome)
            with self.writing("the validation pictures"):
                save_grid(page, self._folder, step)
                self._trackers.picture("validation", page, step)

    def close(self) -> None:
        self._trackers.close()
