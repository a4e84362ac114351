"""DashScope, Alibaba's Model Studio: image synthesis as tasks, under `/api/v1` and `/dashscope/api/v1`.

Reference: https://help.aliyun.com/zh/model-studio/text-to-image, and the client `dashscope`.
"""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
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
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_PREFIXES = ("/api/v1", "/dashscope/api/v1")
_STATES = {
    State.QUEUED: "PENDING",
    State.RUNNING: "RUNNING",
    State.DONE: "SUCCEEDED",
    State.CANCELLED: "CANCELED",
}
_CODES = {429: "Throttling", 500: "InternalError", 503: "ModelServingError"}  # by HTTP's status
# Its styles, as the shipped model calls them; written before the prompt, and told in `actual_prompt`.
_STYLES = {
    "<auto>": "",
    "<chinese painting>": "水墨画",
    "<watercolor>": "水彩画",
    "<oil painting>": "油画",
    "<flat illustration>": "扁平风景",
    "<anime>": "动漫风景",
}
_INPUT = ("prompt", "negative_prompt", "ref_img", "base_image_url", "mask_image_url")
_PARAMETERS = {"n": "num_images_per_prompt", "seed": "seed", "prompt_extend": "beautify"}
_NOTHING = ("watermark",)  # valid where it asks for none


class DashScopeApi:
    """What the client `dashscope` calls as `ImageSynthesis.call`, `async_call`, `fetch`, `wait` and `cancel`."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(tags=["dashscope"])

        async def synthesis(request: Request) -> JSONResponse:
            """Ask for pictures; the answer names the task."""
            if request.headers.get("x-dashscope-async") != "enable":
                message = "pictures come as tasks: send the header 'X-DashScope-Async: enable'"
                return _error(403, "AccessDenied", message)
            content, client = await request.body(), client_of(request)

            def accept() -> Job:
                model, body = _read(json_object(content))
                return service.submit(client, body, model=model)

            try:
                job = await anyio.to_thread.run_sync(accept)
            except REFUSALS as error:
                no = refusal(error)
                return _error(no.status, _code(no), no.message, no.headers)
            output = {"task_id": job.id, "task_status": "PENDING"}
            return JSONResponse({"request_id": uuid.uuid4().hex, "output": output})

        async def task(request: Request, id: str) -> JSONResponse:
            """How far a task is, and links to its pictures."""
            return await anyio.to_thread.run_sync(_task, service, request, id)

        async def cancel(request: Request, id: str) -> JSONResponse:
            """Cancel a task, whether it waits or is being drawn."""
            job = await anyio.to_thread.run_sync(lambda: service.job(client_of(request), id))
            if job is None or not await anyio.to_thread.run_sync(lambda: service.cancel(job)):
                return _error(400, "UnsupportedOperation", "there is no such task of yours, or it has ended")
            return JSONResponse({"request_id": uuid.uuid4().hex})

        for prefix in _PREFIXES:
            for task_of in ("text2image", "image2image"):
                path = f"{prefix}/services/aigc/{task_of}/image-synthesis"
                router.add_api_route(path, synthesis, methods=["POST"])
            router.add_api_route(f"{prefix}/tasks/{{id}}", task, methods=["GET"])
            router.add_api_route(f"{prefix}/tasks/{{id}}/cancel", cancel, methods=["POST"])
        return router


def _read(body: dict[str, object]) -> tuple[str | None, dict[str, object]]:
    """The model and the request in our words. Raises `UserError` with a fault for all that can't be honoured."""
    faults: list[Fault] = []
    model, given, parameters = body.get("model"), body.get("input"), body.get("parameters") or {}
    if model is not None and not isinstance(model, str):
        raise UserError.of([Fault("model", f"model is {short_repr(model)}; give a name")])
    if not isinstance(given, dict) or not isinstance(parameters, dict):
        raise UserError.of([Fault("input", "input and parameters are objects")])
    request: dict[str, object] = {"prompt": given.get("prompt", ""), "negative_prompt": given.get("negative_prompt")}
    if given.get("base_image_url") and given.get("ref_img"):
        faults.append(
            Fault("ref_img", "base_image_url and ref_img are both given: this service draws from one picture")
        )
    request["image"] = given.get("base_image_url") or given.get("ref_img")
    faults += [
        Fault(name[:100], f"{short_repr(name)} beside input and parameters has no meaning here: leave it out")
        for name in body
        if name not in ("model", "input", "parameters", "task", "function") and body[name] is not None
    ]
    request["mask"] = given.get("mask_image_url")
    for name in given:
        if name not in _INPUT:
            faults.append(Fault(name, f"input.{short_repr(name)} has no meaning here: leave it out"))
    for name, value in parameters.items():
        if name == "size":
            try:
                request |= size_of(value, "*")
            except UserError as error:
                faults += error.faults
        elif name == "style":
            request["prompt"] = _styled(value, request["prompt"], faults)
        elif name == "ref_strength":
            request["strength"] = _strength(value, faults)
        elif name in _PARAMETERS:
            request[_PARAMETERS[name]] = value
        elif name not in _NOTHING or value:
            faults.append(Fault(name, f"parameters.{short_repr(name)} can't be honoured: leave it out"))
    if faults:
        raise UserError.of(faults)
    return model, request


def _styled(style: object, prompt: object, faults: list[Fault]) -> object:
    if not isinstance(style, str) or style not in _STYLES:
        valid = ", ".join(_STYLES)
        faults.append(Fault("style", f"style is {short_repr(style)}; this service knows {valid}", valid))
        return prompt
    words = _STYLES[style]
    return f"{words},{prompt}" if words and isinstance(prompt, str) and prompt.strip() else prompt


def _strength(likeness: object, faults: list[Fault]) -> object:
    """DashScope's says how like the picture is to its reference, ours how far it goes from it."""
    if isinstance(likeness, bool) or not isinstance(likeness, int | float) or not 0 <= likeness < 1:
        valid = "a number from 0 to below 1"
        faults.append(Fault("ref_strength", f"ref_strength is {short_repr(likeness)}; give {valid}", valid))
        return None
    return 1 - likeness


def _task(service: "Service", request: Request, id: str) -> JSONResponse:
    job = service.job(client_of(request), id)
    answer: dict[str, object] = {"request_id": uuid.uuid4().hex}
    if job is None:
        return JSONResponse(answer | {"output": {"task_id": id, "task_status": "UNKNOWN"}})
    output: dict[str, object] = {"task_id": job.id, "task_status": _STATES.get(job.state, "FAILED")}
    times = (("submit_time", job.created), ("scheduled_time", job.started), ("end_time", job.ended))
    output |= {name: _time(seconds) for name, seconds in times if seconds is not None}
    if job.state is State.DONE:
        total = len(job.pictures)
        output["results"] = [
            {"url": url, "actual_prompt": drawn["prompt"], "flagged": drawn["flagged"]}
            for url, drawn in zip(links(service, job, request), job.pictures, strict=True)
        ]
        output["task_metrics"] = {"TOTAL": total, "SUCCEEDED": total, "FAILED": 0}
        answer["usage"] = {"image_count": total}
    elif job.state in (State.FAILED, State.INTERRUPTED):
        no = refusal_of(job)
        output |= {"code": _code(no), "message": no.message}
    return JSONResponse(answer | {"output": output})


def _code(no: Refusal) -> str:
    return "DataInspectionFailed" if no.content else _CODES.get(no.status, "InvalidParameter")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "milliseconds")


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"request_id": uuid.uuid4().hex, "code": code, "message": message}, status, headers)
