"""A model folder becomes a StableDiffusionPipeline; whatever is wrong with it becomes one line."""

import math
import warnings
from pathlib import Path
from typing import Any

import torch

from pai_modelscope.adapters import control
from pai_modelscope.adapters.shapes import check_config
from pai_modelscope.checkpoints.configs import check_schedule, check_vocabulary, fit_length, part_class
from pai_modelscope.checkpoints.integrity import PARTS, check_folder, check_weights, weight_files, weights_variant
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError, reason
from pai_modelscope.library_logs import quiet
from pai_modelscope.model_layout import WEIGHT_STEMS

with quiet():  # the import alone tells of torchvision, which nothing here needs
    from diffusers import ControlNetModel, StableDiffusionPipeline

_DTYPES = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16"}
_DEVICES = ("cpu", "cuda", "mps")
# Heads that no picture passes through: a checkpoint may lack them.
_UNUSED = ("pooler.", "position_ids")


def load_pipeline(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The folder's five parts as a plain StableDiffusionPipeline on `device`, in `dtype`, ready to infer.

    Safetensors are preferred; `.bin` opens only as plain tensors. Raises `UserError` for a folder that is no model,
    lacks a part, has damaged weights, or whose parts don't fit each other.
    """
    index = check_folder(folder)
    classes = {name: part_class(folder, name, index[name]) for name in PARTS}
    for name in WEIGHT_STEMS:
        check_config(folder / name, classes[name])
    parts = {
        name: _load_part(folder / name, cls, dtype if name in WEIGHT_STEMS else None) for name, cls in classes.items()
    }
    check_schedule(folder / "scheduler/scheduler_config.json", parts["scheduler"])
    _check_fit(folder, parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it mends old scheduler settings itself, at length
        pipe: Any = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipe.set_progress_bar_config(disable=True)
    pipe.to(device)
    for convolutional in (pipe.unet, pipe.vae):  # pixels beside pixels: a tenth faster on a CPU, and what GPUs want
        convolutional.to(memory_format=torch.channels_last)
    if device.type == "cpu":
        pipe.vae.enable_slicing()  # as fast there, and the memory of one picture
    return pipe


def load_controlnet(folder: Path, pipe: Any) -> Any:
    """A ControlNet beside `pipe`, on its device and in its dtype.

    The folder may be a training result, which names its ControlNet. A low-rank control adapter takes the rest of its
    weights from the pipeline's own UNet.

    Raises `UserError` for a folder that is none, has damaged weights, or was made for a UNet of another shape.
    """
    folder = control.controlnet_folder(folder)
    if (folder / control.FILE).is_file():
        with quiet():
            net: Any = control.read_control_lora(folder, pipe.unet).to(pipe.dtype).eval().requires_grad_(False)
    else:
        for file in weight_files(folder):
            check_weights(file)
        check_config(folder, ControlNetModel)
        net = _load_part(folder, ControlNetModel, pipe.dtype)
    for what in ("cross_attention_dim", "block_out_channels", "in_channels"):
        got, wanted = (_plain(part.config[what]) for part in (net, pipe.unet))
        repaints = what == "in_channels" and wanted == 2 * int(got) + 1
        if got != wanted and not repaints:
            raise UserError(
                f"The ControlNet in {folder} is for another model: its {what} is {got}, here it is {wanted}."
            )
    return net.to(pipe.device).to(memory_format=torch.channels_last)


def _plain(value: Any) -> Any:
    """The same numbers come as a list from a file and as a tuple from a default."""
    return list(value) if isinstance(value, tuple) else value


def display_name(folder: Path) -> str:
    """The model's name; in Hugging Face's cache it is two folders above the snapshot's hash."""
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.split("--")[-1]
    if folder.name in ("result", "output"):  # of a training run, which is called something
        return folder.parent.name
    return folder.name


def pick_device(device: str | torch.device | None) -> torch.device:
    """`None` and 'auto' take a GPU where there is one."""
    if device in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
        if picked.type not in _DEVICES:
            raise RuntimeError("no pictures are drawn on such a device")
        torch.empty(1, device=picked)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError, ImportError) as error:
        raise UserError(
            f"device {str(device)[:80]!r} can't be used here ({reason(error)[:200]}): give {_devices_here()}."
        ) from None
    return picked


