"""The vocabulary of version 2: version 1's, and the characters that poems need.

`poem_characters.txt` holds the 1,800 commonest characters of Tang and Song verse (npm `chinese-poetry` 2.0.1, MIT; 1.7
million lines, made simplified with OpenCC) that version 1 lacks. With them 99.5 % of the characters of that verse are
known; without them 95.1 %.
"""

from collections.abc import Iterable
from pathlib import Path

from transformers import BertTokenizer

from recipes.landscapes.captions.lexicon import ADJECTIVES, AIR, FALLING, SEASONS, TIMES, WORDS
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES
from recipes.mini.tokenizer import save_tokenizer

# It held version 1's characters until version 2 shipped, which has them all: made again, the list is the same.
SHIPPED = Path("pai_modelscope/assets/pai-diffusion-mini-zh/tokenizer/vocab.txt")
_POEMS = Path(__file__).with_name("poem_characters.txt")


def poem_characters() -> str:
    """The commonest first."""
    return _POEMS.read_text(encoding="utf-8").replace("\n", "")


def scene_texts() -> Iterable[str]:
    """All words of the painter's captions."""
    for word in (*WORDS.values(), *AIR.values(), *FALLING.values()):
        yield from (*word.nouns, *word.attributes, *word.five, *word.seven, word.measure)
    for table in (ADJECTIVES, TIMES, SEASONS):
        for words in table.values():
            yield from words
    for place in PLACES.values():
        yield from place.words
    for style in STYLES.values():
        yield from (style.name, *style.words)


def make_tokenizer(folder: Path, known: Iterable[str]) -> BertTokenizer:
    """The tokenizer, written to `folder`. `known`: texts all of whose characters it knows beside those of this file.

    Ids are not those of version 1: its text tower is trained anew.
    """
    shipped = [token for token in SHIPPED.read_text(encoding="utf-8").split("\n") if len(token) == 1]
    return save_tokenizer([*shipped, poem_characters(), *scene_texts(), *known], folder)
