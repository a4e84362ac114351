"""What a composition is of: what is wished before it is made, and what it came to show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recipes.compositions.nouns import Noun
from recipes.landscapes.facts import Facts as SceneFacts

KINDS = ("count", "relation", "size", "scene", "surreal")
_SHARES = (0.2, 0.26, 0.1, 0.26, 0.18)
RELATIONS = ("左边", "右边", "上面", "下面", "里面", "旁边", "前面")
# Numbers of the groups of a picture: all that make two to four things, and one to four of one thing.
_PAIRS: dict[tuple[int, ...], int] = {(1, 2): 1, (2, 1): 1, (2, 2): 2, (1, 3): 1, (3, 1): 1, (1, 1): 1}
_COUNTS: dict[str, dict[tuple[int, ...], int]] = {
    "count": {(1,): 2, (2,): 2, (3,): 5, (4,): 8, (1, 1, 1): 1, **_PAIRS},
    "scene": {(2,): 1, (3,): 2, (4,): 4, (1, 1, 1): 1, **{counts: 2 * share for counts, share in _PAIRS.items()}},
}
NUMBERS = {1: "一", 2: "两", 3: "三", 4: "四"}


@dataclass(frozen=True)
class Wish:
    """What is decided first, so that what fails to fit is tried again with other things, not with other facts."""

    kind: str
    counts: tuple[int, ...]
    relation: str = ""
    design: str = ""
    held: bool = False  # 上面 and 下面 are said of a table or the like, not of two things


@dataclass(frozen=True)
class Group:
    """Things of one name. `size`: '', or how large they are drawn beside the others: 大, 小, 巨大的, 小小的."""

    word: str
    measures: tuple[str, ...]
    count: int
    size: str = ""
    where: str = ""  # in a scene: 草地上, 天上
    doing: tuple[str, ...] = ()  # there: 站着, 飞着
    alive: bool = False

    @classmethod
    def of(cls, noun: Noun, count: int, size: str = "") -> "Group":
        return cls(noun.word, noun.measures, count, size, alive=noun.alive)


@dataclass(frozen=True)
class Facts:
    """What a composition shows.

    `style`: of its things, as captions call it, '' where they are painted with the scene; `ground`: a colour, a
    gradient, or the name of a backdrop; `groups`: what there is; `relation`: of the first group to the second (to
    `holder`, where that is named); `scene`: time, weather and style of what is painted; `design`: of a surreal scene.
    """

    kind: str
    style: str
    ground: str
    groups: tuple[Group, ...]
    relation: str = ""
    holder: Group | None = None
    scene: SceneFacts | None = None
    design: str = ""
    disc: str = ""  # the sun or moon that is seen, as the painter of landscapes calls it
    texts: tuple[str, ...] = ()  # of a surreal scene: what happens in it

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(group.count for group in self.groups)


def sample_wish(rng: np.random.Generator, designs: Sequence[str], **wishes: str) -> Wish:
    """Kinds by their shares; counts, relations and designs evenly. `wishes`: 'kind', 'relation', 'design'."""
    kind = wishes.get("kind") or KINDS[int(rng.choice(len(KINDS), p=_SHARES))]
    numbers = _COUNTS.get(kind, _COUNTS["count"])
    options, weights = list(numbers), np.array(list(numbers.values()), float)
    counts = options[int(rng.choice(len(options), p=weights / weights.sum()))]
    relation = RELATIONS[int(rng.integers(len(RELATIONS)))]
    design = designs[int(rng.integers(len(designs)))]
    more = int(rng.integers(1, 4)) if rng.random() < 0.3 else 1
    if kind == "relation":
        return Wish(kind, (more, 1), wishes.get("relation") or relation, held=bool(rng.random() < 0.5))
    if kind == "size":
        return Wish(kind, (1, 1))
    if kind == "surreal":
        return Wish(kind, (1,), design=wishes.get("design") or design)
    return Wish(kind, counts)
