"""What the model is asked to draw: prompts in the forms that users write, made from a data set by stable hashes.

Nothing here is shared with the captions of training: some forms occur there, some do not.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pai_modelscope.evaluation.pictures import Pictures, Record, Scene
from pai_modelscope.images.colors import NAMED_COLOURS

T = TypeVar("T")
MAX_CHARACTERS = 30  # about one token each, and a chunk of 32 tokens begins and ends with a special one
MAX_BEARERS = 12  # a keyword that more names share says too little

NAME_FORMS = ("{name},{style}", "{style}的{name}", "一个{name},{style}")
SENTENCES = (
    "一个{name}",
    "画一个{name},{style}",
    "请帮我画{name},要{style}",
    "这是一幅{style}的插图,上面有{name}",
    "我想要一张{name}的图片",
    "{name}的图标,{style}",
    "{style},画面中央是{name}",
    "一张关于{name}的小画",
    "你好，请给我一个{name}，{style}",  # with the full-width commas that Chinese keyboards type
)
KEYWORD_FORMS = ("{keyword},{style}", "{style}的{keyword}", "{keyword}")
COLOUR_FORMS = ("{name},{style},{colour}背景", "{colour}背景的{name}", "{style}的{name},背景是{colour}")
PAIR_FORMS = ("{left}和{right},{style}", "左边是{left},右边是{right},{style}", "{style}的{left}和{right}")
ARTICLE = "雾蒙蒙的日出在湖面上"


@dataclass(frozen=True)
class Case:
    """One picture to draw: the prompt, its seed, the names that are right (one set an object) and the real picture."""

    prompt: str
    seed: int
    targets: tuple[frozenset[str], ...]
    scene: Scene

    @property
    def style_id(self) -> str:
        return self.scene.records[0].style_id


def stable_hash(*parts: object) -> int:
    """A number below 2**32 that depends on the parts alone: the same in every process, on every machine."""
    return int.from_bytes(hashlib.sha256("\n".join(map(str, parts)).encode()).digest()[:4], "big")


def shuffled(records: Iterable[Record], *salt: object) -> list[Record]:
    """In the order of a stable hash, so that a smaller sample is the beginning of a larger one."""
    return sorted(records, key=lambda record: stable_hash(*salt, record.id))


def write(forms: Sequence[str], *salt: object, **words: str) -> str:
    """The words in one of the forms: of those that fit into one chunk of the text encoder, where any does."""
    written = [form.format(**words) for form in forms]
    return choose([text for text in written if len(text) <= MAX_CHARACTERS] or written, "form", *salt)


def choose(options: Sequence[T], *parts: object) -> T:
    return options[stable_hash(*parts) % len(options)]


def named(pictures: Pictures, split: str, count: int, forms: Sequence[str] = NAME_FORMS) -> list[Case]:
    """Up to `count` drawings of a split, no two of the same thing in the same style, each asked for by its name."""
    return [_named(pictures, record, forms) for record in sample(pictures.of(split), count)]


def _named(pictures: Pictures, record: Record, forms: Sequence[str], turn: int = 0) -> Case:
    prompt = write(forms, record.id, turn, name=record.name, style=record.style)
    return Case(prompt, stable_hash("seed", record.id, turn), (pictures.targets(record),), Scene((record,)))


def sample(records: Iterable[Record], count: int) -> list[Record]:
    """Up to `count` records in stable order, one for each name and style."""
    distinct: dict[tuple[str, str], Record] = {}
    for record in shuffled(records, "sample"):
        distinct.setdefault((record.name, record.style_id), record)
    return list(islice(distinct.values(), count))


def held_pairs(pictures: Pictures, count: int) -> list[Case]:
    """Names and styles that were both trained, but never together."""
    return named(pictures, "held_pair", count)


def other_held_pairs(pictures: Pictures, count: int) -> list[Record]:
    """As many held-out pairs that no case of `fresh_pairs` asks for."""
    records = sample(pictures.of("held_pair"), 2 * count)
    return records[len(records) // 2 :]


def fresh_pairs(pictures: Pictures, count: int) -> list[Case]:
    """The first half of up to `2 * count` held-out pairs; `other_held_pairs` is the second."""
    return held_pairs(pictures, len(sample(pictures.of("held_pair"), 2 * count)) // 2)


def trained_pairs(pictures: Pictures, count: int) -> list[Case]:
    return named(pictures, "train", count)


def sentences(pictures: Pictures, count: int) -> list[Case]:
    """Whole sentences about trained drawings."""
    return named(pictures, "train", count, SENTENCES)


def keywords(pictures: Pictures, count: int) -> list[Case]:
    """A keyword instead of the name; every name that carries the keyword is right."""
    cases = (_keyword(pictures, record) for record in sample(pictures.of("train"), len(pictures.records)))
    return list(islice((case for case in cases if case), count))


def _keyword(pictures: Pictures, record: Record) -> Case | None:
    telling = [word for word in record.keywords if len(pictures.bearers(word)) <= MAX_BEARERS]
    if not telling:
        return None
    keyword = choose(telling, "keyword", record.id)
    prompt = write(KEYWORD_FORMS, record.id, keyword=keyword, style=record.style)
    right = pictures.bearers(keyword) | pictures.targets(record)
    return Case(prompt, stable_hash("seed", record.id, keyword), (right,), Scene((record,)))


def colours(pictures: Pictures, count: int) -> list[Case]:
    """Trained drawings on a named ground; the colours take turns."""
    names = list(NAMED_COLOURS)
    records = sample(pictures.of("train"), count)
    return [_colour(pictures, record, names[place % len(names)]) for place, record in enumerate(records)]


def _colour(pictures: Pictures, record: Record, colour: str) -> Case:
    prompt = write(COLOUR_FORMS, record.id, name=record.name, style=record.style, colour=colour)
    seed = stable_hash("seed", record.id, colour)
    return Case(prompt, seed, (pictures.targets(record),), Scene((record,), colour))


def two_objects(pictures: Pictures, count: int) -> list[Case]:
    """Two different trained drawings of one style, the first on the left."""
    by_style: dict[str, list[Record]] = {}
    for record in shuffled(pictures.of("train"), "pair"):
        by_style.setdefault(record.style_id, []).append(record)
    pairs = [pair for records in by_style.values() for pair in zip(records[::2], records[1::2], strict=False)]
    pairs = [(left, right) for left, right in pairs if left.name != right.name]
    pairs.sort(key=lambda pair: stable_hash("pairs", pair[0].id))
    return [_pair(pictures, *pair) for pair in pairs[:count]]


def _pair(pictures: Pictures, left: Record, right: Record) -> Case:
    prompt = write(PAIR_FORMS, left.id, left=left.name, right=right.name, style=left.style)
    targets = pictures.targets(left), pictures.targets(right)
    return Case(prompt, stable_hash("seed", left.id, right.id), targets, Scene((left, right)))


def food(pictures: Pictures, count: int) -> list[Case]:
    """Foods that continued pretraining on food may train on."""
    return named(pictures, "food", count)


def food_test(pictures: Pictures, count: int) -> list[Case]:
    """Foods in styles that continued pretraining holds out."""
    return repeated(pictures, "food_test", count)


def held_style(pictures: Pictures, count: int) -> list[Case]:
    return repeated(pictures, "held_style", count)


def held_concepts(pictures: Pictures, count: int) -> list[Case]:
    return repeated(pictures, "held_concept", count)


def repeated(pictures: Pictures, split: str, count: int) -> list[Case]:
    """All drawings of a small split, again and again in other forms and with other seeds until `count` is reached."""
    records = sample(pictures.of(split), count)
    turns = -(-count // len(records)) if records else 0
    cases = [_named(pictures, record, NAME_FORMS, turn) for turn in range(turns) for record in records]
    return cases[:count]


def article(pictures: Pictures, count: int) -> list[Case]:
    """The article's own prompt with up to 64 seeds; every name that speaks of a sunrise is right."""
    suns = [record for record in pictures.records if "日出" in record.name and record.plain]
    right = frozenset(record.name for record in suns)
    scenes = [Scene((record,)) for record in shuffled(suns, "article")]
    return [Case(ARTICLE, seed, (right,), scenes[seed % len(scenes)]) for seed in range(min(count, 64)) if scenes]
