"""ModelScope's trainers for models of our family: one class, a name for each method."""

import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from modelscope.trainers.base import BaseTrainer
from modelscope.trainers.builder import TRAINERS
from modelscope.utils.ast_utils import INDEX_KEY, MODULE_KEY
from modelscope.utils.config import Config
from modelscope.utils.import_utils import LazyImportModule
from modelscope.utils.logger import get_logger

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.methods.registry import follow_methods
from pai_modelscope.methods.spec import MethodSpec
from pai_modelscope.trainers.settings import (
    checked_factor,
    empty_sections,
    options_in,
    places,
    read_settings,
    take_lr_lambda,
)
from pai_modelscope.trainers.text_log import TextLog

if TYPE_CHECKING:
    from accelerate import Accelerator

    from pai_modelscope.data import TrainingData
    from pai_modelscope.training.ownership import RunFolder

OUTPUT = "output"  # below `work_dir`: where ModelScope's trainers leave what `pipeline` opens
_FROM_MODELSCOPE = {
    "trust_remote_code",
    "launcher",
    "preprocessor",
}  # handed to every trainer; ours has no use for them


class PaiDiffusionTrainer(BaseTrainer):
    """Fine-tuning by `pai_modelscope.training`.

    ```python
    trainer = build_trainer('pai-diffusion-lora', dict(
        model=model_dir('pai-diffusion-mini-zh'), train_dataset='pictures', work_dir='work', max_epochs=10, rank=8))
    trainer.train()
    pipe = pipeline('text-to-image-synthesis', 'work/output')
    ```
    """

    spec: ClassVar[MethodSpec]

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        cfg_file: str | None = None,
        cfg_modify_fn: Callable[[Config], Config] | None = None,
        train_dataset: "TrainingData | None" = None,
        eval_dataset: "TrainingData | None" = None,
        work_dir: str | os.PathLike[str] | None = None,
        max_epochs: float | None = None,
        seed: int | None = None,
        model_revision: str | None = None,
        device: str = "gpu",
        **options: object,
    ):
        """Open the model and the data; what can't work is said here.

        Args:
            model: a folder, such as `model_dir` gives for a name of the zoo, or an id on either hub. ModelScope's
                `build_trainer` itself refuses other strings; left out, it is the model that ships.
            cfg_file: a configuration.json whose section "train" sets options, in ModelScope's words (see `settings`)
                or ours; `cfg_modify_fn` may change it.
            train_dataset, eval_dataset: a folder, a file, an id, an `MsDataset`, a `datasets.Dataset`.
            work_dir: the run's folder; what was trained comes into its `output`.
            max_epochs: how often every picture is seen; or give `max_train_steps` among the options.
            device: 'gpu' takes a GPU where there is one; 'cpu' is obeyed.
            options: every option of `pai-modelscope train`, which go before what the configuration says.

        Raises:
            UserError: an option, model or data that can't work.
        """
        from pai_modelscope.training.options import resolve_options
        from pai_modelscope.training.run import TrainingRun
        from pai_modelscope.training.sharding import open_accelerator

        _check_types(model, cfg_modify_fn, work_dir, device)
        fields = self.spec.fields()
        empty = {"train": empty_sections(places(fields.values()))}
        self.cfg = Config(empty if cfg_file is None else read_settings(cfg_file))
        if cfg_modify_fn:
            self.cfg = _changed(self.cfg, cfg_modify_fn)
        train, factor = take_lr_lambda(self.cfg.safe_get("train", {}) or {})
        self.logger = get_logger()
        values: dict[str, object] = options_in(train, fields)
        values |= {name: value for name, value in options.items() if name not in _FROM_MODELSCOPE}
        named = {
            "pretrained_model_name_or_path": model,
            "revision": model_revision,
            "train_data_dir": train_dataset,
            "output_dir": None if work_dir is None else os.fspath(work_dir),
            "num_train_epochs": max_epochs,
            "seed": seed,
        }
        values |= {name: value for name, value in named.items() if value is not None}
        run_options = resolve_options(self.spec.name, values)
        accelerator = open_accelerator(run_options.loop, cpu=device == "cpu")
        with _claimed(run_options.loop.output_dir, accelerator):
            self.run = TrainingRun(run_options, accelerator)
        self.run.method.lr_factor = factor and checked_factor(factor, self.run.config.max_train_steps)
        self.timestamp = time.strftime("%Y%m%d_%H%M%S", time.localtime())
        self.work_dir = run_options.loop.output_dir
        self.eval_dataset = eval_dataset

    def train(self, *args: object, **kwargs: object) -> dict[str, float]:
        """Train, and leave what `pipeline` opens in `work_dir/output`; returns the last logged values, with 'step' and
        'finished': False when Ctrl-C or SIGTERM came first."""
        accelerator = self.run.accelerator
        log = self._text_log()
        with _claimed(self.work_dir, accelerator) as folder:
            accelerator.trackers = [*accelerator.trackers, log]
            try:
                done = self.run.train(folder)
            finally:
                accelerator.trackers = [tracker for tracker in accelerator.trackers if tracker is not log]
            if accelerator.is_main_process:
                folder.put(folder.path / "result", OUTPUT)
            accelerator.wait_for_everyone()
        return done

    def _text_log(self) -> TextLog:
        config, accelerator = self.run.config, self.run.accelerator
        samples = config.train_batch_size * config.gradient_accumulation_steps * accelerator.num_processes
        iters = max(1, math.ceil(sum(self.run.source.lengths) / samples))
        return TextLog(Path(self.work_dir) / f"{self.timestamp}.log.json", iters, samples)

    def evaluate(self, checkpoint_path: str | None = None, *args: object, **kwargs: object) -> dict[str, float]:
        """The loss on `eval_dataset`, at the same noise and timesteps at every call: 'loss', and by bands of timesteps.

        checkpoint_path: a folder `checkpoint-N` of this method and model; None: the weights as they are now.
        """
        from pai_modelscope.training.checkpoints import load_trained
        from pai_modelscope.training.eval_set import held_out_loss

        if self.eval_dataset is None:
            raise UserError("eval_dataset must be given to evaluate: pictures that were not trained on")
        if checkpoint_path is not None:
            load_trained(self.run.method, Path(checkpoint_path))
        batch = self.run.config.train_batch_size
        return held_out_loss(self.run.method, self.run.held_out(self.eval_dataset), self.run.accelerator, batch)


