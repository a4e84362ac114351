"""Which pair is to blame for workers that die. Any worker may be killed for no fault of its pairs."""

from collections import Counter
from dataclasses import replace

from pai_modelscope.curation.plan import Shard
from pai_modelscope.curation.scoring import Care
from pai_modelscope.errors import UserError

_DEATHS = 2  # while a pair is looked at alone, after which it is not looked at any more
_DEATHS_AT_FIRST = 3  # in turn, of workers that had begun nothing, after which the run ends


class Blame:
    """What is learned of each shard by the deaths of those who scored it."""

    def __init__(self) -> None:
        self._care: dict[int, Care] = {}
        self._deaths: Counter[tuple[int, range]] = Counter()
        self._at_first = 0

    def care(self, shard: Shard) -> Care:
        """How the shard is to be scored now."""
        return self._care.get(shard.number, Care())

    def died(self, shard: Shard, at: range) -> None:
        """A worker died while it looked at these places; none: before it looked at any.

        Raises:
            UserError: workers die before they begin.
        """
        if not at:
            self._at_first += 1
            if self._at_first == _DEATHS_AT_FIRST:
                raise UserError(
                    f"{_DEATHS_AT_FIRST} workers ended before they scored anything: is there memory for so many?"
                )
            return
        self._at_first = 0
        care, number = self.care(shard), shard.number
        self._deaths[number, at] += 1
        if len(at) > 1:  # first each is looked at alone; where that kills nobody, they are too much together
            if self._deaths[number, at] > _DEATHS:
                self._care[number] = replace(care, alone=care.alone | set(at))
            else:
                self._care[number] = replace(care, probe=care.probe | set(at))
        elif self._deaths[number, at] == _DEATHS:
            self._care[number] = replace(care, deadly=care.deadly | set(at), probe=care.probe - set(at))
