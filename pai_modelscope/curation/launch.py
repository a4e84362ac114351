"""Shards are scored by processes of this machine, each with one thread; one that dies takes nothing along."""

import multiprocessing
import signal
import sys
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tqdm.auto import tqdm

from pai_modelscope.curation.blame import Blame
from pai_modelscope.curation.pairs import Columns
from pai_modelscope.curation.plan import Shard
from pai_modelscope.curation.scorer import ScorerSpec
from pai_modelscope.curation.scoring import Care, ShardScorer
from pai_modelscope.errors import UserError


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
        self._blame = Blame()

    def run(self, shards: Iterable[Shard], progress: "tqdm[object]") -> None:
        """Score them all; `progress` counts pairs.

        Raises:
            UserError: a scorer can't be made, a table can't be written, or workers die before they begin.
            RuntimeError: something else went wrong in a worker, with its trace.
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
                            self._blame.died(worker.shard, worker.at)
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
            worker.connection.send((shard, self._blame.care(shard)))

    def _heard(self, worker: _Worker, progress: "tqdm[object]") -> bool:
        """Take what a worker says; whether it lives."""
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            return False
        if isinstance(said, Exception):
            raise said
        if isinstance(said, range):
            worker.at = said
        elif worker.shard is not None:
            progress.update(worker.shard.stop - worker.shard.start)
            worker.shard = None
        return True


def _work(connection: Connection, scorers: Sequence[ScorerSpec], columns: Columns, folder: Path) -> None:
    """A worker: takes shards until nobody gives any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the launcher's to end
    scorer = ShardScorer(scorers, columns, folder)
    try:
        scorer.load()
        one_thread()
        while (given := _received(connection)) is not None:
            shard, care = given
            scorer.score(shard, care, connection.send)
            connection.send(shard.number)
    except BrokenPipeError:  # the launcher has gone
        return
    except UserError as error:
        connection.send(UserError(str(error)))
    except Exception:
        connection.send(RuntimeError(traceback.format_exc()))


def _received(connection: Connection) -> tuple[Shard, Care] | None:
    """None: the launcher has gone."""
    try:
        given: tuple[Shard, Care] = connection.recv()
    except (EOFError, OSError):
        return None
    return given


def one_thread() -> None:
    """Processes share the cores: threads beside would only wait for each other."""
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:  # a scorer has it
        sys.modules["torch"].set_num_threads(1)
