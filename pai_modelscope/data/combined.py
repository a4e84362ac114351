"""Training sets made of others: a part of one, several in a row, two in given shares."""

import math
from collections.abc import Sequence
from dataclasses import replace

from pai_modelscope.data.examples import Example, Reader, TrainingSet


class Subset(Reader[int]):
    """Some places of a training set, in any order, also several times."""

    def __init__(self, training_set: TrainingSet, places: Sequence[int]):
        super().__init__(range(len(training_set)), places)
        self._training_set = training_set

    def example(self, row: int) -> Example:
        return self._training_set[row]


class Joined(Reader[tuple[int, int]]):
    """Several training sets, one after the other; see `join`."""

    def __init__(self, sets: Sequence[TrainingSet], weights: Sequence[float]):
        super().__init__([(number, place) for number, part in enumerate(sets) for place in range(len(part))])
        self._sets, self._weights = sets, weights

    def example(self, row: tuple[int, int]) -> Example:
        number, place = row
        example = self._sets[number][place]
        return replace(example, weight=example.weight * self._weights[number])


def join(sets: Sequence[TrainingSet], weights: Sequence[float] | None = None) -> Joined:
    """Several training sets as one; `weights`: what each example's own weight is multiplied by, one number a set.

    DreamBooth's class pictures come as a second set, whose weight is that of the prior.
    """
    return Joined(sets, [1.0] * len(sets) if weights is None else weights)


def mix(first: TrainingSet, second: TrainingSet, share: float) -> Subset:
    """Both sets as one, of which `share`, between 0 and 1, is the second's: the one that is too small for that repeats.

    Shares of each batch are a matter of the order then, and exact over an epoch, which shows every picture at least
    once. A batch is of one shape: pictures of other sizes than the other set's, and captions of more chunks, keep to
    themselves.
    """
    total = max(math.ceil(len(first) / (1 - share)), math.ceil(len(second) / share))
    order: list[int] = []
    of_second = 0
    for place in range(total):
        is_second = math.floor((place + 1) * share + 1e-9) > of_second
        order.append(len(first) + of_second % len(second) if is_second else (place - of_second) % len(first))
        of_second += is_second
    return Subset(join([first, second]), order)
