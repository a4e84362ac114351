"""A model's or a ControlNet's folder as one file, in the layout of CompVis's code that the WebUI reads."""

import os
import re
import warnings
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from pai_modelscope.adapters.control import FILE as CONTROL_LORA
from pai_modelscope.adapters.control import controlnet_folder, read_control_lora
from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import architecture
from pai_modelscope.adapters.result_manifest import lineage
from pai_modelscope.adapters.shapes import check_config
from pai_modelscope.checkpoints.single_file.description import CONTROLNET, Description, header, of_folder
from pai_modelscope.checkpoints.single_file.fit import MEANINGLESS, fit
from pai_modelscope.checkpoints.single_file.names import Slot, clip_name
from pai_modelscope.errors import UserError, first_few
from pai_modelscope.tensor_files import check_free, read_part, save_safetensors, write_new
from pai_modelscope.untrusted import Json
from pai_modelscope.zoo.entries import lookup
from pai_modelscope.zoo.push import licence
from pai_modelscope.zoo.resolve import model_dir

_PREDICTIONS = {"v_prediction": "v"}  # others are called alike
# The autoencoder's attention in files that diffusers wrote before 0.17.
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD = re.compile(rf"(?<=\.attentions\.0\.)({'|'.join(_OLD_ATTENTION)})(?=\.)")


def to_single_file(
    model: str | os.PathLike[str], path: str | os.PathLike[str], base: str | os.PathLike[str] | None = None
) -> Path:
    """Write a model (a folder, a name of the zoo, a hub id) or a ControlNet's folder as one .safetensors file.

    Its header holds configurations and vocabulary too, so that `from_single_file` gives back what draws the same
    pictures bit for bit. A control adapter of low rank becomes a whole ControlNet, by the UNet of `base`; the zoo knows
    the base of its own. Raises `UserError` for what has no such layout, and if `path` exists; nothing is left behind.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path} does not end in .safetensors, which is what is written. Add the ending.")
    check_free(path)
    whole = model_dir(model)
    folder = controlnet_folder(whole)
    described = of_folder(folder, str(folder))
    if base and not (folder / CONTROL_LORA).is_file():
        raise UserError(f"--base is for reading a file and for control adapters; {folder} is neither: leave it away")
    tensors: State = {}
    for part, places in described.parts().items():
        place = folder / part if described.is_model else folder
        stored = _expanded(folder, base or lineage(whole)) if (place / CONTROL_LORA).is_file() else read_part(place)
        tensors |= _original(stored, place, part, places)
    metadata = _modelspec(described, path.stem, licence(folder)) | header(described)
    return write_new(path, lambda made: save_safetensors(tensors, made, metadata))


def _expanded(folder: Path, base: str | os.PathLike[str] | None) -> State:
    """A control adapter's tensors, those that it shares with its base's UNet among them."""
    entry = lookup(folder.name)
    source = base or (entry and entry.base)
    if not source:
        raise UserError(
            f"{folder} is a control adapter of low rank, kept as what it adds to a UNet: give --base with the model "
            "that it was made for."
        )
    part = model_dir(source) / "unet"
    check_config(part, UNet2DConditionModel)
    unet = UNet2DConditionModel.from_pretrained(part, torch_dtype=torch.float32, local_files_only=True)
    return dict(read_control_lora(folder, unet).state_dict())


def _original(stored: State, folder: Path, part: str, places: dict[str, Slot]) -> State:
    """The part's tensors under their original names."""
    if part == "vae":
        stored = {_OLD.sub(lambda match: _OLD_ATTENTION[match[0]], name): tensor for name, tensor in stored.items()}
    if part == "text_encoder" and any(name.startswith("text_model.") for name in places):
        stored = {clip_name(name): tensor for name, tensor in stored.items()}
    fitted = fit(stored, places)
    if fitted.problems:
        raise UserError(
            f"The weights in {folder} don't fit its config.json: {first_few(fitted.problems)}. Download or copy the "
            "folder again."
        )
    if left := [name for name in fitted.rest if not MEANINGLESS.fullmatch(name)]:
        warnings.warn(f"{folder} holds {len(left)} tensors that its model has not: {first_few(left)}.", stacklevel=3)
    return {places[name].original: _convolution(part, tensor) for name, tensor in fitted.tensors.items()}


def _convolution(part: str, tensor: torch.Tensor) -> torch.Tensor:
    """The original autoencoder attends by 1x1 convolutions; it has no other matrices."""
    return tensor[:, :, None, None] if part == "vae" and tensor.ndim == 2 else tensor


def _modelspec(described: Description, title: str, terms: str | None) -> dict[str, str]:
    """What programs show of a file: https://github.com/Stability-AI/ModelSpec."""
    unet = described.json("unet/config.json" if described.is_model else CONTROLNET)
    width = unet.get("cross_attention_dim")
    kind = architecture(width if isinstance(width, int) else None)
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": kind if described.is_model else f"{kind}/controlnet",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": title,
    }
    if terms:
        metadata["modelspec.license"] = terms
    if described.is_model:
        prediction = described.json("scheduler/scheduler_config.json").get("prediction_type", "epsilon")
        metadata["modelspec.prediction_type"] = _PREDICTIONS.get(str(prediction), str(prediction)[:80])
        metadata["modelspec.resolution"] = _resolution(unet, described.json("vae/config.json"))
    return metadata


def _resolution(unet: dict[str, Json], vae: dict[str, Json]) -> str:
    """Width x height in pixels."""
    size, levels = unet.get("sample_size"), vae.get("block_out_channels")
    height, width = size if isinstance(size, list) and len(size) == 2 else (size, size)
    scale = 2 ** (len(levels) - 1) if isinstance(levels, list) else 8
    sides = [side if type(side) is int and side > 0 else 64 for side in (width, height)]
    return f"{sides[0] * scale}x{sides[1] * scale}"
