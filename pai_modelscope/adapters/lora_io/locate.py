"""Which file of a folder holds the LoRA: training programs leave it beside, and under, many other things."""

import os
from pathlib import Path

from pai_modelscope.adapters.lora_io.file import PARTS
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import read_json
from pai_modelscope.tensor_files import PICKLES
from pai_modelscope.untrusted import Json
from pai_modelscope.zoo import model_dir

CONFIG = "adapter_config.json"
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
_WHOLE = ("model.safetensors", "pytorch_model.bin")  # accelerate's, of a checkpoint
_NAMES = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")


def lora_place(source: str | os.PathLike[str]) -> Path:
    """Find the file or folder of a LoRA: a path, or a name of the zoo or an id on a hub, from where it is fetched.

    Raises `UserError` for what is not there, and as `model_dir`.
    """
    if not os.path.exists(source) and Path(source).suffix in (".safetensors", *PICKLES):
        near = [str(path) for path in Path(source).parent.glob(f"*/result/{Path(source).name}")][:1]
        meant = f": is {near[0]} meant?" if near else ". Give a LoRA's file or folder."
        raise UserError(f"There is no file {os.fspath(source)}{meant}")
    return Path(source) if os.path.exists(source) else model_dir(source)


def find_lora(path: Path) -> list[Path]:
    """Find the weight files of the LoRA `path`, a file or a folder: two where UNet and text encoder have one each."""
    if not path.is_dir():
        return [path]
    files = _adapters(path) or _first(path, _NAMES) or _first(path, _WHOLE) or _single(path)
    if files:
        return files
    for inner in (path / "output", *_checkpoints(path)):
        if inner.is_dir() and (files := _adapters(inner) or _first(inner, _NAMES) or _first(inner, _WHOLE)):
            return files
    raise UserError(
        f"{path} holds no LoRA. Give a LoRA's file, or a folder with {_NAMES[0]}, {_ADAPTERS[0]} or "
        "one .safetensors file."
    )


def config_of(file: Path) -> dict[str, Json] | None:
    """Read the adapter_config.json beside a PEFT or swift file; None for files that have none by their nature."""
    config = file.parent / CONFIG
    if file.name not in _ADAPTERS or not config.is_file():
        return None
    return read_json(config)


def is_whole(file: Path) -> bool:
    """A checkpoint's file may hold the model's own tensors beside the LoRA's."""
    return file.name in _WHOLE


def _adapters(folder: Path) -> list[Path]:
    """PEFT's file here, or in unet/ and text_encoder/, or swift's, one folder below that is named as the adapter."""
    for folders in ([folder], [folder / part for part in PARTS]):
        files = [file for place in folders if (file := _adapter(place))]
        if files:
            return files
    return []


def _adapter(folder: Path) -> Path | None:
    if files := _first(folder, _ADAPTERS):
        return files[0]
    inner = sorted(config.parent for config in folder.glob(f"*/{CONFIG}") if config.parent.name not in PARTS)
    if len(inner) > 1:
        names = ", ".join(place.name for place in inner)
        raise UserError(f"{folder} holds several adapters ({names}): give the folder of one of them.")
    files = _first(inner[0], _ADAPTERS) if inner else []
    return files[0] if files else None


def _first(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [file for name in names if (file := folder / name).is_file()][:1]


def _single(folder: Path) -> list[Path]:
    for suffixes in ((".safetensors",), PICKLES):
        files = sorted(file for file in folder.iterdir() if file.suffix in suffixes and file.is_file())
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:5])
            raise UserError(f"{folder} holds {len(files)} weight files ({names}): give the one that is meant.")
        if files:
            return files
    return []


def _checkpoints(folder: Path) -> list[Path]:
    """checkpoint-* folders, the last one first."""
    places = folder.glob("checkpoint-*")
    numbered = [(int(step), place) for place in places if (step := place.name.split("-")[-1]).isdigit()]
    return [place for _, place in sorted(numbered, reverse=True)]
