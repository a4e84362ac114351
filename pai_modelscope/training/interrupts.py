"""Ctrl-C and SIGTERM end a run between two steps, and all its processes at the same step."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

import torch
import torch.distributed as dist

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None  # as `signal.signal` gives it
# torchrun passes a Ctrl-C on to processes that had it from the terminal already.
_ECHO = 1.0  # seconds


class Interrupts:
    """`with Interrupts() as interrupts:` takes Ctrl-C and SIGTERM; `received` names the signal that came.

    A second Ctrl-C ends the program at once, as it would without. Outside the main thread Python lets nobody take
    signals, and nothing changes.
    """

    def __init__(self) -> None:
        self.received = ""
        self._first = 0.0
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT and time.monotonic() - self._first > _ECHO:
            raise KeyboardInterrupt
        if not self.received:
            self.received, self._first = signal.Signals(number).name, time.monotonic()


class Agreement:
    """What any process wants, all do. It goes through the CPU, so that the device is never waited for."""

    def __init__(self, processes: int):
        self._group = dist.new_group(backend="gloo") if processes > 1 else None

    def any(self, wanted: bool) -> bool:
        if self._group is None:
            return wanted
        votes = torch.tensor(int(wanted))
        dist.all_reduce(votes, op=dist.ReduceOp.MAX, group=self._group)
        return bool(votes)
