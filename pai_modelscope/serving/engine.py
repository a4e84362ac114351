"""The engine: takes what waits, batch by batch, has it drawn, and keeps the pictures.

Jobs that can be drawn together are. A batch that fails is halved, and what fails alone ends in an error of its own. A
cancelled job is thrown away; a batch of which all jobs are cancelled stops at its next step. What was lost with the
place that drew it is drawn once more.
"""

import hashlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope.errors import UserError
from pai_modelscope.files import whole
from pai_modelscope.serving.content import REFUSED_PICTURE
from pai_modelscope.serving.drawing import Batch, Drawer, Lost, Step, rows_at_once
from pai_modelscope.serving.metrics import Metrics
from pai_modelscope.serving.store import Drawn, Job, JobStore, State
from pai_modelscope.serving.waiting import FairQueue, Waiting
from pai_modelscope.serving.watching import Watched

if TYPE_CHECKING:
    from pai_modelscope.images.aigc_label import Labelling
    from pai_modelscope.sampling import Picture

_ENCODERS = 2  # pictures that are compressed at once, beside the drawing
_UNWRITTEN = 16  # jobs that may wait for that
_LOOK = 0.2  # seconds between looks at what has changed
_SECONDS_OF_COST = 8e-7  # before anything is known: 2 s for a usual picture of 256 x 256
_MARGIN = 1.2  # of a time that is told
_PAUSE = 1.0  # seconds after an error that no job is to blame for
_log = logging.getLogger(__name__)


