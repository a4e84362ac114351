"""Stable Diffusion in Chinese: a UNet, a VAE, and a CLIP or BERT text encoder that a BertTokenizer feeds.

PAI-Diffusion, Taiyi and their kin (Rombach et al. 2022, arXiv:2112.10752).
"""

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch

from pai_modelscope.adapters import control
from pai_modelscope.adapters.shapes import check_config
from pai_modelscope.checkpoints.configs import Classes, Part, check_vocabulary, fit_length
from pai_modelscope.checkpoints.integrity import check_weights
from pai_modelscope.checkpoints.load import load_part, load_parts
from pai_modelscope.checkpoints.single_file import from_single_file, to_single_file
from pai_modelscope.errors import UserError
from pai_modelscope.families.family import Inputs, ModelFacts, ModelFamily, NetworkControl, Spread, States, Task
from pai_modelscope.library_logs import quiet
from pai_modelscope.model_layout import weight_files
from pai_modelscope.text.encode import TokenizedText, encode_texts
from pai_modelscope.zoo.folders import is_family_index

with quiet():  # the import alone tells of torchvision, which nothing here needs
    from diffusers import (
        ControlNetModel,
        DiffusionPipeline,
        ModelMixin,
        StableDiffusionImg2ImgPipeline,
        StableDiffusionInpaintPipeline,
        StableDiffusionPipeline,
    )
    from diffusers.models.attention_processor import Attention
    from transformers import PreTrainedTokenizerBase

# What model_index.json may name: classes that released models of this family have.
CLASSES: Mapping[str, Classes] = {
    "unet": {"diffusers": ("UNet2DConditionModel",)},
    "vae": {"diffusers": ("AutoencoderKL",)},
    "text_encoder": {"transformers": ("CLIPTextModel", "BertModel")},
    "tokenizer": {"transformers": ("BertTokenizer", "BertTokenizerFast", "CLIPTokenizer", "CLIPTokenizerFast")},
}
_PHRASES = 256  # that are encoded together
Residuals = tuple[Sequence[torch.Tensor], torch.Tensor]  # what ControlNets add: to the down blocks, to the middle


