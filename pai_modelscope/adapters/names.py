"""The names that other programs give a LoRA's tensors, turned into PEFT's relative to the UNet or the text encoder."""

import re
from dataclasses import dataclass, field

import torch
from diffusers.utils.state_dict_utils import (
    DIFFUSERS_OLD_TO_PEFT,
    DIFFUSERS_TO_PEFT,
    convert_state_dict,
    convert_unet_state_dict_to_peft,
)

from pai_modelscope.adapters.lora import MAGNITUDE, PARTS, A, B, State
from pai_modelscope.errors import UserError

_KOHYA = re.compile(
    r"(?P<part>lora_unet|lora_te1?)_(?P<module>[^.]+)\.(?P<what>lora_down|lora_up|alpha|dora_scale)(\.weight)?"
)
_KOHYA_PARTS = {"lora_unet": "unet", "lora_te": "text_encoder", "lora_te1": "text_encoder"}
# kohya writes '_' for every '.', so the names that hold a '_' of their own must be known. diffusers' own converter
# guesses at SDXL's names meanwhile, and fails where only some modules are DoRA.
_COMPOUND = re.compile(
    r"(?<![a-z])(down\.blocks|mid\.block|up\.blocks|transformer\.blocks|to\.(?:q|k|v|out)|proj\.(?:in|out)|conv\.(?:in|out)"
    r"|conv\.shortcut|time\.emb\.proj|time\.embedding|linear\.[12]|text\.model|self\.attn|[qkv]\.proj|out\.proj)(?![a-z])"
)
_WRAPPERS = ("base_model.model.", "module.", "_orig_mod.")
_ROOTS = {
    "unet": ("down_blocks.", "mid_block.", "up_blocks.", "conv_in.", "conv_out.", "time_embedding."),
    "text_encoder": ("text_model.", "encoder.", "embeddings.", "pooler."),
}
_TENSOR = re.compile(
    r"(?P<module>.+)\.(?P<what>lora_A|lora_B|lora_magnitude_vector)(?:\.(?P<adapter>(?!weight$|bias$)[^.]+))?(?:\.weight)?"
)
_ALPHA = re.compile(r"(?P<module>.+?)(?:\.lora|_lora|\.lora_linear_layer)?\.alpha")
_SWIFT = re.compile(r"\.loramodule_[^.]+(?=\.lora_)")  # ms-swift before 1.5
_SUFFIX = {"lora_A": A, "lora_B": B, "lora_down": A, "lora_up": B, "lora_magnitude_vector": MAGNITUDE}


@dataclass
class Named:
    """Tensors by part and canonical name; `alphas` as in `LoraFile`; `rest`: keys that mean nothing here."""

    parts: dict[str, State] = field(default_factory=lambda: {part: {} for part in PARTS})
    alphas: dict[str, float] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    adapters: set[str] = field(default_factory=set)


def is_kohya(keys: list[str]) -> bool:
    return any(key.startswith(("lora_unet_", "lora_te")) for key in keys)


def canonical(tensors: State) -> Named:
    """Any supported program's names, to PEFT's."""
    return _from_kohya(tensors) if is_kohya(list(tensors)) else _from_dotted(tensors)


def _from_kohya(tensors: State) -> Named:
    named = Named()
    for key, tensor in tensors.items():
        match = _KOHYA.fullmatch(key)
        if match is None:
            named.rest.append(key)
            continue
        part, what = _KOHYA_PARTS[match["part"]], match["what"]
        module = unflatten(match["module"]).removeprefix("text_model.")
        if what == "alpha":
            named.alphas[f"{part}.{module}"] = float(tensor)
        elif what == "dora_scale":
            named.parts[part][module + MAGNITUDE] = _magnitude(key, tensor)
        else:
            named.parts[part][module + _SUFFIX[what]] = tensor
    return named


def unflatten(name: str) -> str:
    """'down_blocks_0_attentions_1_proj_in' to 'down_blocks.0.attentions.1.proj_in'."""
    return _COMPOUND.sub(lambda match: match[0].replace(".", "_"), name.replace("_", "."))


def _magnitude(key: str, tensor: torch.Tensor) -> torch.Tensor:
    """kohya's (out, 1) or (out, 1, 1, 1) as PEFT's (out,) or (1, out, 1, 1)."""
    if tensor.numel() != tensor.shape[0]:
        raise UserError(
            f"{key} {tuple(tensor.shape)} is DoRA with one magnitude an input, which PEFT does not know: only one an "
            "output can be loaded. Ask the author for a merged model or a plain LoRA."
        )
    return tensor.reshape(1, -1, 1, 1) if tensor.ndim == 4 else tensor.reshape(-1)


def _from_dotted(tensors: State) -> Named:
    named = Named()
    for key, tensor in tensors.items():
        part, name = _part_of(_SWIFT.sub("", key))
        if part is None or not _sort_in(named, part, _in_peft_words(part, name), tensor):
            named.rest.append(key)
    return named


def _part_of(key: str) -> tuple[str | None, str]:
    """The part that a dotted key belongs to, by its prefix or its first word, and the key within the part."""
    key = _unwrap(key)
    for part in PARTS:
        if key.startswith(f"{part}."):
            return part, _unwrap(key.removeprefix(f"{part}."))
        if key.startswith(_ROOTS[part]):
            return part, key
    return None, key


def _unwrap(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.removeprefix(next(prefix for prefix in _WRAPPERS if key.startswith(prefix)))
    return key


def _in_peft_words(part: str, name: str) -> str:
    """diffusers' older words for the same tensors, in PEFT's; it converts whole dictionaries, of which this is one."""
    if "lora" not in name:
        return name
    one: State = {name: torch.empty(0)}
    if part == "unet":
        return next(iter(_unet_alpha(convert_unet_state_dict_to_peft(one))))
    return next(iter(convert_state_dict(one, {**DIFFUSERS_OLD_TO_PEFT, **DIFFUSERS_TO_PEFT})))


def _unet_alpha(state: State) -> State:
    return {key.replace(".to_out_lora.alpha", ".to_out.0.alpha"): value for key, value in state.items()}


def _sort_in(named: Named, part: str, name: str, tensor: torch.Tensor) -> bool:
    """Whether the name means something that was not there yet."""
    state = named.parts[part]
    if match := _TENSOR.fullmatch(name):
        named.adapters.add(match["adapter"] or "")
        target = match["module"].removeprefix("text_model.") + _SUFFIX[match["what"]]
        return state.setdefault(target, tensor) is tensor
    if (match := _ALPHA.fullmatch(name)) and tensor.numel() == 1:
        named.alphas[f"{part}.{match['module'].removeprefix('text_model.')}"] = float(tensor)
        return True
    return False
