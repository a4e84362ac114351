"""The names that other programs give the tensors of their adapters, turned into one set: part, module, tensor."""

import functools
import re
from dataclasses import dataclass, field

import torch
from diffusers.utils.state_dict_utils import (
    DIFFUSERS_OLD_TO_PEFT,
    DIFFUSERS_TO_PEFT,
    convert_state_dict,
    convert_unet_state_dict_to_peft,
)

from pai_modelscope import limits
from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import PARTS
from pai_modelscope.adapters.lora_io.ldm_names import sd1_modules

# What the tensors of a module are called, by any program, and here.
_WORDS = {
    **{f"lora_{side}": f"lora_{matrix}" for side, matrix in (("down", "A"), ("up", "B"), ("mid", "mid"))},
    **{name: name for name in ("lora_A", "lora_B", "alpha", "scale", "scalar", "dora_scale", "diff", "diff_b")},
    **{name: name for name in ("w_norm", "b_norm", "oft_blocks", "rescale", "on_input", "bias_indices", "bias_values")},
    **{name: name for name in ("bias_size", "a1", "a2", "b1", "b2", "bm", "ia3_l", "oft_R", "boft_R", "boft_s")},
    **{f"hada_{name}": f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f"lokr_{name}": f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    "lora_magnitude_vector": "lora_magnitude_vector",
}
# IA3's tensor of LyCORIS has no name of its own; in other layouts, a model's weights are called so.
_KOHYA_WORDS = _WORDS | {"weight": "weight"}
_KOHYA_PARTS = {"lora_unet": "unet", "oft_unet": "unet", "lora_te": "text_encoder", "lora_te1": "text_encoder"}
_KOHYA = re.compile(
    rf"(?P<part>{'|'.join(_KOHYA_PARTS)}|oft_te1?|lycoris)_(?P<module>[^.]+)"
    rf"\.(?P<what>{'|'.join(_KOHYA_WORDS)}|lora\.(?:down|up|mid))(?:\.weight)?"
)
# kohya writes '_' for every '.', so the names that hold a '_' of their own must be known. diffusers' own converter
# guesses at SDXL's names meanwhile, and fails where only some modules are DoRA.
_COMPOUND = re.compile(
    r"(?<![a-z])(down\.blocks|mid\.block|up\.blocks|transformer\.blocks|to\.(?:q|k|v|out)|proj\.(?:in|out)"
    r"|conv\.(?:in|out|shortcut|norm\.out)|time\.emb\.proj|time\.embedding|linear\.[12]|text\.model|self\.attn"
    r"|[qkv]\.proj|out\.proj|layer\.norm[12]|final\.layer\.norm|(?:token|position)\.embedding"
    r"|(?:word|position|token\.type)\.embeddings)(?![a-z])"
)
_WRAPPERS = ("base_model.model.", "module.", "_orig_mod.")
_ROOTS = {
    "unet": ("down_blocks.", "mid_block.", "up_blocks.", "conv_in.", "conv_out.", "conv_norm_out.", "time_embedding."),
    "text_encoder": ("text_model.", "encoder.", "embeddings.", "pooler.", "final_layer_norm."),
}
# What CompVis's code, and programs that save whole checkpoints, put before the names of a part.
_PREFIXES = {
    "unet": ("unet.", "model.diffusion_model.", "diffusion_model."),
    "text_encoder": ("text_encoder.", "cond_stage_model.transformer.", "text_encoders.clip_l.transformer."),
}
_TENSOR = re.compile(
    rf"(?P<module>.+)\.(?P<what>{'|'.join(_WORDS)})(?:\.(?P<adapter>(?!weight$|bias$)[^.]+))?(?:\.weight)?"
)
_ALPHA = re.compile(r"(?P<module>.+?)(?:\.lora|_lora|\.lora_linear_layer)?\.alpha")
_SWIFT = re.compile(r"\.loramodule_[^.]+(?=\.lora_)")  # ms-swift before 1.5
_LDM = ("input_blocks", "middle_block", "output_blocks", "time_embed", "out")
_BUNDLED = re.compile(r"bundle_emb\.(?P<word>.+)\.(?:string_to_param\..+|emb_params)")


@dataclass
class Named:
    """`pieces`: 'unet.<module>' or 'text_encoder.<module>' to tensors, by the values of `_WORDS`; CLIP's modules are
    named without 'text_model.'. `words`: bundled embeddings; `rest`: keys that mean nothing here."""

    pieces: dict[str, State] = field(default_factory=dict)
    words: State = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    adapters: set[str] = field(default_factory=set)

    def put(self, part: str, module: str, what: str, tensor: torch.Tensor) -> bool:
        """Add a tensor, and say whether the module had no such tensor yet."""
        piece = self.pieces.setdefault(f"{part}.{module.removeprefix('text_model.')}", {})
        return piece.setdefault(what, tensor) is tensor


def is_kohya(keys: list[str]) -> bool:
    return any(key.startswith(("lora_unet_", "lora_te", "oft_unet_", "oft_te", "lycoris_")) for key in keys)


def canonical(tensors: State) -> Named:
    """Sort tensors by part, module and kind, whatever supported program named them."""
    named = Named()
    read = _from_kohya if is_kohya(list(tensors)) else _from_dotted
    for key, tensor in tensors.items():
        if len(key) > limits.PATH_CHARACTERS:
            named.rest.append(key)
        elif (match := _BUNDLED.fullmatch(key)) and match["word"] not in named.words:
            named.words[match["word"]] = tensor
        elif not read(named, key, tensor):
            named.rest.append(key)
    return named


def _from_kohya(named: Named, key: str, tensor: torch.Tensor) -> bool:
    match = _KOHYA.fullmatch(key)
    if match is None:
        return False
    module = unflatten(match["module"])
    part = _KOHYA_PARTS.get(match["part"], "text_encoder")
    if match["part"] == "lycoris":
        part = "unet" if module.startswith(_ROOTS["unet"]) or _is_ldm(match["module"]) else "text_encoder"
    if part == "unet" and _is_ldm(match["module"]):
        known = _flat_ldm().get(match["module"])
        if known is None:
            return False
        module = known
    what = match["what"]
    return named.put(part, module, _KOHYA_WORDS.get(what) or _WORDS[what.replace(".", "_")], tensor)


def unflatten(name: str) -> str:
    """'down_blocks_0_attentions_1_proj_in' to 'down_blocks.0.attentions.1.proj_in'."""
    return _COMPOUND.sub(lambda match: match[0].replace(".", "_"), name.replace("_", "."))


def _is_ldm(name: str) -> bool:
    return re.match(rf"({'|'.join(_LDM)})[._]\d", name) is not None


@functools.cache
def _flat_ldm() -> dict[str, str]:
    return {old.replace(".", "_"): new for old, new in sd1_modules().items()}


def _from_dotted(named: Named, key: str, tensor: torch.Tensor) -> bool:
    part, name = _part_of(_SWIFT.sub("", key))
    if part is None:
        return False
    name = _in_peft_words(part, name)
    if match := _TENSOR.fullmatch(name):
        module, what, adapter = match["module"], _WORDS[match["what"]], match["adapter"] or ""
        if what == "alpha" and (alpha := _ALPHA.fullmatch(name)):
            module = alpha["module"]
        elif what.startswith(("lora_", "hada_", "lokr_", "ia3_", "oft_R", "boft_")):
            named.adapters.add(adapter)
    elif match := _ALPHA.fullmatch(name):
        module, what = match["module"], "alpha"
    else:
        return False
    if part == "unet" and _is_ldm(module):
        if (known := sd1_modules().get(module)) is None:
            return False
        module = known
    return named.put(part, module, what, tensor)


def _part_of(key: str) -> tuple[str | None, str]:
    """The part that a dotted key belongs to, by its prefix or its first word, and the key within the part."""
    key = _unwrap(key)
    for part in PARTS:
        for prefix in _PREFIXES[part]:
            if key.startswith(prefix):
                return part, _unwrap(key.removeprefix(prefix))
        if key.startswith(_ROOTS[part]):
            return part, key
    return ("unet", key) if _is_ldm(key) else (None, key)


def _unwrap(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.removeprefix(next(prefix for prefix in _WRAPPERS if key.startswith(prefix)))
    return key


def _in_peft_words(part: str, name: str) -> str:
    """diffusers' older words for the same tensors, in PEFT's; it converts whole dictionaries, of which this is one."""
    if "lora" not in name:
        return name
    single: State = {name: torch.empty(0)}
    if part == "unet":
        converted: State = convert_unet_state_dict_to_peft(single)
        return next(iter(converted)).replace(".to_out_lora.alpha", ".to_out.0.alpha")
    converted = convert_state_dict(single, {**DIFFUSERS_OLD_TO_PEFT, **DIFFUSERS_TO_PEFT})
    return next(iter(converted))
