"""What a LoRA is, whatever wrote it: PEFT's names relative to the part of the model they change, and their alphas."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch

from pai_modelscope.errors import UserError

State = dict[str, torch.Tensor]
PARTS = ("unet", "text_encoder")
A, B, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"

# The width that the UNet's cross-attention reads, which is the text encoder's, tells what a file was made for.
BASES = {2048: "SDXL", 1024: "SD 2.x", 768: "SD 1.x or PAI-Diffusion", 256: "the mini model"}
_TRIGGER_KEYS = ("modelspec.trigger_phrase", "trigger_words", "trigger_word", "trained_words", "instance_prompt")


@dataclass
class LoraFile:
    """`unet` and `text_encoder`: '<module>.lora_A.weight' (rank, in, ...), '<module>.lora_B.weight' (out, rank, ...)
    and, for DoRA, '<module>.lora_magnitude_vector'. CLIP's modules are named without 'text_model.'.

    `alphas`: 'unet.<module>' or 'text_encoder.<module>' to alpha, as far as the file tells; where it does not, alpha
    is the rank, and the product B A is added as it is.
    """

    kind: str
    unet: State = field(default_factory=dict)
    text_encoder: State = field(default_factory=dict)
    alphas: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, State]:
        """The parts of the model that the file changes."""
        return {name: state for name in PARTS if (state := getattr(self, name))}

    @property
    def ranks(self) -> dict[str, int]:
        """'unet.<module>' or 'text_encoder.<module>' to rank."""
        return {
            f"{part}.{module}": state[module + A].shape[0]
            for part, state in self.parts.items()
            for module in modules(state)
        }

    def alpha(self, module: str) -> float:
        """Alpha of 'unet.<module>' or 'text_encoder.<module>'."""
        part, _, name = module.partition(".")
        return self.alphas.get(module, float(getattr(self, part)[name + A].shape[0]))

    @property
    def width(self) -> int | None:
        """The width of the text states that it was made for; None if no tensor tells."""
        for state, names in ((self.unet, (".attn2.to_k", ".attn2.to_v")), (self.text_encoder, (".q_proj", ".query"))):
            for key, tensor in state.items():
                if key.endswith(tuple(name + A for name in names)):
                    return tensor.shape[1]
        return None

    @property
    def trigger_words(self) -> list[str]:
        """The words that its author says to put into a prompt."""
        words = [part.strip() for key in _TRIGGER_KEYS for part in _listed(self.metadata.get(key, ""))]
        return list(dict.fromkeys(filter(None, words)))


def _listed(text: str) -> list[str]:
    return text.replace("，", ",").strip("[]").replace('"', "").split(",")


def modules(state: State) -> list[str]:
    """The modules that a state of canonical names changes, in order."""
    return list(dict.fromkeys(key.rpartition(".lora_")[0] for key in state))


def base_name(width: int | None) -> str:
    """What models read text states of this width, for messages and summaries."""
    if width is None:
        return "an unknown base"
    return f"{BASES.get(width, 'an unknown base')} (cross_attention_dim {width})"


def architecture(width: int | None) -> str:
    """The same in the words of https://github.com/Stability-AI/ModelSpec."""
    known = {768: "stable-diffusion-v1", 1024: "stable-diffusion-v2-512"}
    return known.get(width or 0, f"stable-diffusion-v1-width-{width}")


def shorten(keys: list[str], count: int = 3) -> str:
    """The first few of many names."""
    more = f" and {len(keys) - count} more" if len(keys) > count else ""
    return ", ".join(keys[:count]) + more


def check_tensors(lora: LoraFile, where: str) -> LoraFile:
    """The same LoRA, if each module has both of its matrices, of one rank, of numbers; else `UserError`."""
    if not lora.parts:
        raise UserError(f"{where} holds no LoRA. Give a LoRA's file or folder.")
    for part, state in lora.parts.items():
        for module in modules(state):
            _check_module(state, module, f"{where}: {part}.{module}")
        dora = sum(key.endswith(MAGNITUDE) for key in state)
        if dora not in (0, len(modules(state))):
            raise UserError(
                f"{where} mixes LoRA and DoRA modules in the {part}, which can't be loaded together. Ask its author "
                "for one kind, or for the merged model."
            )
    return lora


def _check_module(state: State, module: str, name: str) -> None:
    down, up = state.get(module + A), state.get(module + B)
    if down is None or up is None:
        raise UserError(f"{name} has only one of its two matrices: the file is incomplete. Download it again.")
    if down.ndim not in (2, 4) or up.ndim != down.ndim or down.shape[0] != up.shape[1] or not down.shape[0]:
        raise UserError(
            f"{name} has matrices of {tuple(down.shape)} and {tuple(up.shape)}, which don't multiply: the file is "
            "damaged or of a kind that is not supported."
        )
    if not all(t.is_floating_point() and bool(t.isfinite().all()) for t in (down, up)):
        raise UserError(f"{name} holds values that are no numbers (NaN or infinite): the file is damaged.")


def lora_config(lora: LoraFile, part: str) -> Any:
    """PEFT's configuration that scales each module of the part by its own alpha / rank."""
    from peft import LoraConfig

    state = lora.parts[part]
    names = modules(state)
    ranks = {name: state[name + A].shape[0] for name in names}
    alphas = {name: _whole(lora.alpha(f"{part}.{name}")) for name in names}
    # Patterns are matched from the end: anchored, a name means that module alone. CLIP's may follow 'text_model.'.
    start = "^" if part == "unet" else ""
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, alphas))
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        rank_pattern={start + name: value for name, value in ranks.items() if value != rank},
        alpha_pattern={start + name: value for name, value in alphas.items() if value != alpha},
        target_modules=names,
        use_dora=any(key.endswith(MAGNITUDE) for key in state),
    )


def _whole(value: float) -> Any:
    return int(value) if float(value).is_integer() else value
