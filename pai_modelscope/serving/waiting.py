"""Jobs that wait: fair between clients, and those that can be drawn together leave together."""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pai_modelscope.serving.store import Job


class Full(Exception):
    """Too many jobs wait, of all clients or (`of_client`) of this one; or too many of what else there is room for."""

    def __init__(self, waiting: int, of_client: bool, what: str = "jobs", do: str = "wait"):
        super().__init__(f"{waiting} {what} {'of yours ' if of_client else ''}{do}: come again")
        self.waiting, self.of_client = waiting, of_client


@dataclass(frozen=True)
class Waiting:
    """A job that waits. `together`: jobs for which this is equal can share a batch; `rows`: of the network that its
    pictures fill, one for each text that AND joins; `cost`: see `Pace`.

    Of a higher `priority` it leaves before others of its client. `affinity`: see `Batch`.
    """

    id: str
    client: str
    together: Hashable
    rows: int = 1
    priority: int = 0
    affinity: str = ""
    model: str = ""
    cost: float = 0.0

    @classmethod
    def of(cls, job: "Job", alone: bool = False) -> "Waiting":
        """`alone`: it shares no batch, whatever it has in common with others."""
        together = job.id if alone or not job.together else job.together
        return cls(job.id, job.client, together, job.rows, job.priority, job.affinity, job.model, job.cost)


class FairQueue:
    """Clients take turns, whatever each of them asks for; within a client the higher priority goes first, and of the
    same, who came first."""

    def __init__(self, most: int, most_of_client: int):
        self._most, self._most_of_client = most, most_of_client
        self._own: Mapping[str, tuple[int, int]] = {}
        self._lock = threading.Condition()
        # By client, in the order of their turns, its jobs by id, in the order in which they will leave.
        self._clients: OrderedDict[str, dict[str, Waiting]] = OrderedDict()
        self._closed = False

    def limit(self, clients: Mapping[str, tuple[int, int]]) -> None:
        """Have other bounds hold for these clients: how many of its jobs may wait, and its rank. What clients of a
        higher rank than 0 ask for goes before all that others do, and so on."""
        with self._lock:
            self._own = dict(clients)

    def __len__(self) -> int:
        with self._lock:
            return self._count()

    def check(self, client: str) -> None:
        """Raises `Full` if a job of this client would find no room."""
        with self._lock:
            self._check(client)

    def put(self, job: Waiting, anyway: bool = False) -> None:
        """Raises `Full`, unless the job was accepted before (`anyway`)."""
        with self._lock:
            if not anyway:
                self._check(job.client)
            jobs = [*self._clients.get(job.client, {}).values(), job]
            jobs.sort(key=lambda each: -each.priority)  # stable: who came first stays first
            self._clients[job.client] = {each.id: each for each in jobs}
            self._lock.notify()

    def remove(self, id: str) -> bool:
        """Whether it waited."""
        with self._lock:
            for client, jobs in self._clients.items():
                if jobs.pop(id, None) is not None:
                    if not jobs:
                        del self._clients[client]
                    return True
        return False

    def jobs(self) -> list[Waiting]:
        """All that wait, in the order in which they leave if no other comes."""
        with self._lock:
            return self._order()

    def before(self, id: str) -> list[Waiting] | None:
        """The jobs that leave before this one, if no other comes; None if it does not wait."""
        jobs = self.jobs()
        return next((jobs[:place] for place, job in enumerate(jobs) if job.id == id), None)

    def position(self, id: str) -> int | None:
        """How many these are."""
        before = self.before(id)
        return None if before is None else len(before)

    def first(self, timeout: float | None = None) -> Waiting | None:
        """The job whose turn it is, which stays; None after `timeout` or `close`."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed or self._count() > 0, timeout)
            return None if self._closed or not self._count() else self._order()[0]

    def take(self, first: Waiting, rows: int) -> list[Waiting]:
        """This job and those that can be drawn with it, up to so many rows; [] if it does not wait any more."""
        with self._lock:
            order = self._order()
            if first not in order:
                return []
            batch, held = [first], first.rows
            for job in order:
                if job != first and job.together == first.together and held + job.rows <= rows:
                    batch.append(job)
                    held += job.rows
            for job in batch:
                self._leave(job)
            return batch

    def close(self) -> None:
        """Wake whoever waits in `first`; nothing has its turn any more."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    def _leave(self, job: Waiting) -> None:
        jobs = self._clients[job.client]
        del jobs[job.id]
        if jobs:
            self._clients.move_to_end(job.client)  # its turn is over
        else:
            del self._clients[job.client]

    def _count(self) -> int:
        return sum(map(len, self._clients.values()))

    def _check(self, client: str) -> None:
        if (count := self._count()) >= self._most:
            raise Full(count, False)
        most, _ = self._own.get(client, (self._most_of_client, 0))
        if (own := len(self._clients.get(client, ()))) >= most:
            raise Full(own, True)

    def _order(self) -> list[Waiting]:
        """All that wait, in the order in which they would leave one by one."""
        turns = itertools.zip_longest(*(list(jobs.values()) for jobs in self._clients.values()))
        order = [job for turn in turns for job in turn if job is not None]
        return sorted(order, key=lambda job: -self._rank(job.client)) if self._own else order  # stable

    def _rank(self, client: str) -> int:
        return self._own.get(client, (0, 0))[1]
