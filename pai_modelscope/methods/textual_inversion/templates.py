"""Sentences that stand in for captions where only a word is to be learned (Gal et al. 2022, arXiv:2208.01618, app. B).

They are short and say little, so that what all pictures share is left for the word.
"""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pai_modelscope.data.examples import Example, Reader, TrainingSet
from pai_modelscope.errors import UserError
from pai_modelscope.text import expand
from pai_modelscope.text.characters import shorten
from pai_modelscope.text.chunks import token_ids
from pai_modelscope.text.placeholders import mentioned_tokens, vector_names

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OBJECT_TEMPLATES = (
    "一张{}的照片",
    "{}的照片",
    "一张{}的图片",
    "{}的插画",
    "一幅{}的画",
    "一张{}的特写照片",
    "一张干净的{}的照片",
    "一张明亮的{}的照片",
    "一张昏暗的{}的照片",
    "一张{}的近照",
    "一张好看的{}的照片",
    "画面中间是{}",
    "这是{}",
    "一张小小的{}的照片",
    "一张大大的{}的照片",
    "一个{}",
    "一张清楚的{}的图片",
    "可爱的{}",
)
STYLE_TEMPLATES = (
    "{}风格的画",
    "一幅{}风格的画",
    "一张{}风格的图片",
    "{}风格的插画",
    "一幅{}风格的作品",
    "用{}风格画的画",
    "{}画风",
    "一张{}画风的图片",
    "{}风格的图标",
    "一幅小小的{}风格的画",
    "一幅好看的{}风格的画",
    "一幅明亮的{}风格的画",
    "一幅干净的{}风格的画",
    "一幅{}风格的特写",
    "按{}的风格画成的画",
    "一幅可爱的{}风格的画",
)
TEMPLATES = {"object": OBJECT_TEMPLATES, "style": STYLE_TEMPLATES}


def template_captions(word: str, learnable_property: str = "object") -> list[str]:
    """The templates with `word` in them; `learnable_property`: 'object' or 'style', what the word is to mean."""
    if learnable_property not in TEMPLATES:
        valid = ", ".join(map(repr, TEMPLATES))
        raise UserError(f"learnable_property is {learnable_property!r}; valid are {valid}")
    return [template.format(word) for template in TEMPLATES[learnable_property]]


def with_word(
    training_set: TrainingSet, word: str, tokenizer: "PreTrainedTokenizerBase", learnable_property: str = "object"
) -> "WordReader":
    """`training_set` with `word` in every caption, and each of its vectors written out for `tokenizer`.

    Making an example raises `UserError` where the tokenizer doesn't read the word: its vectors would learn nothing.

    A picture keeps those of its captions that say the word and something else; where none does, all templates are its
    captions, of which the source draws one by the sample's key whenever it shows the picture.
    """
    return WordReader(training_set, word, tokenizer, template_captions(word, learnable_property))


class WordReader(Reader[int]):
    """See `with_word`."""

    def __init__(
        self, training_set: TrainingSet, word: str, tokenizer: "PreTrainedTokenizerBase", templates: list[str]
    ):
        super().__init__(range(len(training_set)))
        self._training_set, self._word, self._tokenizer, self._templates = training_set, word, tokenizer, templates

    def example(self, row: int) -> Example:
        example, word = self._training_set[row], self._word
        mentioning = [caption for caption in example.captions if word in mentioned_tokens(self._tokenizer, caption)]
        more = [caption for caption in mentioning if caption.strip().casefold() != word.casefold()]
        captions = tuple(self._spelled(caption, f"{example.name}: ") for caption in more)
        return replace(example, captions=captions or self._template_captions)

    @cached_property
    def _template_captions(self) -> tuple[str, ...]:
        return tuple(map(self._spelled, self._templates))

    def _spelled(self, caption: str, where: str = "") -> str:
        text = expand(self._tokenizer, caption)
        if not _is_read(self._tokenizer, self._word, text):
            raise UserError(
                f"{where}the tokenizer doesn't read the word {self._word!r} in the caption {shorten(caption)!r}, so it "
                "would learn nothing: give another placeholder_token, such as <小奶猫>"
            )
        return text


def _is_read(tokenizer: "PreTrainedTokenizerBase", word: str, text: str) -> bool:
    """Whether the ids of all vectors of the word stand in a text, one after the other."""
    names = vector_names(tokenizer, word)
    wanted = tokenizer.convert_tokens_to_ids(names)
    ids = token_ids(tokenizer, [text])[0]
    places = range(len(ids) - len(wanted) + 1)
    return bool(names) and any(ids[place : place + len(wanted)] == wanted for place in places)