def _changed(cfg: Config, change: Callable[[Config], Config]) -> Config:
    """Raises `UserError` for a function that returns something else than a configuration."""
    changed = change(cfg)
    if not isinstance(changed, Config):
        what = "nothing" if changed is None else type(changed).__name__
        raise UserError(f"cfg_modify_fn returned {what}: let it return the configuration that it was given")
    return changed


def _check_types(model: object, cfg_modify_fn: object, work_dir: object, device: object) -> None:
    if model is not None and not isinstance(model, str | os.PathLike):
        raise UserError(f"model is {short_repr(model)}; give a folder, a name of the zoo or a hub id")
    if cfg_modify_fn is not None and not callable(cfg_modify_fn):
        raise UserError(
            f"cfg_modify_fn is {short_repr(cfg_modify_fn)}; give a function from configuration to configuration"
        )
    if work_dir is not None and not isinstance(work_dir, str | os.PathLike):
        raise UserError(f"work_dir is {short_repr(work_dir)}; give a folder")
    if not isinstance(device, str):
        raise UserError(f"device is {short_repr(device)}; give 'gpu' or 'cpu'")


def _claimed(work_dir: str, accelerator: "Accelerator") -> AbstractContextManager["RunFolder"]:
    """The run's folder, which no other run has meanwhile, and in which `train` may write its output."""
    from pai_modelscope.training.lock import claimed

    return claimed(work_dir, accelerator, ("result", OUTPUT))


def _register(spec: MethodSpec) -> None:
    """`pai-diffusion-NAME`; `force`, because a reload registers the names again. ModelScope warns at every use of a
    name that its index of its own sources lacks."""
    name = f"pai-diffusion-{spec.name}"
    words = spec.name.title().replace("-", "").replace("_", "")
    trainer = type(f"PaiDiffusion{words}Trainer", (PaiDiffusionTrainer,), {"spec": spec})
    TRAINERS.register_module(module_name=name, module_cls=trainer, force=True)
    LazyImportModule.get_ast_index()[INDEX_KEY]["TRAINERS", "default", name] = {MODULE_KEY: __name__}


follow_methods(_register)
