"""What pictures are denoised after: weighted rows of text states that may change from step to step."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.text.characters import shorten
from pai_modelscope.text.encode import encode_texts
from pai_modelscope.text.prompt_schedule import PromptPart, composed_prompt, prompt_schedule

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

States = Mapping[str, torch.Tensor]  # one row each, by the names of the network's arguments


@dataclass(frozen=True)
class PromptTexts:
    """The texts of a picture: those that AND joins in its prompt, and its negative prompt, which AND does not split."""

    parts: tuple[PromptPart, ...]
    negative: PromptPart

    def __iter__(self) -> Iterator[str]:
        """Each text once."""
        return iter(dict.fromkeys(text for part in (*self.parts, self.negative) for _, text in part.texts))

    @property
    def prompts(self) -> tuple[list[str], list[str]]:
        """The texts of the prompt, and those of the negative prompt."""
        return [text for part in self.parts for _, text in part.texts], [text for _, text in self.negative.texts]


@dataclass(frozen=True)
class StatesSchedule:
    """States that change with the steps: each with its last step, counted from 1; and their weight."""

    states: tuple[tuple[int, States], ...]
    weight: float = 1.0

    def at(self, step: int) -> States:
        return self.states[bisect_left(self.states, step, key=lambda entry: entry[0])][1]


@dataclass(frozen=True)
class Conditioning:
    """What one picture is denoised after, step by step."""

    rows: tuple[StatesSchedule, ...]  # any number, each with its weight
    negative: StatesSchedule

    @property
    def plain(self) -> bool:
        """Whether it is a single row at weight 1, whose prediction needs no composition."""
        return len(self.rows) == 1 and self.rows[0].weight == 1


def read_prompts(prompt: str, negative_prompt: str, steps: int, steps_before: int | None = None) -> PromptTexts:
    """The texts of a picture that is drawn in so many steps; `steps_before`: as in `prompt_schedule`.

    Raises:
        UserError: what `composed_prompt` and `prompt_schedule` refuse.
    """
    negative = PromptPart(prompt_schedule(negative_prompt, steps, steps_before))
    return PromptTexts(composed_prompt(prompt, steps, steps_before), negative)


def check_states(prompt: str, texts: PromptTexts, chunks: int) -> None:
    """Raises `UserError` where all texts of a picture, each padded to as many `chunks`, are too much to keep."""
    if (needed := len(list(texts)) * chunks) > limits.PROMPT_STATES:
        raise UserError(
            f"The text {shorten(prompt)!r} becomes {needed // chunks} texts over its steps, of {chunks} chunks each; "
            f"valid are up to {limits.PROMPT_STATES} chunks together: shorten it, or let less of it change."
        )


def encode(
    tokenizer: "PreTrainedTokenizerBase", text_encoder: torch.nn.Module, texts: PromptTexts, clip_skip: int | None
) -> dict[str, States]:
    """The states of each text of a picture, all of the same length."""
    several = list(texts)
    encoded = encode_texts(tokenizer, text_encoder, several, clip_skip)
    return {text: {"encoder_hidden_states": states} for text, states in zip(several, encoded, strict=True)}


def condition(texts: PromptTexts, states: Mapping[str, States]) -> Conditioning:
    """The conditioning of a picture, by the states of each of its texts."""

    def scheduled(part: PromptPart) -> StatesSchedule:
        return StatesSchedule(tuple((last, states[text]) for last, text in part.texts), part.weight)

    return Conditioning(tuple(map(scheduled, texts.parts)), scheduled(texts.negative))


def stack(rows: Sequence[States]) -> dict[str, torch.Tensor]:
    """Rows of several pictures, one after the other, as the network takes them."""
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
