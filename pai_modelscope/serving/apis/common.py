"""What protocols share: who asks, and waiting for a job on a connection that may go away."""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import Request
from starlette.requests import HTTPConnection

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.serving.content import ContentRefused
from pai_modelscope.serving.remote_pictures import is_address
from pai_modelscope.serving.service import KeyReused, NotYet
from pai_modelscope.serving.store import Drawn, Job, State
from pai_modelscope.serving.waiting import Full
from pai_modelscope.untrusted import parse_json

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_LOOK = 0.5  # seconds between looks whether the client is still there
_MOST_NAMES = 1000  # of the objects in a body: each may become a fault of its own
REFUSALS = (UserError, Full, NotYet, KeyReused)  # what `Service.submit` says no with


@dataclass(frozen=True)
class Refusal:
    """A no, for a protocol to say in its own form: HTTP's status, the words, and headers that belong to them.

    `content`: it is the operator's, to what is asked for or to what was drawn, and no fault of client or server.
    """

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bool = False


def refusal(error: Exception) -> Refusal:
    """What one of `REFUSALS` comes to."""
    if isinstance(error, Full):
        return Refusal(429, str(error), {"Retry-After": "2"})
    if isinstance(error, NotYet):
        return Refusal(503, str(error), {"Retry-After": "5"})
    if isinstance(error, KeyReused):
        return Refusal(409, "this key came with another request: use a new one")
    return Refusal(400, str(error), content=isinstance(error, ContentRefused))


def unended(job: Job) -> str:
    """Why a job that is over has no pictures."""
    return job.error or f"the job was {job.state}"


def refusal_of(job: Job) -> Refusal:
    """What a job that is over without pictures comes to."""
    return Refusal(400 if job.refused else 500, unended(job), content=job.refused)


def client_of(connection: HTTPConnection) -> str:
    return str(connection.state.client)


def json_object(content: bytes) -> dict[str, object]:
    """A body as the object that it must be; for a worker's thread, as it may be long.

    Raises:
        UserError: no JSON, no object, more names than any request has, or what could not be written as JSON again:
            answers tell of requests.
    """
    body = parse_json(content, "the body")
    if not isinstance(body, dict):
        raise UserError("the body is no JSON object")
    if (names := _names(body)) > _MOST_NAMES:
        raise UserError(f"the body holds {names} names; requests have up to {_MOST_NAMES}")
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise UserError("the body holds half a character, a surrogate without its other half: send UTF-8") from None
    except ValueError:
        raise UserError("the body holds NaN or a number that is not finite, which JSON does not have") from None
    return dict(body)


def _names(value: object) -> int:
    """How many names the objects in a JSON value have together."""
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    return sum(map(_names, value)) if isinstance(value, list) else 0


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


def fields_twice(given: Mapping[str, object], names: Mapping[str, str]) -> list[Fault]:
    """A fault for each field that says the same as another; `names`: the protocol's names of options of ours."""
    return [
        Fault(name, f"{name} and {ours} say the same: give one of them")
        for name, ours in names.items()
        if name != ours and given.get(name) is not None and given.get(ours) is not None
    ]


def data_url(name: str, value: object, file: Callable[[str], bytes] | None = None) -> str:
    """A picture in base64 as the data URL that a request takes.

    Args:
        file: gives the file at an address; None: an address stays, as `Service.submit` takes it, too.

    Raises:
        UserError: no text; nothing is at the address.
    """
    if not isinstance(value, str) or not value:
        raise UserError.of([Fault(name, f"{name} is {short_repr(value)}; give the file of a picture in base64")])
    if is_address(value):
        if file is None:
            return value
        try:
            value = base64.b64encode(file(value)).decode()
        except UserError as error:
            raise UserError.of([Fault(name, f"{name}: {error}")]) from None
    return value if value.startswith("data:") else f"data:image/png;base64,{''.join(value.split())}"


def file_of(service: "Service", request: Request) -> Callable[[str], bytes]:
    """Gives the file at an address, for the client that asks."""
    return partial(service.uploads.file, client_of(request))


def encoded(service: "Service", drawn: Drawn) -> str:
    """The file of a picture in base64."""
    return base64.b64encode(service.result(drawn["file"]).read_bytes()).decode()


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


def links(service: "Service", job: Job, connection: HTTPConnection) -> list[str]:
    """The addresses of a job's pictures, at the host that the request came to."""
    base = re.sub("^ws", "http", str(connection.base_url)).rstrip("/")  # a WebSocket's begin with ws or wss
    return [base + link(service, job, number) for number in range(len(job.pictures))]


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
