"""The Model Context Protocol: one tool, `draw_picture`, at `POST /mcp`.

Streamable HTTP without sessions; the answer comes as JSON with the pictures. Who may ask, from where and how much is
`Guard`'s to say, not the package's own check of hosts. Reference: https://modelcontextprotocol.io/specification, and
the package `mcp`.
"""

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pai_modelscope import __version__
from pai_modelscope.config import GenerationRequest
from pai_modelscope.config.option import short_repr
from pai_modelscope.config.schema import Schema, json_schema
from pai_modelscope.errors import Fault, UserError, printable
from pai_modelscope.serving.admission import FORMAT, MODEL
from pai_modelscope.serving.apis.common import (
    REFUSALS,
    client_of,
    encoded,
    ended_while_there,
    links,
    refusal,
    unended,
)
from pai_modelscope.serving.models import MIB
from pai_modelscope.serving.service import FORMATS
from pai_modelscope.serving.store import Job, State

if TYPE_CHECKING:
    from mcp import types
    from mcp.server.context import ServerRequestContext

    from pai_modelscope.serving.service import Service

_TOOL = "draw_picture"
_ABOUT = (
    "Draw pictures of a Chinese text, from nothing or from a picture. Answers the pictures, and for each its seed and "
    "a link that works for a day. The same options with the same seed give the same picture."
)
# Of the options, those that a model that calls tools can make use of: each of them costs it attention.
_OPTIONS = (
    "prompt",
    "negative_prompt",
    "width",
    "height",
    "num_images_per_prompt",
    "seed",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "image",
    "strength",
    "mask",
    "loras",
    "poem",
    "beautify",
)

# Of these the declaration speaks as the command line does, of files.
_AS_DATA = "as a data URL"
_IN_OTHER_WORDS = {
    "image": f"picture to start from, {_AS_DATA}",
    "mask": f"what of the image to draw anew: a picture of the same size, white there, {_AS_DATA}",
    "loras": "an object of LoRAs of this server and their weights; prompts may say <lora:name:0.8> instead",
    "seed": "a whole number, or a list with one for each picture",
}


class McpApi:
    """What a `ClientSession` lists and calls."""

    def router(self, service: "Service") -> APIRouter:
        endpoint = _Endpoint(service)
        router = APIRouter(tags=["mcp"], lifespan=endpoint.lifespan)
        router.routes.append(Route("/mcp", endpoint, methods=["POST"], include_in_schema=False))
        return router


class _Endpoint:
    """The package's own ASGI application: made when it is first asked for, as its import takes a second or more, and
    there until the service ends."""

    def __init__(self, service: "Service"):
        self._service = service

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        self._wanted, self._ready = anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._run)
            yield
            group.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._wanted.set()
        await self._ready.wait()
        await self._app(scope, receive, send)

    async def _run(self) -> None:
        await self._wanted.wait()
        await anyio.to_thread.run_sync(importlib.import_module, "mcp.server.streamable_http_manager")
        from mcp.server.lowlevel import Server
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        async def tools(context: object, asked: object) -> "types.ListToolsResult":
            return _tools(self._service)

        async def call(
            context: "ServerRequestContext[dict[str, object], Request]", asked: "types.CallToolRequestParams"
        ) -> "types.CallToolResult":
            assert context.request is not None
            return await _call(self._service, context.request, asked.name, asked.arguments or {})

        server = Server("pai_modelscope", version=__version__, on_list_tools=tools, on_call_tool=call)
        most = self._service.options.body_mib * MIB
        manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=most)
        async with manager.run():
            self._app: ASGIApp = manager.handle_request
            self._ready.set()
            await anyio.sleep_forever()


def _tools(service: "Service") -> "types.ListToolsResult":
    from mcp import types

    return types.ListToolsResult(tools=[types.Tool(name=_TOOL, description=_ABOUT, input_schema=_schema(service))])


async def _call(
    service: "Service", request: Request, name: str, arguments: Mapping[str, object]
) -> "types.CallToolResult":

    def accept() -> Job:
        model, format, body = _read(name, arguments)
        return service.submit(client_of(request), body, model=model, format=format, priority=1)

    try:
        job = await anyio.to_thread.run_sync(accept)
    except REFUSALS as error:
        return _failed(refusal(error).message)
    job = await ended_while_there(service, job, request)
    if job.state is not State.DONE:
        return _failed(unended(job))
    return await anyio.to_thread.run_sync(_pictures, service, job, links(service, job, request))


def _pictures(service: "Service", job: Job, urls: list[str]) -> "types.CallToolResult":
    """The pictures, then a line of text for each."""
    from mcp import types

    content: list[types.ContentBlock] = [
        types.ImageContent(type="image", data=encoded(service, drawn), mime_type=f"image/{job.format}")
        for drawn in job.pictures
    ]
    told = [
        f"{drawn['width']}x{drawn['height']}, seed {drawn['seed']}{', flagged as unsafe' if drawn['flagged'] else ''}: "
        f"{url}"
        for drawn, url in zip(job.pictures, urls, strict=True)
    ]
    content.append(types.TextContent(type="text", text="\n".join(told)))
    return types.CallToolResult(content=content)


def _failed(message: str) -> "types.CallToolResult":
    from mcp import types

    return types.CallToolResult(content=[types.TextContent(type="text", text=printable(message))], is_error=True)


def _read(name: str, arguments: Mapping[str, object]) -> tuple[str | None, str, dict[str, object]]:
    """Model, format and the request in our words. Raises `UserError`: another tool, what the tool has not."""
    if name != _TOOL:
        raise UserError(f"there is no tool {short_repr(name)}; there is {_TOOL}")
    given = {name: value for name, value in arguments.items() if value is not None}
    model, format = given.pop(MODEL, None), given.pop(FORMAT, "png")
    faults = [
        Fault(name, f"{name} is {short_repr(value)}; give a text")
        for name, value in ((MODEL, model), (FORMAT, format))
        if value is not None and not isinstance(value, str)
    ]
    faults += [Fault(name[:100], f"unknown option {short_repr(name)}") for name in given if name not in _OPTIONS]
    if faults:
        raise UserError.of(faults)
    return str(model) if model is not None else None, str(format), given


def _schema(service: "Service") -> Schema:
    schema = json_schema(GenerationRequest)
    options = schema["properties"]
    assert isinstance(options, dict)
    properties = {name: options[name] for name in _OPTIONS}
    for name, about in _IN_OTHER_WORDS.items():
        if service.options.picture_urls:
            about = about.replace(_AS_DATA, f"{_AS_DATA} or by its address")
        properties[name] = options[name] | {"description": about}
    properties[MODEL] = {"enum": list(service.models.names), "description": "default: the first"}
    properties[FORMAT] = {"enum": list(FORMATS), "default": "png"}
    return schema | {"title": _TOOL, "description": _ABOUT, "properties": properties}
