"""LoRA: small matrices beside chosen layers learn, the model itself stays (Hu et al. 2021, arXiv:2106.09685)."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import nn

from pai_modelscope.adapters import LoraFile, write_lora
from pai_modelscope.adapters.inject import attach_lora
from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.file import MAGNITUDE, A, B, modules
from pai_modelscope.adapters.result_manifest import Tuned, write_tuned
from pai_modelscope.config.option import faults_in
from pai_modelscope.errors import UserError
from pai_modelscope.methods.denoising import Denoising, Networks
from pai_modelscope.methods.denoising_options import DenoisingArguments
from pai_modelscope.methods.fine_tuning import FineTuning
from pai_modelscope.methods.lora.options import TARGETS, LoraOptions

LEGACY = "pytorch_model.bin"
_NAME = "default"  # PEFT's own for an adapter
_ATTENTION = {
    "unet": r".*attn[12]\.(to_q|to_k|to_v|to_out\.0)",
    # CLIP's layers, and BERT's.
    "text_encoder": r".*(q_proj|k_proj|v_proj|out_proj)|.*attention\.(self\.(query|key|value)|output\.dense)",
}


class LoraTraining(Denoising):
    stored_name = "LoraTraining"

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler | DDPMScheduler,
        empty_ids: torch.Tensor,
        *,
        rank: int = LoraOptions.rank,
        alpha: float | None = LoraOptions.alpha,
        targets: str | Sequence[str] = LoraOptions.targets,
        use_dora: bool = LoraOptions.use_dora,
        text_rank: int = LoraOptions.text_rank,
        text_alpha: float | None = None,
        name: str = "lora",
        base_model: str = "",
        resolution: int | None = None,
        trigger_words: Sequence[str] = (),
        legacy: bool = LoraOptions.legacy,
        seed: int = 0,
        **options: Unpack[DenoisingArguments],
    ):
        """
        Args:
            alpha: what is learned counts alpha / rank times; the rank by default.
            targets: layers of the UNet that learn. 'attention': the queries, keys, values and outputs, as diffusers'
                scripts do; 'all-linear': every matrix; 'conv': convolutions too; or names, each the end of a layer's
                name or a pattern for all of it.
            use_dora: learn length and direction apart (Liu et al. 2024, arXiv:2402.09353): slower, often better at
                low ranks.
            text_rank: the rank in the text encoder, whose learning rate is `text_encoder_lr`; 0: it stays.
            name: the WebUI's file is called so.
            base_model, resolution, trigger_words: what the files tell of themselves.
            legacy: write `pytorch_model.bin` too, with the names of diffusers' attention processors of 2023.
            seed: of the matrices' first values.
        """
        super().__init__(unet.requires_grad_(False), text_encoder, scheduler, empty_ids, **options)
        if legacy and (targets != "attention" or use_dora or text_rank):
            raise UserError("legacy files hold the UNet's attention alone: leave targets, use_dora and text_rank out")
        self.name, self.legacy = _file_name(name), legacy
        self.alphas: dict[str, float] = {}
        self.metadata = _metadata(base_model, resolution, trigger_words)
        _attach(self.unet, _layers(self.unet, "unet", targets), rank, alpha, use_dora, seed)
        self.channels_last = not use_dora  # peft's DoRA takes convolutions as they lie for matrices
        self.alphas["unet"] = float(rank if alpha is None else alpha)
        if text_rank:
            layers = _layers(self.text_encoder, "text_encoder", targets)
            _attach(self.text_encoder, layers, text_rank, text_alpha, use_dora, seed + 1)
            self.alphas["text_encoder"] = float(text_rank if text_alpha is None else text_alpha)

    def lora(self) -> LoraFile:
        """What was learned, by itself."""
        lora = LoraFile("diffusers", metadata=dict(self.metadata))
        for part, alpha in self.alphas.items():
            state = _learned(getattr(self, part))
            getattr(lora, part).update(state)
            lora.alphas |= {f"{part}.{module}": alpha for module in modules(state)}
        ranks = sorted(set(lora.ranks.values()))
        lora.metadata["rank"] = ", ".join(map(str, ranks))
        lora.metadata["alpha"] = ", ".join(f"{alpha:g}" for alpha in sorted(set(self.alphas.values())))
        return lora

    def save(self, folder: Path) -> None:
        """`pytorch_lora_weights.safetensors` for diffusers, `<name>.safetensors` for the WebUI."""
        lora = self.lora()
        write_lora(lora, folder / "pytorch_lora_weights.safetensors", "diffusers")
        write_lora(lora, folder / f"{self.name}.safetensors", "kohya")
        if self.legacy:
            torch.save(_in_legacy_words(lora), folder / LEGACY)


class LoraFineTuning(FineTuning[LoraOptions, LoraTraining]):
    checkpoint_files = frozenset({LEGACY})

    def create_method(self) -> LoraTraining:
        options, context = self.options, self.context
        return LoraTraining(
            *Networks.of(options, context.pipe),
            rank=options.rank,
            alpha=options.alpha,
            targets=options.targets,
            use_dora=options.use_dora,
            text_rank=options.text_rank,
            legacy=options.legacy,
            name=context.run_name,
            base_model=context.model,
            resolution=context.data.resolution,
            seed=context.loop.seed,
            **options.arguments(),
        )

    def export(self, folder: Path) -> None:
        super().export(folder)
        name_base_model(folder, self.method, self.context.base_model)


def name_base_model(folder: Path, method: LoraTraining, base_model: str) -> None:
    """Have `folder`, which holds the LoRA, open as `base_model` with the LoRA in use."""
    write_tuned(folder, Tuned(base_model, loras={f"{method.name}.safetensors": 1.0}))


def _layers(model: nn.Module, part: str, targets: str | Sequence[str]) -> list[str]:
    """The names of the layers that learn."""
    kinds = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}
    if isinstance(targets, str) and targets not in TARGETS:
        valid = ", ".join(map(repr, TARGETS))
        raise UserError(f"targets is {targets!r}; valid are {valid}, or a list of layers' names such as ['to_k']")
    if targets == "conv":
        return list(kinds)
    if targets == "all-linear":
        return [name for name, module in kinds.items() if isinstance(module, nn.Linear)]
    if targets == "attention" or part == "text_encoder":
        return [name for name in kinds if re.fullmatch(_ATTENTION[part], name)]
    chosen: dict[str, None] = {}
    for target in targets:
        matching = [name for name in kinds if _means(target, name)]
        if not matching:
            examples = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in kinds))
            raise UserError(f"targets names {target!r}, but no layer's name ends so; the ends of names are: {examples}")
        chosen |= dict.fromkeys(matching)
    if not chosen:
        raise UserError("targets is empty: name at least one layer, or leave it out for 'attention'")
    return list(chosen)


def _means(target: str, name: str) -> bool:
    if name == target or name.endswith(f".{target}"):
        return True
    try:
        return re.fullmatch(target, name) is not None
    except re.error as error:
        raise UserError(f"targets has {target!r}, which is neither a name nor a pattern ({error})") from None


def _attach(model: nn.Module, layers: list[str], rank: int, alpha: float | None, use_dora: bool, seed: int) -> None:
    alpha = rank if alpha is None else alpha
    if faults := faults_in(LoraOptions, {"rank": rank, "alpha": alpha}):
        raise UserError.of(faults, "this LoRA can't be trained: ")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        attach_lora(model, layers, _NAME, rank=rank, alpha=alpha, use_dora=use_dora, gaussian=True)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # steps are too small for half precision


def _learned(model: nn.Module) -> State:
    """The adapter's tensors under the names of `LoraFile`."""
    endings = {f".lora_A.{_NAME}.weight": A, f".lora_B.{_NAME}.weight": B}
    endings[f".lora_magnitude_vector.{_NAME}.weight"] = MAGNITUDE
    state = {}
    for name, value in model.named_parameters():
        for ending, kind in endings.items():
            if name.endswith(ending):
                state[name.removesuffix(ending).removeprefix("text_model.") + kind] = value.detach().clone()
    return state


