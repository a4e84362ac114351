"""Shards are scored by workers of a Ray cluster. Input and output lie where all its machines find them."""

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from tqdm.auto import tqdm

from pai_modelscope.cluster import join_cluster
from pai_modelscope.curation.blame import Blame
from pai_modelscope.curation.launch import one_thread
from pai_modelscope.curation.pairs import Columns
from pai_modelscope.curation.plan import Shard
from pai_modelscope.curation.scorer import ScorerSpec
from pai_modelscope.curation.scoring import Care, ShardScorer
from pai_modelscope.errors import UserError


class RayWorkers:
    """A launcher: `run` has shards scored by so many workers, of a core each."""

    def __init__(self, scorers: Sequence[ScorerSpec], columns: Columns, folder: Path, workers: int, address: str):
        """Join the cluster. Raises `UserError`: there is none at that address."""
        join_cluster(address, workers, "--ray")
        self._arguments = (tuple(scorers), columns, folder)
        self._count = workers
        self._notes: Any = ray.remote(num_cpus=0)(_Notes).remote()
        self._worker = ray.remote(num_cpus=1)(_Worker)
        self._blame = Blame()

    def run(self, shards: Iterable[Shard], progress: "tqdm[object]") -> None:
        """Score them all; `progress` counts pairs. The cluster is left at the end.

        Raises:
            UserError: a scorer can't be made, or workers die before they begin.
        """
        left, idle = deque(shards), list[Any]()
        busy: dict[Any, tuple[Any, Shard]] = {}  # by what is awaited
        try:
            while left or busy:
                while left and len(busy) < self._count:
                    worker, shard = idle.pop() if idle else self._begin(), left.popleft()
                    busy[worker.score.remote(shard, self._blame.care(shard))] = worker, shard
                (answer,), _ = ray.wait(list(busy), num_returns=1)
                worker, shard = busy.pop(answer)
                try:
                    ray.get(answer)
                except RayTaskError as error:
                    if isinstance(error.cause, UserError):
                        raise UserError(str(error.cause)) from None
                    raise
                except RayError:  # the worker is gone
                    self._blame.died(shard, ray.get(self._notes.read.remote(shard.number)))
                    left.appendleft(shard)
                else:
                    progress.update(shard.stop - shard.start)
                    idle.append(worker)
        finally:
            ray.shutdown()

    def _begin(self) -> Any:
        return self._worker.remote(self._notes, *self._arguments)


class _Worker:
    """One of the cluster's: scores shards."""

    def __init__(self, notes: Any, scorers: Sequence[ScorerSpec], columns: Columns, folder: Path):
        self._notes = notes
        self._scorer = ShardScorer(scorers, columns, folder)

    def score(self, shard: Shard, care: Care) -> None:
        self._note(shard, range(0))
        self._scorer.load()
        one_thread()
        self._scorer.score(shard, care, lambda places: self._note(shard, places))

    def _note(self, shard: Shard, places: range) -> None:
        ray.get(self._notes.write.remote(shard.number, places))  # it is known before anything can happen


class _Notes:
    """Which places of a shard are being looked at, for when its worker is gone."""

    def __init__(self) -> None:
        self._at: dict[int, range] = {}

    def write(self, shard: int, places: range) -> None:
        self._at[shard] = places

    def read(self, shard: int) -> range:
        return self._at.get(shard, range(0))
