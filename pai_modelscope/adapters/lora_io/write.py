"""LoRAs written as other programs read them."""

import json
import os
import warnings
from pathlib import Path

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY

from pai_modelscope.adapters.kinds import Change, State
from pai_modelscope.adapters.lora_io.file import (
    MAGNITUDE,
    A,
    B,
    LoraFile,
    architecture,
    check_tensors,
    lora_config,
    modules,
)
from pai_modelscope.adapters.lora_io.modules import rank_of
from pai_modelscope.errors import UserError, first_few
from pai_modelscope.tensor_files import check_free, save_safetensors, write_new

FORMS = ("diffusers", "peft", "kohya")
_KOHYA_PREFIX = {"unet": "lora_unet_", "text_encoder": "lora_te_"}
_LYCORIS = {"lora_A": "lora_down.weight", "lora_B": "lora_up.weight", "lora_mid": "lora_mid.weight"} | {
    name: f"{name}.weight" for name in ("a1", "a2", "b1", "b2", "bm")
}


def write_lora(lora: LoraFile, path: str | os.PathLike[str], form: str) -> Path:
    """Write a LoRA and return the path of what was made; nothing that exists is replaced.

    'diffusers': a .safetensors file, or a folder that gets `pytorch_lora_weights.safetensors`. 'peft': a folder, with
    unet/ and text_encoder/ in it where both are changed. 'kohya': a .safetensors file for the WebUI and others, which
    alone holds the kinds of LyCORIS.

    Raises:
        UserError: where the form can't hold what the LoRA is.
    """
    path = lora_path(path, form)
    _check_form(check_tensors(lora, "This LoRA"), form, path)
    if form == "peft":
        return write_new(path, lambda made: _write_peft(lora, made), folder=True)
    make = _diffusers_file if form == "diffusers" else _kohya_file
    tensors, metadata = make(lora, path.stem)
    return write_new(path, lambda made: save_safetensors(tensors, made, metadata))


def lora_path(path: str | os.PathLike[str], form: str) -> Path:
    """Give the path that `write_lora` will write; `UserError`, before any work, if it can't be that or exists."""
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


def _check_form(lora: LoraFile, form: str, path: Path) -> None:
    """Raise `UserError` for what a form has no names for; warn of what its readers take for something else."""
    kinds = lora.kinds
    if form == "kohya":
        if foreign := [name for name in lora.changes if not _is_lycoris(lora.changes[name])]:
            raise UserError(
                f"kohya's form can't hold {lora.changes[foreign[0]].kind} as PEFT has it ({first_few(foreign)}), whose "
                "formula differs from LyCORIS'. Merge it into a model instead, by `pai-modelscope adapter merge`."
            )
        if dora := sum(count for kind, count in kinds.items() if "DoRA" in kind):
            warnings.warn(
                f"{path.name} holds DoRA ({dora} modules, dora_scale). The WebUI (AUTOMATIC1111's) and older ComfyUI "
                "take the norm over the other axis where dora_scale has one number for each output, and draw something "
                "else without an error; LyCORIS, today's ComfyUI and this program read it rightly.",
                stacklevel=3,
            )
        return
    if lora.changes:
        other = ", ".join(kind for kind in kinds if kind not in ("LoRA", "DoRA")) or "DoRA of inputs, or Tucker factors"
        raise UserError(f"The form {form!r} can't hold {other}: only LoRA and DoRA of outputs. Give the form 'kohya'.")
    if lora.words:
        raise UserError(
            f"The form {form!r} can't hold the embeddings that the file bundles ({', '.join(lora.words)}). "
            "Give the form 'kohya'."
        )
    for part, state in lora.parts.items():
        magnitudes = sum(key.endswith(MAGNITUDE) for key in state)
        if magnitudes not in (0, len(modules(state))):
            raise UserError(
                f"The form {form!r} can't hold LoRA and DoRA in one {part}: its configuration says which for all "
                "modules. Give the form 'kohya'."
            )


