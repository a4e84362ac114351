"""What there is room for at once, in all and for one client."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pai_modelscope.serving.waiting import Full


class Shares:
    """Counts what is held, from any thread."""

    def __init__(self, what: str, most_of_client: int, most: int | None = None):
        """`what`: as in 'requests are open'; `most`: of all clients, None: no bound."""
        self._what, _, self._do = what.partition(" ")
        self._most_of_client, self._most = most_of_client, most
        self._lock = threading.Lock()
        self._held: Counter[str | None] = Counter()

    @contextmanager
    def held(self, client: str | None) -> Iterator[None]:
        """Hold one more. Raises `Full`: there is no room, and nothing is held."""
        with self._lock:
            own, all = self._held[client], self._held.total()
            if self._most is not None and all >= self._most:
                raise Full(all, False, self._what, self._do)
            if own >= self._most_of_client:
                raise Full(own, True, self._what, self._do)
            self._held[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[client] -= 1
                if not self._held[client]:
                    del self._held[client]
