"""What pictures are denoised after: their texts, and weighted rows of text states that may change with the steps."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.families import ModelFamily, States
from pai_modelscope.sampling.adapter_session import AdapterSession, Vocabulary
from pai_modelscope.sampling.request import DrawingPass, ResolvedRequest
from pai_modelscope.text.characters import shorten
from pai_modelscope.text.encode import TokenizedText
from pai_modelscope.text.prompt_schedule import PromptPart, composed_prompt, prompt_schedule
from pai_modelscope.text.syntax import warn_of_syntax
from pai_modelscope.text.unknown_characters import warn_of_unknown


@dataclass(frozen=True)
class PromptTexts:
    """The texts of a picture: those that AND joins in its prompt, and its negative prompt, which AND does not split."""

    parts: tuple[PromptPart, ...]
    negative: PromptPart

    @classmethod
    def of(cls, request: ResolvedRequest, drawing: DrawingPass) -> "PromptTexts":
        """The texts of one pass over a picture.

        Raises:
            UserError: what `composed_prompt` and `prompt_schedule` refuse.
        """
        negative = PromptPart(prompt_schedule(request.negative_prompt, drawing.steps, drawing.before))
        return cls(composed_prompt(request.plain_prompt, drawing.steps, drawing.before), negative)

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


class CallTexts:
    """The texts of a call: checked and cut into tokens once, encoded batch by batch."""

    def __init__(self, family: ModelFamily, vocabulary: Vocabulary):
        self.family, self.vocabulary = family, vocabulary
        self._tokenized: dict[str, TokenizedText] = {}
        self._states: dict[tuple[object, ...], dict[str, States]] = {}  # of the pictures of the last batch

    def check(self, requests: Sequence[ResolvedRequest]) -> None:
        """Look at all texts before anything is drawn, and warn of other programs' syntax in them.

        `requests`: one for each text, in order.

        Raises:
            UserError: a text that can't be encoded, or is too much to keep; named by its number where there are
                several.
        """
        pairs = [(request.plain_prompt, request.negative_prompt) for request in requests]
        warn_of_syntax(self.vocabulary.tokenizer, pairs)
        for number, request in enumerate(requests, 1):
            try:
                for drawing in request.passes:
                    self._check_size(request.plain_prompt, self._tokens(PromptTexts.of(request, drawing)))
            except UserError as error:
                raise UserError(f"text {number}: {error}" if len(requests) > 1 else str(error)) from None

    def shape(self, request: ResolvedRequest) -> tuple[int, int]:
        """The chunks and the rows of a picture's conditioning; pictures that share a batch have the same."""
        texts = PromptTexts.of(request, request.passes[0])
        return max(map(len, self._tokens(texts))), len(texts.parts)

    def condition(
        self, rows: Sequence[ResolvedRequest], drawing: DrawingPass, session: AdapterSession
    ) -> list[Conditioning]:
        """The conditioning of each picture of a batch.

        Each text is encoded by itself, so that a picture does not depend on its neighbours' texts. Characters that the
        model does not know are warned of, in the first pass.
        """
        before, self._states = self._states, {}
        conditionings = []
        for row in rows:
            texts = PromptTexts.of(row, drawing)
            key = (*texts, row.clip_skip, row.loras)  # a LoRA may change the text encoder
            states = before.get(key) or self._states.get(key)
            if states is None:
                if drawing.before is None:
                    warn_of_unknown(self.vocabulary.tokenizer, texts.prompts)
                states = dict(zip(texts, session.encode(self._tokens(texts), row.clip_skip), strict=True))
            self._states[key] = states
            conditionings.append(condition(texts, states))
        return conditionings

    def _tokens(self, texts: PromptTexts) -> list[TokenizedText]:
        for text in texts:
            if text not in self._tokenized:
                self._tokenized[text] = self.family.tokenize(self.vocabulary.tokenizer, text)
        return [self._tokenized[text] for text in texts]

    def _check_size(self, prompt: str, texts: Sequence[TokenizedText]) -> None:
        """Each text is padded to as many chunks as the longest has."""
        chunks = max(map(len, texts))
        if (needed := len(texts) * chunks) > limits.PROMPT_STATES:
            raise UserError(
                f"The text {shorten(prompt)!r} becomes {needed // chunks} texts over its steps, of {chunks} chunks "
                f"each; valid are up to {limits.PROMPT_STATES} chunks together: shorten it, or let less of it change."
            )


def condition(texts: PromptTexts, states: Mapping[str, States]) -> Conditioning:
    """The conditioning of a picture, by the states of each of its texts."""

    def scheduled(part: PromptPart) -> StatesSchedule:
        return StatesSchedule(tuple((last, states[text]) for last, text in part.texts), part.weight)

    return Conditioning(tuple(map(scheduled, texts.parts)), scheduled(texts.negative))


def stack(rows: Sequence[States]) -> dict[str, torch.Tensor]:
    """Rows of several pictures, one after the other, as the network takes them."""
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
