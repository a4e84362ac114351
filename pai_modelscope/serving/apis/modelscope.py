"""ModelScope's API-Inference: `POST /v1/images/generations` with `X-ModelScope-Async-Mode: true`, `GET /v1/tasks/ID`.

The path without that header is OpenAI's, see openai.py; under `/modelscope/v1` it is ModelScope's in any case.
Reference: https://modelscope.cn/docs/model-service/API-Inference/intro
"""

import uuid
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.apis.common import (
    REFUSALS,
    Refusal,
    client_of,
    json_object,
    links,
    refusal,
    refusal_of,
    size_of,
)
from pai_modelscope.serving.content import CONTENT_REFUSED
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

ASYNC = "x-modelscope-async-mode"
_NAMES = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "image_url": "image",
    "n": "num_images_per_prompt",
}
_STATES = {State.QUEUED: "PENDING", State.RUNNING: "RUNNING", State.DONE: "SUCCEED"}


class ModelScopeApi:
    """What ModelScope's documentation calls with `requests`."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(tags=["modelscope"])

        @router.post("/modelscope/v1/images/generations")
        async def generations(request: Request) -> JSONResponse:
            """Ask for pictures; the answer names the task."""
            return await accepted(service, request)

        async def task(request: Request, id: str) -> JSONResponse:
            """How far a task is, and links to its pictures."""
            return await anyio.to_thread.run_sync(_task, service, request, id)

        for prefix in ("/v1", "/modelscope/v1"):
            router.add_api_route(f"{prefix}/tasks/{{id}}", task, methods=["GET"])
        return router


async def accepted(service: "Service", request: Request) -> JSONResponse:
    """A task for the body of the request."""
    content, client = await request.body(), client_of(request)

    def accept() -> Job:
        fields = json_object(content)
        model = fields.pop("model", None)
        if model is not None and not isinstance(model, str):
            raise UserError.of([Fault("model", f"model is {short_repr(model)}; give a name")])
        return service.submit(client, _body(fields), model=model)

    try:
        job = await anyio.to_thread.run_sync(accept)
    except REFUSALS as error:
        no = refusal(error)
        return JSONResponse({"errors": _errors(no), "request_id": uuid.uuid4().hex}, no.status, no.headers)
    return JSONResponse({"task_id": job.id, "task_status": "PENDING", "request_id": job.id})


def _body(fields: dict[str, object]) -> dict[str, object]:
    """Raises `UserError`: a size that is none, a name twice."""
    body: dict[str, object] = {}
    if fields.get("size") is not None and (fields.get("width") or fields.get("height")):
        raise UserError.of([Fault("size", "size and width or height say the same: give one of them")])
    for name, value in fields.items():
        if name == "size" and value is not None:
            body |= size_of(value, "x*")
        elif name == "loras" and isinstance(value, str):
            body["loras"] = {value: 1.0}
        else:
            ours = _NAMES.get(name, name)
            if ours != name and name not in FIELDS and ours in fields:
                raise UserError.of([Fault(name, f"{name} and {ours} say the same: give one of them")])
            body[ours] = value
    return body


def _task(service: "Service", request: Request, id: str) -> JSONResponse:
    job = service.job(client_of(request), id)
    if job is None:
        return JSONResponse({"errors": {"message": "there is no such task of yours"}, "request_id": id}, 404)
    told: dict[str, object] = {"task_id": job.id, "request_id": job.id, "task_status": _STATES.get(job.state, "FAILED")}
    if job.state is State.DONE:
        told["output_images"] = links(service, job, request)
        told["seeds"] = [drawn["seed"] for drawn in job.pictures]
        told["flagged"] = [drawn["flagged"] for drawn in job.pictures]
    elif job.state.ended:
        told["errors"] = _errors(refusal_of(job))
    return JSONResponse(told)


def _errors(no: Refusal) -> dict[str, str]:
    return {"message": printable(no.message)} | ({"code": CONTENT_REFUSED} if no.content else {})
