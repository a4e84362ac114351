"""What is asked of a picture: questions with closed lists of answers, made from the facts of a pool."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from recipes.mini_v2.domains import Fact

# By domain, the facts that a judge learns to tell.
ASKED: Mapping[str, Sequence[str]] = {
    "landscapes": ("style", "time", "season", "weather", "place", "things"),
    "compositions": ("kind", "relation", "design", "count"),
    "portraits": ("style", "person", "hair", "hair_color", "glasses", "beard", "expression", "clothes_color"),
    "dishes": ("dish", "style"),
}
RAREST = 20  # an answer must be right for so many pictures of the pool
# Of two things side by side, each is on a side of the other.
_EITHER_WAY = {"左边": "左右", "右边": "左右", "上面": "上下", "下面": "上下"}
NONE = ""  # the answer where a picture lacks what is asked


@dataclass(frozen=True)
class Question:
    """`answers`: all that there are; `several`: whether more than one, or none, can be right."""

    domain: str
    fact: str
    answers: tuple[str, ...]
    several: bool

    def target(self, facts: Mapping[str, Fact]) -> np.ndarray:
        """(answers,) float32, 1 for each right answer; all 0 where the right one is in no list."""
        right = answers(facts, self.fact)
        return np.array([answer in right for answer in self.answers], np.float32)


def answers(facts: Mapping[str, Fact], fact: str) -> set[str]:
    """What is right for a picture with these facts."""
    if fact == "count":  # of all things together, where a picture is about that
        things = facts.get("things")
        return {str(sum(things.values()))} if facts.get("kind") == "count" and isinstance(things, dict) else set()
    value = facts.get(fact, NONE)
    if fact == "relation" and isinstance(value, str):
        return {_EITHER_WAY.get(value, value)}
    return {value} if isinstance(value, str) else set(value)


def questions_of(domain: str, pool: Iterable[Mapping[str, Fact]], rarest: int = RAREST) -> list[Question]:
    """The questions of a domain, with the answers that its pool gives often enough, in alphabetical order."""
    facts = list(pool)
    made = []
    for fact in ASKED[domain]:
        counted = Counter(answer for picture in facts for answer in answers(picture, fact))
        kept = tuple(sorted(answer for answer, count in counted.items() if count >= rarest))
        if len(kept) > 1:
            several = any(isinstance(picture.get(fact), list) for picture in facts)
            made.append(Question(domain, fact, kept, several))
    return made


def write(path: Path, questions: Sequence[Question]) -> None:
    path.write_text(json.dumps([asdict(question) for question in questions], ensure_ascii=False, indent=1) + "\n")


def read(path: Path) -> list[Question]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [Question(row["domain"], row["fact"], tuple(row["answers"]), row["several"]) for row in rows]
