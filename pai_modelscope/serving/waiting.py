"""Jobs that wait: fair between clients, and those that can be drawn together leave together."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


class Full(Exception):
    """Too many jobs wait, of all clients or (`of_client`) of this one."""

    def __init__(self, waiting: int, of_client: bool):
        super().__init__(f"{waiting} jobs wait")
        self.waiting, self.of_client = waiting, of_client


@dataclass(frozen=True)
class Waiting:
    """A job that waits. `together`: jobs for which this is equal can share a batch; `rows`: its pictures.

    Of a higher `priority` it leaves earlier, whoever waits.
    """

    id: str
    client: str
    together: Hashable
    rows: int = 1
    priority: int = 0


class FairQueue:
    """Clients take turns, whatever each of them asks for; within a client and a priority, first come, first served."""

    def __init__(self, most: int, most_of_client: int):
        self._most, self._most_of_client = most, most_of_client
        self._lock = threading.Condition()
        # By priority, then by client in the order of their turns, the jobs in the order in which they came.
        self._lanes: dict[int, OrderedDict[str, OrderedDict[str, Waiting]]] = {}
        self._closed = False

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
            lane = self._lanes.setdefault(job.priority, OrderedDict())
            lane.setdefault(job.client, OrderedDict())[job.id] = job
            self._lock.notify()

    def remove(self, id: str) -> bool:
        """Whether it waited."""
        with self._lock:
            for lane in self._lanes.values():
                for client, jobs in lane.items():
                    if jobs.pop(id, None) is not None:
                        if not jobs:
                            del lane[client]
                        return True
        return False

    def position(self, id: str) -> int | None:
        """How many jobs leave before this one, if no other comes; None if it does not wait."""
        with self._lock:
            for place, job in enumerate(self._order()):
                if job.id == id:
                    return place
        return None

    def first(self, timeout: float | None = None) -> Waiting | None:
        """The job whose turn it is, which stays; None after `timeout` or `close`."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed or self._count() > 0, timeout)
            return None if self._closed or not self._count() else self._order()[0]

    def take(self, first: Waiting, rows: int) -> list[Waiting]:
        """This job and those that can be drawn with it, up to so many pictures; [] if it does not wait any more."""
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
        lane = self._lanes[job.priority]
        del lane[job.client][job.id]
        if lane[job.client]:
            lane.move_to_end(job.client)  # its turn is over
        else:
            del lane[job.client]

    def _count(self) -> int:
        return sum(len(jobs) for lane in self._lanes.values() for jobs in lane.values())

    def _check(self, client: str) -> None:
        if (count := self._count()) >= self._most:
            raise Full(count, False)
        if (own := sum(len(lane.get(client, ())) for lane in self._lanes.values())) >= self._most_of_client:
            raise Full(own, True)

    def _order(self) -> list[Waiting]:
        """All that wait, in the order in which they would leave one by one."""
        order: list[Waiting] = []
        for priority in sorted(self._lanes, reverse=True):
            queues = [list(jobs.values()) for jobs in self._lanes[priority].values()]
            for turn in range(max((len(jobs) for jobs in queues), default=0)):
                order += [jobs[turn] for jobs in queues if turn < len(jobs)]
        return order
