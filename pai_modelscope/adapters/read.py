"""LoRA files of six kinds, read into one form; what can't be read in full is refused with the reason."""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY

from pai_modelscope.adapters.files import read_tensors
from pai_modelscope.adapters.find import CONFIG, config_of, find_lora, is_whole
from pai_modelscope.adapters.lora import A, LoraFile, State, check_tensors, modules, shorten
from pai_modelscope.adapters.names import Named, canonical, is_kohya
from pai_modelscope.errors import UserError

# Names that give away what a file was made for.
_FOREIGN = {
    r"lora_te2_|text_encoder_2\.|lora_unet_(input_blocks|middle_block|output_blocks|label_emb|add_embedding)": "SDXL",
    r"double_blocks|single_blocks|single_transformer_blocks": "Flux",
    r"joint_blocks|lora_te3_": "SD 3",
    r"^(transformer|diffusion_model|lora_transformer)[._]": "a model whose denoiser is a transformer",
    r"lora_controlnet|controlnet_": "ControlNet",
}
_METHODS = {r"hada_w": "LoHa", r"lokr_": "LoKr", r"lora_mid": "LoCon with Tucker factors", r"oft_|boft_": "OFT"}
# PEFT's initialisations that change the base model's weights too, so that the two matrices are not all there is.
_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_EMBEDDING_KEYS = {"emb_params", "string_to_param", "clip_l", "clip_g"}


def read_lora(path: str | os.PathLike[str]) -> LoraFile:
    """The LoRA in a file, or in the folder that a training program wrote.

    Kinds: the 'legacy attention processors' of diffusers to 2023, a 'checkpoint' of accelerate's, 'diffusers', 'PEFT',
    'kohya' (the WebUI's), 'swift' (ModelScope's). Raises `UserError` for damaged files, other kinds of adapters,
    other models' adapters and names that mean nothing here: a part of a LoRA is never taken for the whole.
    """
    files = find_lora(Path(path))
    pieces = [_read_file(file) for file in files]
    lora = pieces[0]
    for piece in pieces[1:]:
        lora.unet |= piece.unet
        lora.text_encoder |= piece.text_encoder
        lora.alphas |= piece.alphas
        lora.metadata = piece.metadata | lora.metadata
    return lora


def is_embedding(content: Any) -> bool:
    """Whether a weight file's content is a textual-inversion embedding."""
    if isinstance(content, torch.Tensor):
        return True
    if not isinstance(content, dict):
        return False
    return bool(_EMBEDDING_KEYS & content.keys()) or (len(content) == 1 and "lora" not in str(next(iter(content))))


def _read_file(file: Path) -> LoraFile:
    content, metadata = read_tensors(file)
    if is_embedding(content):
        raise UserError(f"{file} is a textual-inversion embedding, no LoRA: load it as an embedding.")
    tensors = _tensors(content, file)
    config = config_of(file)
    named = canonical(tensors)
    whole = is_whole(file) and config is None
    _check_names(list(tensors), named, file, whole)
    kind = _kind(list(tensors), config, named, whole)
    lora = LoraFile(kind, named.parts["unet"], named.parts["text_encoder"], named.alphas)
    check_tensors(lora, str(file))
    _add_alphas(lora, config or _header_config(metadata, file), file)
    if config is None and any(key.startswith("base_model.model.") for key in tensors):
        raise UserError(
            f"{CONFIG} is missing beside {file}: it tells the adapter's strength (lora_alpha). Copy it too."
        )
    lora.metadata = {key: value for key, value in metadata.items() if key != LORA_ADAPTER_METADATA_KEY}
    if stray := sorted(set(lora.alphas) - lora.ranks.keys()):
        raise UserError(f"{file} has alphas without matrices ({shorten(stray)}): the file is incomplete.")
    return lora


def _tensors(content: Any, file: Path) -> State:
    if not isinstance(content, dict) or not content or not all(isinstance(t, torch.Tensor) for t in content.values()):
        raise UserError(f"{file} holds no plain dictionary of tensors: it is no LoRA of a kind that is known here.")
    return {str(key): tensor for key, tensor in content.items()}


def _kind(keys: list[str], config: dict[str, Any] | None, named: Named, whole: bool) -> str:
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
        if found := [key for key in keys if re.search(pattern, key)]:
            raise UserError(
                f"{file} was made for {base} ({shorten(found)}): it does not fit models of Stable Diffusion 1.x's "
                "shape, such as PAI-Diffusion. Give a LoRA that was trained on one."
            )
    for pattern, method in _METHODS.items():
        if found := [key for key in rest if re.search(pattern, key)]:
            raise UserError(
                f"{file} is an adapter of the kind {method} ({shorten(found)}), which can't be loaded: only LoRA, "
                "LoCon and DoRA can. Ask its author for one of these or for the merged model."
            )
    if not any(named.parts.values()):
        raise UserError(f"{file} holds no LoRA: its {len(named.rest)} tensors are {shorten(named.rest)}.")
    if len(named.adapters) > 1:
        names = ", ".join(sorted(name or "one without a name" for name in named.adapters))
        raise UserError(f"{file} holds several adapters ({names}): save one of them to a file of its own.")
    if rest:
        raise UserError(
            f"{file} holds {len(rest)} tensors whose names mean nothing here ({shorten(rest)}): loading the others "
            "alone would not be the LoRA that was trained."
        )


def _header_config(metadata: dict[str, str], file: Path) -> dict[str, Any] | None:
    """The configuration in a diffusers file's header, its keys 'unet.r', or 'r' where it is of one part alone."""
    try:
        config = json.loads(metadata.get(LORA_ADAPTER_METADATA_KEY, "null"))
    except ValueError:
        config = ""
    if config is not None and not isinstance(config, dict):
        raise UserError(f"{file} has a header ({LORA_ADAPTER_METADATA_KEY}) that is no JSON object: it is damaged.")
    return config


def _add_alphas(lora: LoraFile, config: dict[str, Any] | None, file: Path) -> None:
    """Alphas that a configuration tells, module by module."""
    for part, state in lora.parts.items():
        if config is None:
            continue
        own = {k.removeprefix(f"{part}."): v for k, v in config.items() if k.startswith(f"{part}.")} or config
        _check_config(own, file)
        if own.get("lora_alpha") is None:
            continue
        for module in modules(state):
            alpha = _pattern(own.get("alpha_pattern") or {}, module, own["lora_alpha"])
            # rsLoRA divides by the root of the rank: the same strength, said in the usual way.
            rank = state[module + A].shape[0]
            lora.alphas[f"{part}.{module}"] = alpha * math.sqrt(rank) if own.get("use_rslora") else float(alpha)


def _check_config(config: dict[str, Any], file: Path) -> None:
    kind = str(config.get("peft_type") or config.get("swift_type") or "LORA").upper()
    if kind != "LORA":
        raise UserError(f"{file} is an adapter of the kind {kind}, which can't be loaded: only LORA can.")
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGE_THE_BASE):
        raise UserError(
            f"{file} was trained with init_lora_weights={start!r}, which changes the base model too: it can't be "
            "loaded alone. Convert it to a plain LoRA with PEFT first (`path_initial_model_for_weight_conversion`)."
        )


def _pattern(patterns: dict[str, Any], module: str, usual: Any) -> Any:
    """PEFT's rule: a pattern names the module from its end. CLIP's may say 'text_model.' or not."""
    from peft.utils.other import get_pattern_key

    for name in (module, f"text_model.{module}"):
        if (key := get_pattern_key(list(patterns), name)) in patterns:
            return patterns[key]
    return usual
