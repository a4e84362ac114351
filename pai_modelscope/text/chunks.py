"""Prompts longer than the text encoder: cut into chunks of the encoder's length, as WebUI users expect."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import check_text
from pai_modelscope.text.placeholders import expand_all

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A full chunk ends after its last separator, if at most this many tokens would move on to the next chunk.
BACKTRACK = 10
SEPARATORS = (",", "，", "、", "。", "；", ";")


def chunk_ids(
    tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[str], n_chunks: int | None = None
) -> torch.Tensor:
    """Make token ids (batch, n_chunks, L), L = `tokenizer.model_max_length`; every chunk is [CLS] tokens [SEP] [PAD]...

    `n_chunks` defaults to what the longest prompt needs; shorter prompts are filled with empty chunks. Prompts are
    plain text here: weights and BREAK are read by `encode_prompts` alone. Raises `UserError` if a prompt needs more
    than `n_chunks`: nothing is ever cut off.
    """
    length = content_length(tokenizer)
    breaks = separator_ids(tokenizer)
    return pack_chunks(
        tokenizer, [split_tokens(ids, length, breaks) for ids in token_ids(tokenizer, prompts)], n_chunks
    )


def content_length(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Count the tokens that fit between the first and last token of a chunk: 30 of 32.

    Raises:
        UserError: the tokenizer says no length, or one that is too short for any.
    """
    length = tokenizer.model_max_length
    if not isinstance(length, int) or not 3 <= length <= limits.TOKENS:
        raise UserError(
            f"The tokenizer's model_max_length is {length}; give the text encoder's number of positions, from 3 to "
            f"{limits.TOKENS}, in its tokenizer_config.json."
        )
    return length - 2


def token_ids(tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[str]) -> list[list[int]]:
    """Tokenize prompts of any length, without [CLS] and [SEP]; embeddings' words with all their vectors.

    Raises:
        UserError: half a character, more than `limits.PROMPT_CHARACTERS`.
    """
    if not prompts:
        return []
    prompts = expand_all(tokenizer, [check_text(prompt) for prompt in prompts])
    # `verbose` silences the warning about sequences beyond the encoder's length: chunks are made of them next.
    ids: list[list[int]] = tokenizer(
        prompts,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    return ids


def separator_ids(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Ids of the commas and full stops at which a chunk would rather end."""
    return frozenset(map(tokenizer.convert_tokens_to_ids, SEPARATORS)) - {tokenizer.unk_token_id}


def split_tokens(ids: Sequence[int], length: int, breaks: frozenset[int]) -> list[Sequence[int]]:
    """Cut into pieces of at most `length` tokens; a full piece ends after a separator where one is near its end."""
    pieces, start = [], 0
    while len(ids) - start > length:
        ends = range(start + length, max(start, start + length - BACKTRACK - 1), -1)
        cut = next((end for end in ends if ids[end - 1] in breaks), start + length)
        pieces.append(ids[start:cut])
        start = cut
    return [*pieces, ids[start:]]


def pack_chunks(
    tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[Sequence[Sequence[int]]], n_chunks: int | None = None
) -> torch.Tensor:
    """Pack pieces of tokens per prompt into ids (batch, n_chunks, L) with [CLS], [SEP] and [PAD] in their places."""
    counts = torch.tensor([len(pieces) for pieces in prompts], dtype=torch.long)
    needed = int(counts.max()) if len(prompts) else 1
    n_chunks = needed if n_chunks is None else n_chunks
    if needed > n_chunks:
        raise UserError(
            f"A prompt needs {needed} chunks of {content_length(tokenizer)} tokens, but only {n_chunks} are allowed: "
            "allow more chunks or shorten the prompt."
        )
    first, last = _edge_ids(tokenizer)
    ids = torch.full((len(prompts) * n_chunks, tokenizer.model_max_length), tokenizer.pad_token_id, dtype=torch.long)
    ids[:, 0] = first
    lengths = torch.zeros(len(ids), dtype=torch.long)
    pieces = list(chain.from_iterable(prompts))
    piece_lengths = torch.tensor([len(piece) for piece in pieces], dtype=torch.long)
    rows = torch.repeat_interleave(torch.arange(len(prompts)) * n_chunks, counts) + _positions(counts)
    lengths[rows] = piece_lengths
    tokens = torch.tensor(list(chain.from_iterable(pieces)), dtype=torch.long)
    ids[torch.repeat_interleave(rows, piece_lengths), 1 + _positions(piece_lengths)] = tokens
    ids[torch.arange(len(ids)), 1 + lengths] = last
    return ids.view(len(prompts), n_chunks, tokenizer.model_max_length)


def _positions(lengths: torch.Tensor) -> torch.Tensor:
    """0, 1, ... within each of several runs laid end to end: [2, 3] gives [0, 1, 0, 1, 2]."""
    starts = lengths.cumsum(0) - lengths
    return torch.arange(int(lengths.sum())) - torch.repeat_interleave(starts, lengths)


def _edge_ids(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, int]:
    """[CLS] and [SEP] for BERT vocabularies, begin and end of text for CLIP's."""
    if tokenizer.cls_token_id is not None:
        return tokenizer.cls_token_id, tokenizer.sep_token_id
    return tokenizer.bos_token_id, tokenizer.eos_token_id
