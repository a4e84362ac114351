"""From prompts to the states that the UNet attends to, for CLIP and BERT text encoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import check_text, shorten
from pai_modelscope.text.chunks import content_length, pack_chunks, separator_ids, split_tokens, token_ids
from pai_modelscope.text.placeholders import expand
from pai_modelscope.text.unknown_characters import warn_of_unknown
from pai_modelscope.text.weights import BREAK, parse_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LEAST_MEAN = 0.01  # of the standard deviation
Chunk = tuple[Sequence[int], Sequence[float]]  # content tokens and their weights


@dataclass(frozen=True)
class TokenizedText:
    """A text, cut into the chunks that are encoded apart; its length is their number."""

    text: str
    chunks: tuple[Chunk, ...]

    def __len__(self) -> int:
        return len(self.chunks)


def encode_prompts(
    tokenizer: "PreTrainedTokenizerBase",
    text_encoder: torch.nn.Module,
    prompts: Sequence[str],
    negative_prompts: Sequence[str],
    clip_skip: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """States (batch, n_chunks * L, D) of the prompts and of the negative prompts, both of the same n_chunks.

    Weights and BREAK are read as the WebUI does; the shorter side is filled with empty chunks. A plain prompt of
    one chunk gives bit for bit what StableDiffusionPipeline.encode_prompt gives. Unknown characters are warned of.
    """
    warn_of_unknown(tokenizer, [*prompts, *negative_prompts])
    chunks = [weighted_chunks(tokenizer, prompt) for prompt in prompts]
    negative_chunks = [weighted_chunks(tokenizer, prompt) for prompt in negative_prompts]
    n_chunks = max((len(c) for c in chunks + negative_chunks), default=1)
    return (
        _encode_weighted(tokenizer, text_encoder, chunks, n_chunks, clip_skip),
        _encode_weighted(tokenizer, text_encoder, negative_chunks, n_chunks, clip_skip),
    )


def tokenize(tokenizer: "PreTrainedTokenizerBase", text: str) -> TokenizedText:
    """Cut a text into chunks. Raises `UserError` as `weighted_chunks`."""
    return TokenizedText(text, tuple(weighted_chunks(tokenizer, text)))


def encode_texts(
    tokenizer: "PreTrainedTokenizerBase",
    text_encoder: torch.nn.Module,
    texts: Sequence[TokenizedText],
    clip_skip: int | None = None,
) -> list[torch.Tensor]:
    """Encode each text by itself to states (1, n_chunks * L, D): its bits don't depend on the other texts.

    All have as many chunks as the longest needs; unlike `encode_prompts`, nothing is warned of.
    """
    n_chunks = max(map(len, texts), default=1)
    return [_encode_weighted(tokenizer, text_encoder, [text.chunks], n_chunks, clip_skip) for text in texts]


def encode_ids(text_encoder: torch.nn.Module, ids: torch.Tensor, clip_skip: int | None = None) -> torch.Tensor:
    """Encode ids (batch, n_chunks, L) to states (batch, n_chunks * L, D): chunks apart, joined along the sequence.

    No attention mask is passed, as in StableDiffusionPipeline. `clip_skip` counts as in diffusers: 1 takes the
    layer before the last, followed by the encoder's own final layer norm (CLIP; BERT has none).
    """
    batch, n_chunks, length = ids.shape
    flat = ids.reshape(batch * n_chunks, length)
    states: torch.Tensor
    if not clip_skip:
        states = text_encoder(flat)[0]
    else:
        layers = text_encoder(flat, output_hidden_states=True).hidden_states
        states = _final_norm(text_encoder)(layers[-(clip_skip + 1)])
    return states.reshape(batch, n_chunks * length, -1)


def weighted_chunks(tokenizer: "PreTrainedTokenizerBase", prompt: str) -> list[Chunk]:
    """Cut a prompt's tokens, with their weights, at BREAK and at the encoder's length.

    Raises:
        UserError: more than `limits.PROMPT_CHUNKS` chunks, and what `parse_weights` and `token_ids` refuse.
    """
    parts = parse_weights(expand(tokenizer, check_text(prompt)))
    _check_count(1 + parts.count(BREAK) - (parts[-1:] == [BREAK]), tokenizer, prompt)
    read = token_ids(tokenizer, [text for text, _ in parts])
    sections: list[tuple[list[int], list[float]]] = [([], [])]
    for part, ids in zip(parts, read, strict=True):
        if part == BREAK:
            sections.append(([], []))
        else:
            sections[-1][0].extend(ids)
            sections[-1][1].extend([part[1]] * len(ids))
    if len(sections) > 1 and not sections[-1][0]:
        sections.pop()
    chunks = [chunk for ids, weights in sections for chunk in _split(tokenizer, ids, weights)]
    _check_count(len(chunks), tokenizer, prompt)
    return chunks


def _check_count(count: int, tokenizer: "PreTrainedTokenizerBase", prompt: str) -> None:
    if count > limits.PROMPT_CHUNKS:
        raise UserError(
            f"The text {shorten(prompt)!r} needs {count} chunks of {content_length(tokenizer)} tokens; valid are up to "
            f"{limits.PROMPT_CHUNKS}: shorten it."
        )


def apply_weights(states: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Multiply states (..., L, D) by weights (..., L), then restore the mean of each chunk, as the WebUI does.

    Weights of 1 change no bit. Where the mean is next to nothing beside the spread, as in encoders whose states are
    centred, its ratio would be a matter of chance: the weighted states stay as they are.
    """
    weighted = states * weights.unsqueeze(-1).to(states)
    mean, new_mean = (s.float().mean(dim=(-2, -1), keepdim=True) for s in (states, weighted))
    ratio = mean / new_mean
    steady = (mean.abs() > _LEAST_MEAN * states.float().std(dim=(-2, -1), keepdim=True)) & (ratio > 0.5) & (ratio < 2)
    return weighted * torch.where(steady, ratio, torch.ones_like(ratio)).to(states.dtype)


def _split(tokenizer: "PreTrainedTokenizerBase", ids: list[int], weights: list[float]) -> list[Chunk]:
    chunks: list[Chunk] = []
    start = 0
    for piece in split_tokens(ids, content_length(tokenizer), separator_ids(tokenizer)):
        chunks.append((piece, weights[start : start + len(piece)]))
        start += len(piece)
    return chunks


def _encode_weighted(
    tokenizer: "PreTrainedTokenizerBase",
    text_encoder: torch.nn.Module,
    prompts: Sequence[Sequence[Chunk]],
    n_chunks: int,
    clip_skip: int | None,
) -> torch.Tensor:
    ids = pack_chunks(tokenizer, [[tokens for tokens, _ in chunks] for chunks in prompts], n_chunks)
    device = next(text_encoder.parameters()).device
    states = encode_ids(text_encoder, ids.to(device), clip_skip)
    weights = torch.ones(ids.shape)
    for row, chunks in enumerate(prompts):
        for column, (_, values) in enumerate(chunks):
            weights[row, column, 1 : 1 + len(values)] = torch.tensor(values)
    chunked = states.view(*ids.shape, -1)
    return apply_weights(chunked, weights.to(device)).flatten(1, 2)


def _final_norm(text_encoder: torch.nn.Module) -> torch.nn.Module:
    """CLIP's last layer norm; transformers 5.6 dropped the `.text_model` that used to hold it."""
    holder = getattr(text_encoder, "text_model", text_encoder)
    return getattr(holder, "final_layer_norm", torch.nn.Identity())
