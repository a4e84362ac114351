"""THE training loop: every method, and every stage of the recipes, runs through `Trainer.fit`."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from pai_modelscope.config.training import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods.base import Method, Phase
from pai_modelscope.training import checkpoints, sharding
from pai_modelscope.training.card import CardFacts, write_card
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
    facts: CardFacts | None = None,
    export: Callable[[Path], None] | None = None,
) -> dict[str, float]:
    """Train `method` on `source`; write checkpoints, `run.json`, `log.jsonl` and `result`: what `export` writes (None:
    what `method.save` does), and a model card with the `facts` that the caller knows. `validation` runs every
    `config.validation_steps` steps.

    Returns the last logged values with `step` and `finished`: False when `max_train_seconds`, Ctrl-C or SIGTERM came
    first; `resume_from_checkpoint='latest'` then goes on as if nothing had been. With `ema_decay` set, what is saved
    is the average.

    Raises:
        UserError: for a configuration that cannot work, with every problem named; a checkpoint of another training; a
            loss that is not finite or explodes; a gradient that is always zero; a disk that is full, where the last
            checkpoint stays whole; a folder that another run has, or in which something lies that no run made.
    """
    config.check()
    accelerator = sharding.open_accelerator(config, accelerator)
    with claimed(config.output_dir, accelerator) as folder:
        return Trainer(method, source, config, accelerator, folder, validation, facts or CardFacts(), export).fit()


class Trainer:
    """A run of the loop: what is open of it, and its state."""

    def __init__(
        self,
        method: Method,
        source: Source,
        config: TrainingConfig,
        accelerator: Accelerator,
        folder: RunFolder,
        validation: Validation | None = None,
        facts: CardFacts | None = None,
        export: Callable[[Path], None] | None = None,
    ):
        """As `train`, in a folder that is claimed already; goes to the step of the checkpoint that is asked for."""
        self.config, self.source, self.validation, self.facts = config, source, validation, facts or CardFacts()
        self.export = export or method.save
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
        with ExitStack() as kept:
            for phase in self.phases:
                kept.enter_context(settings_kept(phase.schedule))
            self.step = 0
            if from_folder:
                optimizers = [phase.optimizer for phase in self.phases]
                self.step = checkpoints.load(accelerator, from_folder, self.identity, optimizers)
        for phase in self.phases:
            phase.begin(config.max_loss_ratio, config.train_batch_size, self.accelerator.device, self.step)
        self.meter = Meter()
        self.journal = Journal(self.accelerator, folder, config, self.identity.method, self.facts.options, self.step)
        self.logged: dict[str, float] = self.journal.last
        self.accelerator.wait_for_everyone()
        self.started = time.monotonic()
        self.mark = (self.started, self.step)  # from where the throughput is counted

    def _prepare(self, method: Method) -> None:
        config, device = self.config, self.accelerator.device
        sharding.check_validation(self.accelerator, self.validation is not None and config.validation_steps > 0)
        check_processes(config, sharding.cuts(self.accelerator))
        if config.weights == "bfloat16":
            hold_in_bfloat16(method)
        method.to(device)
        if order := sharding.memory_format(self.accelerator, method.channels_last):
            method.to(memory_format=order)  # type: ignore[call-overload]
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.method = method
        phases = checked_phases(method)
        sharding.check_phases(self.accelerator, phases)
        optimizers = [self._optimizer(phase) for phase in phases]
        schedules = [
            build_schedule(optimizer, config, method.lr_factor, phase.turns(config.max_train_steps))
            for phase, optimizer in zip(phases, optimizers, strict=True)
        ]
        if config.compile:
            for module in method.compilable_modules():
                module.compile(dynamic=False)
        self.model, *optimizers = self.accelerator.prepare(method, *optimizers)
        self.parameters = method.trainable()
        # Asked for again, as FSDP has put other parameters into the places of the first.
        parts = zip(method.phases(), optimizers, schedules, strict=True)
        self.phases = [PhaseTraining(*part, self.parameters) for part in parts]
        checkpoints.only_what_trains(self.accelerator, method)
        # In this order, which gives the files of a checkpoint their numbers.
        self.accelerator.register_for_checkpointing(Checked(schedules[0], "last_epoch", "base_lrs"))
        self.average = Average(self.parameters, config.ema_decay) if config.ema_decay else None
        if self.average:
            kept = Checked(self.average, "optimization_step", "shadow_params")
            self.accelerator.register_for_checkpointing(kept)
        for schedule in schedules[1:]:
            self.accelerator.register_for_checkpointing(Checked(schedule, "last_epoch", "base_lrs"))

    def _optimizer(self, phase: Phase) -> torch.optim.Optimizer:
        optimizer = build_optimizer(self.method, self.config, self.accelerator.device, phase.groups)
        for group in optimizer.param_groups if self.config.scale_lr else []:
            group["lr"] *= self.order.batch_size
        return optimizer

    def fit(self) -> dict[str, float]:
        """Train to the end, or until something stops it; write the result. See `train`."""
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
            if config.compile and all(phase.steps for phase in self.phases):
                # Rare shapes run uncompiled from now on: compiling each would cost more than it saves.
                torch.compiler.set_stance("eager_on_recompile")
            bar.update()
            last = self.step == config.max_train_steps
            if any(phase.gradients.wonders for phase in self.phases):
                self._stop_if_bad()
            if self.step % config.logging_steps == 0 or last:
                self._log()
                loss, speed = self.logged.get("loss", math.nan), self.logged["images_per_second"]
                bar.set_postfix(loss=f"{loss:.4f}", images=f"{speed:.1f}/s")
            if config.validation_steps and (self.step % config.validation_steps == 0 or last):
                self._validate()
            if config.checkpointing_steps and self.step % config.checkpointing_steps == 0:
                self._save_checkpoint()
        if interrupts.received and not bar.disable:
            bar.write(f"{interrupts.received}: saving step {self.step}, then stopping", file=sys.stderr)
        if not checkpoints.exists(self.folder, self.step):
            self._save_checkpoint()

    def _optimize(self, step: int) -> None:
        """One step of every phase whose turn it is."""
        for phase in self.phases:
            if phase.phase.trains_at(step):
                with self._alone(phase):
                    self._optimize_phase(phase, step)
        if self.average:
            self.average.step()

    def _optimize_phase(self, phase: "PhaseTraining", step: int) -> None:
        """One optimizer step over all micro-batches of all processes."""
        accelerator, config = self.accelerator, self.config
        bucket, micro = self.order.bucket(step), config.train_batch_size
        local_indices, local_keys = (
            values.view(-1, accelerator.num_processes, micro)[:, accelerator.process_index]
            for values in (self.order.indices(step), self.order.keys(step))
        )
        prefix = "" if phase is self.phases[0] else f"{phase.name}/"
        losses = []
        for turn, (indices, keys) in enumerate(zip(local_indices, local_keys, strict=True), 1):
            batch = self.source.batch(bucket, indices, accelerator.device, keys)
            batch["keys"] = keys.to(accelerator.device, non_blocking=True)
            with sharding.backward_context(accelerator, self.model, turn == len(local_indices)):
                with sharding.autocast(accelerator), torch.enable_grad():
                    metrics = self.model(batch, phase.name)
                accelerator.backward(metrics["loss"] / len(local_indices))
            losses.append(metrics["loss"].detach())
            self.meter.add({f"{prefix}{name}": value for name, value in metrics.items()})
        loss, norm = torch.stack(losses).mean(), None
        phase.watch.see(loss, step)
        if config.max_grad_norm:
            norm = accelerator.clip_grad_norm_(phase.parameters, config.max_grad_norm)
            if norm is not None:
                norm = sharding.whole(torch.as_tensor(norm, device=accelerator.device))
                self.meter.add({f"{prefix}grad_norm": norm})
        phase.gradients.see(loss, norm)
        phase.optimizer.step()
        phase.schedule.step()
        phase.optimizer.zero_grad(set_to_none=True)
        phase.steps += 1

    @contextmanager
    def _alone(self, phase: "PhaseTraining") -> Iterator[None]:
        """Of several phases, no gradient reaches what the others train."""
        others = [weight for other in self.phases if other is not phase for weight in other.parameters]
        for weight in others:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in others:
                weight.requires_grad_(True)

    def _log(self) -> None:
        """Here the host waits for the device; else only where something is saved."""
        self._stop_if_bad()
        first, *others = self.phases
        rates = first.schedule.get_last_lr()
        row: dict[str, float] = {"step": self.step, "lr": float(rates[0]), **self.meter.read(self.accelerator)}
        row |= {f"lr/{i}": float(rate) for i, rate in enumerate(rates) if rate != rates[0]}
        row |= {f"{phase.name}/lr": float(phase.schedule.get_last_lr()[0]) for phase in others}
        now, (then, before) = time.monotonic(), self.mark
        row["images_per_second"] = round((self.step - before) * self.order.batch_size / max(now - then, 1e-9), 2)
        row["seconds"] = round(now - self.started, 1)
        for phase, name in [(first, "loss"), *((phase, f"{phase.name}/loss") for phase in others)]:
            if name in row:  # a phase may have had no turn since the last line
                phase.watch.usual(row[name])
        self.journal.row(row)
        self.logged, self.mark = row, (time.monotonic(), self.step)

    def _pause_throughput(self, since: float) -> None:
        """What happened since then is not part of the throughput."""
        self.mark = (self.mark[0] + time.monotonic() - since, self.mark[1])

    def _save_checkpoint(self) -> None:
        self._stop_if_bad()
        begun, limit = time.monotonic(), self.config.checkpoints_total_limit
        checkpoints.save(self.accelerator, self.folder, self.step, self.identity, limit, self.agreement)
        self._pause_throughput(begun)

    def _stop_if_bad(self) -> None:
        last = self.step == self.config.max_train_steps
        for phase in self.phases:
            phase.watch.stop_if_bad(self.accelerator, self.order, self.source, checkpoints.newest(self.folder))
            phase.gradients.stop_if_idle(self.accelerator, last)

    def _validate(self) -> None:
        if self.validation is None or not self.config.validation_steps:
            return
        begun = time.monotonic()
        if self.accelerator.is_main_process:
            with self._averaged(), untouched(self.method), sharding.autocast(self.accelerator):
                outcome = self.validation.validate(self.method, self.step)
            self.journal.show(outcome, self.step)
        self.accelerator.wait_for_everyone()
        self._pause_throughput(begun)

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
                    self.export(partial)
                    loss = self.logged.get("loss")
                    write_card(
                        partial, self.identity.method, config, self.facts, self.step, self.order.batch_size, loss
                    )
                    self.folder.put(partial, RESULT)
        self.accelerator.wait_for_everyone()


class PhaseTraining:
    """What trains one phase of the method, and watches over it."""

    watch: Watch
    gradients: GradientWatch

    def __init__(
        self, phase: Phase, optimizer: torch.optim.Optimizer, schedule: LambdaLR, parameters: list[nn.Parameter]
    ):
        """`parameters`: all that the method trains, in their order."""
        self.phase, self.optimizer, self.schedule = phase, optimizer, schedule
        in_phase = set(map(id, phase.parameters))
        self.name, self.parameters = phase.name, [weight for weight in parameters if id(weight) in in_phase]
        self.steps = 0  # that it has trained since the run began or went on

    def begin(self, max_loss_ratio: float, micro: int, device: torch.device, step: int) -> None:
        """`micro`: samples that a process takes at once. `step`: the one that the run goes on from."""
        self.watch = Watch(max_loss_ratio, micro, device)
        self.gradients = GradientWatch(self.parameters, device, self.phase.turns(step))


def checked_phases(method: Method) -> list[Phase]:
    """The phases of a method. Raises `UserError` for those that can't train as they are."""
    phases = method.phases()
    weights = [id(weight) for phase in phases for weight in phase.parameters]
    names = [phase.name for phase in phases]
    if not phases or len(set(names)) < len(names):
        raise UserError(f"the method's phases are {names}: give at least one, each with a name of its own")
    if any(phase.every < 1 or phase.first < 0 for phase in phases):
        raise UserError("a phase's `every` must be at least 1, and its `first` at least 0")
    turn = max(phase.first for phase in phases) + math.lcm(*(phase.every for phase in phases))
    if idle := [step for step in range(turn) if not any(phase.trains_at(step) for phase in phases)]:
        raise UserError(f"none of the method's phases ({', '.join(names)}) trains at step {idle[0]}, counted from 0")
    if len(set(weights)) < len(weights) or set(weights) != {id(weight) for weight in method.trainable()}:
        raise UserError(f"the method's phases ({', '.join(names)}) must train each of its weights once")
    return phases