class Pace:
    """How long jobs take, of late, by model. A job's cost is the pixels of its pictures times the steps and the rows of
    the network, which is what its seconds grow with."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def add(self, model: str, seconds: float, cost: float) -> None:
        """Jobs of so much cost took so long."""
        if cost > 0:
            now = seconds / cost
            self._seconds[model] = now + 0.8 * (self._seconds.get(model, now) - now)

    def seconds(self, jobs: Sequence[Waiting]) -> float:
        """What these will take."""
        return sum(self._seconds.get(job.model, _SECONDS_OF_COST) * job.cost for job in jobs)


class _Stopped(Exception):
    """Nobody waits for any job of the batch."""


class Engine:
    """Takes jobs from the queue until it is told to stop. `asked_of`: the texts and options of a job, as `Sampler`
    takes them, with its pictures."""

    def __init__(
        self,
        drawer: Drawer,
        queue: FairQueue,
        store: JobStore,
        watched: Watched,
        place: Callable[[str], Path],
        asked_of: Callable[[Job], dict[str, object]],
        metrics: Metrics,
        public: Callable[[str], str] = str,
        batch: int | None = None,
        label: "Labelling | None" = None,
        preview_steps: int = 0,
        refuse: bool = False,
    ):
        """`place`: where the file of a picture lies; `public`: the text of a picture as clients may read it; `label`:
        how the files are labelled, see `picture_file`; `preview_steps`: after so many steps, a preview is made; 0:
        never; `refuse`: a job of which the safety check flags a picture fails, and none of its pictures is kept."""
        self._drawer, self._queue, self._store, self._watched = drawer, queue, store, watched
        self._place, self._asked_of, self._metrics, self._batch = place, asked_of, metrics, batch
        self._label = label
        self._preview_steps, self._refuse = preview_steps, refuse
        self._cancelled: set[str] = set()
        self._drawing: dict[str, Waiting] = {}
        self._lock = threading.Lock()
        self.files = threading.Lock()  # of the results: who holds it adds or removes them
        self._public, self._room = public, threading.BoundedSemaphore(_UNWRITTEN)
        self._encoders = ThreadPoolExecutor(_ENCODERS, "encode")
        lanes = range(drawer.most_lanes)
        self._threads = [threading.Thread(None, self._run, f"engine-{lane}", (lane,), daemon=True) for lane in lanes]
        self._stopping = False
        self._wanted: list[str] = []  # models to open before the next batch
        self.pace = Pace()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def want(self, model: str) -> None:
        """Have the model opened, though no job waits for it yet."""
        with self._lock:
            if model not in self._wanted:
                self._wanted.append(model)

    def cancel(self, id: str) -> None:
        """A job that is being drawn is thrown away; it is the store's to say so."""
        with self._lock:
            if id in self._drawing:
                self._cancelled.add(id)

    def stop(self, timeout: float | None = None) -> bool:
        """Finish what is being drawn, and take nothing more. Whether all was finished in time."""
        self._stopping = True
        self._queue.close()
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(None if until is None else max(0.0, until - time.monotonic()))
        done = not any(thread.is_alive() for thread in self._threads)
        self._encoders.shutdown(wait=done)
        self._drawer.close()
        return done

    def seconds(self, jobs: Sequence[Waiting]) -> float:
        """After how long these and what is being drawn now will probably be done; rather too much than too little."""
        with self._lock:
            drawing = list(self._drawing.values())
        return _MARGIN * self.pace.seconds([*drawing, *jobs]) / self._drawer.lanes

    @property
    def alive(self) -> bool:
        """Whether it draws, or has yet to begin."""
        return all(thread.ident is None or thread.is_alive() for thread in self._threads)

    def _run(self, lane: int) -> None:
        while not self._stopping:
            try:
                self._open_wanted()
                if lane >= self._drawer.lanes:
                    time.sleep(_LOOK)
                elif (first := self._queue.first(timeout=_LOOK)) is not None:
                    self._take(self._queue.take(first, self._rows(first)))
            except Exception:  # such as a disk that is full: whoever draws next may have more luck
                _log.exception("the engine goes on")
                time.sleep(_PAUSE)

    def _open_wanted(self) -> None:
        with self._lock:
            wanted, self._wanted = self._wanted, []
        for name in wanted:
            with suppress(UserError, Lost):  # said to whoever asks for the model
                self._open(name)

    def _rows(self, first: Waiting) -> int:
        """How many pictures are drawn at once with this one."""
        job = self._store.get(first.id)
        if job is None:
            return first.rows
        try:
            opened = self._drawer.open(job.model)
        except Exception:  # the job fails by it, alone
            return first.rows
        return max(first.rows, rows_at_once(opened, self._batch))

    def _take(self, batch: Sequence[Waiting]) -> None:
        jobs = []
        for number, waiting in enumerate(batch):
            with self._lock:
                self._drawing[waiting.id] = waiting
            try:
                job = self._store.get(waiting.id) if self._store.start(waiting.id) else None
            except Exception:  # nothing is lost: they wait again, and what was begun is drawn
                _log.exception("the store does not take that jobs begin")
                with self._lock:
                    self._drawing.pop(waiting.id, None)
                for later in batch[number:]:
                    self._queue.put(later, anyway=True)
                time.sleep(_PAUSE)
                break
            if job is None:  # cancelled meanwhile
                with self._lock:
                    self._drawing.pop(waiting.id, None)
                    self._cancelled.discard(waiting.id)
                self._watched.forget(waiting.id)
            else:
                self._watched.changed(job.id)
                self._metrics.wait.labels(job.model).observe(max(0.0, (job.started or job.created) - job.created))
                jobs.append(job)
        if jobs:
            self._draw(jobs, batch[0].affinity)

    def _draw(self, jobs: Sequence[Job], affinity: str) -> None:
        from pai_modelscope.sampling.safety import PictureRefused

        try:
            self._open(jobs[0].model)
            began = time.monotonic()
            pictures = self._pictures(jobs, affinity)
            self.pace.add(jobs[0].model, time.monotonic() - began, sum(job.cost for job in jobs))
            self._metrics.batch.labels(jobs[0].model).observe(len(jobs))
        except _Stopped:
            for job in jobs:
                self._end(job, State.CANCELLED)
            return
        except Lost as error:
            _log.warning("%d jobs were lost while they were drawn (%s)", len(jobs), error)
            for job in jobs:
                self._again(job)
            return
        except Exception as error:
            if len(jobs) == 1:
                if not isinstance(error, UserError):
                    _log.exception("job %s failed", jobs[0].id)
                    traceback.clear_frames(error.__traceback__)  # a log that keeps the error keeps no memory with it
                refused = isinstance(error, PictureRefused)
                self._end(jobs[0], State.FAILED, REFUSED_PICTURE if refused else _said(error), refused)
                return
            _log.warning("a batch of %d jobs failed (%s): drawn in halves", len(jobs), str(error))
            pictures = []
        if not pictures:  # the error, whose frames held the memory of the whole batch, is gone here
            half = len(jobs) // 2
            self._draw(jobs[:half], affinity)
            self._draw(jobs[half:], affinity)
            return
        for job, drawn in zip(jobs, pictures, strict=True):
            if flagged := sum(picture.flagged for picture in drawn):
                self._metrics.flagged.labels(job.model).inc(flagged)
                if self._refuse:
                    self._end(job, State.FAILED, REFUSED_PICTURE, True)
                    continue
            self._room.acquire()  # pictures that wait for their files take memory
            self._encoders.submit(self._finish, job, drawn)

    def _open(self, model: str) -> None:
        """Raises `UserError` without what only the server's log may say."""
        try:
            self._drawer.open(model)
        except Lost:
            raise
        except Exception:
            _log.exception("the model %s can't be opened", model)
            raise UserError(f"the model {model} can't be opened; the service's log says why") from None

    def _pictures(self, jobs: Sequence[Job], affinity: str) -> "list[list[Picture]]":
        """The pictures of each job. Raises `_Stopped` as soon as nobody waits for any of them."""
        seconds = self._metrics.step.labels(jobs[0].model)

        def each_step(step: Step) -> None:
            seconds.observe(step.seconds)
            with self._lock:
                if self._cancelled.issuperset(job.id for job in jobs):
                    raise _Stopped
            for number, job in enumerate(jobs):  # of a job of several pictures, the first of those that are drawn
                preview = step.previews[number % len(step.previews)] if step.previews else None
                self._watched.set(job.id, step.step, step.steps, preview)

        asked = [self._asked_of(job) for job in jobs]
        return self._drawer.draw(Batch(jobs[0].model, asked, self._preview_steps, self._refuse, affinity), each_step)

    def _again(self, job: Job) -> None:
        """Have a job drawn that was lost; alone, so that no other is lost with it. A second time it is interrupted."""
        with self._lock:
            self._drawing.pop(job.id, None)
            self._cancelled.discard(job.id)
        if self._store.again(job.id):
            self._queue.put(Waiting.of(job, alone=True), anyway=True)
            self._watched.changed(job.id)
        elif (now := self._store.get(job.id)) is not None:  # interrupted, or cancelled before
            self._metrics.ended.labels(job.model, now.state).inc()
            self._watched.forget(job.id)

    def _finish(self, job: Job, pictures: "Sequence[Picture]") -> None:
        """Write the files of a job's pictures and say that it is done; for a thread of the encoders."""
        state, error = State.CANCELLED, ""
        try:
            if self._is_cancelled(job):
                return
            drawn = [self._drawn(picture, job.format) for picture in pictures]
            with self.files:
                for content, told in drawn:
                    self._write(content, told["file"])
                if self._store.finish(job.id, [told for _, told in drawn]):
                    state = State.DONE
        except Exception as failure:
            _log.exception("job %s: its pictures can't be kept", job.id)
            state, error = State.FAILED, _said(failure)
        finally:
            self._room.release()
            self._end(job, state, error)

    def _drawn(self, picture: "Picture", format: str) -> tuple[bytes, Drawn]:
        """The file of a picture, or of its scroll where that was asked for, and what is told of it."""
        from pai_modelscope.images.picture_text import picture_file

        shown, text = picture.scroll or picture.image, self._public(picture.infotext)
        content = picture_file(shown, format, text, self._label)
        return content, Drawn(
            file=f"{hashlib.sha256(content).hexdigest()}.{format}",
            bytes=len(content),
            seed=picture.seed,
            prompt=picture.prompt,
            infotext=text,
            flagged=picture.flagged,
            width=shown.width,
            height=shown.height,
        )

    def _write(self, content: bytes, name: str) -> None:
        path = self._place(name)
        if not path.exists():  # else it is the same
            with whole(path) as partial:
                partial.write_bytes(content)

    def _is_cancelled(self, job: Job) -> bool:
        with self._lock:
            return job.id in self._cancelled

    def _end(self, job: Job, state: State, error: str = "", refused: bool = False) -> None:
        """Nothing of the job stays here, whatever the store says to it."""
        try:
            if state is State.FAILED and not self._store.fail(job.id, error, refused):
                state = State.CANCELLED
            elif refused:
                self._metrics.refused.labels(job.model, "safety").inc()
                _log.info("job %s of %s is refused: the safety check objects to a picture of it", job.id, job.client)
        except Exception:  # it is taken up again by the next start
            _log.exception("job %s: the store does not take that it failed", job.id)
        with self._lock:
            self._drawing.pop(job.id, None)
            self._cancelled.discard(job.id)
        self._metrics.ended.labels(job.model, state).inc()
        self._watched.forget(job.id)


def _said(error: Exception) -> str:
    """What a client is told: our own sentences, and of other errors nothing that tells of the server."""
    if isinstance(error, UserError):
        return str(error)
    return f"the service failed ({type(error).__name__}); its log says how"
