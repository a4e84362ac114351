"""Replicas on Ray Serve as the place where pictures are drawn: each has its own models, and keeps nothing else.

The front has the queue, the store and the results. A batch goes to a replica that has drawn with the same model and
LoRAs before, where there is one with room; each takes one batch beside the one that it draws, so that cancelling and
fairness stay with the queue. A replica that dies is started anew, and what it drew is drawn again.
"""

import asyncio
import contextlib
import logging
import os
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import ray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from pai_modelscope.cluster import LOCAL, join_cluster
from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import UserError
from pai_modelscope.serving.drawing import Batch, EachStep, Lost, Step, here
from pai_modelscope.serving.metrics import Metrics
from pai_modelscope.serving.models import Models, Opened

if TYPE_CHECKING:
    from pai_modelscope.sampling import Picture

_APP = "pai_modelscope"
_BATCHES = 2  # that a replica holds: the one that it draws, and the next
_ASKED_FOR = 1.5  # of them, from which on Ray starts another replica
_GROW, _SHRINK = 5.0, 120.0  # seconds that more or fewer must be asked for before Ray does so
_REMEMBERED = 8  # of the models and LoRAs that it has drawn with
_LOOK = 1.0  # seconds between looks at how many replicas run
_DRAIN = 120.0  # seconds that a replica which is to end may draw on
_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Failed:
    """What a replica sends in place of an answer."""

    error: Exception


class ReplicaError(Exception):
    """Something that only a replica's log would tell, with its trace."""


class _Unread(Exception):
    """Nobody waits for what is drawn."""


class Replica:
    """Draws in a process of Ray, with one thread."""

    def __init__(self, options: ServeOptions, names: tuple[str, ...], safety: str | None):
        self._drawer = here(options, Models(names, Metrics()), safety)
        self._thread = ThreadPoolExecutor(1, "draw")
        with contextlib.suppress(Exception):  # said to whoever asks for it
            self._drawer.open(names[0])  # so that what counts as running can draw

    @serve.multiplexed(max_num_models_per_replica=_REMEMBERED)  # type: ignore[untyped-decorator]
    async def _remember(self, affinity: str) -> str:
        """Have Ray send batches of that affinity here."""
        return affinity

    async def open(self, model: str) -> Opened | Failed:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _caught(lambda: self._drawer.open(model)))

    async def draw(self, batch: Batch) -> "AsyncIterator[str | Step | list[list[Picture]] | Failed]":
        """The replica's name, each step, the pictures. Whoever stops reading stops the drawing at its next step."""
        yield serve.get_replica_context().replica_id.unique_id
        if affinity := serve.get_multiplexed_model_id():
            await self._remember(affinity)
        loop, unread = asyncio.get_running_loop(), threading.Event()
        answers: asyncio.Queue[Step | list[list[Picture]] | Failed] = asyncio.Queue()

        def tell(answer: "Step | list[list[Picture]] | Failed") -> None:
            if unread.is_set():
                raise _Unread
            loop.call_soon_threadsafe(answers.put_nowait, answer)

        def draw() -> None:
            with contextlib.suppress(_Unread):
                tell(_caught(lambda: self._drawer.draw(batch, tell))())

        drawing = self._thread.submit(draw)
        try:
            while True:
                yield (answer := await answers.get())
                if not isinstance(answer, Step):
                    return
        finally:
            unread.set()
            drawing.cancel()  # if it has not begun


