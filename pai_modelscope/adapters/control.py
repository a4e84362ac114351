"""Low-rank control adapters: a ControlNet kept as what it adds to the UNet whose encoder it was copied from.

A ControlNet repeats the UNet's encoder, so most of its file says what the model's own file already says. Here every
layer of the copy is W + B A with W from the UNet at hand (Hu et al. 2021, arXiv:2106.09685); only the parts that no
UNet has, those that read the picture and those that hand over its residuals, are kept whole. Stability AI's
Control-LoRA is the same idea for SDXL; its file layout fixes two layers a block, so this one has diffusers' names.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import ControlNetModel
from torch import nn

from pai_modelscope import limits
from pai_modelscope.adapters.inject import attach_lora
from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import A, B
from pai_modelscope.adapters.result_manifest import read_tuned
from pai_modelscope.adapters.shapes import config_problem, model_shapes
from pai_modelscope.errors import UserError, first_few, reason
from pai_modelscope.model_layout import read_json
from pai_modelscope.tensor_files import read_state, save_safetensors, write_new

FILE = "control_lora.safetensors"
_NAME = "control"
_CONTROLNET_PREFIX = "controlnet_"  # of the names of the parts that no UNet has


def controlnet_folder(folder: Path) -> Path:
    """Find the ControlNet of a training result, which names it in its configuration.json; every other folder as it is.

    Raises `UserError` for a result of several.
    """
    tuned = read_tuned(folder)
    nets = sorted(set(tuned.controlnets.values())) if tuned else []
    if len(nets) > 1:
        raise UserError(f"{folder} holds {len(nets)} ControlNets ({', '.join(nets)}): give the folder of one of them.")
    return Path(nets[0]) if nets else folder


def hint_channels(folder: Path) -> tuple[int, ...]:
    """The widths of the layers by which a ControlNet reads its picture. Raises `UserError` where none are named."""
    channels = read_json(folder / "config.json").get("conditioning_embedding_out_channels")
    listed = channels if isinstance(channels, list) and len(channels) <= limits.HINT_CHANNELS else []
    widths = [width for width in listed if isinstance(width, int) and not isinstance(width, bool)]
    if not widths or len(widths) < len(listed) or not all(0 < width <= limits.HINT_CHANNELS for width in widths):
        raise UserError(f"{folder / 'config.json'} has no conditioning_embedding_out_channels: copy it again.")
    return tuple(widths)


def attach_control_lora(controlnet: ControlNetModel, rank: int) -> None:
    """Freeze the copied encoder and put trainable matrices of `rank` beside its layers; the other parts train whole."""
    layers = [
        name
        for name, module in controlnet.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not name.startswith(_CONTROLNET_PREFIX)
    ]
    attach_lora(controlnet, layers, _NAME, rank=rank, alpha=rank)
    for name, parameter in controlnet.named_parameters():
        if name.startswith(_CONTROLNET_PREFIX):
            parameter.requires_grad_(True)


def load_control_lora(controlnet: ControlNetModel, folder: Path) -> None:
    """Fill what `attach_control_lora` made trainable with what `write_control_lora` wrote, to train on from there.

    Raises `UserError` if the file is damaged, or of another model or rank.
    """
    stored = read_state(folder / FILE)
    learning = {name: p for name, p in controlnet.named_parameters() if p.requires_grad}
    weights = {name: stored.pop(name.replace(f".{_NAME}.", "."), None) for name in learning}
    odd = [name for name, value in weights.items() if value is None or value.shape != learning[name].shape]
    if odd := [*odd, *stored]:
        raise UserError(f"The control adapter in {folder} is of another model or rank: {first_few(odd)} doesn't fit.")
    controlnet.load_state_dict({name: value for name, value in weights.items() if value is not None}, strict=False)


def is_control_lora(controlnet: nn.Module) -> bool:
    """Whether `attach_control_lora` was called for a ControlNet."""
    return _NAME in getattr(controlnet, "peft_config", {})


def write_control_lora(controlnet: ControlNetModel, folder: Path) -> Path:
    """Write a ControlNet that `attach_control_lora` was given: config.json and `control_lora.safetensors`, in float16.

    Raises `UserError` if the folder exists and is not empty.
    """
    state = {name.replace(f".{_NAME}.", "."): value for name, value in controlnet.state_dict().items()}
    kept = {
        name: value.half() for name, value in state.items() if name.startswith(_CONTROLNET_PREFIX) or ".lora_" in name
    }

    def write(folder: Path) -> None:
        controlnet.save_config(folder)
        save_safetensors(kept, folder / FILE, {})

    return write_new(folder, write, folder=True)


def read_control_lora(folder: Path, unet: nn.Module) -> ControlNetModel:
    """Open the ControlNet of a folder that `write_control_lora` filled, whole, over the encoder of `unet`.

    It is on the CPU, in float32. LoRAs that `unet` has loaded are left out.

    Raises:
        UserError: if the file is damaged, or was made for a UNet of another shape.
    """
    stored = read_state(folder / FILE)
    config = read_json(folder / "config.json")
    _check_config(folder, config, stored, unet)
    net = ControlNetModel.from_config(config)
    unet_weights = {name.replace(".base_layer.", "."): value for name, value in unet.state_dict().items()}
    state = {name: stored.get(name, unet_weights.get(name)) for name in net.state_dict()}
    left = stored.keys() - state.keys()
    modules = sorted(name.removesuffix(A) for name in left if name.endswith(A))
    odd = sorted(left - {module + kind for module in modules for kind in (A, B)})
    odd += [name for name, value in state.items() if value is None]
    try:
        if odd:
            raise KeyError(first_few(odd))
        for module in modules:
            down, up = stored[module + A].float(), stored[module + B].float()
            update = torch.einsum("or,r...->o...", up.flatten(1), down)
            base = unet_weights[module + ".weight"].float()
            if update.shape != base.shape:
                raise KeyError(f"{module} is {list(update.shape)}, not {list(base.shape)}")
            state[module + ".weight"] = base + update.to(base.device)
        net.load_state_dict({name: value.float().cpu() for name, value in state.items() if value is not None})
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"The control adapter in {folder} is for another model: its matrices don't fit this UNet ({error.args[0]})."
        ) from None
    return net


def _check_config(folder: Path, config: Mapping[str, object], stored: State, unet: nn.Module) -> None:
    """Compare what a configuration describes with the UNet's tensors and those of the file, before it is built."""
    known = {name.replace(".base_layer.", "."): value.shape for name, value in unet.state_dict().items()}
    known |= {name: value.shape for name, value in stored.items()}
    try:
        if wrong := config_problem(config, len(known)):
            raise ValueError(f"config.json {wrong}")
        for name, shape in model_shapes(ControlNetModel, config).items():
            if tuple(known.get(name, ())) != shape:
                raise ValueError(f"{name} is {list(known.get(name, ()))}, by config.json {list(shape)}")
    except Exception as error:  # whatever a damaged configuration sets off in there
        raise UserError(
            f"The control adapter in {folder} is for another model: it does not fit this UNet ({reason(error)[:200]})."
        ) from None