def _is_lycoris(change: Change) -> bool:
    return not {"oft_R", "boft_R"} & change.tensors.keys() and (
        "ia3_l" not in change.tensors or change.options["on_input"]
    )


def _diffusers_file(lora: LoraFile, name: str) -> tuple[State, dict[str, str]]:
    """As `StableDiffusionPipeline.save_lora_weights` names them, with PEFT's configuration of each part."""
    tensors = {
        f"{part}.{_clip(part, key)}": tensor for part, state in lora.parts.items() for key, tensor in state.items()
    }
    config = {f"{part}.{key}": value for part in lora.parts for key, value in _config(lora, part).items()}
    header = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    return tensors, lora.metadata | {LORA_ADAPTER_METADATA_KEY: header}


def _config(lora: LoraFile, part: str) -> dict[str, object]:
    """PEFT's configuration of a part as values that JSON can hold."""
    config: dict[str, object] = lora_config(lora, part).to_dict()  # type: ignore[no-untyped-call]
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
            flat = _flat(f"{part}.{module}")
            tensors[f"{flat}.lora_down.weight"] = state[module + A]
            tensors[f"{flat}.lora_up.weight"] = state[module + B]
            tensors[f"{flat}.alpha"] = torch.tensor(lora.alpha(f"{part}.{module}"))
            if (magnitude := state.get(module + MAGNITUDE)) is not None:
                tensors[f"{flat}.dora_scale"] = magnitude.reshape(-1, *[1] * (state[module + B].ndim - 1))
    for module, change in lora.changes.items():
        tensors |= {f"{_flat(module)}.{what}": tensor for what, tensor in _lycoris(change).items()}
    for word, vectors in lora.words.items():
        tensors[f"bundle_emb.{word}.string_to_param.*"] = vectors
    return tensors, _kohya_metadata(lora, name) | lora.metadata


def _flat(module: str) -> str:
    part, _, name = module.partition(".")
    return _KOHYA_PREFIX[part] + _clip(part, name).replace(".", "_")


def _lycoris(change: Change) -> State:
    """The tensors of a change by LyCORIS' names, its scale as alpha; where there is no rank, in the tensors."""
    tensors = dict(change.tensors)
    if change.kind == "IA3":
        numbers = tensors.pop("ia3_l") - 1 if "ia3_l" in tensors else tensors["weight"]
        return tensors | {
            "weight": numbers if numbers.ndim == 4 else numbers.flatten(),
            "on_input": torch.tensor(int(change.options["on_input"])),
        }
    if change.kind in ("OFT", "BOFT"):
        return tensors | {"alpha": torch.tensor(change.options["constraint"])}
    rank = rank_of(tensors)
    if rank:
        tensors["alpha"] = torch.tensor(change.scale * rank)
    elif change.scale != 1:  # LyCORIS takes no alpha where nothing is a product
        first = next(name for name in ("lokr_w1", "diff", "w_norm") if name in tensors)
        tensors[first] = tensors[first] * change.scale
    return {_LYCORIS.get(what, what): tensor for what, tensor in tensors.items()}


def _kohya_metadata(lora: LoraFile, name: str) -> dict[str, str]:
    """What the WebUI shows of a file (https://github.com/Stability-AI/ModelSpec)."""
    low_rank = [(c.rank, c.scale * c.rank) for c in lora.changes.values() if c.rank]
    ranks = {*lora.ranks.values(), *(rank for rank, _ in low_rank)}
    alphas = {*map(lora.alpha, lora.ranks), *(alpha for _, alpha in low_rank)}
    metadata = {
        "ss_network_module": "lycoris.kohya" if lora.changes else "networks.lora",
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
    has_prefix = part == "text_encoder" and name.startswith(("encoder.layers.", "embeddings.", "final_layer_norm"))
    return f"text_model.{name}" if has_prefix else name
