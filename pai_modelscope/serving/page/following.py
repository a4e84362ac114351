"""Follows jobs while they wait and are drawn. The jobs are the service's: a page that goes loses none, and finds them
again."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from pai_modelscope.serving.apis.common import current
from pai_modelscope.serving.page import views
from pai_modelscope.serving.page.words import Words
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_KEY = "page-"
_LOOK = 1.0  # seconds between looks at a place in the queue
_LEAST = 0.25  # seconds between two changes of the page


def new_key() -> str:
    """The key of a job that the page asks for, by which it knows its own."""
    return f"{_KEY}{uuid.uuid4().hex}"


def unended(service: "Service", client: str) -> list[Job]:
    """The client's jobs from the page that wait or are drawn, the newest first."""
    jobs = service.store.of_client(client)
    return [job for job in jobs if not job.state.ended and (job.key or "").startswith(_KEY)]


async def follow(service: "Service", job: Job, words: Words) -> AsyncIterator[tuple[str, str]]:
    """The state and the pictures of a job as HTML, until it has ended."""
    loop, before = asyncio.get_running_loop(), ("", "")
    while True:
        watched = service.watched.get(job.id)
        job = await current(service, job)
        shown = _shown(service, job, words)
        if shown != before:
            before = shown
            yield shown
        if job.state.ended:
            return
        until = loop.time() + _LEAST
        await service.watched.wait(job.id, watched.version, _LOOK)
        await asyncio.sleep(max(0.0, until - loop.time()))


async def all_ended(service: "Service", jobs: Sequence[Job]) -> AsyncIterator[list[Job]]:
    """The jobs as they are now, each time that one of them has ended."""
    now, ended = list(jobs), -1
    while True:
        now = [await current(service, job) for job in now]
        count = sum(job.state.ended for job in now)
        if count > ended:
            ended = count
            yield now
        if count == len(now):
            return
        await asyncio.sleep(_LOOK)


def _shown(service: "Service", job: Job, words: Words) -> tuple[str, str]:
    if job.state is State.DONE:
        seconds = round((job.ended or job.created) - (job.started or job.created), 1)
        return views.line(words("done", seconds), "fine"), views.pictures(service, job, words)
    if job.state is State.CANCELLED:
        return views.line(words("cancelled")), ""
    if job.state.ended:
        return views.line(words("failed", job.error or job.state), "error"), ""
    if job.state is State.QUEUED:
        before = service.queue.before(job.id)
        seconds = round(service.engine.seconds(before or ()))
        return views.line(words("waiting", len(before), seconds) if before else words("loading")), ""
    watched = service.watched.get(job.id)
    if not watched.steps or not watched.step:
        return views.line(words("loading"), share=0.0), ""
    share = watched.step / watched.steps
    left = (time.time() - (job.started or job.created)) * (1 - share) / share
    said = words("drawing", watched.step, watched.steps, max(1, round(left)))
    return views.line(said, share=share), views.preview(watched.preview)
