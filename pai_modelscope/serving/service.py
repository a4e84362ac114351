"""The service without HTTP: jobs come in, are kept, drawn, watched, cancelled and in the end removed."""

import hashlib
import json
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pai_modelscope.config.model import DEFAULT_MODEL
from pai_modelscope.config.serving import ClientOptions, ServeOptions
from pai_modelscope.errors import Fault, UserError, need
from pai_modelscope.files import remove
from pai_modelscope.images.aigc_label import labelling
from pai_modelscope.prompting.word_list import WordList
from pai_modelscope.serving.access import Links
from pai_modelscope.serving.admission import admit, asked_of, known_controls, uploads_of
from pai_modelscope.serving.content import ContentRefused, safety_of
from pai_modelscope.serving.drawing import Drawer, OpenModel, here
from pai_modelscope.serving.engine import Engine
from pai_modelscope.serving.metrics import Metrics
from pai_modelscope.serving.models import MIB, Models, Presence
from pai_modelscope.serving.remote_pictures import RemotePictures
from pai_modelscope.serving.store import Job, JobStore, State
from pai_modelscope.serving.uploads import Uploads
from pai_modelscope.serving.waiting import FairQueue, Waiting
from pai_modelscope.serving.watching import Watched

if TYPE_CHECKING:
    from pai_modelscope.sampling import ResolvedRequest

FORMATS = ("png", "jpeg", "webp")
_DAY = 24 * 3600.0
_SWEEP_SECONDS = 60.0
_FREE_MIB = 64  # of the disk, below which nothing is accepted
_log = logging.getLogger(__name__)


class NotYet(Exception):
    """The model is being opened, or the service is about to end: to be tried again."""


class KeyReused(Exception):
    """The client's key has been used for another request."""


