"""The words that version 2 learns, as `vocabulary.json`: those of the painter's captions, and version 1's names.

    python -m recipes.mini_v2.vocabulary --out FOLDER

Dishes are not among them: the base UNet never sees one.
"""

import argparse
from pathlib import Path

from pai_modelscope.images.colors import NAMED_COLOURS
from pai_modelscope.prompting.learned_words import LearnedWords, write_learned_words
from recipes.landscapes.captions.lexicon import AIR, FALLING, SEASONS, TIMES, WORDS
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES
from recipes.mini import vocabulary as version_1
from recipes.mini_v2 import icon_captions


def learned_words() -> LearnedWords:
    """The lists, the painter's words first."""
    icons = version_1.learned_words()
    things = [noun for words in (WORDS, AIR, FALLING) for name, word in words.items() for noun in (name, *word.nouns)]
    times = [word for words in (*TIMES.values(), *SEASONS.values()) for word in words]
    places = [word for place in PLACES.values() for word in (place.name, *place.words)]
    return LearnedWords(
        words=version_1.distinct((*things, *places, *times, *icons.words)),
        styles=icons.styles,
        scene_styles=version_1.distinct(word for style in STYLES.values() for word in (style.name, *style.words)),
        backgrounds=tuple(NAMED_COLOURS),
        read_past=version_1.read_past(icon_captions.MODIFIERS, icon_captions.PLACES),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.vocabulary")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_learned_words(args.out, learned_words())


if __name__ == "__main__":
    main()
