"""Who reads the pictures of a batch: threads of this process, or worker processes with the same pixels.

What is random about a sample follows from its key, and a batch keeps the order in which it was asked for. So neither
kind of worker, nor their number, changes a bit of what is trained, and a run goes on by its step number alone.

PyTorch's DataLoader was left aside for that. It draws up its order and its random seeds by itself, which a resumed run
would have to repeat, and it gives each worker a single thread, with which the networks of annotators round differently.
"""

import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import current_process, get_context, parent_process
from typing import ParamSpec, Protocol, TypeVar

from pai_modelscope.data.examples import Example
from pai_modelscope.data.views import AnnotatedView, Cut, Pixels, View
from pai_modelscope.errors import UserError, reason
from pai_modelscope.images.annotators import ANNOTATORS

OPTION = "dataloader_worker_processes"
_THREADS = f"leave out {OPTION}, so that threads read the pictures"
_GUARD = 'if __name__ == "__main__":'

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sample:
    """An example as a batch shows it."""

    number: int  # of the example among all of its source
    example: Example
    cut: Cut


class Loader(Protocol):
    def load(self, view: View, samples: Sequence[Sample]) -> list[Pixels]:
        """`view` of each sample, in their order. Raises the `UserError` of the first that can't be read."""
        ...


class ThreadLoader:
    """Threads: they begin at once and share memory. Decoding, scaling and OpenCV run beside each other in them."""

    def __init__(self, workers: int):
        self._pool = ThreadPoolExecutor(workers)

    def load(self, view: View, samples: Sequence[Sample]) -> list[Pixels]:
        return list(self._pool.map(lambda sample: view(sample.example, sample.cut), samples))


class ProcessLoader:
    """Worker processes, each with a copy of all examples; for annotators and transforms that are Python throughout.

    They are spawned, never forked: a fork copies the locks that threads of torch, OpenMP or an annotator's network hold
    at that moment, and waits for them for ever. They end with this process, however that ends. Ctrl-C and SIGTERM,
    which terminals and launchers send to all processes, are this one's matter alone: the loop still finishes its step.
    """

    def __init__(self, examples: Sequence[Example], workers: int):
        """Starts the first worker, and the others when there is work for them.

        Raises:
            UserError: examples that can't be sent to another process, or can't be read there; a program that isn't
                guarded by `if __name__ == "__main__"`, which each worker imports; a process that may have no workers.
        """
        stop_if_a_worker_imports_this()
        if current_process().daemon:
            raise UserError(f"A daemonic process can't start worker processes: {_THREADS}.")
        content = _pickled(examples)
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(content,))
        # A pool that nobody waits for ends in threads of its own, whose pipe Python's end may still write to.
        weakref.finalize(self, self._pool.shutdown).atexit = False
        try:
            problem = self._submit(_problem_at_begin).result()
        except (BrokenProcessPool, OSError):
            raise UserError(
                "The first worker process ended before it could read a picture. Each worker imports the program: put "
                f"what trains under `{_GUARD}`, if it isn't; or {_THREADS}."
            ) from None
        if problem:
            raise UserError(
                f"The rows of the training set can't be read in a worker process ({problem}): define their classes in "
                f"a module that can be imported there; or {_THREADS}."
            )

    def load(self, view: View, samples: Sequence[Sample]) -> list[Pixels]:
        futures: list[Future[Pixels]] = []
        try:
            for sample in samples:
                futures.append(self._submit(_load, view, sample.number, sample.cut))
            return [future.result() for future in futures]
        except UserError as error:
            raise error from None  # without the worker's traceback
        except (BrokenProcessPool, OSError):
            names = ", ".join(dict.fromkeys(sample.example.name for sample in samples[:3]))
            drawing = f" with the annotator {view.annotator!r}" if isinstance(view, AnnotatedView) else ""
            raise UserError(
                f"A worker process ended while it read pictures such as {names}{drawing}: it crashed, or the system "
                f"ended it for want of memory. Set fewer dataloader_num_workers, or {_THREADS}."
            ) from None
        finally:
            for future in futures:
                future.cancel()

    def _submit(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        with _signals_held():  # this may start a worker, which is not to hear of them
            return self._pool.submit(function, *args, **kwargs)


def loader(examples: Sequence[Example], workers: int, processes: bool) -> Loader:
    """`workers` threads or processes for `examples`; 0, the default of diffusers' scripts, is one.

    Raises:
        UserError: fewer than none; see `ProcessLoader`.
    """
    if workers < 0:
        raise UserError(f"dataloader_num_workers is {workers}; it must be at least 0, such as 4")
    return ProcessLoader(examples, max(workers, 1)) if processes else ThreadLoader(max(workers, 1))


def stop_if_a_worker_imports_this() -> None:
    """End a worker process whose program trains without a main guard, before it trains too.

    multiprocessing itself knows such a process by this mark, and would fail later and at length.
    """
    if getattr(current_process(), "_inheriting", False):
        raise SystemExit(f"A worker process imports this program, which trains at once: put that under `{_GUARD}`.")


def _pickled(examples: Sequence[Example]) -> bytes:
    try:
        return pickle.dumps(list(examples), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # of any class in the rows
        name = next((example.name for example in examples if not _pickles(example)), "the training set")
        raise UserError(f"{name} can't be sent to worker processes ({reason(error)}): {_THREADS}.") from None


def _pickles(example: Example) -> bool:
    try:
        return bool(pickle.dumps(example, pickle.HIGHEST_PROTOCOL))
    except Exception:
        return False


# Where a process can't ask who sent a signal, SIGTERM is the pool's way to end a worker and must get through.
_HELD = [signal.SIGINT, signal.SIGTERM] if hasattr(signal, "sigwaitinfo") else [signal.SIGINT]


@contextmanager
def _signals_held() -> Iterator[None]:
    """Signals wait until the end of this; processes that begin meanwhile have them blocked from their first moment."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a worker process

_examples: Sequence[Example] = ()
_problem = ""


def _begin(content: bytes) -> None:
    global _examples, _problem
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if signal.SIGTERM in _HELD:
        threading.Thread(target=_end_when_parent_asks, daemon=True).start()
    try:
        _examples = pickle.loads(content)
    except Exception as error:  # of any class in the rows; reported by `_problem_at_begin`
        _problem = reason(error)


def _problem_at_begin() -> str:
    return _problem


def _end_with_parent() -> None:
    """A parent that is killed can't tell its workers to end."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end_when_parent_asks() -> None:
    """The pool ends its workers by SIGTERM once one of them has crashed."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(1)


def _load(view: View, number: int, cut: Cut) -> Pixels:
    if isinstance(view, AnnotatedView) and view.annotator not in ANNOTATORS:
        raise UserError(
            f"Worker processes know no annotator {view.annotator!r}; there are {', '.join(ANNOTATORS)}. Register it in "
            f"a module that they import; or {_THREADS}."
        )
    return view(_examples[number], cut)
