"""A prompt, read once, before any model is asked: the LoRAs that it names, and the texts that each pass draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pai_modelscope.errors import Fault, UserError
from pai_modelscope.text.characters import problem_of_text
from pai_modelscope.text.prompt_schedule import PromptPart, composed_prompt, prompt_schedule
from pai_modelscope.text.prompt_tags import split_loras


@dataclass(frozen=True)
class DrawingPass:
    """One pass over a picture: its steps, and the texts that they draw.

    `parts`: those that AND joins in the prompt; AND does not split the negative prompt.
    """

    steps: int
    parts: tuple[PromptPart, ...]
    negative: PromptPart


@dataclass(frozen=True)
class Prompt:
    """`plain`: without the tags that name LoRAs; `loras`: these and their weights; `passes`: over the picture."""

    plain: str
    loras: Mapping[str, float]
    passes: tuple[DrawingPass, ...]


def read_prompt(prompt: str, negative: str, steps: Sequence[int]) -> Prompt:
    """Read a prompt and its negative prompt. `steps`: of each pass; a pass counts on from the one before it.

    Raises:
        UserError: what `problem_of_text`, `split_loras`, `composed_prompt` and `prompt_schedule` object to.
    """
    if problem := problem_of_text(prompt):
        raise UserError.of([Fault("prompt", f"the text {problem}")])
    plain, loras = split_loras(prompt)
    passes = [
        DrawingPass(count, composed_prompt(plain, count, before), PromptPart(prompt_schedule(negative, count, before)))
        for before, count in zip([None, *steps], steps, strict=False)
    ]
    return Prompt(plain, loras, tuple(passes))
