"""What a result needs beside what was trained, to open as a model: in ModelScope, in diffusers, and here."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState

from pai_modelscope.adapters.tuned import Tuned, write_tuned
from pai_modelscope.files import publish
from pai_modelscope.methods import ControlNetTraining, FullFineTuning, LoraTraining, Method, TextualInversion
from pai_modelscope.methods.lora import LEGACY
from pai_modelscope.methods.textual_inversion import fill_pipeline
from pai_modelscope.zoo.folders import configure, copy_model

CONTROL = "control"  # what a ControlNet reads whose training set brought its own pictures


def exporter(
    method: Method, base: Path, name: str, *, scheduler: Any = None, reads: str | None = None, whole: bool = False
) -> Callable[[Path], object]:
    """What `train` is to call with the folder of the result.

    Args:
        base: the folder of the model that was trained on; `name`: what it was called, which the result refers to.
        scheduler: in place of the model's own, if it was trained with another.
        reads: a ControlNet's kind of picture.
        whole: write the rest of the model too, where an embedding was learned.
    """
    if isinstance(method, LoraTraining):
        return partial(write_tuned, tuned=Tuned(name, loras={f"{method.name}.safetensors": 1.0}))
    if isinstance(method, ControlNetTraining):
        return partial(write_tuned, tuned=Tuned(name, controlnets={reads or CONTROL: "controlnet"}))
    if isinstance(method, TextualInversion):
        if not whole:
            return partial(write_tuned, tuned=Tuned(name, embeddings=["learned_embeds.safetensors"]))
        return partial(_whole_with_word, method=method, base=base, name=name)
    assert isinstance(method, FullFineTuning), f"{type(method).__name__} has no form of its own"
    return partial(_whole, base=base, name=name, scheduler=scheduler)


def flatten(folder: Path, step: int) -> None:
    """Move what lies in the run folder's `result` beside it, and 2023's state of a LoRA into the last checkpoint."""
    if PartialState().is_main_process:
        result = folder / "result"
        for path in sorted(result.iterdir()):
            place = folder / f"checkpoint-{step}" if path.name == LEGACY else folder
            publish(path, place / path.name)
        result.rmdir()
    PartialState().wait_for_everyone()


def _whole(folder: Path, base: Path, name: str, scheduler: Any) -> None:
    """The parts that did not learn; those that did are there."""
    if scheduler is not None:
        scheduler.save_pretrained(folder / "scheduler")
    copy_model(base, folder, but=[path.name for path in folder.iterdir()])
    configure(folder, base_model=name)


def _whole_with_word(folder: Path, method: TextualInversion, base: Path, name: str) -> None:
    fill_pipeline(folder, base, method.embedding())
    configure(folder, base_model=name)
