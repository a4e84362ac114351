"""What happens to jobs while they are drawn, for those who watch: it lives in memory, and a restart forgets it."""

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` of all pictures of the job; `preview`: a JPEG file of how the picture will look, from step
    `previewed` on; `version` grows with every change."""

    step: int = 0
    steps: int = 0
    preview: bytes | None = None
    previewed: int = 0
    version: int = 0


_OVER = Progress(version=-1)
_REMEMBERED = 10_000


class Watched:
    """The progress of jobs. Engines write it from their threads; the server's event loop waits for changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: dict[str, Progress] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()  # the last that ended, for watchers who come too late
        self._waiters: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}

    def get(self, id: str) -> Progress:
        with self._lock:
            return self._get(id)

    def set(self, id: str, step: int, steps: int, preview: bytes | None = None) -> None:
        """`preview`: a newer one; None: the last stays."""
        with self._lock:
            if id not in self._ended:
                old = self._get(id)
                shown = (old.preview, old.previewed) if preview is None else (preview, step)
                self._progress[id] = Progress(step, steps, *shown, version=old.version + 1)
                self._wake(id)

    def changed(self, id: str) -> None:
        """The job came to another state."""
        with self._lock:
            if id not in self._ended:
                old = self._get(id)
                self._progress[id] = replace(old, version=old.version + 1)
                self._wake(id)

    def forget(self, id: str) -> None:
        """The job has ended: whoever still watches is woken, and nothing of it stays."""
        with self._lock:
            self._wake(id)
            self._progress.pop(id, None)
            self._ended[id] = None
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)

    async def wait(self, id: str, version: int, timeout: float) -> None:
        """Until the version is another one, the job is forgotten, or that many seconds have passed."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        waiter = loop, event
        with self._lock:
            if self._get(id).version != version:
                return
            self._waiters.setdefault(id, set()).add(waiter)
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except TimeoutError:
            pass
        finally:
            with self._lock:
                waiters = self._waiters.get(id, set())
                waiters.discard(waiter)
                if not waiters:
                    self._waiters.pop(id, None)

    def _get(self, id: str) -> Progress:
        return self._progress.get(id) or (_OVER if id in self._ended else Progress())

    def _wake(self, id: str) -> None:
        for loop, event in self._waiters.get(id, ()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
