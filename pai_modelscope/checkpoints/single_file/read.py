"""A single-file checkpoint, ours or another program's, as a folder that every library opens."""

import json
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch

from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import base_name
from pai_modelscope.checkpoints.single_file.description import CONTROLNET, INDEX, Description, of_folder, of_header
from pai_modelscope.checkpoints.single_file.fit import MEANINGLESS, fit
from pai_modelscope.checkpoints.single_file.names import PREFIXES, Slot, clip_name, controlnet_config
from pai_modelscope.errors import UserError, first_few
from pai_modelscope.model_layout import weight_stem
from pai_modelscope.tensor_files import PICKLES, check_free, read_tensors, save_safetensors, write_new
from pai_modelscope.zoo.resolve import model_dir

ENDINGS = (".safetensors", *PICKLES)
_HINT = "input_hint_block.0.weight"  # what only a ControlNet has
# Names that give away what a file is instead.
_FOREIGN = {
    r"conditioner\.embedders\..*": "a checkpoint of SDXL or its kind",
    r"cond_stage_model\.model\..*": "a checkpoint of SD 2.x, whose text tower is OpenCLIP's",
    r".*(double_blocks|joint_blocks|transformer_blocks\.\d+\.(norm1|norm1_context)\.linear)\..*": "a transformer",
    r".*lora_(A|B|up|down)(\..*)?|.*\.lora\..*": "a LoRA, for which there is `pai-modelscope adapter convert`",
    r"(down|up)_blocks\..*|text_model\..*": "one part of a model in diffusers' layout, which needs no conversion",
}
_ENGLISH = 49408  # tokens of the CLIP that every Stable Diffusion 1.x reads English with
_PREDICTIONS = {"v": "v_prediction"}


def from_single_file(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], base: str | os.PathLike[str] | None = None
) -> Path:
    """Write the model or the ControlNet in a .safetensors, .ckpt, .bin, .pt or .pth file as a folder.

    base: a folder, a name of the zoo or a hub id, whose tokenizer, scheduler and configurations the folder gets; a file
    that `to_single_file` wrote has its own. All names and shapes are compared with it first. A pickle opens only as
    plain tensors. Dtypes stay as they are.

    Raises `UserError` for what is no such file or does not fit, and if the folder exists; nothing is left behind.
    """
    path, folder = Path(path), Path(folder)
    if folder.suffix in ENDINGS:
        raise UserError(f"{folder} names a file, but {path} becomes a folder: leave the ending away.")
    check_free(folder, folder=True)
    tensors, metadata = _open(path)
    described = _describe(path, metadata, PREFIXES["controlnet"] + _HINT in tensors, base)
    parts = described.parts()
    states = _sorted(path, tensors, parts, described)
    _warn_of_prediction(path, metadata, described)
    return write_new(folder, lambda made: _fill(made, states, described), folder=True)


