"""LoRA files of every tool, read into one form; what can't be read in full is refused with the reason."""

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY

from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io import pti
from pai_modelscope.adapters.lora_io.file import MAGNITUDE, PARTS, B, LoraFile, check_numbers, check_tensors
from pai_modelscope.adapters.lora_io.key_formats import Named, canonical, is_kohya
from pai_modelscope.adapters.lora_io.locate import CONFIG, config_of, find_lora, is_whole
from pai_modelscope.adapters.lora_io.modules import add_module, names_a_module
from pai_modelscope.adapters.lora_io.peft_config import PeftConfig, strength
from pai_modelscope.errors import UserError, first_few
from pai_modelscope.tensor_files import read_tensors, widened
from pai_modelscope.untrusted import Json, parse_json

# Names that give away what a file was made for.
_FOREIGN = {
    r"lora_te2_|text_encoder_2\.|lora_unet_(label_emb|add_embedding)|text_encoders\.clip_g|\.clip_g$": "SDXL",
    r"(input_blocks|middle_block|output_blocks).*transformer_blocks[._][1-9]": "SDXL",
    r"double_blocks|single_blocks|single_transformer_blocks": "Flux",
    r"joint_blocks|lora_te3_": "SD 3",
    r"^(transformer|lora_transformer|diffusion_model\.(layers|blocks|transformer_blocks))[._]": (
        "a model whose denoiser is a transformer"
    ),
    r"lora_controlnet|controlnet_": "ControlNet",
}
_METHODS = {r"oft_diag": "OFT of LyCORIS before version 3", r"lambda_layer|q_layer": "T-LoRA"}
_EMBEDDING_KEYS = {"emb_params", "string_to_param", "clip_l", "clip_g"}


def read_lora(path: str | os.PathLike[str], network_prefixes: Sequence[str] = ()) -> LoraFile:
    """Read the LoRA in a file, or in the folder that a training program wrote.

    `network_prefixes`: what stands before the modules of the denoising network, such as 'transformer.', in files for a
    family of models whose network is no UNet. Its modules are those of the part 'unet' all the same.

    Kinds: the 'legacy attention processors' of diffusers to 2023, a 'checkpoint' of accelerate's, 'diffusers', 'PEFT',
    'kohya' (the WebUI's, and LyCORIS'), 'swift' (ModelScope's), 'lora_pti' (cloneofsimo's). Raises `UserError` for
    damaged files, other kinds of adapters, other models' adapters and names that mean nothing here: a part of a LoRA
    is never taken for the whole.
    """
    files = find_lora(Path(path))
    pieces = [_read_file(file, tuple(network_prefixes)) for file in files]
    lora = pieces[0]
    for piece in pieces[1:]:
        lora.unet |= piece.unet
        lora.text_encoder |= piece.text_encoder
        lora.alphas |= piece.alphas
        lora.changes |= piece.changes
        lora.words |= piece.words
        lora.metadata = piece.metadata | lora.metadata
    return lora


def is_embedding(content: object) -> TypeGuard[torch.Tensor | dict[object, object]]:
    """Whether a weight file's content is a textual-inversion embedding."""
    if isinstance(content, torch.Tensor):
        return True
    if not isinstance(content, dict):
        return False
    if _EMBEDDING_KEYS & content.keys():
        return True
    if len(content) == 1 and not names_a_module(str(next(iter(content)))):
        return True
    # Words and their vectors; layers have names with dots.
    rows = [value for name, value in content.items() if isinstance(value, torch.Tensor) and "." not in str(name)]
    widths = {value.shape[-1] for value in rows if value.ndim in (1, 2)}
    return bool(rows) and len(rows) == len(content) and len(widths) == 1


def lora_of(content: object, name: str = "the state dict") -> LoraFile:
    """Read the LoRA in a dictionary of tensors, as `torch.load` gives of a file of 2023.

    The base model's own weights beside it are left out. `name` says in messages what it is. Raises `UserError` as
    `read_lora`.
    """
    return _lora(content, {}, Path(name), None, whole=True)


def _read_file(file: Path, network_prefixes: tuple[str, ...]) -> LoraFile:
    content, metadata = read_tensors(file)
    config = config_of(file)
    return _lora(content, metadata, file, config, is_whole(file) and config is None, network_prefixes)


def _renamed(key: str, network_prefixes: tuple[str, ...]) -> str:
    """A key of the denoising network, as those of a UNet are called; any other as it is."""
    prefix = next((prefix for prefix in network_prefixes if key.startswith(prefix)), None)
    return key if prefix is None else f"unet.{key.removeprefix(prefix)}"


