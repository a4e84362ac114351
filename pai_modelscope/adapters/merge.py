"""A model with LoRAs merged into it, as a folder that opens without them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import PARTS
from pai_modelscope.adapters.lora_loader import loaded_loras
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import weight_stem
from pai_modelscope.tensor_files import all_finite, is_float8, read_part, save_safetensors, widened, write_new
from pai_modelscope.zoo.folders import WEIGHTS, copy_model

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


def save_merged(pipe: "DiffusionPipeline", source: Path, folder: str | os.PathLike[str]) -> Path:
    """Write the model in the folder `source` again, with the weights that `pipe` has of it after `merge_lora`.

    Tensors that no LoRA changed keep their every bit, and the others their dtype; but float8 becomes float16, as
    rounding to a byte would lose what the LoRA taught. The card stays behind. Raises `UserError` if the folder exists,
    and for weights that are no numbers in that dtype; nothing is left behind then.
    """
    if loaded := loaded_loras(pipe):
        raise UserError(f"LoRAs are loaded ({', '.join(loaded)}): unload them, only merged ones can be saved.")
    return write_new(Path(folder), lambda made: _fill(made, pipe, source), folder=True)


def _fill(made: Path, pipe: "DiffusionPipeline", source: Path) -> None:
    weights = (*(f"*{suffix}" for suffix in WEIGHTS), "*.index.*")
    copy_model(source, made, but=[f"{part}/{pattern}" for part in PARTS for pattern in weights])
    for part in PARTS:
        tensors = _changed(read_part(source / part), getattr(pipe, part).state_dict(), part)
        (made / part).mkdir(exist_ok=True)
        save_safetensors(tensors, made / part / f"{weight_stem(part)}.safetensors", {})


def _changed(stored: State, state: State, part: str) -> State:
    """The stored tensors with the model's values; older files know CLIP's under 'text_model.', newer models not."""
    changed = {}
    for name, tensor in stored.items():
        bare = name.removeprefix("text_model.")
        value = next((state[key] for key in (name, bare, f"text_model.{bare}") if key in state), tensor)
        changed[name] = _stored_as(tensor, value.detach().cpu())
        if not all_finite(changed[name]):
            raise UserError(
                f"{part}.{name} is beyond {changed[name].dtype} after merging: give the LoRA a smaller weight."
            )
    return changed


def _stored_as(stored: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value` in the dtype of the tensor that it replaces; for float8 in float16, unless it is what is stored."""
    if not is_float8(stored):
        return value.to(stored.dtype)
    return stored if torch.equal(value.float(), widened(stored)) else value.to(torch.float16)
