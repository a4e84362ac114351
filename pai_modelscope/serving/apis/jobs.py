"""The service's own protocol: jobs that are asked for, watched, fetched and cancelled under `/v1`."""

import asyncio
import base64
import json
import math
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from pai_modelscope.config import GenerationRequest
from pai_modelscope.config.schema import Schema, json_schema
from pai_modelscope.errors import UserError
from pai_modelscope.serving.admission import FIELDS, FORMAT, MODEL
from pai_modelscope.serving.apis.common import client_of, current, ended, json_object, link, listed_models
from pai_modelscope.serving.content import CONTENT_REFUSED
from pai_modelscope.serving.problems import problem
from pai_modelscope.serving.service import FORMATS
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_MOST_WAIT = 120.0  # seconds, of `Prefer: wait`
_TICK, _SILENCE = 1.0, 15.0  # seconds between looks at a place in the queue, and between signs of life
_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


class JobsApi:
    """`POST /v1/jobs`, and what belongs to it."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(prefix="/v1", tags=["jobs"])
        accepted: dict[int | str, dict[str, object]] = {
            202: {"description": "accepted"},
            200: {"description": "done, within the time of Prefer: wait"},
        }

        @router.post("/jobs", status_code=202, responses=accepted, openapi_extra=_body())
        async def submit(
            request: Request,
            idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
            prefer: Annotated[str | None, Header(max_length=255)] = None,
        ) -> JSONResponse:
            """Ask for pictures of one prompt. Answers as soon as the job is on the disk; `Prefer: wait=30` waits for
            its end for so many seconds."""
            content, client, seconds = await request.body(), client_of(request), _waits(prefer)

            def accept() -> Job:
                asked = json_object(content)
                model, format = _text(asked, MODEL), _text(asked, FORMAT) or "png"
                priority = 1 if seconds else 0
                return service.submit(client, asked, model=model, format=format, key=idempotency_key, priority=priority)

            job = await anyio.to_thread.run_sync(accept)
            if seconds:
                job = await ended(service, job, seconds)
            headers = {"Location": f"/v1/jobs/{job.id}"}
            return JSONResponse(described(service, job), 200 if job.state.ended else 202, headers)

        @router.get("/jobs")
        def jobs(
            request: Request,
            limit: Annotated[int, Query(ge=1, le=100)] = 50,
            words: Annotated[str, Query(max_length=200)] = "",
        ) -> JSONResponse:
            """The client's own jobs, newest first; with `words`, those whose request holds them."""
            found = service.store.of_client(client_of(request), limit, words)
            return JSONResponse({"jobs": [described(service, job) for job in found]})

        @router.get("/jobs/{id}")
        def job(request: Request, id: str) -> JSONResponse:
            found = service.job(client_of(request), id)
            return JSONResponse(described(service, found)) if found else _no_job()

        @router.delete("/jobs/{id}")
        def cancel(request: Request, id: str) -> JSONResponse:
            """Cancel a job. One that has ended stays as it is."""
            found = service.job(client_of(request), id)
            if found is None:
                return _no_job()
            service.cancel(found)
            return JSONResponse(described(service, service.store.get(id) or found))

        @router.get("/jobs/{id}/events")
        async def events(request: Request, id: str) -> Response:
            """Server-sent events: `position`, `step`, `preview` (a small picture as a data URL), and in the end the
            job's state with the whole job."""
            found = await anyio.to_thread.run_sync(service.job, client_of(request), id)
            if found is None:
                return _no_job()
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(_events(service, found), media_type="text/event-stream", headers=headers)

        @router.get("/jobs/{id}/pictures/{number}")
        def picture(request: Request, id: str, number: int) -> Response:
            """The file of a picture; the job names a link to it that needs no token for a day."""
            found = service.store.get(id) if request.state.linked else service.job(client_of(request), id)
            if found is None or not 0 <= number < len(found.pictures):
                return problem(404, "there is no such picture")
            path = service.result(found.pictures[number]["file"])
            if not path.exists():
                return problem(404, "the picture was removed")
            return FileResponse(path, media_type=_TYPES[found.format], headers={"Cache-Control": "private, immutable"})

        @router.post("/images", status_code=201)
        async def upload(request: Request) -> JSONResponse:
            """Send a picture, its file as the body; requests then name it by the id that is answered."""
            content, client = await request.body(), client_of(request)
            id = await anyio.to_thread.run_sync(service.uploads.add, client, content)
            return JSONResponse({"id": id}, 201)

        @router.get("/models")
        def models() -> JSONResponse:
            return JSONResponse(listed_models(service))

        @router.get("/loras")
        def loras() -> JSONResponse:
            return JSONResponse({"loras": service.loras()})

        @router.get("/schedulers")
        def schedulers() -> JSONResponse:
            from pai_modelscope.sampling import SCHEDULERS

            return JSONResponse({"schedulers": list(SCHEDULERS)})

        @router.get("/controls")
        def controls() -> JSONResponse:
            return JSONResponse({"controls": service.controls()})

        return router