def _open(path: Path) -> tuple[State, dict[str, str]]:
    """The tensors of a file in the original layout, with its prefixes, and its header's entries."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    if path.suffix not in ENDINGS:
        raise UserError(f"{path} is no checkpoint: give a file that ends in {', '.join(ENDINGS)}.")
    content, metadata = read_tensors(path)
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    state = content if isinstance(content, dict) else {}
    tensors = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    if _HINT in tensors:  # a ControlNet that was saved by itself
        tensors = {PREFIXES["controlnet"] + name: tensor for name, tensor in tensors.items()}
    if foreign := _foreign(tensors):
        raise UserError(f"{path} is {foreign}: only checkpoints in the layout of Stable Diffusion 1.x can be read.")
    return tensors, metadata


def _foreign(tensors: State) -> str:
    """What the file is, where it is no checkpoint of ours; '' where it is."""
    for pattern, kind in _FOREIGN.items():
        if matches := [name for name in tensors if re.fullmatch(pattern, name)]:
            return f"{kind} ({first_few(matches, 1)})"
    if not any(name.startswith((PREFIXES["unet"], PREFIXES["controlnet"])) for name in tensors):
        return f"no checkpoint ({first_few(list(tensors)) or 'no tensors'})"
    return ""


def _describe(
    path: Path, metadata: dict[str, str], controlnet: bool, base: str | os.PathLike[str] | None
) -> Description:
    """What the folder will say: the base's word, else the file's own."""
    if base is None:
        described = of_header(metadata, str(path))
        if described is None:
            raise UserError(
                f"{path} was written by another program, which leaves tokenizer, scheduler and configurations out: "
                "name the model that it was trained from by --base (base=...); `pai-modelscope zoo list` shows names."
            )
    else:
        described = of_folder(model_dir(base), f"the base {os.fspath(base)}")
    if controlnet and described.is_model:
        config = controlnet_config(described.json("unet/config.json"))
        return Description({CONTROLNET: json.dumps(config, indent=2) + "\n"}, described.source)
    if not controlnet and not described.is_model:
        raise UserError(f"{path} holds a model, but {described.source} is a ControlNet: give a model as the base.")
    return described


def _sorted(path: Path, tensors: State, parts: dict[str, dict[str, Slot]], described: Description) -> dict[str, State]:
    """The tensors of each part by diffusers' names; `UserError` unless all fit, a warning for what means nothing."""
    wanted = {place.original: place for places in parts.values() for place in places.values()}
    start = PREFIXES["text_encoder"]
    if any(name.startswith(start + "text_model.") for name in wanted):
        within = {name: name.removeprefix(start) for name in tensors if name.startswith(start)}
        tensors = {start + clip_name(within[n]) if n in within else n: tensor for n, tensor in tensors.items()}
    fitted = fit(tensors, wanted)
    rest = [name for name in fitted.rest if not MEANINGLESS.fullmatch(name)]
    inside = tuple(PREFIXES[part] for part in parts)
    problems = fitted.problems + [f"{name} has no place" for name in rest if name.startswith(inside)]
    if problems:
        raise UserError(_misfit(path, tensors, problems, len(wanted), described))
    if rest:
        warnings.warn(f"{path} holds {len(rest)} tensors that mean nothing here: {first_few(rest)}.", stacklevel=4)
    tensors = fitted.tensors
    return {
        part: {name: tensors[place.original] for name, place in places.items() if place.original in tensors}
        for part, places in parts.items()
    }


def _misfit(path: Path, tensors: State, problems: list[str], count: int, described: Description) -> str:
    width, channels, tokens = _sizes(tensors)
    english = " (English Stable Diffusion's text tower)" if tokens == _ENGLISH else ""
    of_file = [f"{channels} channels" if channels else "", f"{tokens} tokens{english}" if tokens else ""]
    return (
        f"{path} does not fit {described.source}: of the {count} tensors that it needs, {len(problems)} are wrong or "
        f"missing; {first_few(problems)}. The file was made for "
        f"{', '.join(filter(None, (base_name(width), *of_file)))}: give a base of that kind. Nothing was written."
    )


def _sizes(tensors: State) -> tuple[int | None, int | None, int | None]:
    """The width of its text states, the channels of its first convolution, the tokens that it knows."""
    return (
        _size(tensors, r".*\.attn2\.to_k\.weight", 1),
        _size(tensors, r"(model\.diffusion|control)_model\.input_blocks\.0\.0\.weight", 0),
        _size(tensors, r".*\.(token_embedding|word_embeddings)\.weight", 0),
    )


def _size(tensors: State, pattern: str, dimension: int) -> int | None:
    shapes: Iterable[torch.Size] = (tensor.shape for name, tensor in tensors.items() if re.fullmatch(pattern, name))
    return next((shape[dimension] for shape in shapes if len(shape) > dimension), None)


def _warn_of_prediction(path: Path, metadata: dict[str, str], described: Description) -> None:
    """A base may fit in every shape, and still read the same numbers in another sense."""
    of_file = metadata.get("modelspec.prediction_type")
    if of_file and described.is_model:
        of_scheduler = described.json("scheduler/scheduler_config.json").get("prediction_type", "epsilon")
        if _PREDICTIONS.get(of_file, of_file) != of_scheduler:
            warnings.warn(
                f"{path} says that it predicts {of_file}, the scheduler of {described.source} {of_scheduler}: pictures "
                "may be noise. Change prediction_type in scheduler/scheduler_config.json then.",
                stacklevel=3,
            )


def _fill(folder: Path, states: dict[str, State], described: Description) -> None:
    for name, text in described.texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8"))
    for part, state in states.items():
        stem = weight_stem(part)
        inner = folder / part if INDEX in described.texts else folder
        save_safetensors(state, inner / f"{stem}.safetensors", {})
