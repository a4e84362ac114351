"""A second family of models, as another package would bring it: HunyuanDiT, a transformer with two text encoders.

Li et al. 2024, arXiv:2405.08748. The tiny folder that `save_tiny` writes has the shipped model's VAE and tokenizer, and
networks of a few thousand random weights.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers import DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel, T5Tokenizer

from pai_modelscope import UserError, model_dir
from pai_modelscope.checkpoints.load import load_part, load_parts
from pai_modelscope.families import Inputs, ModelFacts, ModelFamily, Spread, States
from pai_modelscope.tensor_files import write_new
from pai_modelscope.text.encode import TokenizedText

LAYOUT = "hunyuan"  # the entry of a file's header that its single files have
BERT_TOKENS, T5_TOKENS = 20, 24
CLASSES = {
    "transformer": {"diffusers": ("HunyuanDiT2DModel",)},
    "vae": {"diffusers": ("AutoencoderKL",)},
    "text_encoder": {"transformers": ("BertModel",)},
    "tokenizer": {"transformers": ("BertTokenizer", "BertTokenizerFast")},
    "text_encoder_2": {"transformers": ("T5EncoderModel",)},
    "tokenizer_2": {"transformers": ("T5Tokenizer", "T5TokenizerFast")},
}


class HunyuanFamily(ModelFamily):
    name: ClassVar[str] = "hunyuan-dit"
    network: ClassVar[str] = "transformer"
    lora_prefixes: ClassVar[tuple[str, ...]] = ("transformer.",)

    def recognizes(self, index: Mapping[str, object]) -> bool:
        return index.get("_class_name") == "HunyuanDiTPipeline"

    def holds(self, pipe: object) -> bool:
        return isinstance(pipe, HunyuanDiTPipeline)

    def open(self, folder: Path, device: torch.device, dtype: torch.dtype) -> HunyuanDiTPipeline:
        parts = load_parts(folder, CLASSES, dtype)
        pipe = HunyuanDiTPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(device)

    def facts(self, pipe: HunyuanDiTPipeline) -> ModelFacts:
        side = pipe.transformer.config.sample_size * pipe.vae_scale_factor
        return ModelFacts(side, side, text_layers=pipe.text_encoder.config.num_hidden_layers)

    def tokenize(self, tokenizer: Any, text: str) -> TokenizedText:
        ids = tokenizer(text).input_ids
        if len(ids) > BERT_TOKENS:
            raise UserError(f"{text[:20]!r}... has {len(ids)} tokens; this model reads {BERT_TOKENS}: shorten it")
        return TokenizedText(text, ((ids, [1.0] * len(ids)),))

    def encode(
        self, pipe: HunyuanDiTPipeline, tokenizer: Any, texts: Sequence[TokenizedText], clip_skip: int | None
    ) -> list[States]:
        return [self._states(pipe, tokenizer, text.text) for text in texts]

    def _states(self, pipe: HunyuanDiTPipeline, tokenizer: Any, text: str) -> States:
        states: dict[str, torch.Tensor] = {}
        encoders = (
            ("", tokenizer, pipe.text_encoder, BERT_TOKENS),
            ("_t5", pipe.tokenizer_2, pipe.text_encoder_2, T5_TOKENS),
        )
        for suffix, reads, encoder, length in encoders:
            ids = reads(text, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
            mask = ids.attention_mask.to(pipe.device)
            states[f"encoder_hidden_states{suffix}"] = encoder(ids.input_ids.to(pipe.device), attention_mask=mask)[0]
            states[f"text_embedding_mask{suffix}"] = mask
        return states

    def prompt_arguments(self, states: Mapping[str, torch.Tensor]) -> Mapping[str, object]:
        return {
            "prompt_embeds": states["encoder_hidden_states"],
            "prompt_attention_mask": states["text_embedding_mask"],
            "prompt_embeds_2": states["encoder_hidden_states_t5"],
            "prompt_attention_mask_2": states["text_embedding_mask_t5"],
            "use_resolution_binning": False,
        }

    def network_inputs(self, arguments: Mapping[str, Any], spread: Spread) -> Inputs:
        shared = {"image_rotary_emb": arguments["image_rotary_emb"]}
        return {name: spread(arguments[name]) for name in ("image_meta_size", "style")} | shared

    def recognizes_file(self, file: Path) -> bool:
        if file.suffix != ".safetensors" or not file.is_file():
            return False
        with safe_open(file, "pt") as opened:
            return LAYOUT in (opened.metadata() or {})

    def write_single_file(self, model: Path, file: Path, base: Any) -> Path:
        """Every tensor under its file's name; configurations and vocabularies in the header."""
        paths = {path.relative_to(model).as_posix(): path for path in sorted(model.rglob("*")) if path.is_file()}
        weights = {name: path for name, path in paths.items() if path.suffix == ".safetensors"}
        texts = {name: path for name, path in paths.items() if name not in weights}
        header = {name: base64.b64encode(path.read_bytes()).decode() for name, path in texts.items()}
        tensors = {f"{file}:{name}": value for file, path in weights.items() for name, value in load_file(path).items()}
        return write_new(file, lambda made: save_file(tensors, made, {LAYOUT: json.dumps(header)}))

    def read_single_file(self, file: Path, folder: Path, base: Any) -> Path:
        def fill(made: Path) -> None:
            with safe_open(file, "pt") as opened:
                header = json.loads(opened.metadata()[LAYOUT])
            for name, text in header.items():
                (made / name).parent.mkdir(exist_ok=True)
                (made / name).write_bytes(base64.b64decode(text))
            states: dict[str, dict[str, torch.Tensor]] = {}
            for key, tensor in load_file(file).items():
                path, name = key.split(":")
                states.setdefault(path, {})[name] = tensor
            for path, state in states.items():
                save_file(state, made / path, {"format": "pt"})

        return write_new(folder, fill, folder=True)

    def timestep(self, timestep: torch.Tensor, rows: int) -> torch.Tensor:
        return timestep[:1].expand(rows)


def save_tiny(folder: Path) -> Path:
    """A model folder of the family, of 64 x 64 pixels."""
    torch.manual_seed(0)
    mini = model_dir("pai-diffusion-mini-zh")
    tokenizer = load_part(mini / "tokenizer", _class("BertTokenizer"), None)
    vae = load_part(mini / "vae", _class("AutoencoderKL"), torch.float32)
    pieces = ["<pad>", "</s>", "<unk>", "▁", *"猫狗熊一只红色的在里"]
    pipe = HunyuanDiTPipeline(
        vae=vae,
        text_encoder=BertModel(
            BertConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=64,
            )
        ).eval(),
        tokenizer=tokenizer,
        transformer=HunyuanDiT2DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=vae.config.latent_channels,
            patch_size=2,
            sample_size=64 // 8,
            hidden_size=32,
            num_layers=2,
            cross_attention_dim=32,
            cross_attention_dim_t5=16,
            pooled_projection_dim=16,
            text_len=BERT_TOKENS,
            text_len_t5=T5_TOKENS,
        ).eval(),
        scheduler=DDPMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction", steps_offset=1),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=len(pieces) + 100, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        ).eval(),
        tokenizer_2=T5Tokenizer(vocab=[(piece, -float(place)) for place, piece in enumerate(pieces)]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder)
    return folder


def _class(name: str) -> Any:
    import diffusers
    import transformers

    return getattr(transformers, name, None) or getattr(diffusers, name)
