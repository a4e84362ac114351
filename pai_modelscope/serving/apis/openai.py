"""OpenAI's images: `POST /v1/images/generations` and `/v1/images/edits`, also under `/openai`.

Options of our own (`seed`, `num_inference_steps`, ...) may stand beside OpenAI's, whose clients send them as
`extra_body`. What can't be honoured is refused. Reference: https://platform.openai.com/docs/api-reference/images
"""

import base64
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.apis import modelscope
from pai_modelscope.serving.apis.common import (
    REFUSALS,
    client_of,
    encoded,
    ended_while_there,
    json_object,
    links,
    listed_models,
    refusal,
    refusal_of,
    size_of,
)
from pai_modelscope.serving.apis.openai_stream import MOST_PARTIAL, events
from pai_modelscope.serving.service import FORMATS
from pai_modelscope.serving.store import Job, State
from pai_modelscope.serving.uploads import check_pixels
from pai_modelscope.untrusted import parse_json

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

_PREFIXES = ("/v1", "/openai/v1")
# Of OpenAI's fields, the values that ask for nothing that this service does not do anyway.
_HARMLESS: dict[str, tuple[object, ...]] = {
    "quality": ("auto", "standard", "medium"),
    "background": ("auto", "opaque"),
    "moderation": ("auto",),
    "output_compression": (100,),
    "input_fidelity": ("low",),
    "svg": (False,),
}
_UNUSED = ("style", "complexity", "frame_count", "frame_duration_ms", "markup")  # refused whatever they say
_OF_THE_CLIENT = ("user", "safety_identifier")  # the client's own words for whom it asks; the picture is the same
_OURS = tuple(name for name in FIELDS if name not in ("prompt", "image", "mask", "width", "height"))
_FORM_FIELDS, _FORM_FILES = 64, 8
_CODES = {429: "rate_limit_exceeded", 503: "server_error"}  # by HTTP's status


@dataclass(frozen=True)
class _Asked:
    """A request in our words. `url`: pictures are answered as links, else in base64; `partial_images`: how many come
    before the picture in a stream; None: there is no stream."""

    body: dict[str, object]
    model: str | None
    format: str
    url: bool
    partial_images: int | None = None


class OpenAiApi:
    """What the client `openai` calls as `images.generate` and `images.edit`."""

    def router(self, service: "Service") -> APIRouter:
        router = APIRouter(tags=["openai"])

        async def generations(request: Request) -> Response:
            """Draw a prompt; the answer comes with the pictures. With ModelScope's header it is a task of that."""
            if request.headers.get(modelscope.ASYNC, "").lower() == "true":
                return await modelscope.accepted(service, request)
            content = await request.body()
            return await _answered(service, request, "image_generation", lambda: _read(json_object(content)))

        async def edits(request: Request) -> Response:
            """Draw from a picture; with a mask, where it is transparent."""
            async with request.form(max_files=_FORM_FILES, max_fields=_FORM_FIELDS) as form:
                fields: dict[str, object] = {}
                for name, value in form.multi_items():
                    content = await value.read() if isinstance(value, UploadFile) else value
                    _gather(fields, name, content)
            pixels = service.options.picture_pixels
            return await _answered(service, request, "image_edit", lambda: _read_edit(fields, pixels))

        @router.get("/openai/v1/models")
        def models() -> JSONResponse:
            """The models; under `/v1` the service's own list is the same."""
            return JSONResponse(listed_models(service))

        for prefix in _PREFIXES:
            router.add_api_route(f"{prefix}/images/generations", _in_its_words(generations), methods=["POST"])
            router.add_api_route(f"{prefix}/images/edits", _in_its_words(edits), methods=["POST"])
        return router


