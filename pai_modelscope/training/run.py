"""From options to a run: the model is opened, the method made, its pictures read, and `Trainer` trains it."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from pai_modelscope.config import TrainingConfig
from pai_modelscope.data.batches import ExampleSource
from pai_modelscope.data.load_dataset import TrainingData
from pai_modelscope.data.loading import stop_if_a_worker_imports_this
from pai_modelscope.errors import UserError
from pai_modelscope.families import family_of_folder
from pai_modelscope.methods.fine_tuning import RunContext
from pai_modelscope.methods.spec import RunOptions
from pai_modelscope.training.card import facts_of_run
from pai_modelscope.training.checkpoints import choose
from pai_modelscope.training.flat import flat_names, flatten
from pai_modelscope.training.lock import claimed
from pai_modelscope.training.optimizers import lighten
from pai_modelscope.training.options import resolve_options
from pai_modelscope.training.ownership import RESULT
from pai_modelscope.training.sharding import open_accelerator
from pai_modelscope.training.trackers import asked_for
from pai_modelscope.training.trainer import train
from pai_modelscope.training.validation_images import PictureValidation
from pai_modelscope.zoo import model_dir


def run(
    method: str, options: Mapping[str, Any], accelerator: Accelerator | None = None, flat: bool = False
) -> dict[str, float]:
    """Train by a method of `methods.registry`, such as 'lora'; returns what `train` does.

    options: by their names, see `MethodSpec.groups`; `train_data_dir` and `replay_data_dir` may also be objects
    with rows, such as a `datasets.Dataset`. flat: see `flatten`, for a run that comes to its end.

    Raises:
        UserError: options, model or data that can't work.
    """
    stop_if_a_worker_imports_this()
    run_options = resolve_options(method, options)
    accelerator = open_accelerator(run_options.loop, accelerator)
    output_dir = Path(run_options.loop.output_dir)
    beside = flat_names(run_options.method, output_dir.resolve().name) if flat else ()
    with claimed(output_dir, accelerator, (RESULT, *beside)) as folder:
        if not run_options.loop.overwrite_output_dir:  # said before anything is drawn or read
            choose(folder, run_options.loop.resume_from_checkpoint)
        prepared = TrainingRun(run_options, accelerator)
        done = prepared.train()
        if flat and done["finished"]:
            flatten(folder, int(done["step"]), prepared.fine_tuning.checkpoint_files)
        return done


def fine_tune(method: str, **options: Any) -> Path:
    """`fine_tune('lora', train_data_dir='pictures', output_dir='ink', max_train_steps=300)`: as `run`.

    Returns the folder of the result, which `Sampler.from_pretrained` and ModelScope's `pipeline` open.
    """
    run(method, options)
    return Path(options["output_dir"]) / "result"


class TrainingRun:
    """A run that is ready to train: all of its parts are open, and what can't work has been said."""

    def __init__(self, options: RunOptions, accelerator: Accelerator | None = None):
        """Raises `UserError` for a model or data that can't work."""
        stop_if_a_worker_imports_this()
        self.options = options
        self.accelerator = open_accelerator(options.loop, accelerator)
        asked_for(options.loop.report_to)
        self.precision = self.accelerator.mixed_precision
        for name, why in sorted(options.without_effect.items()):
            warnings.warn(f"{name} changes nothing: {why}", stacklevel=2)
        self.folder = model_dir(options.model, revision=options.revision)
        pipe = family_of_folder(self.folder).open(self.folder, torch.device("cpu"), torch.float32)
        context = RunContext(options.model, self.folder, pipe, options.data, options.loop, self.accelerator)
        self.fine_tuning = options.spec.load()(options.method, context)
        self.method = self.fine_tuning.method
        self.pictures = self.fine_tuning.training_set()
        self.source = self.fine_tuning.batches(self.pictures)
        self.config = self._config()
        lighten(self.method, self.accelerator)

    def train(self) -> dict[str, float]:
        """See `training.train`."""
        precision = self.accelerator.mixed_precision
        if precision != self.precision:
            made = f"this run was prepared for mixed_precision {self.precision!r}"
            raise UserError(f"{made}, and another run has changed that to {precision!r} since: prepare it again")
        facts = facts_of_run(self.options, len(self.pictures))
        return train(
            self.method, self.source, self.config, self.accelerator, self._validation(), facts, self.fine_tuning.export
        )

    def held_out(self, source: TrainingData) -> ExampleSource:
        """Batches of other pictures, read and shown as those of the training are."""
        return self.fine_tuning.batches(self.fine_tuning.held_out_set(source))

    def _config(self) -> TrainingConfig:
        """With epochs counted in steps, and validation at both ends where only prompts are given."""
        config = self.options.loop
        together = config.train_batch_size * config.gradient_accumulation_steps * self.accelerator.num_processes
        if not config.max_train_steps:
            steps = math.ceil(config.num_train_epochs * sum(self.source.lengths) / max(together, 1))
            config = replace(config, max_train_steps=steps)
        if self.options.validation.validation_prompts and not config.validation_steps:
            config = replace(config, validation_steps=config.max_train_steps)
        return config

    def _validation(self) -> PictureValidation | None:
        validation = self.options.validation
        if not validation.validation_prompts:
            return None
        return PictureValidation(
            self.folder,
            validation.validation_prompts,
            seed=self.options.loop.seed,
            control=self.fine_tuning.validation_control(validation.validation_images or []),
            num_inference_steps=validation.validation_inference_steps,
            height=self.options.data.resolution,
            width=self.options.data.resolution,
        )
