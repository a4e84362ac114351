"""From options to a run: the options are resolved, model and pictures opened, and `Trainer` trains the method.

This is the one file that reads all options of a run. What it calls gets plain arguments, or the part that it is for.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.model import ModelOptions
from pai_modelscope.data.batches import ExampleSource
from pai_modelscope.data.load_dataset import TrainingData
from pai_modelscope.data.loading import stop_if_a_worker_imports_this
from pai_modelscope.errors import UserError
from pai_modelscope.families import family_of_folder
from pai_modelscope.methods.fine_tuning import RunContext
from pai_modelscope.methods.spec import RunOptions
from pai_modelscope.training.card import CardFacts
from pai_modelscope.training.checkpoints import choose
from pai_modelscope.training.flat import flat_names, flatten
from pai_modelscope.training.lock import claimed
from pai_modelscope.training.optimizers import lighten
from pai_modelscope.training.options import resolve_options
from pai_modelscope.training.ownership import RESULT, RunFolder
from pai_modelscope.training.sharding import open_accelerator
from pai_modelscope.training.trackers import asked_for
from pai_modelscope.training.trainer import Trainer
from pai_modelscope.training.validation_images import PictureValidation
from pai_modelscope.zoo import lookup, model_dir


def run(
    method: str, options: Mapping[str, object], accelerator: Accelerator | None = None, flat: bool = False
) -> dict[str, float]:
    """Train by a method of `methods.registry`, such as 'lora'; returns what `training.train` does.

    options: by their names, see `MethodSpec.groups`; `train_data_dir` and `replay_data_dir` may also be objects
    with rows, such as a `datasets.Dataset`. flat: see `flatten`, for a run that comes to its end.

    Raises:
        UserError: options, model or data that can't work.
    """
    stop_if_a_worker_imports_this()
    run_options = resolve_options(method, options)
    config = run_options.loop
    accelerator = open_accelerator(config, accelerator)
    name = Path(config.output_dir).resolve().name
    results = (RESULT, *(flat_names(run_options.method, name) if flat else ()))
    with claimed(config.output_dir, accelerator, results) as folder:
        if not config.overwrite_output_dir:  # said before anything is drawn or read
            choose(folder, config.resume_from_checkpoint)
        training_run = TrainingRun(run_options, accelerator)
        outcome = training_run.train(folder)
        if flat and outcome["finished"]:
            flatten(folder, int(outcome["step"]), training_run.fine_tuning.checkpoint_files)
        return outcome


def fine_tune(method: str, **options: object) -> Path:
    """`fine_tune('lora', train_data_dir='pictures', output_dir='ink', max_train_steps=300)`: as `run`.

    Returns the folder of the result, which `Sampler.from_pretrained` and ModelScope's `pipeline` open.
    """
    run(method, options)
    return Path(str(options["output_dir"])) / RESULT


class TrainingRun:
    """A run that is ready to train: all of its parts are open, and what can't work has been said."""

    def __init__(self, options: RunOptions, accelerator: Accelerator | None = None):
        """Raises `UserError` for a model or data that can't work.

        accelerator: as `open_accelerator` gives it; None: the processes that a launcher started.
        """
        stop_if_a_worker_imports_this()
        self.options = options
        self.accelerator = accelerator or open_accelerator(options.loop)
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

    def train(self, folder: RunFolder) -> dict[str, float]:
        """Train in a folder that is claimed; see `training.train`.

        Raises:
            UserError: as `training.train`; another run of this process has changed the precision since.
        """
        precision = self.accelerator.mixed_precision
        if precision != self.precision:
            prepared = f"this run was prepared for mixed_precision {self.precision!r}"
            raise UserError(f"{prepared}, and another run has changed that to {precision!r} since: prepare it again")
        return Trainer(
            self.method,
            self.source,
            self.config,
            self.accelerator,
            folder,
            validation=self._validation(),
            facts=self._facts(),
            export=self.fine_tuning.export,
        ).fit()

    def held_out(self, source: TrainingData) -> ExampleSource:
        """Batches of other pictures, read and shown as those of the training are."""
        return self.fine_tuning.batches(self.fine_tuning.held_out_set(source))

    def _config(self) -> TrainingConfig:
        """The loop's options: epochs counted in steps, and validation at both ends where only prompts are given."""
        config = self.options.loop
        together = config.train_batch_size * config.gradient_accumulation_steps * self.accelerator.num_processes
        if not config.max_train_steps:
            steps = math.ceil(config.num_train_epochs * sum(self.source.lengths) / max(together, 1))
            config = replace(config, max_train_steps=steps)
            config.check()  # what depends on the steps is known only now
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

    def _facts(self) -> CardFacts:
        """What the result's card and run.json say of the run, beside what the loop knows."""
        options, entry = self.options, lookup(self.options.model)
        source, result = options.data.train_data_dir, Path(options.loop.output_dir) / RESULT
        usage = f"""import pai_modelscope
from modelscope.pipelines import pipeline

pipe = pipeline('text-to-image-synthesis', {str(result)!r})
pipe({{'text': '...'}})['output_imgs'][0]"""
        origin = source if isinstance(source, str) else f"a {type(source).__name__}"
        pictures = f"{len(self.pictures)} pictures of {origin}"
        parts = ModelOptions(options.model, options.revision), options.data, options.method, options.validation
        by_name = {"method": options.spec.name} | {name: value for part in parts for name, value in vars(part).items()}
        return CardFacts(options.model, pictures, entry.licence if entry else "", usage, by_name)