def _devices_here() -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ", ".join(["'cpu'", *(f"'{name}'" for name, is_there in there.items() if is_there)]) + " or 'auto'"


def pick_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """`None` and 'auto' take float32 on a CPU, where half precision is slow, and float16 on a GPU."""
    if dtype in (None, "auto"):
        return torch.float32 if device.type == "cpu" else torch.float16
    valid = {str(known).removeprefix("torch."): known for known in (torch.float32, torch.float16, torch.bfloat16)}
    name = str(dtype).removeprefix("torch.")
    name = _DTYPES.get(name, name)
    if not isinstance(dtype, str | torch.dtype) or name not in valid:
        raise UserError(f"torch_dtype is {short_repr(dtype)}; give 'float32', 'float16', 'bfloat16' or 'auto'.")
    return valid[name]


def _load_part(part: Path, cls: Any, dtype: torch.dtype | None) -> Any:
    """`dtype`: None for a part without weights."""
    try:
        with quiet():
            if dtype is None:
                return cls.from_pretrained(part, local_files_only=True)
            loaded, report = cls.from_pretrained(
                part,
                torch_dtype=dtype,
                variant=weights_variant(part),
                output_loading_info=True,
                local_files_only=True,
            )
    except BaseException as error:  # whatever a damaged configuration, vocabulary or tensor sets off in there
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # Rust's, of tokenizers
            raise
        part = part / "scheduler_config.json" if part.name == "scheduler" else part
        raise UserError(f"{part} can't be loaded ({reason(error)[:300]}). Download or copy it again.") from error
    missing = [name for name in report["missing_keys"] if not any(unused in name for unused in _UNUSED)]
    if missing:
        raise UserError(
            f"The weights in {part} lack {len(missing)} tensors, such as {sorted(missing)[0]}: they belong to another "
            "configuration or library version. Download the folder again, or save it anew with the version in use."
        )
    return loaded.eval().requires_grad_(False)


def _check_fit(folder: Path, parts: dict[str, Any]) -> None:
    """Parts of different models may each load and still draw noise: compare the sizes by which they meet."""
    tokenizer, encoder, unet, vae = (parts[name] for name in ("tokenizer", "text_encoder", "unet", "vae"))
    check_vocabulary(folder / "tokenizer", tokenizer, encoder.get_input_embeddings().num_embeddings)
    fit_length(folder, tokenizer, encoder.config.max_position_embeddings)
    _check_numbers(folder, unet, vae)
    for what, got, wanted in (
        ("text_encoder's hidden size", encoder.config.hidden_size, unet.config.cross_attention_dim),
        # A repainting UNet takes the masked picture's latents and the mask beside the latents.
        (
            "vae's latent channels",
            vae.config.latent_channels,
            unet.config.in_channels // 2 if unet.config.in_channels == 9 else unet.config.in_channels,
        ),
    ):
        if got != wanted:
            raise UserError(
                f"The parts of {folder} don't fit: {what} is {got}, its unet expects {wanted}. They come from "
                "different models, or this one does not draw from text alone: download it again or give another."
            )


def _check_numbers(folder: Path, unet: Any, vae: Any) -> None:
    """What the pipeline reckons with, though no tensor has it as a shape."""
    size = unet.config.sample_size
    sides = size if isinstance(size, list | tuple) else (size, size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise UserError(
            f"{folder / 'unet/config.json'} gives sample_size as {str(size)[:40]}; give a number of latents or two."
        )
    scale = vae.config.scaling_factor
    if type(scale) not in (int, float) or not math.isfinite(scale) or scale <= 0:
        raise UserError(
            f"{folder / 'vae/config.json'} gives scaling_factor as {str(scale)[:40]}; give a number above 0."
        )
