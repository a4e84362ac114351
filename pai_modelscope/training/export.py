"""What a result needs beside what was trained, to open as a model: in ModelScope, in diffusers, and here."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState

from pai_modelscope.adapters.result_manifest import Tuned, write_tuned
from pai_modelscope.errors import UserError
from pai_modelscope.methods import ControlNetTraining, FullFineTuning, LoraTraining, Method, TextualInversion
from pai_modelscope.methods.lora import LEGACY
from pai_modelscope.methods.textual_inversion import fill_pipeline
from pai_modelscope.training.ownership import RESULT, RunFolder
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


def flat_names(method: str, name: str, whole: bool) -> tuple[str, ...]:
    """What `flatten` will give a place in the folder of a run called `name`, as far as it is known before."""
    common = ("README.md", "configuration.json")
    if whole:
        return (*common, "model_index.json", "unet", "text_encoder", "vae", "tokenizer", "scheduler")
    own = {
        "controlnet": ("controlnet",),
        "textual-inversion": ("learned_embeds.safetensors",),
    }
    return *common, *own.get(method, ("pytorch_lora_weights.safetensors", f"{name}.safetensors"))


def flatten(folder: RunFolder, step: int) -> None:
    """Move what lies in the run folder's `result` beside it, and 2023's state of a LoRA into the last checkpoint.

    Raises `UserError` where something lies in its place that no run made; all then stays in `result`.
    """
    if PartialState().is_main_process:
        result = folder.path / RESULT
        names = {path: path.name for path in sorted(result.iterdir())}
        names |= {path: f"checkpoint-{step}/{LEGACY}" for path in names if path.name == LEGACY}
        try:
            folder.check(names.values())
        except UserError as error:
            raise UserError(f"the result stays in {result}: {error}") from None
        for path, name in names.items():
            folder.put(path, name)
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
