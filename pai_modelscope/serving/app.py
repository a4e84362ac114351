"""The service over HTTP: who may ask, how much, and the protocols that are spoken."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from http.cookies import CookieError, SimpleCookie

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pai_modelscope import __version__
from pai_modelscope.serving.access import LOCAL, Hosts, Tokens
from pai_modelscope.serving.apis import APIS
from pai_modelscope.serving.apis.eas import PREFIXES
from pai_modelscope.serving.models import MIB
from pai_modelscope.serving.page.mount import HOME, LOGIN, Page, add_login, to_login
from pai_modelscope.serving.problems import TooMuch, TooSlow, add_handlers, problem
from pai_modelscope.serving.service import Service
from pai_modelscope.serving.shares import Shares
from pai_modelscope.serving.waiting import Full

CONNECTIONS = 128  # at once; others are answered 503
_WORKERS = 8  # requests that are read and resolved at once
_BODY_SECONDS = 30.0  # that a client may take to send one
_OPEN = ("/healthz", "/readyz", LOGIN)  # answered without a token: they tell nothing
_SOCKETS = tuple(f"{prefix}/" for prefix in PREFIXES)  # below them WebSockets are spoken, and nowhere else
_log = logging.getLogger(__name__)


def build_app(service: Service, tokens: Tokens | None = None, drain_seconds: float = 60.0) -> FastAPI:
    """The application; the service starts and ends with it.

    Args:
        tokens: who may ask; None: everybody who reaches it, as one client.
        drain_seconds: how long the end may wait for what is being drawn.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _WORKERS
        service.start()
        await page.start()
        try:
            yield
        finally:
            await page.stop()
            if not await asyncio.to_thread(service.stop, drain_seconds):
                _log.warning("what was being drawn did not end in %g seconds: the next start draws it", drain_seconds)

    service.limit(tokens.own if tokens else {})
    page = Page(service)
    # Its /docs takes nothing from other hosts.
    app = FastAPIOffline(title="pai_modelscope", version=__version__, lifespan=lifespan, redoc_url=None)
    app.state.service = service
    add_handlers(app)
    for api in APIS:
        app.include_router(api.router(service))

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> JSONResponse:
        alive = service.engine.alive
        seconds = round(time.time() - service.began, 1)
        return JSONResponse({"status": "alive" if alive else "no engine", "seconds": seconds}, 200 if alive else 503)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        return JSONResponse({"ready": service.ready}, 200 if service.ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    add_login(app, tokens)
    app.mount(HOME, page)  # after all others, whose paths it would take
    hosts = Hosts(service.options.host, service.options.allow_host or ())
    app.add_middleware(Guard, tokens=tokens, hosts=hosts, service=service)
    return app


class Guard:
    """Before anything else looks at a request: its Host and Origin, its token, how many others of its client are open,
    and the size and pace of its body.

    A WebSocket is one such request as long as it is open; a refused one is answered over HTTP.
    `scope['state']['client']` is who asks.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens | None, hosts: Hosts, service: Service):
        self._app, self._tokens, self._hosts, self._links = app, tokens, hosts, service.links
        self._most = service.options.body_mib * MIB
        # The bound of all is for WebSockets: the server turns none of them away.
        self._shares = Shares("requests are open", service.options.requests_of_client, CONNECTIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        if scope["type"] == "http":  # server.py bounds what comes by WebSocket
            receive = body = _Body(receive, self._most)
            send = _Answer(send, body, headers)
        if refusal := self._refusal(scope, headers):
            return await refusal(scope, receive, send)
        with ExitStack() as stack:
            if scope["path"] not in _OPEN:
                try:
                    stack.enter_context(self._shares.held(scope["state"]["client"]))
                except Full as full:
                    return await problem(429, str(full), headers={"Retry-After": "1"})(scope, receive, send)
            with suppress(ClientDisconnect):  # there is nobody to answer
                await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._hosts.knows(headers.get("host")):
            return problem(421, "the Host header names another server: see --allow-host")
        origin, host = headers.get("origin"), headers.get("host")
        method = scope.get("method")  # None: of a WebSocket, which browsers let pages of any site open
        if method not in ("GET", "HEAD") and not self._hosts.sent_from_here(origin, host):
            return problem(403, "a page of another site may not ask this")
        if "transfer-encoding" in headers and "content-length" in headers:
            return problem(400, "the body's length is said in two ways")  # a server before this may read the other
        if headers.get("content-encoding", "identity").lower() != "identity":
            return problem(415, "send the body as it is, not compressed", headers={"Accept-Encoding": "identity"})
        declared = headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self._most:
            return problem(413, f"a body may take {self._most // MIB} MiB")
        client: str | None = LOCAL
        if self._tokens is not None:
            client = self._tokens.client(headers.get("authorization") or _of_cookie(headers))
        linked = self._linked(scope)
        scope.setdefault("state", {}).update(client=client, linked=linked)
        if client is None and scope["path"] not in _OPEN and not linked:
            if method and (login := to_login(scope)):
                return login
            return problem(
                401, "send a token, as in 'Authorization: Bearer TOKEN'", headers={"WWW-Authenticate": "Bearer"}
            )
        if method is None and not scope["path"].startswith(_SOCKETS):
            return problem(404, "no WebSocket is spoken at this path")
        return None

    def _linked(self, scope: Scope) -> bool:
        """Whether it asks for a picture by a signed link."""
        query = dict(pair.partition("=")[::2] for pair in scope["query_string"].decode("latin-1").split("&"))
        return scope.get("method") in ("GET", "HEAD") and self._links.hold(
            scope["path"], query.get("expires"), query.get("signature")
        )


class _Body:
    """Receives a body of at most so many bytes, within so many seconds."""

    def __init__(self, receive: Receive, most: int):
        self._receive, self._left, self.whole = receive, most, False
        self._until = time.monotonic() + _BODY_SECONDS

    async def __call__(self) -> Message:
        if self.whole:  # now it tells of the client's going, whenever that is
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            raise TooSlow from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self._left < 0:
                raise TooMuch
        return message


class _Answer:
    """Sends an answer; if the body has not come whole by then, nobody reads on: it is the last on its connection."""

    def __init__(self, send: Send, body: _Body, headers: Headers):
        self._send, self._body = send, body
        self._has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._has_body and not self._body.whole:
            MutableHeaders(scope=message)["connection"] = "close"
        await self._send(message)


def _of_cookie(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get("token")
    except CookieError:
        return None
    return f"Bearer {morsel.value}" if morsel else None
