"""THE training loop: every method, and every stage of the recipes, runs through `train`."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm.auto import tqdm

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods import Method
from pai_modelscope.training import checkpoints, sharding
from pai_modelscope.training.card import About, write_card
from pai_modelscope.training.checkpoint_files import Checked
from pai_modelscope.training.ema import Average
from pai_modelscope.training.fingerprint import Identity
from pai_modelscope.training.gradients import GradientWatch
from pai_modelscope.training.interrupts import Agreement, Interrupts
from pai_modelscope.training.journal import Journal
from pai_modelscope.training.lock import claimed
from pai_modelscope.training.losses import Meter, Watch
from pai_modelscope.training.optimizers import (
    build_optimizer,
    build_schedule,
    check_processes,
    hold_in_bfloat16,
    settings_kept,
)
from pai_modelscope.training.ownership import RESULT, RunFolder
from pai_modelscope.training.sample_order import Order
from pai_modelscope.training.source import Source
from pai_modelscope.training.validation import Validation, untouched


def train(
    method: Method,
    source: Source,
    config: TrainingConfig,
    accelerator: Accelerator | None = None,
    validation: Validation | None = None,
    about: About | None = None,
    export: Callable[[Path], object] | None = None,
) -> dict[str, Any]:
    """Train `method` on `source`; write checkpoints, `run.json`, `log.jsonl` and `result`: what `method.save` writes,
    what `export` adds to that folder, and a model card with what `about` tells. `validation` runs every
    `config.validation_steps` steps.

    Returns the last logged values with `step` and `finished`: False when `max_train_seconds`, Ctrl-C or SIGTERM came
    first; `resume_from_checkpoint='latest'` then goes on as if nothing had been. With `ema_decay` set, what is saved
    is the average.

    Raises:
        UserError: for a configuration that cannot work, with every problem named; a checkpoint of another training; a
            loss that is not finite or explodes; a gradient that is always zero; a disk that is full, where the last
            checkpoint stays whole; a folder that another run has, or in which something lies that no run made.
    """
    if problems := config.problems():
        raise UserError("training cannot start: " + "; ".join(problems))
    accelerator = accelerator or sharding.launched(config)
    with claimed(config.output_dir, accelerator) as folder:
        return _Run(method, source, config, accelerator, folder, validation, about or About(), export).go()


class _Run:
    """The state of one call of `train`."""

    def __init__(
        self,
        method: Method,
        source: Source,
        config: TrainingConfig,
        accelerator: Accelerator,
        folder: RunFolder,
        validation: Validation | None,
        about: About,
        export: Callable[[Path], object] | None,
    ):
        self.config, self.source, self.validation, self.about = config, source, validation, about
        self.export = export
        self.accelerator, self.folder = accelerator, folder
        self.agreement = Agreement(self.accelerator.num_processes)
        if config.overwrite_output_dir and not config.resume_from_checkpoint:
            with self.accelerator.main_process_first():
                if self.accelerator.is_main_process:
                    folder.forget()
        from_folder = checkpoints.choose(folder, config.resume_from_checkpoint)
        set_seed((config.seed + self.accelerator.process_index) % 2**32)
        samples = config.train_batch_size * config.gradient_accumulation_steps * self.accelerator.num_processes
        self.order = Order(source.lengths, samples, config.seed, source.cycle)
        self.identity = Identity.of(method, config, self.order)
        self._prepare(method)
        with settings_kept(self.schedule):
            self.step = 0
            if from_folder:
                self.step = checkpoints.load(accelerator, from_folder, self.identity, self.optimizer)
        self.watch = Watch(config.max_loss_ratio, config.train_batch_size, self.accelerator.device)
        self.gradients = GradientWatch(self.parameters, self.accelerator.device, self.step)
        self.meter = Meter()
        self.journal = Journal(self.accelerator, folder, config, self.identity.method, about.options, self.step)
        self.logged = self.journal.last
        self.accelerator.wait_for_everyone()
        self.started = time.monotonic()
        self.mark = (self.started, self.step)  # from where the throughput is counted

    def _prepare(self, method: Method) -> None:
        config, device = self.config, self.accelerator.device
        sharding.configure(self.accelerator, config, self.validation is not None)
        check_processes(config, sharding.cuts(self.accelerator))
        if config.weights == "bfloat16":
            hold_in_bfloat16(method)
        method.to(device)
        if order := sharding.memory_format(self.accelerator, method.channels_last):
            method.to(memory_format=order)  # type: ignore[call-overload]
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.method = method
        optimizer = build_optimizer(method, config, device)
        for group in optimizer.param_groups if config.scale_lr else []:
            group["lr"] *= self.order.batch_size
        self.schedule = build_schedule(optimizer, config, method.lr_factor)
        if config.compile:
            for module in method.heavy():
                module.compile(dynamic=False)
        self.model, self.optimizer = self.accelerator.prepare(method, optimizer)
        self.parameters = method.trainable()
        checkpoints.only_what_trains(self.accelerator, method)
        self.accelerator.register_for_checkpointing(Checked(self.schedule, "last_epoch", "base_lrs"))
        self.average = Average(self.parameters, config.ema_decay) if config.ema_decay else None
        if self.average:
            kept = Checked(self.average, "optimization_step", "shadow_params")
            self.accelerator.register_for_checkpointing(kept)

    def go(self) -> dict[str, Any]:
        config = self.config
        bar = tqdm(
            total=config.max_train_steps,
            initial=self.step,
            disable=not self.accelerator.is_local_main_process,
            desc=self.folder.path.name,
            unit="step",
            mininterval=1.0,
            dynamic_ncols=True,
        )
        try:
            with Interrupts() as interrupts:
                self._steps(bar, interrupts)
        finally:
            bar.close()
            torch.compiler.set_stance("default")
            self.journal.close()
        self._save_result()
        return {**self.logged, "step": self.step, "finished": self.step >= config.max_train_steps}

    def _steps(self, bar: tqdm, interrupts: Interrupts) -> None:
        config, begun = self.config, self.step
        if not self.step:
            self._validate()
        while self.step < config.max_train_steps:
            # A run that is stopped by time makes a step at least, however short the time is.
            if self.agreement.any(bool(interrupts.received) or (self.step > begun and self._out_of_time())):
                break
            self._optimize(self.step)
            self.step += 1
            if config.compile:
                # Rare shapes run uncompiled from now on: compiling each would cost more than it saves.
                torch.compiler.set_stance("eager_on_recompile")
            bar.update()
            last = self.step == config.max_train_steps
            if self.gradients.wonders:
                self._stop_if_bad()
            if self.step % config.logging_steps == 0 or last:
                self._log()
                bar.set_postfix(loss=f"{self.logged['loss']:.4f}", images=f"{self.logged['images_per_second']:.1f}/s")
            if config.validation_steps and (self.step % config.validation_steps == 0 or last):
                self._validate()
            if config.checkpointing_steps and self.step % config.checkpointing_steps == 0:
                self._save_checkpoint()
        if interrupts.received and not bar.disable:
            bar.write(f"{interrupts.received}: saving step {self.step}, then stopping", file=sys.stderr)
        if not checkpoints.exists(self.folder, self.step):
            self._save_checkpoint()

    def _optimize(self, step: int) -> None:
        """One optimizer step over all micro-batches of all processes."""
        accelerator, config = self.accelerator, self.config
        bucket, micro = self.order.bucket(step), config.train_batch_size
        mine, keys = (
            each.view(-1, accelerator.num_processes, micro)[:, accelerator.process_index]
            for each in (self.order.indices(step), self.order.keys(step))
        )
        losses = []
        for turn, indices in enumerate(mine):
            batch = self.source.batch(bucket, indices, accelerator.device, keys[turn])
            batch["keys"] = keys[turn].to(accelerator.device, non_blocking=True)
            with sharding.backward_context(accelerator, self.model, turn == len(mine) - 1):
                with sharding.autocast(accelerator), torch.enable_grad():
                    metrics = self.model(batch)
                accelerator.backward(metrics["loss"] / len(mine))
            losses.append(metrics["loss"].detach())
            self.meter.add(metrics)
        loss, norm = torch.stack(losses).mean(), None
        self.watch.see(loss, step)
        if config.max_grad_norm:
            norm = accelerator.clip_grad_norm_(self.parameters, config.max_grad_norm)
            if norm is not None:
                norm = sharding.whole(torch.as_tensor(norm, device=accelerator.device))
                self.meter.add({"grad_norm": norm})
        self.gradients.see(loss, norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.step()

    def _log(self) -> None:
        """Here the host waits for the device; else only where something is saved."""
        self._stop_if_bad()
        rates = self.schedule.get_last_lr()
        row = {"step": self.step, "lr": rates[0], **self.meter.read(self.accelerator)}
        row |= {f"lr/{i}": rate for i, rate in enumerate(rates) if rate != rates[0]}
        now, (then, before) = time.monotonic(), self.mark
        row["images_per_second"] = round((self.step - before) * self.order.batch_size / max(now - then, 1e-9), 2)
        row["seconds"] = round(now - self.started, 1)
        self.watch.usual(row["loss"])
        self.journal.row(row)
        self.logged, self.mark = row, (time.monotonic(), self.step)

    def _aside(self, since: float) -> None:
        """What happened since then is not part of the throughput."""
        self.mark = (self.mark[0] + time.monotonic() - since, self.mark[1])

    def _save_checkpoint(self) -> None:
        self._stop_if_bad()
        begun, limit = time.monotonic(), self.config.checkpoints_total_limit
        checkpoints.save(self.accelerator, self.folder, self.step, self.identity, limit, self.agreement)
        self._aside(begun)

    def _stop_if_bad(self) -> None:
        self.watch.stop_if_bad(self.accelerator, self.order, self.source, checkpoints.newest(self.folder))
        self.gradients.stop_if_idle(self.accelerator, self.step == self.config.max_train_steps)

    def _validate(self) -> None:
        if self.validation is None or not self.config.validation_steps:
            return
        begun = time.monotonic()
        if self.accelerator.is_main_process:
            with self._averaged(), untouched(self.method), sharding.autocast(self.accelerator):
                shown = self.validation.validate(self.method, self.step)
            self.journal.show(shown, self.step)
        self.accelerator.wait_for_everyone()
        self._aside(begun)

    def _averaged(self) -> AbstractContextManager[None]:
        return self.average.swapped_in() if self.average else nullcontext()

    def _out_of_time(self) -> bool:
        limit = self.config.max_train_seconds
        return bool(limit) and time.monotonic() - self.started > limit

    def _save_result(self) -> None:
        config, partial = self.config, self.folder.scratch / RESULT
        with self._averaged(), sharding.gathered(self.method):
            if self.accelerator.is_main_process:
                with self.journal.writing("the result"):
                    partial.mkdir(exist_ok=True)
                    self.method.save(partial)
                    if self.export:
                        self.export(partial)
                    loss = self.logged.get("loss")
                    write_card(
                        partial, self.identity.method, config, self.about, self.step, self.order.batch_size, loss
                    )
                    self.folder.put(partial, RESULT)
        self.accelerator.wait_for_everyone()
