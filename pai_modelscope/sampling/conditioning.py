"""The texts of a call on their way to the denoiser: checked and cut into tokens once, encoded batch by batch."""

from collections.abc import Sequence

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.families import States
from pai_modelscope.sampling.adapter_session import Vocabulary
from pai_modelscope.sampling.denoiser import Conditioning
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.sampling.request import ResolvedRequest
from pai_modelscope.text.characters import shorten
from pai_modelscope.text.encode import TokenizedText
from pai_modelscope.text.prompt import DrawingPass
from pai_modelscope.text.syntax import warn_of_syntax
from pai_modelscope.text.unknown_characters import warn_of_unknown


class CallTexts:
    """The texts of a call, as a model and its vocabulary read them."""

    def __init__(self, model: LoadedModel, vocabulary: Vocabulary):
        self.model, self.vocabulary = model, vocabulary
        self._tokenized: dict[str, TokenizedText] = {}
        self._states: dict[tuple[object, ...], dict[str, States]] = {}  # of the pictures of the last batch

    def check(self, requests: Sequence[ResolvedRequest]) -> None:
        """Look at all texts before anything is drawn, and warn of other programs' syntax in them.

        `requests`: one for each text, in order.

        Raises:
            UserError: a text that can't be encoded, or is too much to keep; named by its number where there are
                several.
        """
        for number, request in enumerate(requests, 1):
            try:
                for drawing in request.passes:
                    texts = self._tokens(drawing)
                    chunks = max(map(len, texts))  # each text is padded to as many as the longest has
                    if len(texts) * chunks > limits.PROMPT_STATES:
                        raise UserError(
                            f"The text {shorten(request.plain_prompt)!r} becomes {len(texts)} texts over its steps, of "
                            f"{chunks} chunks each; valid are up to {limits.PROMPT_STATES} chunks together: shorten "
                            "it, or let less of it change."
                        )
            except UserError as error:
                raise UserError(f"text {number}: {error}" if len(requests) > 1 else str(error)) from None
        pairs = [(request.plain_prompt, request.negative_prompt) for request in requests]
        warn_of_syntax(self.vocabulary.tokenizer, pairs)

    def shape(self, request: ResolvedRequest) -> tuple[int, int]:
        """The chunks and the rows of a picture's conditioning; pictures that share a batch have the same."""
        drawing = request.passes[0]
        return max(map(len, self._tokens(drawing))), len(drawing.parts)

    def condition(self, rows: Sequence[ResolvedRequest], number: int = 0) -> list[Conditioning]:
        """The conditioning of each picture of a batch, inside its session; `number`: of the pass, from 0.

        Each text is encoded by itself, so that a picture does not depend on its neighbours' texts. Characters that the
        model does not know are warned of, in the first pass.
        """
        pipe = self.model.pipe
        tokenizer = self.vocabulary.tokenizer
        before, self._states = self._states, {}
        conditionings = []
        for row in rows:
            drawing = row.passes[number]
            texts, tokens = _texts(drawing), self._tokens(drawing)
            key = (*texts, row.clip_skip, row.loras)  # a LoRA may change the text encoder
            states = before.get(key) or self._states.get(key)
            if states is None:
                with self.vocabulary.before(pipe.text_encoder):
                    encoded = self.model.family.encode(pipe, tokenizer, tokens, row.clip_skip)
                states = dict(zip(texts, encoded, strict=True))
                if number == 0:
                    prompt = [text for part in drawing.parts for _, text in part.texts]
                    warn_of_unknown(tokenizer, [prompt, [text for _, text in drawing.negative.texts]])
            self._states[key] = states
            conditionings.append(Conditioning.of(drawing, states))
        return conditionings

    def _tokens(self, drawing: DrawingPass) -> list[TokenizedText]:
        for text in _texts(drawing):
            if text not in self._tokenized:
                self._tokenized[text] = self.model.family.tokenize(self.vocabulary.tokenizer, text)
        return [self._tokenized[text] for text in _texts(drawing)]


def _texts(drawing: DrawingPass) -> list[str]:
    """Each text of a pass once."""
    return list(dict.fromkeys(text for part in (*drawing.parts, drawing.negative) for _, text in part.texts))
