"""Where pictures are drawn: what the engine asks of such a place, and this process as one."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.serving.content import sampler_safety
from pai_modelscope.serving.models import MIB, Models, Opened

if TYPE_CHECKING:
    from PIL import Image

    from pai_modelscope.sampling import Picture, Sampler
    from pai_modelscope.sampling.progress import Previews

_ROWS_OF_A_GPU = 8  # pictures that are drawn at once, where the operator says nothing
OpenModel = Callable[[str], "Sampler"]


class Lost(Exception):
    """The place that drew is gone, for no fault that is known: what it drew is to be drawn again."""


@dataclass(frozen=True)
class Batch:
    """Jobs of one model that are drawn together.

    Attributes:
        asked: texts, options and pictures of each job, as `Sampler` takes them.
        preview_steps: after so many steps, a preview is made; 0: never.
        until_flagged: it may end as soon as the safety check objects to a picture of each job.
        affinity: batches of the same text change the least where they are drawn one after the other.
    """

    model: str
    asked: Sequence[Mapping[str, object]]
    preview_steps: int = 0
    until_flagged: bool = False
    affinity: str = ""


@dataclass(frozen=True)
class Step:
    """`step` of `steps` is done, after `seconds`; `previews`: JPEG files of how the pictures will look, if any."""

    step: int
    steps: int
    seconds: float
    previews: tuple[bytes, ...] = ()


EachStep = Callable[[Step], None]


class Drawer(Protocol):
    """A place where pictures are drawn. It tells `Models` what it opens and puts away.

    `lanes`: batches that it takes at once now, each from a thread of the engine; `most_lanes`: that it may ever take.
    """

    @property
    def lanes(self) -> int: ...

    @property
    def most_lanes(self) -> int: ...

    def open(self, model: str) -> Opened:
        """Open a model, unless it is open. Raises `UserError` or what went wrong: it can't be opened."""

    def draw(self, batch: Batch, each_step: EachStep) -> "list[list[Picture]]":
        """The pictures of each job. What `each_step` raises ends it within a step, and is raised.

        Raises:
            UserError: what is asked for can't be drawn.
            Lost: see there.
        """

    def close(self) -> None:
        """Nothing is drawn here any more."""


class ModelDrawer:
    """Draws in this process: one thread at a time owns all its models, and puts away the least recently used where
    memory runs short."""

    lanes = most_lanes = 1

    def __init__(self, models: Models, open_model: OpenModel, budget: int | None = None, pinned: Sequence[str] = ()):
        """`budget`: bytes that all models together may take; `pinned`: those that are never put away."""
        self._models, self._open_model = models, open_model
        self._budget, self._pinned = budget, set(pinned)
        self._samplers: dict[str, Sampler] = {}  # the least recently used first

    def open(self, model: str) -> Opened:
        self.sampler(model)
        opened = self._models.known(model)
        assert opened is not None  # it has just been told
        return opened

    def draw(self, batch: Batch, each_step: EachStep) -> "list[list[Picture]]":
        sampler, rows = self.sampler(batch.model), len(batch.asked)
        # A job that shares a batch is one picture, see `Service.submit`.
        asked = [{**texts, "batch_size": rows} for texts in batch.asked] if rows > 1 else list(batch.asked)
        before = time.monotonic()

        def callback(step: int, steps: int, latents: object, previews: "Previews") -> None:
            nonlocal before
            now = time.monotonic()
            # Of a picture that the safety check may object to, nothing is shown before it has been checked.
            wanted = batch.preview_steps and not sampler.safety
            due = wanted and step < steps and (step - 1) % batch.preview_steps == 0
            shown = tuple(map(_jpeg, previews())) if due else ()
            each_step(Step(step, steps, now - before, shown))
            before = now

        drawn: list[list[Picture]] = [[] for _ in asked]
        # Several pictures of one job are drawn one after the other or together, as Sampler does.
        for picture in sampler.stream(asked, callback=callback):
            drawn[picture.index if rows > 1 else 0].append(picture)
            if batch.until_flagged and all(any(each.flagged for each in of_job) for of_job in drawn):
                break  # none of them will be kept
        return [sorted(each, key=lambda picture: picture.index) for each in drawn]

    def close(self) -> None:
        self._samplers.clear()

    def sampler(self, model: str) -> "Sampler":
        """The model, opened."""
        if (open_already := self._samplers.pop(model, None)) is not None:
            self._samplers[model] = open_already
            return open_already
        self._models.loading(model)
        try:
            sampler = self._open_model(model)
        except Exception:
            self._models.failed(model)
            raise
        self._samplers[model] = sampler
        self._models.opened(model, Opened.of(sampler))
        self._make_room(model)
        return sampler

    def _make_room(self, newest: str) -> None:
        for name in [name for name in self._samplers if name != newest and name not in self._pinned]:
            if self._budget is None or sum(map(self._models.bytes, self._samplers)) <= self._budget:
                return
            del self._samplers[name]
            self._models.put_away(name)


def here(options: ServeOptions, models: Models, safety: str | None, open_model: OpenModel | None = None) -> ModelDrawer:
    """This process, as the options have it. `safety`: see `safety_of`."""

    def usual(name: str) -> "Sampler":
        from pai_modelscope.sampling import Sampler

        sampler = Sampler.from_pretrained(name, device=options.device, safety=sampler_safety(safety))
        for lora in options.lora or ():
            sampler.add_lora(lora)
        for embedding in options.embedding or ():
            sampler.add_embedding(embedding)
        return sampler

    budget = None if options.memory_mib is None else options.memory_mib * MIB
    return ModelDrawer(models, open_model or usual, budget, pinned=models.names[:1])


def rows_at_once(opened: Opened, asked: int | None) -> int:
    """Pictures of several jobs that are drawn together: what the operator `asked` for, or what the device likes."""
    return asked or (1 if opened.on_cpu else _ROWS_OF_A_GPU)


def _jpeg(picture: "Image.Image") -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()
