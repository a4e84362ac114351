"""What `modelscope server` answers: `POST /call` and `GET /describe`, also under `/modelscope`.

A body has `input` and `parameters`, as ModelScope's pipeline `text-to-image-synthesis` takes them: the text, and its
options, which may stand in either. Pictures are files in base64. The pipeline's `output` is left out: the same pictures
once more, which ModelScope's own server writes as numbers. Reference: `modelscope/server` and
`modelscope/utils/input_output.py` of PyPI's `modelscope`.
"""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from pai_modelscope.config import GenerationOptions, GenerationRequest
from pai_modelscope.config.option import short_repr
from pai_modelscope.config.schema import json_schema
from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.admission import FIELDS, MODEL, PICTURES, UPLOAD
from pai_modelscope.serving.apis.common import (
    REFUSALS,
    Refusal,
    client_of,
    data_url,
    encoded,
    ended_while_there,
    fields_twice,
    json_object,
    refusal,
    refusal_of,
)
from pai_modelscope.serving.content import CONTENT_REFUSED
from pai_modelscope.serving.remote_pictures import is_address
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_PREFIXES = ("", "/modelscope")
_TASK = "text-to-image-synthesis"
_TEXTS = {"text": "prompt"}  # the pipeline's two names of it, which are the input's alone
_TYPE = "output_type"  # the pipeline's default is what ModelScope's server makes files of
_STANDARD = str.maketrans("-_", "+/")  # ModelScope reads base64 in both alphabets
_SAMPLE = {"input": {"text": "水墨画,清晨,湖面,小船"}, "parameters": {"seed": 3}}


class ModelScopeServerApi:
    """What clients of a model that `modelscope server` serves call."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(tags=["modelscope"])

        async def call(request: Request) -> JSONResponse:
            """Draw; the answer comes with the pictures, in base64."""
            content, client = await request.body(), client_of(request)

            def accept() -> Job:
                body = json_object(content)
                model = body.pop(MODEL, None)
                if model is not None and not isinstance(model, str):
                    raise UserError.of([Fault(MODEL, f"model is {short_repr(model)}; give a name")])
                return service.submit(client, _read(body), model=model, priority=1)

            try:
                job = await anyio.to_thread.run_sync(accept)
            except REFUSALS as error:
                return _refused(refusal(error), uuid.uuid4().hex)
            job = await ended_while_there(service, job, request)
            if job.state is not State.DONE:
                return _refused(refusal_of(job), job.id)
            return JSONResponse(await anyio.to_thread.run_sync(_outputs, service, job))

        async def describe() -> JSONResponse:
            """What a call takes and gives, and a sample of its body."""
            return JSONResponse({"schema": {"task_name": _TASK, "schema": _schema()}, "sample": _SAMPLE})

        for prefix in _PREFIXES:
            router.add_api_route(f"{prefix}/call", call, methods=["POST"])
            router.add_api_route(f"{prefix}/describe", describe, methods=["GET"])
        return router


def _read(body: Mapping[str, object]) -> dict[str, object]:
    """The request in our words. Raises `UserError`: with a fault for what can't be honoured, before it is drawn."""
    faults = [
        Fault(name[:100], f"{short_repr(name)} beside input and parameters is unknown here")
        for name in body
        if name not in ("input", "parameters")
    ]
    input, parameters = body.get("input"), body.get("parameters")
    if isinstance(input, str):
        input = {"text": input}
    if not isinstance(input, dict):
        faults.append(Fault("input", f"input is {short_repr(input)}; give a text, or an object with one as its text"))
        input = {}
    if not isinstance(parameters, dict | None):
        faults.append(Fault("parameters", f"parameters is {short_repr(parameters)}; give an object"))
        parameters = None
    given = _given(input)
    faults += fields_twice(given, _TEXTS)
    for name, value in _given(parameters or {}).items():
        if name in given:
            faults.append(Fault(name[:100], f"{short_repr(name)} stands in input and in parameters: give it once"))
        elif name in _TEXTS or name in _TEXTS.values():
            faults.append(Fault(name, f"{name} has its place in input"))
        else:
            given[name] = value
    if given.get(_TYPE) == GenerationOptions.output_type:
        del given[_TYPE]
    if faults:
        raise UserError.of(faults)
    return given | {name: _picture(name, given[name]) for name in PICTURES if name in given}


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _picture(name: str, value: object) -> object:
    """A file in base64 as the data URL that a request takes; what else is named stays."""
    if not isinstance(value, str) or value.startswith((UPLOAD, "data:")) or is_address(value):
        return value
    return data_url(name, value.translate(_STANDARD))


def _outputs(service: "Service", job: Job) -> dict[str, object]:
    """As the pipeline gives them, with files in the place of arrays."""
    told: dict[str, object] = {"output_imgs": [encoded(service, drawn) for drawn in job.pictures]}
    told["seeds"] = [drawn["seed"] for drawn in job.pictures]
    told["infotext"] = [drawn["infotext"] for drawn in job.pictures]
    told["flagged"] = [drawn["flagged"] for drawn in job.pictures]
    return told


def _schema() -> dict[str, object]:
    """In the form of ModelScope's schemas of tasks; the parameters are those that this service takes."""
    options = json_schema(GenerationRequest)["properties"]
    assert isinstance(options, dict)
    parameters = {name: about for name, about in options.items() if name in FIELDS and name not in _TEXTS.values()}
    picture = {"type": "string", "description": "The base64 encoded image."}
    return {
        "input": _object({"text": {"type": "string", "description": "The input text."}}),
        "parameters": _object(parameters),
        "output": _object(
            {
                "output_imgs": _array(picture),
                "seeds": _array({"type": "integer"}),
                "infotext": _array({"type": "string"}),
                "flagged": _array({"type": "boolean"}),
            }
        ),
    }


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": properties}


def _array(items: Mapping[str, object]) -> dict[str, object]:
    return {"type": "array", "items": items}


def _refused(no: Refusal, id: str) -> JSONResponse:
    """As ModelScope's `ApiResponse`."""
    data = {"code": CONTENT_REFUSED} if no.content else {}
    told = {"Code": no.status, "Success": False, "RequestId": id, "Message": printable(no.message), "Data": data}
    return JSONResponse(told, no.status, no.headers)
