"""Hugging Face's inference, as its endpoints and `hf-inference` answer it: `POST /hf` and `POST /hf/models/NAME`.

Text to image and image to image; the answer is the picture's file. Options of our own may stand among the parameters.
Reference: https://huggingface.co/docs/inference-providers/tasks/text-to-image and /image-to-image, and the clients
`huggingface_hub` and `@huggingface/inference`.
"""

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.apis.common import (
    REFUSALS,
    Refusal,
    client_of,
    data_url,
    ended_while_there,
    json_object,
    link,
    refusal,
    refusal_of,
)
from pai_modelscope.serving.service import FORMATS
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_OURS = tuple(name for name in FIELDS if name not in ("prompt", "image", "batch_size"))
# How the files of pictures begin, in base64: PNG, JPEG, WebP, GIF, BMP, TIFF.
_PICTURES = ("iVBORw0KGgo", "/9j/", "UklGR", "R0lGOD", "Qk0", "SUkqA", "TU0AK")
_ANY = ("*/*", "image/*")


class HuggingFaceApi:
    """What the clients call as `text_to_image` and `image_to_image`, with the address of `/hf` as their endpoint."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(tags=["huggingface"])

        async def answer(request: Request, name: str | None = None) -> Response:
            """Draw; the answer is one picture, in the format that `Accept` names."""
            if name is not None and name not in service.models.names:
                valid = ", ".join(service.models.names)
                return _error(404, f"there is no model {short_repr(name)}; there is {valid}")
            format = _format(request.headers.get("accept"))
            if format is None:
                valid = ", ".join(f"image/{each}" for each in FORMATS)
                return _error(406, f"the answer is a picture: accept one of {valid}")
            content, client = await request.body(), client_of(request)
            kind = request.headers.get("content-type", "")

            def accept() -> Job:
                return service.submit(client, _read(content, kind), model=name, format=format, priority=1)

            try:
                job = await anyio.to_thread.run_sync(accept)
            except REFUSALS as error:
                return _refused(refusal(error))
            job = await ended_while_there(service, job, request)
            if job.state is not State.DONE:
                return _refused(refusal_of(job))
            return await anyio.to_thread.run_sync(_picture, service, job)

        @router.post("/hf")
        async def endpoint(request: Request) -> Response:
            """Draw with the first model."""
            return await answer(request)

        @router.post("/hf/models/{name:path}")
        async def of_model(request: Request, name: str) -> Response:
            """Draw with a model."""
            return await answer(request, name)

        return router


def _picture(service: "Service", job: Job) -> Response:
    """The file; what else there is to say stands in headers."""
    drawn = job.pictures[0]
    headers = {"X-Seed": str(drawn["seed"]), "X-Flagged": str(drawn["flagged"]).lower(), "Link": _link(service, job)}
    return Response(service.result(drawn["file"]).read_bytes(), media_type=f"image/{job.format}", headers=headers)


def _link(service: "Service", job: Job) -> str:
    return f'<{link(service, job, 0)}>; rel="self"'


def _read(content: bytes, kind: str) -> dict[str, object]:
    """The request in our words. Raises `UserError`: with a fault for all that can't be honoured."""
    if not _is_json(content, kind):  # a picture without parameters comes as it is
        return {"image": data_url("inputs", base64.b64encode(content).decode())}
    body = {name: value for name, value in json_object(content).items() if value is not None}
    inputs, parameters = body.pop("inputs", None), body.pop("parameters", {})
    if not isinstance(parameters, dict):
        raise UserError.of([Fault("parameters", f"parameters is {short_repr(parameters)}; give an object")])
    faults = [Fault(name[:100], f"{short_repr(name)} beside inputs and parameters is unknown here") for name in body]
    if not isinstance(inputs, str):
        faults.append(Fault("inputs", f"inputs is {short_repr(inputs)}; give a text, or a picture in base64"))
    if faults:
        raise UserError.of(faults)
    given = {name: value for name, value in parameters.items() if value is not None}
    if "prompt" in given or str(inputs).startswith(_PICTURES):
        request = {"prompt": given.pop("prompt", ""), "image": data_url("inputs", inputs)}
    else:
        request = {"prompt": inputs}
    if "target_size" in given:
        request |= _target_size(given, faults)
    for name, value in given.items():
        if (name == "num_images_per_prompt" and value != 1) or (name == "seed" and isinstance(value, list)):
            faults.append(Fault(name, f"{name} is {short_repr(value)}: the answer is one picture"))
        elif name in _OURS:
            request[name] = value
        else:
            faults.append(Fault(name[:100], f"parameters.{short_repr(name)} can't be honoured: leave it out"))
    if faults:
        raise UserError.of(faults)
    return request


def _target_size(given: dict[str, object], faults: list[Fault]) -> dict[str, object]:
    """Width and height of `{"width": ..., "height": ...}`, taken out."""
    size = given.pop("target_size")
    if not isinstance(size, Mapping) or set(size) != {"width", "height"}:
        faults.append(Fault("target_size", f"target_size is {short_repr(size)}; give width and height"))
        return {}
    if "width" in given or "height" in given:
        faults.append(Fault("target_size", "target_size and width or height say the same: give one of them"))
    return dict(size)


def _is_json(content: bytes, kind: str) -> bool:
    return kind.startswith("application/json") or content[:1] in (b"{", b"[")


def _format(accept: str | None) -> str | None:
    """The first format of an Accept header that the service has; PNG where any picture will do."""
    for each in re.split(r"\s*,\s*", accept or "*/*"):
        kind = each.partition(";")[0].strip().lower()
        if kind in _ANY:
            return "png"
        if kind.removeprefix("image/") in FORMATS and kind.startswith("image/"):
            return kind.removeprefix("image/")
    return None


def _refused(no: Refusal) -> JSONResponse:
    """A no to the content is marked as a picture of such content would be."""
    return _error(no.status, no.message, no.headers | ({"X-Flagged": "true"} if no.content else {}))


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": printable(message)}, status, headers)
