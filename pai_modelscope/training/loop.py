"""THE training loop: every method, and every stage of the recipes, runs through `train`."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from tqdm.auto import tqdm

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods import Method
from pai_modelscope.training import checkpoints
from pai_modelscope.training.optimizers import build_optimizer
from pai_modelscope.training.order import Order


class Source(Protocol):
    """Where batches come from. Samples lie in buckets; all samples of a bucket have one shape."""

    @property
    def lengths(self) -> Sequence[int]:
        """Samples in each bucket."""
        ...

    @property
    def cycle(self) -> Sequence[int]:
        """Bucket of each step, repeated for ever."""
        ...

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The samples `indices` (n,) of a bucket, on `device`.

        `keys` (n,) int64, on the CPU: what a source draws at random for a sample (a crop, a flip, one of its captions)
        is to follow from its key alone, so that it does not depend on processes and workers.
        """
        ...


def train(
    method: Method, source: Source, config: TrainingConfig, accelerator: Accelerator | None = None
) -> dict[str, Any]:
    """Train `method` on `source`; write checkpoints, a log (`log.jsonl`) and the result (`method.save`).

    Returns the last logged values with `step` and `finished` (False when `max_train_seconds` came first: call again to
    go on). With `ema_decay` set, what is saved is the average.

    Raises:
        UserError: for a configuration that cannot work, with every problem named, and for a loss that is not finite.
    """
    if problems := config.problems():
        raise UserError("training cannot start: " + "; ".join(problems))
    return _Run(method, source, config, accelerator).go()


class _Run:
    """The state of one call of `train`."""

    def __init__(self, method: Method, source: Source, config: TrainingConfig, accelerator: Accelerator | None):
        self.config, self.source = config, source
        self.accelerator = accelerator or Accelerator(mixed_precision=config.mixed_precision)
        self.output_dir = Path(config.output_dir)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        set_seed(config.seed, device_specific=True)
        self._prepare(method)
        micro = config.train_batch_size
        self.order = Order(
            source.lengths,
            micro * config.gradient_accumulation_steps * self.accelerator.num_processes,
            config.seed,
            source.cycle,
        )
        self.started = time.monotonic()
        self.step = self._resume()

    def _prepare(self, method: Method) -> None:
        config, device = self.config, self.accelerator.device
        method.to(device)
        if device.type == "cuda":
            method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            torch.set_float32_matmul_precision("high")
        self.method = method
        self.parameters = method.trainable()
        optimizer = build_optimizer(method, config, device)
        self.schedule = get_scheduler(
            config.lr_scheduler,
            optimizer,
            num_warmup_steps=config.lr_warmup_steps,
            num_training_steps=config.max_train_steps,
        )
        if config.compile:
            for module in method.heavy():
                module.compile(dynamic=False)
        self.model, self.optimizer = self.accelerator.prepare(method, optimizer)
        self.accelerator.register_for_checkpointing(self.schedule)
        self.ema = None
        if config.ema_decay:
            self.ema = EMAModel(self.parameters, decay=config.ema_decay, use_ema_warmup=True, power=0.75, foreach=True)
            self.ema.to(device)
            self.accelerator.register_for_checkpointing(self.ema)

    def _resume(self) -> int:
        folder = checkpoints.newest(self.output_dir) if self.config.resume else None
        if folder is None:
            return 0
        self.accelerator.load_state(str(folder))
        return checkpoints.step_of(folder)

    def go(self) -> dict[str, Any]:
        config = self.config
        bar = tqdm(
            total=config.max_train_steps,
            initial=self.step,
            disable=not self.accelerator.is_local_main_process,
            desc=self.output_dir.name,
            mininterval=1.0,
        )
        logged: dict[str, Any] = {}
        while self.step < config.max_train_steps and not self._out_of_time():
            metrics = self._optimize(self.step)
            self.step += 1
            if config.compile:
                # Rare shapes run uncompiled from now on: compiling each would cost more than it saves.
                torch.compiler.set_stance("eager_on_recompile")
            bar.update()
            if self.step % config.logging_steps == 0 or self.step == config.max_train_steps:
                logged = self._log(metrics)
                bar.set_postfix(loss=f"{logged['loss']:.4f}")
            if config.checkpointing_steps and self.step % config.checkpointing_steps == 0:
                checkpoints.save(self.accelerator, self.output_dir, self.step)
        bar.close()
        torch.compiler.set_stance("default")
        if not checkpoints.exists(self.output_dir, self.step):
            checkpoints.save(self.accelerator, self.output_dir, self.step)
        self._save_result()
        return {**logged, "step": self.step, "finished": self.step >= config.max_train_steps}

    def _optimize(self, step: int) -> dict[str, torch.Tensor]:
        """One optimizer step over all micro-batches of all processes."""
        accelerator, config = self.accelerator, self.config
        bucket, micro = self.order.bucket(step), config.train_batch_size
        mine, keys = (
            each.view(-1, accelerator.num_processes, micro)[:, accelerator.process_index]
            for each in (self.order.indices(step), self.order.keys(step))
        )
        metrics: dict[str, torch.Tensor] = {}
        for turn, indices in enumerate(mine):
            batch = self.source.batch(bucket, indices, accelerator.device, keys[turn])
            batch["keys"] = keys[turn].to(accelerator.device, non_blocking=True)
            last = turn == len(mine) - 1
            with accelerator.autocast(), torch.enable_grad():
                if last:
                    metrics = self.model(batch)
                else:
                    with accelerator.no_sync(self.model):
                        metrics = self.model(batch)
            accelerator.backward(metrics["loss"] / len(mine))
        if config.max_grad_norm:
            metrics["grad_norm"] = accelerator.clip_grad_norm_(self.parameters, config.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.step(self.parameters)
        return {name: value.detach() for name, value in metrics.items()}

    def _log(self, metrics: dict[str, torch.Tensor]) -> dict[str, Any]:
        """The only place where the host waits for the device."""
        values = {name: float(self.accelerator.reduce(value.float(), "mean")) for name, value in metrics.items()}
        row = {"step": self.step, "lr": self.schedule.get_last_lr()[0], **values}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        if self.accelerator.is_main_process:
            with open(self.output_dir / "log.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        if not torch.isfinite(torch.tensor(row["loss"])):
            raise UserError(
                f"the loss is {row['loss']} at step {self.step}; lower learning_rate or max_grad_norm and run again: "
                f"training continues from the newest checkpoint in {self.output_dir}"
            )
        return row

    def _out_of_time(self) -> bool:
        """All processes must agree, or the slower ones would wait for ever in the next collective."""
        limit = self.config.max_train_seconds
        if not limit or self.step % self.config.logging_steps:
            return False
        over = torch.tensor(float(time.monotonic() - self.started > limit), device=self.accelerator.device)
        return bool(self.accelerator.reduce(over, "sum") > 0)

    def _save_result(self) -> None:
        if self.accelerator.is_main_process:
            if self.ema is not None:
                self.ema.store(self.parameters)
                self.ema.copy_to(self.parameters)
            self.method.save(self.output_dir / "result")
            if self.ema is not None:
                self.ema.restore(self.parameters)
        self.accelerator.wait_for_everyone()
