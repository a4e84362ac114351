"""Errors as RFC 9457 has them: `application/problem+json`, with every fault and its field."""

import math
from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.content import CONTENT_REFUSED, ContentRefused
from pai_modelscope.serving.service import KeyReused, NotYet
from pai_modelscope.serving.waiting import Full

_TITLES = {
    400: "Bad request",
    401: "A token is needed",
    403: "Not allowed from here",
    404: "Not found",
    405: "Not this way",
    408: "The request came too slowly",
    409: "Another request has this key",
    413: "The request is too large",
    415: "Not this kind of content",
    421: "Not this server's name",
    422: "The request can't be drawn",
    429: "Too much at once",
    500: "The service failed",
    503: "Not yet",
}


class TooMuch(Exception):
    """A body of more bytes than allowed."""


class TooSlow(Exception):
    """A body that did not come in time."""


def problem(
    status: int,
    detail: str,
    faults: Sequence[Fault] = (),
    headers: dict[str, str] | None = None,
    code: str | None = None,
) -> JSONResponse:
    """One answer: `faults` are {field, message, valid}; `code`: what programs may tell it from others by."""
    body: dict[str, object] = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status}
    body |= {"detail": printable(detail), "message": printable(detail)}  # the second is where other clients look
    if code is not None:
        body["code"] = code
    if faults:
        body["faults"] = [
            {"field": printable(fault.field), "message": printable(fault.message), "valid": fault.valid}
            for fault in faults
        ]
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Every error that a request can end in."""

    @app.exception_handler(UserError)
    async def bad_input(request: Request, error: UserError) -> JSONResponse:
        return problem(422, str(error), error.faults)

    @app.exception_handler(ContentRefused)
    async def refused(request: Request, error: ContentRefused) -> JSONResponse:
        return problem(422, str(error), error.faults, code=CONTENT_REFUSED)

    @app.exception_handler(Full)
    async def full(request: Request, error: Full) -> JSONResponse:
        service = request.app.state.service
        seconds = max(1, math.ceil(service.engine.seconds(service.queue.jobs()) / 2))
        return problem(429, str(error), headers={"Retry-After": str(seconds)})

    @app.exception_handler(NotYet)
    async def not_yet(request: Request, error: NotYet) -> JSONResponse:
        return problem(503, str(error), headers={"Retry-After": "5"})

    @app.exception_handler(KeyReused)
    async def reused(request: Request, error: KeyReused) -> JSONResponse:
        return problem(409, "this Idempotency-Key came with another request: use a new one")

    @app.exception_handler(TooMuch)
    async def too_much(request: Request, error: TooMuch) -> JSONResponse:
        most = request.app.state.service.options.body_mib
        return problem(413, f"a body may take {most} MiB", headers={"Connection": "close"})

    @app.exception_handler(TooSlow)
    async def too_slow(request: Request, error: TooSlow) -> JSONResponse:
        return problem(408, "the body did not come in time", headers={"Connection": "close"})

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def of_parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [Fault(str(one["loc"][-1]), f"{one['loc'][-1]}: {one['msg']}") for one in error.errors()]
        return problem(422, "; ".join(fault.message for fault in faults), faults)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return problem(500, f"the service failed ({type(error).__name__}); its log says how")
