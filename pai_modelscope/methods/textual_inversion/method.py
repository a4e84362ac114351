"""Textual inversion: the vectors of a new word learn, the model stays (Gal et al. 2022, arXiv:2208.01618)."""

import copy
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pai_modelscope import limits
from pai_modelscope.adapters import Embedding, load_embedding, write_embedding
from pai_modelscope.adapters.embedding_loader import Words, add_words
from pai_modelscope.adapters.result_manifest import Tuned, write_tuned
from pai_modelscope.checkpoints.configs import part_class
from pai_modelscope.data import TrainingData, TrainingSet
from pai_modelscope.errors import UserError
from pai_modelscope.families.stable_diffusion import CLASSES
from pai_modelscope.methods.denoising import Denoising, Networks
from pai_modelscope.methods.denoising_options import DenoisingArguments
from pai_modelscope.methods.fine_tuning import FineTuning
from pai_modelscope.methods.textual_inversion.options import TextualInversionOptions
from pai_modelscope.methods.textual_inversion.templates import with_word
from pai_modelscope.model_layout import read_json
from pai_modelscope.tensor_files import is_float8, read_part, write_new
from pai_modelscope.text.chunks import token_ids
from pai_modelscope.text.unknown_characters import unknown_characters
from pai_modelscope.zoo import model_dir
from pai_modelscope.zoo.folders import configure, copy_model


class TextualInversion(Denoising):
    """Its `tokenizer` knows the new word. Captions are to pass `text.expand` with it on their way to ids, as prompts do
    when pictures are made, or the vectors after the first never reach the text encoder."""

    stored_name = "TextualInversion"

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler | DDPMScheduler,
        empty_ids: torch.Tensor,
        *,
        tokenizer: PreTrainedTokenizerBase,
        placeholder: str,
        initializer: str,
        num_vectors: int = TextualInversionOptions.num_vectors,
        **options: Unpack[DenoisingArguments],
    ):
        """
        Args:
            tokenizer: the model's; a copy of it learns the word.
            placeholder: the new word, such as `<小奶猫>`.
            initializer: a known text that comes near, such as 小猫: where the vectors begin, see `initial_vectors`.
            num_vectors: how many tokens the word stands for; more can say more, and leave less room in a prompt.
            options: as of `Denoising`, but that no caption is dropped unless `caption_dropout` says so.
        """
        options.setdefault("caption_dropout", TextualInversionOptions.caption_dropout)
        super().__init__(unet.requires_grad_(False), text_encoder, scheduler, empty_ids, **options)
        if not 1 <= num_vectors <= limits.EMBEDDING_VECTORS:
            raise UserError(f"num_vectors is {num_vectors}; give a whole number from 1 to {limits.EMBEDDING_VECTORS}")
        encoder: PreTrainedModel = self.text_encoder
        table = encoder.get_input_embeddings()
        vectors = initial_vectors(tokenizer, table, initializer, num_vectors)
        self.placeholder = placeholder
        self.tokenizer = copy.deepcopy(tokenizer)
        names = add_words(self.tokenizer, placeholder, num_vectors)
        encoder.set_input_embeddings(Words(table, vectors, self.tokenizer.convert_tokens_to_ids(names)[0]))

    @property
    def vectors(self) -> nn.Parameter:
        """(num_vectors, width): all that learns."""
        encoder: PreTrainedModel = self.text_encoder
        words = encoder.get_input_embeddings()
        assert isinstance(words, Words)
        return words.vectors

    def components(self) -> Mapping[str, object]:
        return {**super().components(), "tokenizer": self.tokenizer}

    def embedding(self) -> Embedding:
        """What was learned, by itself."""
        return Embedding(self.placeholder, self.vectors.detach().cpu().clone())

    def save(self, folder: Path) -> None:
        """`learned_embeds.safetensors` for diffusers, and `小奶猫.safetensors` for the WebUI, which calls an embedding
        by its file's name and so can't have the `<` and `>` that no file may be called by everywhere."""
        embedding = self.embedding()
        write_embedding(embedding, folder / "learned_embeds.safetensors", "diffusers")
        name = re.sub(r'[<>:"/\\|?*]', "", self.placeholder)
        name = "embedding" if name in ("", "learned_embeds") else name
        write_embedding(embedding, folder / f"{name}.safetensors", "webui")


