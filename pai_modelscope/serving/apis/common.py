"""What protocols share: who asks, and waiting for a job on a connection that may go away."""

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import Request

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.serving.store import Job, State
from pai_modelscope.untrusted import parse_json

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_LOOK = 0.5  # seconds between looks whether the client is still there


def client_of(request: Request) -> str:
    return str(request.state.client)


def json_object(content: bytes) -> dict[str, object]:
    """A body as the object that it must be; for a worker's thread, as it may be long.

    Raises:
        UserError: no JSON, or no object.
    """
    body = parse_json(content, "the body")
    if not isinstance(body, dict):
        raise UserError("the body is no JSON object")
    return dict(body)


def size_of(value: object, between: str) -> dict[str, object]:
    """Width and height of a text such as '256x256'; `between`: the characters that may stand between the numbers.

    Raises:
        UserError: something else.
    """
    found = re.fullmatch(rf"(\d{{1,5}})[{re.escape(between)}](\d{{1,5}})", value) if isinstance(value, str) else None
    if found is None:
        message = f"size is {short_repr(value)}; give it as in '256{between[0]}256'"
        raise UserError(message, [Fault("size", message)])
    return {"width": int(found[1]), "height": int(found[2])}


async def current(service: "Service", job: Job) -> Job:
    """The job as it is now."""
    found = await anyio.to_thread.run_sync(lambda: service.store.get(job.id))
    return found or replace(job, state=State.INTERRUPTED, error="the job was removed")


async def ended(service: "Service", job: Job, seconds: float) -> Job:
    """The job once it has ended, or as it is after so many seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        version = service.watched.get(job.id).version
        job = await current(service, job)
        left = until - loop.time()
        if job.state.ended or left <= 0:
            return job
        await service.watched.wait(job.id, version, left)


async def ended_while_there(service: "Service", job: Job, request: Request) -> Job:
    """The job once it has ended. If the client goes before that, nobody will fetch it: it is cancelled."""
    try:
        while not (job := await ended(service, job, _LOOK)).state.ended:
            if await request.is_disconnected():
                await anyio.to_thread.run_sync(lambda: service.cancel(job))
    except BaseException:  # the server ends, or fails: nobody will fetch it either
        service.cancel(job)
        raise
    return job


def link(service: "Service", job: Job, number: int) -> str:
    """The path of a picture, which needs no token for a day."""
    path = f"/v1/jobs/{job.id}/pictures/{number}"
    return f"{path}?{service.links.query(path)}"


def listed_models(service: "Service") -> dict[str, object]:
    """The models in OpenAI's form, with whether they are in memory."""
    listed = [
        {
            "id": name,
            "object": "model",
            "created": int(service.began),
            "owned_by": "pai_modelscope",
            "state": service.models.presence(name),
            "bytes": service.models.bytes(name),
        }
        for name in service.models.names
    ]
    return {"object": "list", "data": listed}