class RayDrawer:
    """The front's side of the replicas."""

    def __init__(self, options: ServeOptions, models: Models, safety: str | None):
        """Join the cluster, or start one on this machine; replicas come with the first `open`.

        Raises:
            UserError: there is no cluster at that address; a file that other machines may not find.
        """
        self._options, self._models, self._safety = options, models, safety
        self._most = max(options.replicas, options.most_replicas or 0)
        self._handle: DeploymentHandle | None = None
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._running = options.replicas
        _join(options, self._most)

    @property
    def most_lanes(self) -> int:
        return _BATCHES * self._most

    @property
    def lanes(self) -> int:
        return _BATCHES * max(1, self._running)

    def open(self, model: str) -> Opened:
        if (known := self._models.known(model)) is not None:
            return known
        self._models.loading(model)
        try:
            opened: Opened = _answer(lambda: self._replicas().open.remote(model).result())
        except Exception:
            self._models.failed(model)
            raise
        self._models.opened(model, opened)
        return opened

    def draw(self, batch: Batch, each_step: EachStep) -> "list[list[Picture]]":
        handle = self._replicas().options(stream=True, multiplexed_model_id=batch.affinity)
        answers = _answer(lambda: handle.draw.remote(batch))
        answer: str | Step | list[list[Picture]]
        try:
            while True:
                answer = _answer(lambda: next(answers))
                if isinstance(answer, str):
                    _log.info("replica %s draws %d jobs with %s", answer, len(batch.asked), batch.affinity)
                elif isinstance(answer, Step):
                    each_step(answer)
                else:
                    return answer
        except BaseException:
            answers.cancel()
            raise

    def close(self) -> None:
        self._closed.set()
        if self._handle is not None and self._options.ray != LOCAL:  # which ends with this process
            with contextlib.suppress(RayError, RayServeException):
                serve.delete(_APP)
        ray.shutdown()

    def _replicas(self) -> DeploymentHandle:
        """Started by whoever asks first."""
        with self._lock:
            if self._handle is None:
                self._handle = self._started()
                threading.Thread(target=self._count, name="replicas", daemon=True).start()
            return self._handle

    def _started(self) -> DeploymentHandle:
        options = self._options
        resources: dict[str, float] = {"num_cpus": options.replica_cores}
        if options.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0:
            resources["num_gpus"] = 1
        growing = self._most > options.replicas
        scale = {
            "min_replicas": options.replicas,
            "max_replicas": self._most,
            "target_ongoing_requests": _ASKED_FOR,
            "upscale_delay_s": _GROW,
            "downscale_delay_s": _SHRINK,
        }
        deployment = serve.deployment(Replica).options(
            name="replica",
            num_replicas=None if growing else options.replicas,
            autoscaling_config=scale if growing else None,
            max_ongoing_requests=_BATCHES,
            graceful_shutdown_timeout_s=_DRAIN,
            ray_actor_options=resources,
            logging_config={"log_level": "WARNING"},
        )
        serve.start(proxy_location="Disabled", logging_config={"log_level": "WARNING"})  # HTTP is the front's
        bound = deployment.bind(options, self._models.names, self._safety)
        return serve.run(bound, name=_APP, route_prefix=None, logging_config={"log_level": "WARNING"})

    def _count(self) -> None:
        while not self._closed.wait(_LOOK):
            with contextlib.suppress(Exception):  # Ray has its own log of what fails
                app = serve.status().applications[_APP]
                self._running = sum(each.replica_states.get("RUNNING", 0) for each in app.deployments.values())


def _join(options: ServeOptions, replicas: int) -> None:
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    if options.ray != LOCAL:
        for path in (*(options.model or ()), *(options.lora or ()), *(options.embedding or ())):
            if os.path.exists(path) and not os.path.isabs(path):
                raise UserError(f"{path}: replicas run elsewhere; give an absolute path that every machine has")
    join_cluster(str(options.ray), replicas * options.replica_cores, "--ray")


def _caught(call: Callable[[], Answer]) -> Callable[[], Answer | Failed]:
    """The same, but what it raises is returned: Ray would make a text of it."""

    def caught() -> Answer | Failed:
        try:
            return call()
        except UserError as error:
            return Failed(error)
        except Exception:
            return Failed(ReplicaError(traceback.format_exc()))

    return caught


def _answer(ask: Callable[[], Answer | Failed]) -> Answer:
    """What a replica answers.

    Raises:
        Lost: it is gone.
        UserError, ReplicaError: what it failed by.
    """
    try:
        answer = ask()
    except RayTaskError as error:
        raise ReplicaError(str(error)) from None
    except (RayError, RayServeException, StopIteration) as error:
        raise Lost(str(error).partition("\n")[0]) from None
    if isinstance(answer, Failed):
        raise answer.error
    return answer