class StableDiffusionFamily(ModelFamily):
    """One UNet, which attends to the states of one text encoder."""

    name: ClassVar[str] = "stable-diffusion"
    network: ClassVar[str] = "unet"

    def recognizes(self, index: Mapping[str, object]) -> bool:
        return is_family_index(index)

    def holds(self, pipe: object) -> bool:
        return all(hasattr(pipe, part) for part in (*CLASSES, "scheduler"))

    def open(self, folder: Path, device: torch.device, dtype: torch.dtype) -> StableDiffusionPipeline:
        """The folder's five parts as a plain StableDiffusionPipeline.

        Safetensors are preferred; `.bin` opens only as plain tensors. Raises `UserError` for a folder that is no model,
        lacks a part, has damaged weights, or whose parts don't fit each other.
        """
        parts = load_parts(folder, CLASSES, dtype)
        _check_fit(folder, parts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it mends old scheduler settings itself, at length
            pipe = StableDiffusionPipeline(
                **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
            )
        pipe.set_progress_bar_config(disable=True)
        pipe.to(device)
        for convolutional in (pipe.unet, pipe.vae):  # pixels beside pixels: a tenth faster on a CPU, and what GPUs want
            convolutional.to(memory_format=torch.channels_last)
        if device.type == "cpu":
            pipe.vae.enable_slicing()  # as fast there, and the memory of one picture
        return pipe

    def facts(self, pipe: DiffusionPipeline) -> ModelFacts:
        unet = pipe.unet.config
        size = unet.sample_size if isinstance(unet.sample_size, list | tuple) else (unet.sample_size,) * 2
        return ModelFacts(
            height=size[0] * pipe.vae_scale_factor,
            width=size[1] * pipe.vae_scale_factor,
            text_layers=pipe.text_encoder.config.num_hidden_layers,
            embeds_guidance=unet.time_cond_proj_dim is not None,
            inpaints_only=unet.in_channels != pipe.vae.config.latent_channels,
            tasks=frozenset(("text", "image", "mask")),
            controls=True,
            compares_phrases=pipe.text_encoder.config.model_type == "clip_text_model",
        )

    def encode(
        self,
        pipe: DiffusionPipeline,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[TokenizedText],
        clip_skip: int | None,
    ) -> list[States]:
        encoded = encode_texts(tokenizer, pipe.text_encoder, texts, clip_skip)
        return [{"encoder_hidden_states": states} for states in encoded]

    def phrase_vectors(
        self, pipe: DiffusionPipeline, tokenizer: PreTrainedTokenizerBase, phrases: Sequence[str]
    ) -> torch.Tensor:
        """The pooled states of a CLIP text encoder, whose training drew them to those of pictures."""
        # Attention is causal here: what stands after the last token changes nothing, so that no phrase need be padded
        # beyond the longest that it is encoded with.
        order = sorted(range(len(phrases)), key=lambda place: len(phrases[place]))
        vectors = torch.zeros(len(phrases), pipe.text_encoder.config.hidden_size)
        for start in range(0, len(order), _PHRASES):
            places = order[start : start + _PHRASES]
            ids = tokenizer(
                [phrases[place] for place in places],
                padding=True,
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            )["input_ids"]
            with torch.no_grad():
                pooled = pipe.text_encoder(ids.to(pipe.text_encoder.device)).pooler_output.float().cpu()
            unit = torch.nn.functional.normalize(pooled, dim=-1)
            vectors[places] = unit * (ids != tokenizer.unk_token_id).all(1, keepdim=True)
        return vectors

    def cross_attentions(self, pipe: DiffusionPipeline) -> list[Attention]:
        return [module for name, module in pipe.unet.named_modules() if name.endswith(".attn2")]

    def pipeline_class(self, task: Task) -> type[DiffusionPipeline]:
        classes: dict[Task, type[DiffusionPipeline]] = {
            "image": StableDiffusionImg2ImgPipeline,
            "mask": StableDiffusionInpaintPipeline,
        }
        return classes[task]

    def prompt_arguments(self, states: Mapping[str, torch.Tensor]) -> Mapping[str, object]:
        return {"prompt_embeds": states["encoder_hidden_states"]}

    def network_inputs(self, arguments: Mapping[str, object], spread: Spread) -> Inputs:
        guidance = arguments.get("timestep_cond")  # (pictures, D) where the network embeds guidance
        return {"timestep_cond": spread(guidance)} if isinstance(guidance, torch.Tensor) else {}

    def write_single_file(self, model: Path, file: Path, base: str | os.PathLike[str] | None) -> Path:
        return to_single_file(model, file, base)

    def read_single_file(self, file: Path, folder: Path, base: str | os.PathLike[str] | None) -> Path:
        return from_single_file(file, folder, base)

    def open_controlnet(self, folder: Path, pipe: DiffusionPipeline) -> ModelMixin:
        """A ControlNet beside `pipe`, on its device and in its dtype.

        The folder may be a training result, which names its ControlNet. A low-rank control adapter takes the rest of
        its weights from the pipeline's own UNet.

        Raises `UserError` for a folder that is none, has damaged weights, or was made for a UNet of another shape.
        """
        folder = control.controlnet_folder(folder)
        if (folder / control.FILE).is_file():
            with quiet():
                net = control.read_control_lora(folder, pipe.unet).to(pipe.dtype).eval().requires_grad_(False)
        else:
            for file in weight_files(folder):
                check_weights(file)
            check_config(folder, ControlNetModel)
            net = load_part(folder, ControlNetModel, pipe.dtype)
        for what in ("cross_attention_dim", "block_out_channels", "in_channels"):
            got, wanted = (_plain(part.config[what]) for part in (net, pipe.unet))
            repaints = isinstance(got, int) and what == "in_channels" and wanted == 2 * got + 1
            if got != wanted and not repaints:
                raise UserError(
                    f"The ControlNet in {folder} is for another model: its {what} is {got}, here it is {wanted}."
                )
        return net.to(pipe.device).to(memory_format=torch.channels_last)

    def control_inputs(
        self,
        controls: Sequence[NetworkControl],
        samples: torch.Tensor,
        timestep: torch.Tensor,
        inputs: Inputs,
        unconditional: int,
        spread: Spread,
    ) -> Inputs:
        """The sum of what the ControlNets add, each at its scale.

        Where the first of them pools its picture's features, all leave the unconditional rows as they are, as in
        diffusers' pipelines ("guess mode").
        """
        guess = bool(controls[0].network.config.global_pool_conditions)
        first = unconditional if guess else 0
        total: Residuals | None = None
        for entry in controls:
            network = entry.network
            pictures = spread(entry.pictures)
            down, middle = network(
                samples[first:, : network.config.in_channels],
                timestep,
                encoder_hidden_states=inputs["encoder_hidden_states"][first:],
                controlnet_cond=pictures[first:],
                conditioning_scale=entry.scale,
                guess_mode=guess,
                return_dict=False,
            )
            if total:
                down = [before + more for before, more in zip(total[0], down, strict=True)]
                middle = total[1] + middle
            total = down, middle
        assert total
        down, middle = total
        if first:
            down, middle = [_after_zeros(tensor, first) for tensor in down], _after_zeros(middle, first)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def _after_zeros(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    return torch.cat([tensor.new_zeros(rows, *tensor.shape[1:]), tensor])


def _plain(value: object) -> object:
    """The same numbers come as a list from a file and as a tuple from a default."""
    return list(value) if isinstance(value, tuple) else value


def _check_fit(folder: Path, parts: Mapping[str, Part]) -> None:
    """Parts of different models may each load and still draw noise: compare the sizes by which they meet."""
    tokenizer, encoder, unet, vae = (parts[name] for name in ("tokenizer", "text_encoder", "unet", "vae"))
    check_vocabulary(folder / "tokenizer", tokenizer, encoder.get_input_embeddings().num_embeddings)
    fit_length(folder, tokenizer, encoder.config.max_position_embeddings)
    _check_numbers(folder, unet, vae)
    for what, got, wanted in (
        ("text_encoder's hidden size", encoder.config.hidden_size, unet.config.cross_attention_dim),
        # A repainting UNet takes the masked picture's latents and the mask beside the latents.
        (
            "vae's latent channels",
            vae.config.latent_channels,
            unet.config.in_channels // 2 if unet.config.in_channels == 9 else unet.config.in_channels,
        ),
    ):
        if got != wanted:
            raise UserError(
                f"The parts of {folder} don't fit: {what} is {got}, its unet expects {wanted}. They come from "
                "different models, or this one does not draw from text alone: download it again or give another."
            )


def _check_numbers(folder: Path, unet: ModelMixin, vae: ModelMixin) -> None:
    """What the pipeline reckons with, though no tensor has it as a shape."""
    size = unet.config.sample_size
    sides = size if isinstance(size, list | tuple) else (size, size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise UserError(
            f"{folder / 'unet/config.json'} gives sample_size as {str(size)[:40]}; give a number of latents or two."
        )
    scale = vae.config.scaling_factor
    if type(scale) not in (int, float) or not math.isfinite(scale) or scale <= 0:
        raise UserError(
            f"{folder / 'vae/config.json'} gives scaling_factor as {str(scale)[:40]}; give a number above 0."
        )