class Service:
    """One folder of jobs, one engine. `open_model` opens a model by its name, with LoRAs and embeddings added."""

    def __init__(self, options: ServeOptions, open_model: OpenModel | None = None):
        """Take the folder and what waits in it.

        Raises:
            UserError: the folder is another service's, or can't be written to; a label that can't be; a safety
                check that is not installed; a file of words that can't be read.
        """
        self.options = options
        usual = "both" if options.reached_by_others else "metadata"
        label = labelling(options.aigc_label, options.aigc_producer, usual=usual)
        self._safety = safety_of(options)
        self._words = WordList.read(options.prompt_words) if options.prompt_words else None
        names = options.model or [DEFAULT_MODEL]
        self.folder = Path(options.data)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # prompts are nobody else's to read
            self._lock = FileLock(self.folder / "lock", thread_local=False)  # another thread ends the service
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another service draws in {self.folder}: give another --data") from None
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror or error}; give another --data") from None
        self.store = JobStore(self.folder / "jobs.sqlite")
        self.queue = FairQueue(options.queue, options.queue_of_client)
        self.watched = Watched()
        self._own: dict[str, ServeOptions] = {}
        remote = RemotePictures(options.body_mib * MIB) if options.picture_urls else None
        self.uploads = Uploads(self.folder / "uploads", options.picture_pixels, remote)
        self.links = Links(self.folder)
        self.metrics = Metrics()
        self.metrics.waiting.set_function(lambda: len(self.queue))
        self.models = Models(names, self.metrics)
        self.drawer = self._drawer(open_model)
        self.engine = Engine(
            self.drawer,
            self.queue,
            self.store,
            self.watched,
            self.result,
            lambda job: asked_of(job.request, self.uploads.content),
            self.metrics,
            self._public,
            options.batch,
            label,
            options.preview_steps,
            self._safety == "refuse",
        )
        for job in self.store.recover():
            self.queue.put(Waiting.of(job), anyway=True)
        self._remove_orphans()
        self.began = time.time()
        self._ending = threading.Event()

    def start(self) -> None:
        """Begin to draw."""
        self.engine.want(self.models.names[0])
        self.engine.start()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def stop(self, timeout: float | None = None) -> bool:
        """Finish what is being drawn; what waits, waits for the next service. Whether all was finished in time."""
        self._ending.set()
        done = self.engine.stop(timeout)
        if done:
            self.store.close()
        else:
            self.store.give_back()
        self._lock.release()
        return done

    @property
    def ready(self) -> bool:
        """Whether a picture can be drawn."""
        first = self.models.presence(self.models.names[0])
        return first is Presence.READY and self.engine.alive and not self._ending.is_set()

    def limit(self, clients: Mapping[str, ClientOptions]) -> None:
        """Hold these clients to bounds of their own."""
        self._own = {name: own.over(self.options) for name, own in clients.items()}
        self.queue.limit({name: (self._own[name].queue_of_client, own.priority) for name, own in clients.items()})

    def options_of(self, client: str) -> ServeOptions:
        """The options as they hold for a client."""
        return self._own.get(client, self.options)

    def submit(
        self,
        client: str,
        body: Mapping[str, object],
        *,
        model: str | None = None,
        format: str = "png",
        key: str | None = None,
        priority: int = 0,
    ) -> Job:
        """Accept a request: when this returns, the job is on the disk.

        `key`: the client's own; a second request with it and the same body gives the first one's job.

        Raises:
            UserError: with a fault for every field that can't be.
            ContentRefused: a word that the operator does not have drawn.
            Full: too many jobs wait, or too many pictures are being fetched.
            NotYet: the model is not open yet.
            KeyReused: the key came with another body.
        """
        model = self._model(model, format)
        digest = hashlib.sha256(json.dumps([body, model, format], sort_keys=True).encode()).hexdigest()
        if key is not None and (found := self.store.by_key(client, key)):
            return _same(found, digest)
        if self._ending.is_set() or not self.engine.alive:
            raise NotYet("the service is about to end, or to begin")
        if shutil.disk_usage(self.folder).free < _FREE_MIB * MIB:
            raise NotYet("the service's disk is full")
        self.queue.check(client)
        opened = self.models.known(model)
        if opened is None:
            self.engine.want(model)
            if self.models.presence(model) is Presence.FAILED:
                raise NotYet(f"the model {model} could not be opened, and is tried again: the service's log says why")
            raise NotYet(f"the model {model} is being opened")
        uploads, options = self.uploads, self.options_of(client)

        def keep(reference: str) -> str:
            return uploads.keep(client, reference)

        try:
            admitted = admit(body, opened.limits, options, keep, uploads.content, self._words, opened.room)
        except ContentRefused as error:
            self.metrics.refused.labels(model, "words").inc()
            _log.info("a request of %s is refused: it has the word of line %d of --prompt-words", client, error.line)
            raise
        pictures = admitted.pictures
        job = Job(
            id=uuid.uuid4().hex,
            client=client,
            model=model,
            request=admitted.request,
            digest=digest,
            key=key,
            format=format,
            priority=priority,
            created=time.time(),
            together=_together(model, pictures),
            rows=sum(len(picture.passes[0].parts) for picture in pictures),
            affinity=_affinity(model, pictures),
            cost=sum(map(_cost, pictures)),
        )
        kept = self.store.add(job)
        if kept.id != job.id:  # another request with the same key was quicker
            return _same(kept, digest)
        self.queue.put(Waiting.of(job), anyway=True)
        return job

    def cancel(self, job: Job) -> bool:
        """Whether it had not ended."""
        ended = self.store.cancel(job.id)
        if ended:
            self.engine.cancel(job.id)
            if self.queue.remove(job.id):
                self.metrics.ended.labels(job.model, State.CANCELLED).inc()
                self.watched.forget(job.id)
            else:
                self.watched.changed(job.id)
        return ended

    def job(self, client: str, id: str) -> Job | None:
        """The client's job of that id; another client's is none."""
        job = self.store.get(id)
        return job if job is not None and job.client == client else None

    def _public(self, infotext: str) -> str:
        """Without the places of the server's files."""
        for source in (*(self.options.lora or ()), *(self.options.embedding or ())):
            path = os.path.abspath(source)
            infotext = infotext.replace(path, os.path.basename(path))
        return infotext

    def loras(self) -> list[str]:
        """The names by which prompts may use LoRAs: those of the first model."""
        limits = self.models.limits(self.models.names[0])
        return sorted(limits.loras) if limits else []

    def embeddings(self) -> dict[str, tuple[int, ...]]:
        """The words of the embeddings that the first model has loaded, and the shape (n, width) of their vectors."""
        limits = self.models.limits(self.models.names[0])
        return dict(limits.words) if limits else {}

    def controls(self) -> list[str]:
        """The kinds of control that the first model has a ControlNet for."""
        limits = self.models.limits(self.models.names[0])
        return known_controls(limits) if limits else []

    def result(self, file: str) -> Path:
        """Where a picture lies."""
        return self.folder / "results" / file[:2] / file

    def _model(self, model: str | None, format: str) -> str:
        faults = []
        if model is not None and model not in self.models.names:
            valid = ", ".join(self.models.names)
            faults.append(Fault("model", f"this server has no model {model[:100]!r}; it has {valid}", valid))
        if format not in FORMATS:
            valid = ", ".join(FORMATS)
            faults.append(Fault("format", f"format is {format[:100]!r}; valid are {valid}", valid))
        if faults:
            raise UserError.of(faults)
        return model or self.models.names[0]

    def _drawer(self, open_model: OpenModel | None) -> Drawer:
        if self.options.ray is None:
            return here(self.options, self.models, self._safety, open_model)
        need("cluster", "--ray", "ray.serve")
        from pai_modelscope.serving.replicas import RayDrawer

        return RayDrawer(self.options, self.models, self._safety)

    def _sweep(self) -> None:
        """Remove what is too old or too much, now and then."""
        while not self._ending.wait(_SWEEP_SECONDS):
            try:
                self.sweep()
            except Exception:
                _log.exception("old jobs can't be removed")

    def sweep(self) -> None:
        options = self.options
        age, most = options.keep_days * _DAY, options.keep_mib * MIB
        with self.engine.files:
            for file in self.store.remove_old(time.time() - age, most, options.keep_jobs):
                self.result(file).unlink(missing_ok=True)
        used = {name for job in self.store.unended() for name in uploads_of(job.request)}
        self.uploads.remove_old(age, most, used)

    def _remove_orphans(self) -> None:
        """Files of pictures that no job has: of one that ended otherwise while they were written."""
        known = self.store.files()
        for path in (self.folder / "results").glob("*/*"):
            if path.name not in known:
                remove(path)


def _same(job: Job, digest: str) -> Job:
    if job.digest != digest:
        raise KeyReused
    return job


def _together(model: str, pictures: "Sequence[ResolvedRequest]") -> str:
    """What jobs of one batch have in common; nothing for a job that is drawn alone."""
    from pai_modelscope.sampling.sampler import batch_key

    if len(pictures) > 1 or pictures[0].batch_size is not None or pictures[0].upscale is not None:
        return ""
    first = pictures[0]
    key = repr((model, batch_key(first), len(first.passes[0].parts)))  # pictures stand in it by their digests
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()


def _cost(picture: "ResolvedRequest") -> float:
    """See `Pace`; a second pass draws at the size of the finished picture."""
    pixels = [picture.width * picture.height, picture.width * picture.height]
    if picture.upscale is not None:
        pixels[1] *= picture.upscale.factor**2
    passes = zip(picture.passes, pixels, strict=False)
    return float(sum(drawing.steps * (len(drawing.parts) + 1) * size for drawing, size in passes))


def _affinity(model: str, pictures: "Sequence[ResolvedRequest]") -> str:
    """The model and the LoRAs that it is drawn with."""
    return "+".join([model, *sorted({use.name for picture in pictures for use in picture.loras})])
