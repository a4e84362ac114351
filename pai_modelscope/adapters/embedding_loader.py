"""Embeddings in a pipeline: new words of the tokenizer, with their vectors in the text encoder."""

import re
import unicodedata
from typing import TYPE_CHECKING

import torch
from torch import nn

from pai_modelscope import limits
from pai_modelscope.adapters.embedding_io import Embedding
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import check_text
from pai_modelscope.text.placeholders import single_word
from pai_modelscope.text.prompt_tags import lora_tags
from pai_modelscope.text.weights import BREAK

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedTokenizerBase

_GRAMMAR = "()[]{}（）［］\\"


@torch.no_grad()
def load_embedding(pipe: "DiffusionPipeline", embedding: Embedding, token: str | None = None) -> list[str]:
    """Teach `pipe` a token (the embedding's own name unless `token` is given), and return the names of its vectors.

    They are `<猫>`, `<猫>_1`, ... as diffusers names them; `expand` puts them all into a prompt that says `<猫>`.
    Everything is checked first: on a `UserError` nothing has changed.
    """
    token = embedding.token if token is None else token
    vectors = embedding.vectors if embedding.vectors.ndim == 2 else embedding.vectors[None]
    table = pipe.text_encoder.get_input_embeddings()
    check_width(embedding, table.embedding_dim)
    names = add_words(pipe.tokenizer, token, len(vectors))
    ids = pipe.tokenizer.convert_tokens_to_ids(names)
    if max(ids) >= table.num_embeddings:
        trained = table.weight.requires_grad
        pipe.text_encoder.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
        table = pipe.text_encoder.get_input_embeddings()
        table.weight.requires_grad_(trained)
    table.weight[ids] = vectors.to(table.weight)
    return names


def add_words(tokenizer: "PreTrainedTokenizerBase", token: str, count: int) -> list[str]:
    """Teach `tokenizer` a token of `count` vectors, `<猫>`, `<猫>_1`, ..., and return their names.

    Raises `UserError`, having changed nothing, if it can't be a prompt's word or is one already.
    """
    from tokenizers import AddedToken

    if not 1 <= count <= limits.EMBEDDING_VECTORS:
        raise UserError(f"{token!r} is to have {count} vectors; valid are 1 to {limits.EMBEDDING_VECTORS}.")
    names = [token, *(f"{token}_{i}" for i in range(1, count))]
    _check_names(tokenizer, token, names)
    # Normalised, BERT's tokenizer would look for '< 小 奶 猫 >', and find the vectors after the first nowhere.
    alone = single_word(token)
    tokenizer.add_tokens([AddedToken(name, normalized=False, single_word=alone) for name in names])
    return names


class Words(nn.Module):
    """A table of embeddings, and the rows of new words in a parameter of their own: no other row can move."""

    def __init__(self, table: nn.Module, vectors: torch.Tensor, first: int):
        """`vectors` (n, width) are of the ids `first`, `first` + 1, ..."""
        super().__init__()
        self.table, self.first = table, first
        self.vectors = nn.Parameter(vectors.detach().float().clone())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors (..., width) of ids (...)."""
        place = ids - self.first
        new = (place >= 0) & (place < len(self.vectors))
        known = self.table(torch.where(new, torch.zeros_like(ids), ids))
        learned = nn.functional.embedding(place.clamp(0, len(self.vectors) - 1), self.vectors)
        return torch.where(new[..., None], learned.to(known.dtype), known)


def check_width(embedding: Embedding, width: int) -> None:
    """Raise `UserError` for an embedding whose vectors are not as wide as a text encoder's states."""
    if embedding.vectors.shape[-1] != width:
        raise UserError(
            f"The embedding {embedding.token!r} has vectors of width {embedding.vectors.shape[-1]}, this model's text "
            f"encoder has {width}: it was made for another model. Give one that was trained on this kind of model."
        )


def _check_names(tokenizer: "PreTrainedTokenizerBase", token: str, names: list[str]) -> None:
    check_text(token)
    unseen = any(character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in token)
    if not token or unseen or set(token) & set(_GRAMMAR) or token == BREAK[0] or lora_tags(token):
        raise UserError(
            f"{token!r} can't be a prompt's word: give token='<猫>', without spaces, brackets ( ) [ ] and characters "
            "that nobody sees."
        )
    vocabulary = tokenizer.get_vocab()
    # One more than needed: a vector that some other embedding named so would be taken for this one's.
    taken = [name for name in [*names, f"{token}_{len(names)}"] if name in vocabulary]
    numbered = re.fullmatch(r"(.+)_\d+", token)
    if numbered and numbered[1] in tokenizer.added_tokens_encoder:
        taken.append(numbered[1])
    if taken:
        raise UserError(
            f"The tokenizer knows {taken[0]!r} already: give the embedding another name, such as token='<猫>'."
        )
