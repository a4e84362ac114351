"""What a LoRA is, whatever wrote it: PEFT's names relative to the part of the model they change, and their alphas."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from pai_modelscope.adapters.kinds import Change, State
from pai_modelscope.errors import UserError
from pai_modelscope.tensor_files import all_finite

if TYPE_CHECKING:
    from peft import LoraConfig

PARTS = ("unet", "text_encoder")
WHOLE_NUMBERS = ("bias_indices", "bias_size")  # tensors of a change that hold places, not values
A, B, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"

# The width that the UNet's cross-attention reads, which is the text encoder's, tells what a file was made for.
BASES = {2048: "SDXL", 1024: "SD 2.x", 768: "SD 1.x or PAI-Diffusion", 256: "the mini model"}
_TRIGGER_KEYS = ("modelspec.trigger_phrase", "trigger_words", "trigger_word", "trained_words", "instance_prompt")


@dataclass
class LoraFile:
    """`unet` and `text_encoder`: '<module>.lora_A.weight' (rank, in, ...), '<module>.lora_B.weight' (out, rank, ...)
    and, for DoRA, '<module>.lora_magnitude_vector'. CLIP's modules are named without 'text_model.'.

    `alphas`: 'unet.<module>' or 'text_encoder.<module>' to alpha, as far as the file tells; where it does not, alpha
    is the rank, and the product B A is added as it is. `changes`: what is done to modules in any other way, by such
    names. `words`: the vectors (n, width) of the embeddings that the file bundles, by the word that stands for them.
    """

    kind: str
    unet: State = field(default_factory=dict)
    text_encoder: State = field(default_factory=dict)
    alphas: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    words: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, State]:
        """The parts of the model that the file has matrices of low rank for."""
        return {name: state for name in PARTS if (state := getattr(self, name))}

    @property
    def ranks(self) -> dict[str, int]:
        """'unet.<module>' or 'text_encoder.<module>' to rank."""
        return {
            f"{part}.{module}": state[module + A].shape[0]
            for part, state in self.parts.items()
            for module in modules(state)
        }

    @property
    def modules(self) -> list[str]:
        """'unet.<module>' or 'text_encoder.<module>' of all that the file changes."""
        low_rank = [f"{part}.{module}" for part, state in self.parts.items() for module in modules(state)]
        return [*low_rank, *self.changes]

    @property
    def kinds(self) -> dict[str, int]:
        """How many modules of each kind there are: 'LoRA', 'DoRA', 'LoHa', ..."""
        states = (state for state in self.parts.values())
        kinds = ["DoRA" if module + MAGNITUDE in state else "LoRA" for state in states for module in modules(state)]
        return dict(Counter([*kinds, *(_kind(change) for change in self.changes.values())]))

    def changes_of(self, part: str) -> dict[str, Change]:
        """The changes of a part, by the module's name in it."""
        return {name.partition(".")[2]: c for name, c in self.changes.items() if name.startswith(f"{part}.")}

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
        for name, change in self.changes.items():
            if name.endswith((".attn2.to_k", ".attn2.to_v", ".q_proj", ".query")) and change.width:
                return change.width
        return None

    @property
    def trigger_words(self) -> list[str]:
        """The words that its author says to put into a prompt."""
        words = [part.strip() for key in _TRIGGER_KEYS for part in _listed(self.metadata.get(key, ""))]
        return list(dict.fromkeys(filter(None, words)))


def _kind(change: Change) -> str:
    return ("DoRA" if change.kind == "LoRA" else f"{change.kind} with DoRA") if change.is_dora else change.kind


def _listed(text: str) -> list[str]:
    return text.replace("，", ",").strip("[]").replace('"', "").split(",")


def modules(state: State) -> list[str]:
    """List the modules that a state of canonical names changes, in order."""
    return list(dict.fromkeys(key.rpartition(".lora_")[0] for key in state))


def base_name(width: int | None) -> str:
    """Say what models read text states of this width, for messages and summaries."""
    if width is None:
        return "an unknown base"
    return f"{BASES.get(width, 'an unknown base')} (cross_attention_dim {width})"


def architecture(width: int | None) -> str:
    """Say the same in the words of https://github.com/Stability-AI/ModelSpec."""
    known = {768: "stable-diffusion-v1", 1024: "stable-diffusion-v2-512"}
    return known.get(width or 0, f"stable-diffusion-v1-width-{width}")


def check_tensors(lora: LoraFile, where: str) -> LoraFile:
    """Return the LoRA if each module has both of its matrices, of one rank, of numbers; else `UserError`."""
    if not lora.parts and not lora.changes:
        raise UserError(f"{where} holds no LoRA. Give a LoRA's file or folder.")
    for part, state in lora.parts.items():
        for module in modules(state):
            _check_module(state, module, f"{where}: {part}.{module}")
    for name, change in lora.changes.items():
        for kind, tensor in change.tensors.items():
            if kind not in WHOLE_NUMBERS:
                check_numbers(tensor, f"{where}: {name}.{kind}")
    for module, alpha in lora.alphas.items():
        if not math.isfinite(alpha):
            raise UserError(f"{where}: the alpha of {module} is {alpha}, which is no number: the file is damaged.")
    return lora


def check_numbers(tensor: torch.Tensor, name: str) -> None:
    """Raise `UserError` for a tensor that is empty, of another type than floating point, or not finite."""
    if not tensor.is_floating_point() or not all_finite(tensor):
        raise UserError(f"{name} holds values that are no numbers (NaN or infinite): the file is damaged.")
    if not tensor.numel():
        raise UserError(f"{name} holds nothing: the file is damaged.")


def _check_module(state: State, module: str, name: str) -> None:
    down, up = state.get(module + A), state.get(module + B)
    if down is None or up is None:
        raise UserError(f"{name} has only one of its two matrices: the file is incomplete. Download it again.")
    if down.ndim not in (2, 4) or up.ndim != down.ndim or down.shape[0] != up.shape[1] or not down.shape[0]:
        raise UserError(
            f"{name} has matrices of {tuple(down.shape)} and {tuple(up.shape)}, which don't multiply: the file is "
            "damaged or of a kind that is not supported."
        )
    for kind in (A, B, MAGNITUDE):
        if module + kind in state:
            check_numbers(state[module + kind], name)


def lora_config(lora: LoraFile, part: str, state: State | None = None) -> "LoraConfig":
    """Make PEFT's configuration that scales each module of the part by its own alpha / rank.

    `state`: the modules that it is for, in the model's names; else all of the part.
    """
    from peft import LoraConfig

    state = lora.parts[part] if state is None else state
    names = modules(state)
    ranks = {name: state[name + A].shape[0] for name in names}
    alphas = {name: _whole(lora.alpha(f"{part}.{name.removeprefix('text_model.')}")) for name in names}
    # Patterns are matched from the end: anchored, a name means that module alone. CLIP's may follow 'text_model.'.
    start = "^" if part == "unet" else ""
    rank, alpha = Counter(ranks.values()).most_common(1)[0][0], Counter(alphas.values()).most_common(1)[0][0]
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # PEFT calculates with any number
        rank_pattern={start + name: value for name, value in ranks.items() if value != rank},
        alpha_pattern={start + name: value for name, value in alphas.items() if value != alpha},
        target_modules=names,
        use_dora=any(key.endswith(MAGNITUDE) for key in state),
    )


def _whole(value: float) -> float:
    """The number as an int where it is one: so PEFT's configurations are written."""
    return int(value) if float(value).is_integer() else value