def described(service: "Service", job: Job) -> dict[str, object]:
    """What a client is told of its job."""
    progress = service.watched.get(job.id)
    told: dict[str, object] = {
        "id": job.id,
        "state": job.state,
        "model": job.model,
        "format": job.format,
        "request": job.request,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
    }
    if job.state is State.QUEUED:
        told |= _place(service, job)
    if job.state is State.RUNNING:
        told |= {"step": progress.step, "steps": progress.steps}
    if job.error is not None:
        told["error"] = job.error
    if job.refused:
        told["code"] = CONTENT_REFUSED
    told["pictures"] = [
        {
            "url": link(service, job, number),
            "seed": drawn["seed"],
            "prompt": drawn["prompt"],
            "infotext": drawn["infotext"],
            "flagged": drawn["flagged"],
            "width": drawn["width"],
            "height": drawn["height"],
        }
        for number, drawn in enumerate(job.pictures)
    ]
    return told


async def _events(service: "Service", job: Job) -> AsyncIterator[str]:
    loop, shown, silent_since, previewed = asyncio.get_running_loop(), "", 0.0, 0
    while True:
        progress = service.watched.get(job.id)
        job = await current(service, job)
        if job.state.ended:
            yield _event(job.state, described(service, job))
            return
        if job.state is State.QUEUED:
            event = _event("position", _place(service, job))
        else:
            event = _event("step", {"step": progress.step, "steps": progress.steps})
        if progress.preview is not None and progress.previewed > previewed:
            previewed = progress.previewed
            image = f"data:image/jpeg;base64,{base64.b64encode(progress.preview).decode()}"
            yield _event("preview", {"step": previewed, "image": image})
        if event != shown:
            shown, silent_since = event, loop.time()
            yield event
        elif loop.time() - silent_since > _SILENCE:
            silent_since = loop.time()
            yield ": alive\n\n"
        await service.watched.wait(job.id, progress.version, _TICK)


def _place(service: "Service", job: Job) -> dict[str, object]:
    """How many jobs leave before one that waits, and the seconds after which it will probably begin."""
    before = service.queue.before(job.id)
    if before is None:  # it has just begun
        return {"position": None, "wait_seconds": None}
    return {"position": len(before), "wait_seconds": math.ceil(service.engine.seconds(before))}


def _event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _no_job() -> JSONResponse:
    return problem(404, "there is no such job of yours")


def _text(body: dict[str, object], name: str) -> str | None:
    """Take a text that is no option of a picture out of the body."""
    value = body.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise UserError(f"{name} is {type(value).__name__}; give a text")
    return value


def _waits(prefer: str | None) -> float:
    """The seconds of `Prefer: wait=30` (RFC 7240)."""
    found = re.search(r"\bwait=(\d{1,6})\b", prefer or "")
    return min(float(found[1]), _MOST_WAIT) if found else 0.0


def _body() -> dict[str, object]:
    """The body's schema, made of the declaration of the options."""
    schema: Schema = json_schema(GenerationRequest)
    options = schema["properties"]
    assert isinstance(options, dict)
    properties = {name: value for name, value in options.items() if name in FIELDS}
    properties[MODEL] = {"type": "string", "description": "one of /v1/models; default: the first"}
    properties[FORMAT] = {"enum": list(FORMATS), "default": "png", "description": "of the pictures' files"}
    schema |= {"properties": properties}
    del schema["$schema"]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