class TextualInversionFineTuning(FineTuning[TextualInversionOptions, TextualInversion]):
    def create_method(self) -> TextualInversion:
        options = self.options
        return TextualInversion(
            *Networks.of(options, self.context.pipe),
            tokenizer=self.context.pipe.tokenizer,
            placeholder=options.placeholder_token,
            initializer=options.initializer_token,
            num_vectors=options.num_vectors,
            **options.arguments(),
        )

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.method.tokenizer

    @property
    def caption(self) -> str:
        return self.options.placeholder_token

    def training_set(self) -> TrainingSet:
        data = self.context.data
        return self._with_word(self.open(data.train_data_dir, data.max_train_samples, self.caption))

    def held_out_set(self, source: TrainingData) -> TrainingSet:
        return self._with_word(super().held_out_set(source))

    def export(self, folder: Path) -> None:
        super().export(folder)
        context = self.context
        if self.options.save_as_full_pipeline:
            fill_pipeline(folder, context.folder, self.method.embedding())
            configure(folder, base_model=context.base_model)
        else:
            write_tuned(folder, Tuned(context.base_model, embeddings=["learned_embeds.safetensors"]))

    def _with_word(self, pictures: TrainingSet) -> TrainingSet:
        options = self.options
        return with_word(pictures, options.placeholder_token, self.tokenizer, options.learnable_property)


def initial_vectors(tokenizer: PreTrainedTokenizerBase, table: nn.Embedding, text: str, count: int) -> torch.Tensor:
    """(count, width) from the vectors of the tokens of `text`, in their order.

    As many as there are tokens: each its own. Fewer: each the mean of its share of them. More: the text again.

    Raises:
        UserError: an empty text, or characters outside of the vocabulary.
    """
    if unknown := unknown_characters(tokenizer, text):
        raise UserError(
            f"the initializer {text!r} has {' '.join(unknown)}, which the model's vocabulary lacks: give another word"
        )
    ids = token_ids(tokenizer, [text])[0]
    if not ids or tokenizer.unk_token_id in ids:
        raise UserError(
            f"the initializer is {text!r}; give a word that the model knows and that comes near, such as 猫"
        )
    vectors = table.weight.detach()[torch.tensor(ids, device=table.weight.device)].float()
    if count <= len(vectors):
        return torch.stack([share.mean(0) for share in vectors.tensor_split(count)])
    return vectors[torch.arange(count, device=vectors.device) % len(vectors)]


def save_pipeline(model: str | os.PathLike[str], embedding: Embedding, folder: str | os.PathLike[str]) -> Path:
    """Write the model again, its tokenizer and text encoder knowing the embedding's word: opened by
    `StableDiffusionPipeline.from_pretrained`, prompts may use it at once.

    model: a folder, a name of the zoo or a hub id.
    Raises `UserError` if the folder exists and is not empty, or the embedding does not fit the model.
    """
    source = model_dir(model)
    return write_new(Path(folder), lambda partial: fill_pipeline(partial, source, embedding), folder=True)


def fill_pipeline(folder: Path, source: Path, embedding: Embedding) -> None:
    """As `save_pipeline`, into a folder that is there."""
    copy_model(source, folder, but=("text_encoder", "tokenizer"))
    index = read_json(source / "model_index.json")
    opened = {}
    for part, options in (("tokenizer", {}), ("text_encoder", {"torch_dtype": _dtype(source / "text_encoder")})):
        cls = part_class(source, part, index.get(part), CLASSES)
        opened[part] = cls.from_pretrained(source / part, local_files_only=True, **options)
    load_embedding(_Text(**opened), embedding)
    for part, opened_part in opened.items():
        opened_part.save_pretrained(folder / part)


def _dtype(part: Path) -> str | torch.dtype:
    """As the part's configuration says; but float32 where weights are float8, which no new row can be added to."""
    return torch.float32 if any(map(is_float8, read_part(part).values())) else "auto"


class _Text:
    """The part of a pipeline that an embedding needs."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, text_encoder: PreTrainedModel):
        self.tokenizer, self.text_encoder = tokenizer, text_encoder
