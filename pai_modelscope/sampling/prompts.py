"""The texts of a call, looked at before anything is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pai_modelscope.errors import UserError
from pai_modelscope.sampling.conditioning import check_states, read_prompts
from pai_modelscope.sampling.request import ResolvedRequest
from pai_modelscope.text.encode import count_chunks
from pai_modelscope.text.syntax import warn_of_syntax

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class DrawingPass:
    """One pass over a picture: its steps, and those of the pass before it, which its prompts count on from."""

    steps: int
    before: int | None = None


def passes_of(request: ResolvedRequest) -> list[DrawingPass]:
    """The passes in which a picture is drawn: one, and another where it is drawn over at a larger size."""
    first = DrawingPass(request.steps_run)
    if request.upscale is None or request.upscale.upscaler != "hires":
        return [first]
    return [first, DrawingPass(int(request.num_inference_steps * request.upscale.strength), first.steps)]


@dataclass(frozen=True)
class PromptPair:
    """Prompt and negative prompt of a request, and the passes that it is drawn in."""

    prompt: str
    negative_prompt: str
    passes: Sequence[DrawingPass]


def check_prompts(tokenizer: "PreTrainedTokenizerBase", pairs: Sequence[PromptPair]) -> None:
    """Warn of other programs' syntax in the texts of a call, which come in order.

    Raises:
        UserError: one that can't be encoded, named by its number where there are several.
    """
    warn_of_syntax(tokenizer, [(pair.prompt, pair.negative_prompt) for pair in pairs])
    for number, pair in enumerate(pairs, 1):
        try:
            for drawing in pair.passes:
                texts = read_prompts(pair.prompt, pair.negative_prompt, drawing.steps, drawing.before)
                check_states(pair.prompt, texts, count_chunks(tokenizer, *texts))
        except UserError as error:
            raise UserError(f"text {number}: {error}" if len(pairs) > 1 else str(error)) from None