def _lora(
    content: object,
    metadata: dict[str, str],
    file: Path,
    config: dict[str, Json] | None,
    whole: bool,
    network_prefixes: tuple[str, ...] = (),
) -> LoraFile:
    if is_embedding(content):
        raise UserError(f"{file} is a textual-inversion embedding, no LoRA: load it as an embedding.")
    tensors = {_renamed(key, network_prefixes): widened(tensor) for key, tensor in _tensors(content, file).items()}
    if pti.is_pti(tensors):
        return check_tensors(pti.read(tensors, metadata, file), str(file))
    named = canonical(tensors)
    _check_names(list(tensors), named, file, whole)
    lora = LoraFile(_kind(list(tensors), config, named, whole), words=_words(named.words, file))
    settings = _settings(config if config is not None else _header_config(metadata, file), file)
    for name, piece in named.pieces.items():
        part, _, module = name.partition(".")
        where = f"{file}: {name}"
        add_module(lora, name, piece, strength(settings.get(part), module, piece, where), where)
    check_tensors(lora, str(file))
    magnitudes = any(MAGNITUDE in key for state in (lora.unet, lora.text_encoder) for key in state)
    for peft_config in settings.values():
        peft_config.check_dora(magnitudes or any(change.is_dora for change in lora.changes.values()))
    if not lora.words and not _changes_something(lora):
        warnings.warn(f"{file} changes nothing: its alphas or its matrices are 0.", stacklevel=3)
    if config is None and any(key.startswith("base_model.model.") for key in tensors):
        raise UserError(
            f"{CONFIG} is missing beside {file}: it tells the adapter's strength (lora_alpha). Copy it too."
        )
    lora.metadata = {key: value for key, value in metadata.items() if key != LORA_ADAPTER_METADATA_KEY}
    return lora


def _changes_something(lora: LoraFile) -> bool:
    """Whether any module is more than 0 times something, or times matrices of 0 as they are before a training."""
    if any(change.scale for change in lora.changes.values()):
        return True
    for part, state in (("unet", lora.unet), ("text_encoder", lora.text_encoder)):
        for key, tensor in state.items():
            works = key.endswith(B) and lora.alphas.get(f"{part}.{key.removesuffix(B)}") != 0 and bool(tensor.any())
            if works or MAGNITUDE in key:
                return True
    return False


def _tensors(content: object, file: Path) -> State:
    if not isinstance(content, dict) or not content or not all(isinstance(t, torch.Tensor) for t in content.values()):
        raise UserError(f"{file} holds no plain dictionary of tensors: it is no LoRA of a kind that is known here.")
    return {str(key): tensor for key, tensor in content.items()}


def _words(words: State, file: Path) -> State:
    """The bundled embeddings, each (n, width)."""
    for word, vectors in words.items():
        if vectors.ndim not in (1, 2):
            raise UserError(f"{file} bundles an embedding {word!r} of {tuple(vectors.shape)}, not (n, width).")
        check_numbers(vectors, f"{file}: the embedding {word!r}")
    return {word: vectors.reshape(-1, vectors.shape[-1]) for word, vectors in words.items()}


def _kind(keys: list[str], config: dict[str, Json] | None, named: Named, whole: bool) -> str:
    if is_kohya(keys):
        return "kohya"
    if config is not None:
        infix = named.adapters - {""} or any("loramodule_" in key for key in keys)
        return "swift" if infix or "swift_type" in config else "PEFT"
    if whole:
        return "checkpoint"
    if any(".processor." in key and not key.startswith(("unet.", "text_encoder.")) for key in keys):
        return "legacy attention processors"
    return "diffusers"


def _check_names(keys: list[str], named: Named, file: Path, whole: bool) -> None:
    """Refuse names that were not understood; a checkpoint may hold the base model's own."""
    rest = [key for key in named.rest if not whole or "lora" in key]
    for pattern, base in _FOREIGN.items():
        if matches := [key for key in keys if re.search(pattern, key)]:
            raise UserError(
                f"{file} was made for {base} ({first_few(matches)}): it does not fit models of Stable Diffusion 1.x's "
                "shape, such as PAI-Diffusion. Give a LoRA that was trained on one."
            )
    for pattern, method in _METHODS.items():
        if matches := [key for key in rest if re.search(pattern, key)]:
            raise UserError(
                f"{file} is an adapter of the kind {method} ({first_few(matches)}), which can't be loaded. Ask its "
                "author for a LoRA or for the merged model."
            )
    if not named.pieces:
        raise UserError(f"{file} holds no LoRA: its {len(named.rest)} tensors are {first_few(named.rest)}.")
    if len(named.adapters) > 1:
        names = ", ".join(sorted(name or "one without a name" for name in named.adapters))
        raise UserError(f"{file} holds several adapters ({names}): save one of them to a file of its own.")
    if rest:
        raise UserError(
            f"{file} holds {len(rest)} tensors whose names mean nothing here ({first_few(rest)}): loading the others "
            "alone would not be the LoRA that was trained."
        )


def _header_config(metadata: dict[str, str], file: Path) -> dict[str, Json] | None:
    """The configuration in a diffusers file's header, its keys 'unet.r', or 'r' where it is of one part alone."""
    where = f"{file}, in its header's {LORA_ADAPTER_METADATA_KEY},"
    config = parse_json(metadata.get(LORA_ADAPTER_METADATA_KEY, "null"), where)
    if config is not None and not isinstance(config, dict):
        raise UserError(f"{where} holds no JSON object: it is damaged.")
    return config


def _settings(config: dict[str, Json] | None, file: Path) -> dict[str, PeftConfig]:
    """The configuration of each part."""
    if config is None:
        return {}
    by_part = {
        part: {k.removeprefix(f"{part}."): v for k, v in config.items() if k.startswith(f"{part}.")} for part in PARTS
    }
    return {part: PeftConfig(values or config, file) for part, values in by_part.items()}
