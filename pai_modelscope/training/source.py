"""Where the loop's batches come from."""

from collections.abc import Sequence
from typing import Protocol

import torch


class Source(Protocol):
    """Where batches come from. Samples lie in buckets; all samples of a bucket have one shape.

    A source may also have `names(bucket, indices)`, a list of what samples are called: a loss that stops the run is
    then reported with the files of its batch.
    """

    @property
    def lengths(self) -> Sequence[int]:
        """Samples in each bucket."""
        ...

    @property
    def cycle(self) -> Sequence[int]:
        """Bucket of each step, repeated for ever."""
        ...

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The samples `indices` (n,) of a bucket, on `device`.

        `keys` (n,) int64, on the CPU: what a source draws at random for a sample (a crop, a flip, one of its captions)
        is to follow from its key alone, so that it does not depend on processes and workers.
        """
        ...
