"""The words that version 2 learns, as `vocabulary.json`: those that the captions of its pictures say of what they show.

    python -m recipes.mini_v2.vocabulary --work build/v2 --out FOLDER

Dishes are not among them: the base UNet never sees one.
"""

import argparse
from pathlib import Path

from pai_modelscope.images.colors import NAMED_COLOURS
from pai_modelscope.prompting.learned_words import LearnedWords, write_learned_words
from recipes.collections.portrait_captions import PORTRAIT_VERBS, PORTRAIT_WORDS, person
from recipes.compositions.captions import OTHER_WORDS
from recipes.compositions.facts import NUMBERS, RELATIONS
from recipes.compositions.nouns import NOUNS
from recipes.landscapes.captions.lexicon import ADJECTIVES, AIR, FALLING, SEASONS, TIMES, WORDS
from recipes.landscapes.places import PLACES
from recipes.landscapes.styles import STYLES
from recipes.mini.scenes import Record
from recipes.mini.vocabulary import distinct, names, read_past
from recipes.mini_v2 import icon_captions
from recipes.mini_v2.domains import collected_records, icon_records


def learned_words(work: Path) -> LearnedWords:
    """The lists, the painter's words first. `work`: the recipe's folder, with the drawings that are learned."""
    icons, collected = icon_records(work, towers=False)[0], collected_records(work)
    things = [record for record in collected if not record["captions"]]
    portraits = [record for record in collected if record["captions"]]
    return LearnedWords(
        words=distinct((*scene_words(), *composition_words(), *portrait_words(portraits), *names([*icons, *things]))),
        styles=distinct(record["style"] for record in (*icons, *collected)),
        scene_styles=scene_styles(),
        backgrounds=tuple(NAMED_COLOURS),
        read_past=icon_read_past(),
    )


def scene_styles() -> tuple[str, ...]:
    return distinct(word for style in STYLES.values() for word in (style.name, *style.words))


def icon_read_past() -> tuple[str, ...]:
    """What captions of icons say around their subject."""
    return read_past(icon_captions.MODIFIERS, icon_captions.PLACES)


def scene_words() -> list[str]:
    things = [noun for words in (WORDS, AIR, FALLING) for name, word in words.items() for noun in (name, *word.nouns)]
    times = [word for words in (*TIMES.values(), *SEASONS.values()) for word in words]
    said = [*ADJECTIVES.values(), *(word.attributes for words in (WORDS, AIR) for word in words.values())]
    moods = [word.removesuffix("的") for words in said for word in words]  # 雾蒙蒙 of a misty scene
    return [*things, *(word for place in PLACES.values() for word in (place.name, *place.words)), *times, *moods]


def composition_words() -> list[str]:
    relations = [*RELATIONS, *(word for words in OTHER_WORDS.values() for word in words)]
    measures = dict.fromkeys(measure for noun in NOUNS.values() for measure in noun.measures)
    return [*relations, *(number + measure for number in NUMBERS.values() for measure in measures)]


def portrait_words(portraits: list[Record]) -> list[str]:
    seen = [word for record in portraits for word in record["attributes"].values()]
    people = [noun for record in portraits for noun in person(record["attributes"])]
    return [*PORTRAIT_WORDS, *PORTRAIT_VERBS, *people, *seen]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.vocabulary")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_learned_words(args.out, learned_words(args.work))


if __name__ == "__main__":
    main()
