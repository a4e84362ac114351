"""What torchrun runs for tests/training/test_training_processes.py, and the same runs on one process."""

import json
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DeepSpeedPlugin, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import BertTokenizer, CLIPTextModel

import pai_modelscope
from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods import FullFineTuning
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from pai_modelscope.training.interrupts import Agreement
from pai_modelscope.training.sharding import open_accelerator
from tests.support.training_runs import Regression, Table, run


class Latents:
    """Eight small latents; remembers which were asked for, and can send a signal while it makes a batch."""

    lengths, cycle = (8,), (0,)

    def __init__(self, tokenizer: Any, signal_at: int | None = None):
        self.ids = chunk_ids(tokenizer, ["猫", "狗", "熊猫", "树", "花", "车", "鱼", "鸟"])
        self.latents = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        self.seen: list[list[int]] = []
        self.signal_at = signal_at

    def batch(self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor) -> dict:
        if len(self.seen) == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        self.seen.append(indices.tolist())
        return {"latents": self.latents[indices].to(device), "ids": self.ids[indices].to(device)}


def fine_tune(
    folder: Path,
    batch: int,
    signal_at: int | None = None,
    validation: Any = None,
    accelerator: Accelerator | None = None,
    **options: Any,
) -> tuple:
    """What `train` returned, and the source, of four steps over the shipped model; `batch`: of a process."""
    model = pai_modelscope.model_dir("pai-diffusion-mini-zh")
    tokenizer = BertTokenizer.from_pretrained(model / "tokenizer")
    method = FullFineTuning(
        UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32).to(
            memory_format=torch.channels_last  # as an opened model has it
        ),
        CLIPTextModel.from_pretrained(model / "text_encoder"),
        DDIMScheduler.from_pretrained(model / "scheduler"),
        chunk_ids(tokenizer, [""])[0, 0],
    )
    settings: dict[str, Any] = {
        "max_train_steps": 4,
        "ema_decay": 0.9,
        "logging_steps": 1,
        "lr_scheduler": "constant",
        "resume_from_checkpoint": "latest",
        **options,
    }
    source = Latents(tokenizer, signal_at)
    config = TrainingConfig(output_dir=str(folder), train_batch_size=batch, **settings)
    return train(method, source, config, accelerator, validation), source


def failing_save(folder: Path, rank: int) -> str:
    """One process alone can't write its part of a checkpoint."""
    save = torch.save
    if rank == 1:
        torch.save = _full  # the generators' states, which every process writes
    try:
        train(Regression(), Table(), TrainingConfig(output_dir=str(folder), max_train_steps=1, train_batch_size=4))
    except UserError as error:
        return str(error)
    finally:
        torch.save = save
    return ""


def _full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def sharded(folder: Path) -> None:
    """A run with the average, whole, and stopped and resumed, under FSDP 2, which accelerate offers on GPUs only: so
    its state is told that it has some."""
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    for name, options in (("whole", {}), ("parts", {"max_train_seconds": 1e-9}), ("parts", {})):
        accelerator = Accelerator(cpu=True, fsdp_plugin=plugin)
        told = {"distributed_type": DistributedType.FSDP}
        PartialState._shared_state.update(told)
        AcceleratorState._shared_state.update(told | {"fsdp_plugin": plugin})
        run(folder / name, accelerator=accelerator, train_batch_size=4, ema_decay=0.9, **options)
    # What `accelerate launch` sets: only the first process would fill the weights of what transformers opens.
    os.environ.update({"ACCELERATE_USE_FSDP": "true", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"})
    open_accelerator(TrainingConfig(output_dir=str(folder), max_train_steps=1), accelerator=accelerator)
    fine_tune(folder / "unet", 2, accelerator=accelerator)


def deepspeed(folder: Path) -> None:
    """A run of the shipped UNet under ZeRO 2, whole, and stopped and resumed; accelerate is told as above."""
    from deepspeed import init_distributed

    runs = ("whole", {}), ("parts", {"max_train_seconds": 1e-9}), ("parts", {}), ("half", {"mixed_precision": "bf16"})
    for name, options in runs:
        plugin, precision = DeepSpeedPlugin(zero_stage=2), options.get("mixed_precision", "no")
        plugin.set_mixed_precision(precision)
        AcceleratorState._reset_state()  # a second Accelerator takes no plugins
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_CPU
        accelerator = Accelerator(cpu=True, deepspeed_plugin=plugin, mixed_precision=precision)
        accelerator.native_amp = False  # as where accelerate knows that it is DeepSpeed
        told = {"distributed_type": DistributedType.DEEPSPEED}
        PartialState._shared_state.update(told)
        AcceleratorState._shared_state.update(told | {"deepspeed_plugins": {"default": plugin}})
        plugin.select(_from_accelerator_state=True)
        init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
        fine_tune(folder / name, 2, accelerator=accelerator, **options)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator()
    rank, report = accelerator.process_index, {}
    agreement = Agreement(accelerator.num_processes)
    report["agreed"] = [agreement.any(False), agreement.any(rank == 1)]
    # The second process alone is told to stop, in its third step.
    first, source = fine_tune(folder / "two", 2, signal_at=2 if rank == 1 else None)
    report["stopped"], report["begun"] = first, source.seen
    report["finished"], source = fine_tune(folder / "two", 2)
    report["rest"] = source.seen
    report["resumed"], source = fine_tune(folder / "from-one", 2)
    report["taken"] = source.seen
    report["error"] = failing_save(folder / "full", rank)
    sharded(folder / "sharded")
    if find_spec("deepspeed"):
        deepspeed(folder / "deepspeed")
    (folder / f"report-{rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
