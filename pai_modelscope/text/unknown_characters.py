"""Characters that a vocabulary lacks: found and named, never silently read as [UNK]."""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pai_modelscope.text.characters import check_text, shorten
from pai_modelscope.text.placeholders import expand
from pai_modelscope.text.weights import plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Marks, joiners and controls leave no trace in BERT's reading and are not seen by a reader either.
_WORD = re.compile(r"<[^<>\s:]+>")  # with a colon it is a tag, such as <lora:水墨:1>
_MOST_SHOWN = 20  # unknown characters in one warning
_UNSEEN = {"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"}


def unknown_characters(tokenizer: "PreTrainedTokenizerBase", prompt: str) -> list[str]:
    """List what of `prompt` (weight syntax aside) the model cannot read, each once, in order of appearance.

    Characters mostly; a whole word where known letters are lost with it (abc한, or one beyond BERT's 100 letters).
    Raises `UserError` for what `characters.problem_of_text` names.
    """
    text = expand(tokenizer, plain_text(check_text(prompt)))
    unknown: dict[str, None] = {}
    for piece in dict.fromkeys(_lost_pieces(tokenizer, text)):
        lost = _lost_characters(tokenizer, piece)
        unknown.update(dict.fromkeys(lost))
        if len(lost) < len({char for char in piece if _is_seen(char)}):
            unknown[piece] = None
    return list(unknown)


def warn_of_unknown(tokenizer: "PreTrainedTokenizerBase", prompts: Iterable[str | Sequence[str]]) -> None:
    """Give one visible warning for each prompt with unknown characters, or with an embedding's word that is not loaded.

    A prompt may be several texts, which are drawn in turn.
    """
    known = tokenizer.added_tokens_encoder
    for texts in dict.fromkeys((prompt,) if isinstance(prompt, str) else tuple(prompt) for prompt in prompts):
        if words := [word for text in texts for word in _WORD.findall(text) if word not in known]:
            warnings.warn(
                f"No embedding {_listed(words)} is loaded (in {shorten(texts[0])!r}): it is read letter by letter. "
                "Load it (add_embedding, --embedding), or leave the brackets out.",
                stacklevel=3,
            )
        if lost := list(dict.fromkeys(char for text in texts for char in unknown_characters(tokenizer, text))):
            warnings.warn(
                f"The model's vocabulary lacks {_listed(lost)} (in {shorten(texts[0])!r}): it cannot draw what these "
                "say. Write it in other words; traditional characters usually have a simplified form.",
                stacklevel=3,
            )


def _listed(names: list[str]) -> str:
    listed = " ".join(shorten(name) for name in dict.fromkeys(names[:_MOST_SHOWN]))
    return f"{listed} and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else listed


def _lost_pieces(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[str]:
    """Stretches of `text` that become one [UNK], and visible characters that become nothing at all."""
    if not tokenizer.is_fast:
        return _lost_pieces_slowly(tokenizer, text)
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    spans, end, pieces = zip(read["input_ids"], read["offset_mapping"], strict=True), 0, []
    for token, (start, stop) in spans:
        pieces += [char for char in text[end:start] if _is_seen(char)]
        if token == tokenizer.unk_token_id:
            pieces.append(text[start:stop])
        end = max(end, stop)
    return pieces + [char for char in text[end:] if _is_seen(char)]


def _lost_pieces_slowly(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[str]:
    """The same for transformers 4's BertTokenizer, which tells no offsets: characters, then words, by themselves."""
    words = text.split()
    read = tokenizer(words, add_special_tokens=False, verbose=False)["input_ids"] if words else []
    pieces = []
    for word, ids in zip(words, read, strict=True):
        if not ids or tokenizer.unk_token_id in ids:
            pieces += _lost_characters(tokenizer, word) or [word]
    return pieces


def _lost_characters(tokenizer: "PreTrainedTokenizerBase", piece: str) -> list[str]:
    chars = [char for char in dict.fromkeys(piece) if _is_seen(char)]
    if not chars:
        return []
    read = tokenizer(chars, add_special_tokens=False)["input_ids"]
    return [char for char, ids in zip(chars, read, strict=True) if not ids or tokenizer.unk_token_id in ids]


def _is_seen(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) not in _UNSEEN
