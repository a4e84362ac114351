"""The texts of a call, looked at before anything is drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pai_modelscope.errors import UserError
from pai_modelscope.text.encode import count_chunks
from pai_modelscope.text.syntax import warn_of_syntax

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check_prompts(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[tuple[str, str]]) -> None:
    """Warn of other programs' syntax; `texts`: prompt and negative prompt of each text of the call, in order.

    Raises:
        UserError: one that can't be encoded, named by its number where there are several.
    """
    warn_of_syntax(tokenizer, texts)
    for number, pair in enumerate(texts, 1):
        try:
            count_chunks(tokenizer, *pair)
        except UserError as error:
            raise UserError(f"text {number}: {error}" if len(texts) > 1 else str(error)) from None
