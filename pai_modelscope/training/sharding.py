"""The processes of a run, and what FSDP2 and DeepSpeed need beyond what accelerate does for them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError, need
from pai_modelscope.methods.base import Phase
from pai_modelscope.training.launcher import RAM_EFFICIENT, environment

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}  # by what accelerate calls the precision


def open_accelerator(
    config: TrainingConfig, accelerator: Accelerator | None = None, *, cpu: bool = False
) -> Accelerator:
    """The processes that a launcher started, or this one alone; to be called before models are opened.

    Args:
        accelerator: use this one, which the caller has opened.
        cpu: train on the CPU even where there is a GPU.

    Raises:
        UserError: what the launcher says in environment variables, or a precision, that can't be.
    """
    # accelerate's launcher has transformers give weights that were never filled to all processes but the first, for
    # accelerate to fill as it wraps them: too late for what the encoders read before that, such as for a cache.
    os.environ[RAM_EFFICIENT] = "false"
    if accelerator is None:
        with environment():
            accelerator = _accelerator(config, cpu)
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError("mixed_precision is 'fp16', in which a CPU can't train: set it to 'bf16' or 'no'")
    if plugin := getattr(accelerator.state, "fsdp_plugin", None):
        plugin.cpu_ram_efficient_loading = False
    _configure(accelerator, config)
    return accelerator


def _accelerator(config: TrainingConfig, cpu: bool) -> Accelerator:
    known = AcceleratorState._shared_state
    if known and known["_mixed_precision"] != config.mixed_precision and PartialState().num_processes == 1:
        AcceleratorState._reset_state()  # an earlier run of this process had another; accelerate would refuse this one
    # Gradients lie where they are summed over the processes, not there and beside it once more. They are sent in large
    # buckets, at whose borders a compiled network is cut: two H200 reach 96.6 % of twice one, 94.3 % by DDP's 25 MB.
    together = DistributedDataParallelKwargs(gradient_as_bucket_view=True, bucket_cap_mb=200)
    # The others wait while one draws validation's or DreamBooth's pictures: NCCL's ten minutes may be too short for it.
    patient = InitProcessGroupKwargs(timeout=timedelta(hours=1))
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        need("distributed", "DeepSpeed, which the launcher asks for,", "deepspeed")
    return Accelerator(mixed_precision=config.mixed_precision, cpu=cpu, kwargs_handlers=[together, patient])


def cuts(accelerator: Accelerator) -> bool:
    """Whether each process holds only a part of what is learned."""
    return accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)


def memory_format(accelerator: Accelerator, channels_last: bool) -> torch.memory_format | None:
    """How weights of convolutions lie: None is as they are. What is cut, or sent as bytes, must lie in plain order."""
    if cuts(accelerator):
        return torch.contiguous_format
    return torch.channels_last if channels_last and accelerator.device.type == "cuda" else None


def _configure(accelerator: Accelerator, config: TrainingConfig) -> None:
    """Tell accelerate's plugins what they would otherwise take from a DataLoader and from the training script."""
    accelerator.gradient_accumulation_steps = 1  # the loop divides by its batches itself; a launcher may have said more
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise UserError("accelerate's configuration asks for FSDP 1, which is not supported: set fsdp_version to 2")
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if accelerator.distributed_type == DistributedType.DEEPSPEED and plugin is not None:
        if plugin.zero_stage == 3:
            raise UserError("DeepSpeed's ZeRO stage 3 is not supported: choose stage 1 or 2, or FSDP 2")
        plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = config.train_batch_size
        plugin.deepspeed_config["gradient_accumulation_steps"] = 1
        plugin.deepspeed_config["gradient_clipping"] = config.max_grad_norm
        plugin.deepspeed_config["zero_allow_untested_optimizer"] = True


def check_validation(accelerator: Accelerator, validates: bool) -> None:
    """Raises `UserError` where nobody can draw: with FSDP, no process has the whole weights while it trains."""
    if validates and accelerator.distributed_type == DistributedType.FSDP:
        raise UserError("pictures during training need whole weights in a process: set validation_steps to 0 with FSDP")


def check_phases(accelerator: Accelerator, phases: Sequence[Phase]) -> None:
    """Several phases: FSDP and DeepSpeed know one optimizer, and DDP must look for what a phase leaves out.

    Raises `UserError` for the first two.
    """
    if len(phases) < 2:
        return
    if cuts(accelerator):
        raise UserError(
            f"the method trains in {len(phases)} phases ({', '.join(phase.name for phase in phases)}), each by an "
            "optimizer of its own, which FSDP and DeepSpeed can't: train it on one GPU, or on several without them"
        )
    if accelerator.ddp_handler is not None:
        accelerator.ddp_handler.find_unused_parameters = True


def autocast(accelerator: Accelerator) -> AbstractContextManager[object]:
    """The precision of a step's forward pass. DeepSpeed holds its weights in half precision, accelerate leaves the rest
    to the model there: what meets those weights must be cast to them."""
    half = HALVES.get(accelerator.mixed_precision)
    if accelerator.distributed_type == DistributedType.DEEPSPEED and half:
        return torch.autocast(accelerator.device.type, half)
    context: AbstractContextManager[object] = accelerator.autocast()
    return context


def backward_context(accelerator: Accelerator, model: nn.Module, last: bool) -> AbstractContextManager[object]:
    """Gradients are summed over the processes only in the last of a step's batches."""
    accelerator.gradient_state._set_sync_gradients(last)
    return nullcontext() if last else accelerator.no_sync(model)


def save_options(accelerator: Accelerator) -> dict[str, bool]:
    return {"exclude_frozen_parameters": True} if accelerator.distributed_type == DistributedType.DEEPSPEED else {}


def load_options(accelerator: Accelerator) -> dict[str, bool]:
    return {"load_module_strict": False} if accelerator.distributed_type == DistributedType.DEEPSPEED else {}


def whole(value: torch.Tensor) -> torch.Tensor:
    """All of a tensor of which each process holds a part; every process must ask."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def part(value: torch.Tensor) -> torch.Tensor:
    """What this process holds of a tensor, in the same memory."""
    return value.to_local() if isinstance(value, DTensor) else value


def joined(local: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The parts `mine` of all processes as one tensor that is cut as `place` is."""
    if not isinstance(place, DTensor):
        return local
    mesh, cuts = place.device_mesh, place.placements
    return DTensor.from_local(local, mesh, cuts, shape=place.shape, stride=place.stride())


def like(value: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """`value`, which is whole, cut as `place` is."""
    value = value.to(place.device, place.dtype)
    return distribute_tensor(value, place.device_mesh, place.placements) if isinstance(place, DTensor) else value


@contextmanager
def gathered(method: nn.Module) -> Iterator[None]:
    """Every process sees the whole weights in `method`, ready to be written; forward is not to be called."""
    cut: list[tuple[nn.Module, str, nn.Parameter]] = []
    for module in method.modules():
        for name, value in module._parameters.items():
            if isinstance(value, DTensor):
                cut.append((module, name, value))
    for module, name, value in cut:
        module._parameters[name] = nn.Parameter(whole(value.detach()), value.requires_grad)
    try:
        yield
    finally:
        for module, name, value in cut:
            module._parameters[name] = value
