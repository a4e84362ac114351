"""Sentences that stand in for captions where only a word is to be learned (Gal et al. 2022, arXiv:2208.01618, app. B).

They are short and say little, so that what all pictures share is left for the word.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.data.records import Listed
from pai_modelscope.errors import UserError
from pai_modelscope.text import expand

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


def with_word(training_set: TrainingSet, word: str, tokenizer: Any, learnable_property: str = "object") -> TrainingSet:
    """`training_set` with `word` in every caption, and each of its vectors written out for `tokenizer`.

    A picture keeps those of its captions that say the word and something else; where none does, all templates are its
    captions, of which the source draws one by the sample's key whenever it shows the picture.
    """
    templates = template_captions(word, learnable_property)

    def make(place: int) -> Example:
        example = training_set[place]
        captions = [caption for caption in example.captions if word in caption and caption != word] or templates
        return replace(example, captions=tuple(expand(tokenizer, caption) for caption in captions))

    return Listed([partial(make, place) for place in range(len(training_set))])
