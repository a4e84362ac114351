"""A model folder looked over before anything is loaded: every fault is one line that names the file."""

from collections.abc import Collection, Iterable
from pathlib import Path

from pai_modelscope.adapters.shapes import safetensors_header
from pai_modelscope.checkpoints.configs import check_scheduler, check_tokenizer
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import AGAIN, read_json, weight_files
from pai_modelscope.tensor_files import read_pickle, refuse_pointer
from pai_modelscope.untrusted import Json


def check_folder(folder: Path, parts: Collection[str]) -> dict[str, Json]:
    """The `model_index.json` of a text-to-image folder that has these parts.

    Parts are told by their names: 'scheduler', 'tokenizer...', and all others, which are networks.

    Raises:
        UserError: naming the first file that is at fault.
    """
    index = read_json(folder / "model_index.json", missing=_no_model(folder, list(parts)))
    parts = sorted(parts)
    missing = [name for name in parts if not _entry(index, name) or not (folder / name).is_dir()]
    if missing:
        raise UserError(f"The model in {folder} lacks {', '.join(missing)}: {folder / missing[0]} is missing. {AGAIN}")
    tokenizers = [name for name in parts if name.startswith("tokenizer")]
    for name in parts:
        config = "scheduler_config.json" if name == "scheduler" else "config.json"
        if name not in tokenizers:
            read_json(folder / name / config, missing=f"{folder / name / config} is missing. {AGAIN}")
    for name in tokenizers:
        if not any((folder / name / file).is_file() for file in ("vocab.txt", "tokenizer.json", "vocab.json")):
            raise UserError(f"{folder / name} holds no vocabulary (vocab.txt or tokenizer.json). {AGAIN}")
    check_scheduler(folder / "scheduler/scheduler_config.json")
    for name in tokenizers:
        check_tokenizer(folder / name)
    for name in networks(parts):
        for path in weight_files(folder / name):
            check_weights(path)
    return index


def networks(parts: Iterable[str]) -> list[str]:
    """Those of the parts of a model that have weights."""
    return [name for name in parts if name != "scheduler" and not name.startswith("tokenizer")]


def weights_variant(part: Path) -> str | None:
    """'fp16' if the part only has half-precision files under that name."""
    return "fp16" if ".fp16" in weight_files(part)[0].name else None


def check_weights(path: Path) -> None:
    """Raise `UserError` for weights that are missing, truncated, Git LFS pointers or pickles with code in them."""
    if not path.is_file():
        raise UserError(f"{path} is missing. {AGAIN}")
    refuse_pointer(path)
    if path.suffix == ".safetensors":
        safetensors_header(path)
    else:
        read_pickle(path, shapes_only=True)


def _entry(index: dict[str, Json], name: str) -> bool:
    entry = index.get(name)
    return isinstance(entry, list) and all(entry)


def _no_model(folder: Path, parts: list[str]) -> str:
    if not folder.exists():
        return f"There is no model folder {folder}. Give a folder, a name from `pai-modelscope zoo list` or a hub id."
    return (
        f"{folder} is no text-to-image model: model_index.json is missing. Give the folder that holds it beside "
        f"{', '.join(parts[:-1])} and {parts[-1]}; a LoRA or ControlNet folder is not a model of its own."
    )
