"""Parts of model folders, and the device and type that they are opened for; what is wrong becomes one line."""

from collections.abc import Mapping
from pathlib import Path

import torch

from pai_modelscope.adapters.shapes import check_config
from pai_modelscope.checkpoints.configs import Classes, Part, check_schedule, part_class
from pai_modelscope.checkpoints.integrity import check_folder, networks, weights_variant
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError, reason
from pai_modelscope.library_logs import quiet

_DTYPES = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16"}
_DEVICES = ("cpu", "cuda", "mps")
# Heads that no picture passes through: a checkpoint may lack them.
_UNUSED = ("pooler.", "position_ids")


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


def load_parts(folder: Path, classes: Mapping[str, Classes], dtype: torch.dtype) -> dict[str, Part]:
    """The parts of a model folder, on the CPU, ready to infer, by their names in model_index.json.

    `classes`: of each part but the scheduler, the classes that it may have. Networks come in `dtype`, from safetensors
    where there are any; `.bin` opens only as plain tensors.

    Raises:
        UserError: a part or file that is missing or damaged, or a class that is not among `classes`.
    """
    parts = [*classes, "scheduler"]
    index = check_folder(folder, parts)
    # In the order of their names, so that of two faults the same one is said first.
    known = {name: part_class(folder, name, index[name], classes) for name in sorted(parts)}
    weighted = networks(parts)
    for name in weighted:
        check_config(folder / name, known[name])
    loaded = {name: load_part(folder / name, cls, dtype if name in weighted else None) for name, cls in known.items()}
    check_schedule(folder / "scheduler/scheduler_config.json", loaded["scheduler"])
    return loaded


def load_part(part: Path, cls: type[Part], dtype: torch.dtype | None) -> Part:
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
