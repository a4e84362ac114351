"""Shards are scored by processes of this machine, each with one thread; one that dies takes nothing along."""

import multiprocessing
import signal
import sys
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tqdm.auto import tqdm

from pai_modelscope.curation.pairs import Columns
from pai_modelscope.curation.plan import Shard
from pai_modelscope.curation.scorer import ScorerSpec
from pai_modelscope.curation.scoring import Care, ShardScorer
from pai_modelscope.errors import UserError

_DEATHS = 2  # while a pair is looked at alone, after which it is not looked at any more
_DEATHS_AT_FIRST = 3  # of workers that had begun nothing, after which the run ends


@dataclass
class _Worker:
    """A process and what it does: `shard`, and the places that it looks at now."""

    process: BaseProcess
    connection: Connection
    shard: Shard | None = None
    at: range = field(default_factory=lambda: range(0))


class Processes:
    """A launcher: `run` has shards scored by so many processes."""

    def __init__(self, scorers: Sequence[ScorerSpec], columns: Columns, folder: Path, workers: int):
        self._arguments = (tuple(scorers), columns, folder)
        self._count = workers
        self._context = multiprocessing.get_context("spawn")
        self._care: dict[int, Care] = {}
        self._deaths: Counter[tuple[int, range]] = Counter()
        self._died_at_first = 0

    def run(self, shards: Iterable[Shard], progress: "tqdm[object]") -> None:
        """Score them all; `progress` counts pairs.

        Raises:
            UserError: a scorer can't be made, or workers die before they begin.
        """
        left, workers = deque(shards), list[_Worker]()
        try:
            while left or any(worker.shard for worker in workers):
                while left and len(workers) < self._count:
                    workers.append(self._begin())
                for worker in workers:
                    if worker.shard is None and left:
                        self._give(worker, left.popleft())
                ready = wait([worker.connection for worker in workers])
                for worker in [worker for worker in workers if worker.connection in ready]:
                    if not self._heard(worker, progress):
                        workers.remove(worker)
                        worker.process.join()
                        if worker.shard is not None:
                            self._died(worker)
                            left.appendleft(worker.shard)
        finally:
            for worker in workers:
                worker.process.kill()  # what is half-written is not there
                worker.process.join()
                worker.connection.close()

    def _begin(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, *self._arguments), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker, shard: Shard) -> None:
        worker.shard, worker.at = shard, range(0)
        with suppress(OSError):  # it has died: that is heard next
            worker.connection.send((shard, self._care.get(shard.number, Care())))

    def _heard(self, worker: _Worker, progress: "tqdm[object]") -> bool:
        """Take what a worker says; whether it lives."""
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            return False
        if isinstance(said, UserError):
            raise said
        if isinstance(said, range):
            worker.at, self._died_at_first = said, 0
        elif worker.shard is not None:
            progress.update(worker.shard.stop - worker.shard.start)
            worker.shard = None
        return True

    def _died(self, worker: _Worker) -> None:
        """Find out, by and by, whether a pair is to blame: any process may be killed for no fault of its pairs."""
        assert worker.shard is not None
        if not worker.at:
            self._died_at_first += 1
            if self._died_at_first == _DEATHS_AT_FIRST:
                raise UserError(
                    f"{_DEATHS_AT_FIRST} workers ended before they scored anything: is there memory for so many?"
                )
            return
        number, at = worker.shard.number, worker.at
        care = self._care.get(number, Care())
        self._deaths[number, at] += 1
        if len(at) > 1:  # first each is looked at alone; where that kills nobody, they are too much together
            alone = self._deaths[number, at] > _DEATHS
            self._care[number] = (
                replace(care, alone=care.alone | set(at)) if alone else replace(care, probe=care.probe | set(at))
            )
        elif self._deaths[number, at] == _DEATHS:
            self._care[number] = replace(care, deadly=care.deadly | set(at), probe=care.probe - set(at))


def _work(connection: Connection, scorers: Sequence[ScorerSpec], columns: Columns, folder: Path) -> None:
    """A worker: takes shards until nobody gives any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the launcher's to end
    scorer = ShardScorer(scorers, columns, folder)
    try:
        scorer.load()
        _one_thread()
        while True:
            shard, care = connection.recv()
            scorer.score(shard, care, connection.send)
            connection.send(shard.number)
    except UserError as error:
        connection.send(UserError(str(error)))
    except (EOFError, OSError, KeyboardInterrupt):  # the launcher has gone
        return


def _one_thread() -> None:
    """Processes share the cores: threads beside would only wait for each other."""
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:  # a scorer has it
        sys.modules["torch"].set_num_threads(1)
