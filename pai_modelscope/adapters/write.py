"""LoRAs written as other programs read them."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY

from pai_modelscope.adapters.files import check_free, save_safetensors, write_new
from pai_modelscope.adapters.lora import (
    MAGNITUDE,
    A,
    B,
    LoraFile,
    State,
    architecture,
    check_tensors,
    lora_config,
    modules,
)
from pai_modelscope.errors import UserError

FORMS = ("diffusers", "peft", "kohya")
_KOHYA_PREFIX = {"unet": "lora_unet_", "text_encoder": "lora_te_"}


def write_lora(lora: LoraFile, path: str | os.PathLike[str], form: str) -> Path:
    """Write a LoRA and give the path of what was made; nothing that exists is replaced.

    'diffusers': a .safetensors file, or a folder that gets `pytorch_lora_weights.safetensors`. 'peft': a folder, with
    unet/ and text_encoder/ in it where both are changed. 'kohya': a .safetensors file for the WebUI and others.
    """
    path = lora_path(path, form)
    check_tensors(lora, "This LoRA")
    if form == "peft":
        return write_new(path, lambda made: _write_peft(lora, made), folder=True)
    make = _diffusers_file if form == "diffusers" else _kohya_file
    tensors, metadata = make(lora, path.stem)
    return write_new(path, lambda made: save_safetensors(tensors, made, metadata))


def lora_path(path: str | os.PathLike[str], form: str) -> Path:
    """What `write_lora` will write; `UserError`, before any work, if it can't be that or exists."""
    path = Path(path)
    if form not in FORMS:
        raise UserError(f"form is {form!r}; valid are {', '.join(map(repr, FORMS))}.")
    if form == "peft" and path.suffix == ".safetensors":
        raise UserError(f"{path} names a file, but PEFT's form is a folder: leave the ending away.")
    if form == "diffusers" and path.suffix != ".safetensors":
        path = path / "pytorch_lora_weights.safetensors"
    if form != "peft" and path.suffix != ".safetensors":
        raise UserError(f"{path} does not end in .safetensors, which is what the form {form!r} is. Add the ending.")
    check_free(path, folder=form == "peft")
    return path


def _diffusers_file(lora: LoraFile, name: str) -> tuple[State, dict[str, str]]:
    """As `StableDiffusionPipeline.save_lora_weights` names them, with PEFT's configuration of each part."""
    tensors = {
        f"{part}.{_clip(part, key)}": tensor for part, state in lora.parts.items() for key, tensor in state.items()
    }
    config = {f"{part}.{key}": value for part in lora.parts for key, value in _config(lora, part).items()}
    header = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    return tensors, lora.metadata | {LORA_ADAPTER_METADATA_KEY: header}


def _config(lora: LoraFile, part: str) -> dict[str, Any]:
    config = lora_config(lora, part).to_dict()
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def _write_peft(lora: LoraFile, folder: Path) -> None:
    """Named for the models of today's transformers, in which CLIP has no 'text_model.'."""
    for part, state in lora.parts.items():
        inner = folder / part if len(lora.parts) > 1 else folder
        lora_config(lora, part).save_pretrained(str(inner))
        tensors = {f"base_model.model.{key}": tensor for key, tensor in state.items()}
        save_safetensors(tensors, inner / "adapter_model.safetensors", lora.metadata)


def _kohya_file(lora: LoraFile, name: str) -> tuple[State, dict[str, str]]:
    tensors: State = {}
    for part, state in lora.parts.items():
        for module in modules(state):
            flat = _KOHYA_PREFIX[part] + _clip(part, module).replace(".", "_")
            tensors[f"{flat}.lora_down.weight"] = state[module + A]
            tensors[f"{flat}.lora_up.weight"] = state[module + B]
            tensors[f"{flat}.alpha"] = torch.tensor(lora.alpha(f"{part}.{module}"))
            if (magnitude := state.get(module + MAGNITUDE)) is not None:
                tensors[f"{flat}.dora_scale"] = magnitude.reshape(-1, *[1] * (state[module + B].ndim - 1))
    return tensors, _kohya_metadata(lora, name) | lora.metadata


def _kohya_metadata(lora: LoraFile, name: str) -> dict[str, str]:
    """What the WebUI shows of a file (https://github.com/Stability-AI/ModelSpec)."""
    ranks, alphas = set(lora.ranks.values()), {lora.alpha(module) for module in lora.ranks}
    metadata = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(ranks.pop()) if len(ranks) == 1 else "Dynamic",
        "ss_network_alpha": f"{alphas.pop():g}" if len(alphas) == 1 else "Dynamic",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{architecture(lora.width)}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": name,
    }
    if lora.trigger_words:
        metadata["modelspec.trigger_phrase"] = ", ".join(lora.trigger_words)
    return metadata


def _clip(part: str, name: str) -> str:
    """CLIP's modules under the 'text_model.' that other programs, and older transformers, expect."""
    own = part == "text_encoder" and name.startswith(("encoder.layers.", "embeddings.", "final_layer_norm"))
    return f"text_model.{name}" if own else name
