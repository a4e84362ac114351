"""Which samples make the batch of a step, and a random key for each: pure functions of seed and step.

Nothing is remembered, so a resumed run, and a run on another number of processes, continue at the same sample.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch

from pai_modelscope.diffusion.randomness import scramble


@lru_cache(maxsize=64)
def _epoch(length: int, seed: int, bucket: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(((seed * 1_000_003 + bucket) * 1_000_003 + epoch) % 2**63)
    return torch.randperm(length, generator=generator)


class Order:
    """Shuffled epochs over one or several buckets; every step draws its global batch from a single bucket.

    Args:
        lengths: samples in each bucket.
        batch_size: the global batch, all processes and accumulation steps together.
        cycle: bucket of each step, repeated for ever; buckets that hold the same shape of sample are visited in a
            fixed rhythm, so that the mixture does not depend on luck.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0, cycle: Sequence[int] = (0,)):
        self.lengths, self.batch_size, self.seed = list(lengths), batch_size, seed
        self.cycle = list(cycle)

    def keys(self, step: int) -> torch.Tensor:
        """(batch_size,) int64, one for each of `indices(step)`: the seed of all that is random about the sample."""
        places = torch.arange(self.batch_size) + step * self.batch_size
        return scramble(scramble(places) ^ self.seed)

    def bucket(self, step: int) -> int:
        return self.cycle[step % len(self.cycle)]

    def visits(self, step: int) -> int:
        """How often the bucket of `step` was drawn before."""
        bucket, turn = self.bucket(step), step % len(self.cycle)
        return step // len(self.cycle) * self.cycle.count(bucket) + self.cycle[:turn].count(bucket)

    def indices(self, step: int) -> torch.Tensor:
        """(batch_size,) long: positions in the bucket of `step`."""
        bucket = self.bucket(step)
        length = self.lengths[bucket]
        first = self.visits(step) * self.batch_size
        parts, wanted = [], self.batch_size
        while wanted:
            epoch, offset = divmod(first, length)
            part = _epoch(length, self.seed, bucket, epoch)[offset : offset + wanted]
            parts.append(part)
            first, wanted = first + len(part), wanted - len(part)
        return torch.cat(parts)
