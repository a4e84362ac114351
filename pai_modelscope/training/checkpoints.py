"""Checkpoints that are whole or absent, of what trains alone; finding, saving and loading them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import OPTIMIZER_NAME, RNG_STATE_NAME, set_seed
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from pai_modelscope import untrusted
from pai_modelscope.errors import UserError, reason
from pai_modelscope.files import remove
from pai_modelscope.methods.base import Method
from pai_modelscope.training import checkpoint_files
from pai_modelscope.training.disk_space import writing
from pai_modelscope.training.fingerprint import Identity
from pai_modelscope.training.interrupts import Agreement
from pai_modelscope.training.ownership import CHECKPOINT, IDENTITY, RunFolder
from pai_modelscope.training.sharding import cuts, load_options, save_options

WEIGHTS = "trained.safetensors"


def step_of(folder: Path) -> int:
    match = CHECKPOINT.fullmatch(folder.name)
    if match is None:
        raise UserError(f"{folder} is no checkpoint: give a folder called checkpoint-STEP, or 'latest'")
    return int(match.group(1))


def newest(folder: RunFolder) -> Path | None:
    return max(folder.checkpoints(), key=step_of, default=None)


def exists(folder: RunFolder, step: int) -> bool:
    return (folder.path / f"checkpoint-{step}").is_dir()


def choose(run: RunFolder, asked: str | None) -> Path | None:
    """The checkpoint that `resume_from_checkpoint` names, None for a fresh run.

    Raises:
        UserError: the folder is not there, or the run would mix with the checkpoints of another one.
    """
    output_dir, there = run.path, run.checkpoints()
    if not asked:
        if there:
            raise UserError(
                f"{output_dir} already holds {there[-1].name}: set resume_from_checkpoint to 'latest' to go on from "
                "it, overwrite_output_dir to begin anew in its place, or give another output_dir"
            )
        return None
    if asked == "latest":
        return there[-1] if there else None
    folder = Path(asked)
    if not folder.is_dir() and (output_dir / asked).is_dir():
        folder = output_dir / asked
    if not folder.is_dir():
        known = f"{output_dir} has {', '.join(p.name for p in there)}" if there else f"{output_dir} has none"
        raise UserError(f"the checkpoint {asked} does not exist; {known}, and 'latest' takes the newest")
    if later := [p.name for p in there if step_of(p) > step_of(folder)]:
        raise UserError(
            f"{output_dir} holds later checkpoints than {folder.name}: {', '.join(later)}; remove them to go back, or "
            "give another output_dir"
        )
    return folder


def only_what_trains(accelerator: Accelerator, method: Method) -> None:
    """Checkpoints of `accelerator` leave out frozen weights, and name the others alike on one process and many.

    Where each process holds a part (FSDP, DeepSpeed), weights are written by accelerate instead.
    """

    def save_weights(models: list[nn.Module], weights: list[object], folder: str) -> None:
        if weights:
            weights.clear()
            if accelerator.is_main_process:
                save_file({name: value.contiguous() for name, value in state_of(method).items()}, Path(folder, WEIGHTS))

    def load_weights(models: list[nn.Module], folder: str) -> None:
        if models:
            models.clear()
            load_trained(method, Path(folder))

    accelerator.register_save_state_pre_hook(save_weights)
    accelerator.register_load_state_pre_hook(load_weights)


def load_trained(method: nn.Module, folder: Path) -> None:
    """What trained, from a checkpoint that one process could write whole.

    Raises `UserError` for a folder that is none, or one of another method or model.
    """
    file = folder / WEIGHTS
    if not file.exists():
        raise UserError(f"{folder} is no checkpoint: it has no {WEIGHTS}")
    untrusted.check_regular(file)
    try:
        stored, state = load_file(file), state_of(method)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} can't be read ({reason(error)}): {checkpoint_files.ADVICE}") from None
    if odd := [name for name, value in state.items() if name not in stored or stored[name].shape != value.shape]:
        raise UserError(f"{folder} is a checkpoint of another method or model: it lacks {odd[0]} in this shape")
    for name, value in state.items():
        value.copy_(stored[name])


def state_of(method: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters that train, and buffers, such as the statistics of a batch norm."""
    kept = set(method.state_dict())
    buffers = {name: value for name, value in method.named_buffers() if name in kept}
    return {name: p.detach() for name, p in method.named_parameters() if p.requires_grad} | buffers


def save(
    accelerator: Accelerator, run: RunFolder, step: int, identity: Identity, limit: int, agreement: Agreement
) -> Path:
    """Write to a temporary name, rename when every process has finished, then drop all but the `limit` newest.

    Raises:
        UserError: in every process, if one of them could not write; older checkpoints are as they were.
    """
    name = f"checkpoint-{step}"
    final, partial = run.path / name, run.scratch / name
    last = newest(run)
    kept = f"{last} is whole: resume_from_checkpoint='latest' goes on from it" if last else "there is no earlier one"
    accelerator.wait_for_everyone()
    problem: UserError | None = None
    what = f"the checkpoint of step {step}"
    try:
        with writing(what, run.path, kept):
            accelerator.save_state(str(partial), **save_options(accelerator))
            if accelerator.is_main_process:
                (partial / IDENTITY).write_text(identity.text(step, accelerator.num_processes), encoding="utf-8")
    except UserError as error:
        problem = error
    if agreement.any(problem is not None):
        if accelerator.is_main_process:
            remove(partial)
        raise problem or UserError(f"{what} could not be written by another process; {kept}")
    if accelerator.is_main_process:
        with writing(what, run.path, kept):
            run.put(partial, name)
            for old in run.checkpoints()[:-limit] if limit else []:
                run.drop(old)
    accelerator.wait_for_everyone()
    return final


def load(accelerator: Accelerator, folder: Path, identity: Identity, optimizers: Sequence[Optimizer]) -> int:
    """Go on from `folder`; gives its step. On another number of processes the generators of random numbers are seeded
    anew: noise and order do not depend on them, only what a method draws without its samples' keys.

    Raises `UserError` for a checkpoint of another training, and for one that lacks a file or has one that is damaged
    or holds more than tensors and plain values: no code of a file runs.
    """
    step, world_size = step_of(folder), identity.check(folder)
    checkpoint_files.check(folder)
    if not cuts(accelerator):
        for place, optimizer in enumerate(optimizers):  # called as accelerate calls them
            name = f"{OPTIMIZER_NAME}_{place}.bin" if place else f"{OPTIMIZER_NAME}.bin"
            checkpoint_files.check_optimizer(folder / name, optimizer)
    if world_size == accelerator.num_processes:
        checkpoint_files.restore_random(folder / f"{RNG_STATE_NAME}_{accelerator.process_index}.pkl")
    try:
        with checkpoint_files.only_values():
            accelerator.load_state(str(folder), **load_options(accelerator))
    except UserError:
        raise
    except checkpoint_files.DAMAGED as error:
        raise UserError(
            f"{folder} can't be loaded ({reason(error)}): give the options that it was made with; if a file of it is "
            f"missing or damaged, {checkpoint_files.ADVICE}"
        ) from error
    if world_size != accelerator.num_processes:
        set_seed((identity.seed + step + accelerator.process_index) % 2**32)
    return step