def _metadata(base_model: str, resolution: int | None, trigger_words: Sequence[str]) -> dict[str, str]:
    """In the words that the WebUI shows (https://github.com/Stability-AI/ModelSpec, and kohya's)."""
    metadata: dict[str, str] = {}
    if base_model:
        metadata |= {"base_model": base_model, "ss_sd_model_name": base_model}
    if resolution:
        metadata |= {
            "modelspec.resolution": f"{resolution}x{resolution}",
            "ss_resolution": f"({resolution}, {resolution})",
        }
    if trigger_words:
        metadata["modelspec.trigger_phrase"] = ", ".join(trigger_words)
    return metadata


def _file_name(name: str) -> str:
    if not name or re.search(r'[<>:"/\\|?*\x00-\x1f]', name) or name == "pytorch_lora_weights":
        raise UserError(f"name is {name!r}; give the LoRA a name that can be a file's, such as '水墨'")
    return name


def _in_legacy_words(lora: LoraFile) -> State:
    """As the attention processors of 2023 were saved; they knew no alpha, so it goes into a matrix."""
    state = {}
    for module in modules(lora.unet):
        attention, _, layer = module.removesuffix(".0").rpartition(".")
        down, up = lora.unet[module + A], lora.unet[module + B]
        name = f"{attention}.processor.{layer}_lora"
        state[f"{name}.down.weight"] = down.cpu()
        state[f"{name}.up.weight"] = (up * (lora.alpha(f"unet.{module}") / len(down))).cpu()
    return state