def _in_its_words(endpoint: Callable[..., object]) -> Callable[..., object]:
    """The endpoint, whose errors are said as OpenAI says them."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)  # type: ignore[misc, no-any-return]
        except (*REFUSALS, HTTPException) as error:
            return _refused(error)

    answer.__name__, answer.__doc__ = endpoint.__name__, endpoint.__doc__
    return answer


async def _answered(service: "Service", request: Request, kind: str, read: Callable[[], _Asked]) -> Response:
    """`kind`: what the events of a stream are called."""
    asked = await anyio.to_thread.run_sync(read)
    if asked.model is not None and asked.model not in service.models.names:
        valid = ", ".join(service.models.names)
        return _error(404, f"there is no model {short_repr(asked.model)}; there is {valid}", "model", "model_not_found")
    client = client_of(request)
    job = await anyio.to_thread.run_sync(
        lambda: service.submit(client, asked.body, model=asked.model, format=asked.format, priority=1)
    )
    if asked.partial_images is not None:
        stream = events(service, job, kind, asked.partial_images)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
    job = await ended_while_there(service, job, request)
    if job.state is not State.DONE:
        no = refusal_of(job)
        code = "moderation_blocked" if no.content else "server_error"
        return _error(no.status, no.message, None, code, {"x-should-retry": "false"})  # it would end so again
    urls = links(service, job, request) if asked.url else None
    pictures = await anyio.to_thread.run_sync(_pictures, service, job, urls)
    answer = {"created": int(job.ended or job.created), "data": pictures, "output_format": asked.format}
    first = job.pictures[0]
    return JSONResponse(answer | {"size": f"{first['width']}x{first['height']}", "background": "opaque"})


def _pictures(service: "Service", job: Job, urls: list[str] | None) -> list[dict[str, object]]:
    """As links, where there are some, else in base64; `flagged` is our own."""
    return [
        {"revised_prompt": drawn["prompt"], "flagged": drawn["flagged"]}
        | ({"url": urls[number]} if urls else {"b64_json": encoded(service, drawn)})
        for number, drawn in enumerate(job.pictures)
    ]


def _read(fields: dict[str, object]) -> _Asked:
    """Raises `UserError`: with a fault for every field that can't be honoured."""
    faults: list[Fault] = []
    fields = {name: value for name, value in fields.items() if value is not None and name not in _OF_THE_CLIENT}
    model, format = fields.pop("model", None), fields.pop("output_format", "png")
    reply = fields.pop("response_format", "b64_json")
    stream, partial = fields.pop("stream", False), fields.pop("partial_images", 0)
    if not isinstance(stream, bool):
        faults.append(Fault("stream", f"stream is {short_repr(stream)}; give true or false"))
    if said := problem_of_number("partial_images", partial, whole=True, bounds=Bounds(0, MOST_PARTIAL)):
        faults.append(Fault("partial_images", said))
    elif partial and not stream:
        faults.append(Fault("partial_images", "partial images come in a stream: give stream=true, too"))
    if stream is True and reply == "url":
        faults.append(Fault("response_format", "a stream's pictures come in base64: leave response_format out"))
    body: dict[str, object] = {"prompt": fields.pop("prompt", "")}
    if "n" in fields:
        body["num_images_per_prompt"] = fields.pop("n")
    if (size := fields.pop("size", "auto")) != "auto":
        try:
            body |= size_of(size, "x")
        except UserError as error:
            faults += error.faults
    if twice := [name for name in body if name in fields]:
        faults.append(Fault(twice[0], f"n or size and {twice[0]} say the same: give one of them"))
    for name, value in fields.items():
        if name in _HARMLESS:
            if value not in _HARMLESS[name]:
                valid = ", ".join(map(repr, _HARMLESS[name]))
                faults.append(Fault(name, f"{name} is {short_repr(value)}; this service knows {valid}", valid))
        elif name in _OURS or name in ("image", "mask"):
            body[name] = value
        elif name in _UNUSED:
            faults.append(Fault(name, f"{name} has no meaning here: leave it out"))
        else:
            faults.append(Fault(name, f"unknown field {short_repr(name)}"))
    for name, value, choices in (("output_format", format, FORMATS), ("response_format", reply, ("url", "b64_json"))):
        if value not in choices:
            valid = ", ".join(choices)
            faults.append(Fault(name, f"{name} is {short_repr(value)}; valid are {valid}", valid))
    if model is not None and not isinstance(model, str):
        faults.append(Fault("model", f"model is {short_repr(model)}; give a name"))
    if faults:
        raise UserError.of(faults)
    partial_images = int(str(partial)) if stream is True else None
    return _Asked(body, str(model) if model is not None else None, str(format), reply == "url", partial_images)


def _read_edit(fields: Mapping[str, object], pixels: int) -> _Asked:
    """A form: texts as JSON would hold them, pictures as data URLs. What is transparent in the mask is drawn."""
    read: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, bytes):
            read[name] = _data_url(_mask(value, pixels) if name == "mask" else value)
        elif isinstance(value, dict):
            read[name] = value
        elif isinstance(value, list):
            read[name] = [parse_json(str(each), name) if _is_json(str(each)) else each for each in value]
        else:
            text = str(value)
            plain = name in ("prompt", "model", "size", "negative_prompt", "poem") or not _is_json(text)
            read[name] = text if plain else parse_json(text, name)
    if "image" not in read:
        raise UserError.of([Fault("image", "there is no image: send one as a file")])
    return _read(read)


def _gather(fields: dict[str, object], name: str, value: object) -> None:
    """Put a part of a form where JSON would have it: `seed[]` into a list, `loras[ink]` into an object."""
    name, _, key = name.removesuffix("]").partition("[")
    if isinstance(value, bytes):
        if name in fields:
            raise UserError(f"{name} is given twice: this service draws from one picture")
        fields[name] = value
    elif key:
        held = fields.setdefault(name, {})
        if isinstance(held, dict):
            held[key] = parse_json(str(value), name) if _is_json(str(value)) else value
    elif name in fields:
        before = fields[name]
        fields[name] = [*(before if isinstance(before, list) else [before]), value]
    else:
        fields[name] = value


def _mask(content: bytes, pixels: int) -> bytes:
    """White where the mask is transparent, which is what OpenAI draws anew."""
    from PIL import ImageChops

    from pai_modelscope.images.open_images import open_alpha

    check_pixels(content, pixels)
    alpha = open_alpha(content)
    if alpha is None or alpha.getextrema()[0] == 255:
        message = "the mask has no transparency: what is to be drawn anew must be transparent"
        raise UserError(message, [Fault("mask", message)])
    file = io.BytesIO()
    ImageChops.invert(alpha).save(file, "PNG")
    return file.getvalue()


def _data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _is_json(text: str) -> bool:
    """Whether a form's text is a number, a truth value, a list or an object, which forms can't say otherwise."""
    return re.fullmatch(r"-?\d+(\.\d+)?|true|false|null|[\[{].*[\]}]", text, re.DOTALL) is not None


def _refused(error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException):
        return _error(error.status_code, str(error.detail), None, None)
    no = refusal(error)
    code = "content_policy_violation" if no.content else _CODES.get(no.status, "invalid_value")
    field = error.faults[0].field if isinstance(error, UserError) else ""
    names = {"num_images_per_prompt": "n", "width": "size", "height": "size"}
    return _error(no.status, no.message, names.get(field, field) or None, code, no.headers)


def _error(
    status: int, message: str, param: str | None, code: str | None, headers: dict[str, str] | None = None
) -> JSONResponse:
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    param = printable(param)[:100] if param else None
    told = {"message": printable(message), "type": kind, "param": param, "code": code}
    return JSONResponse({"error": told}, status, headers)
