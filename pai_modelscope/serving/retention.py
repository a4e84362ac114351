"""Who gives way when there is too much: whoever holds the most, so that nobody pushes out what is another's."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Held(NamedTuple):
    """Something that takes `size` of what there is, for its `owner`."""

    key: str
    owner: str
    size: int


def beyond(held: Iterable[Held], most: int) -> set[str]:
    """The keys of what goes, so that the rest takes at most `most`: one by one, the oldest of who then holds most.

    `held`: the newest first.
    """
    of_owner: dict[str, list[Held]] = defaultdict(list)
    for each in held:
        of_owner[each.owner].append(each)  # the oldest last, to be taken from there
    sizes = [(-sum(each.size for each in own), owner) for owner, own in of_owner.items()]
    heapq.heapify(sizes)
    total = -sum(size for size, _ in sizes)
    gone: set[str] = set()
    while sizes and total > most:
        size, owner = sizes[0]
        oldest = of_owner[owner].pop()
        gone.add(oldest.key)
        total -= oldest.size
        if of_owner[owner]:
            heapq.heapreplace(sizes, (size + oldest.size, owner))
        else:
            heapq.heappop(sizes)
    return gone
