"""Has the page at `/` and `/en`, once the service can draw; before that, a line that says so."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Never
from urllib.parse import parse_qs

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Message, Receive, Scope, Send

from pai_modelscope.serving.access import Tokens
from pai_modelscope.serving.page.words import Words
from pai_modelscope.serving.problems import add_handlers, problem

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

HOME, ENGLISH, LOGIN = "/", "/en", "/login"
_LOOK = 0.2  # seconds
# Between gradio's looks for what is asked. Its own, 0.001, wakes the process all the time and slows every step.
_GRADIO_LOOK = 0.03
_MONTH = 30 * 24 * 3600
# What gradio's own page and clients ask for. Its proxy, its development and its monitoring are not among them.
_PATHS = ("config", "info", "theme.css", "assets", "static", "svelte", "favicon.ico", "manifest.json", "robots.txt")
_CALLS = (
    "queue",
    "call",
    "upload",
    "upload_progress",
    "heartbeat",
    "info",
    "config",
    "startup-events",
    "app_id",
    "component_server",
    "cancel",
    "reset",
    "run",
    "stream",
)
# The page fetches nothing from elsewhere, whatever it holds.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)
_BARE = """<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>PAI-Diffusion</title>{head}
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><style>body {{ font: 18px/1.6 system-ui, sans-serif;
margin: 20vh auto; max-width: 24em; padding: 0 1em; }} input, button {{ font: inherit; padding: .4em .6em; }}</style>
</head><body>{body}</body></html>"""


_log = logging.getLogger(__name__)


class Page:
    """An application that is built beside the running service."""

    def __init__(self, service: "Service"):
        self._service = service
        self._app: FastAPI | None = None
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._end.set()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == ENGLISH:
            return await RedirectResponse(f"{ENGLISH}/")(scope, receive, send)
        if not _wanted(scope["path"]):
            return await _nothing(scope)(scope, receive, send)
        if self._app is None:
            waiting = Words("en" if scope["path"].startswith(ENGLISH) else "zh")("opening")
            head = '<meta http-equiv="refresh" content="2">'
            return await _bare(f"<p>{escape(waiting)}</p>", head, 503)(scope, receive, send)

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self._app(scope, receive, send_with_policy)

    async def _run(self) -> None:
        while not self._service.ready:
            if self._end.is_set():
                return
            await asyncio.sleep(_LOOK)
        try:
            app = await asyncio.to_thread(_built, self._service)
            async with app.router.lifespan_context(app):
                self._app = app
                await self._end.wait()
        except Exception:  # the service goes on without its page
            _log.exception("the page can't be built")


def add_login(app: FastAPI, tokens: Tokens | None) -> None:
    """A form for the token, which a cookie then carries."""

    @app.get(LOGIN, include_in_schema=False)
    async def form() -> Response:
        return _login()

    @app.post(LOGIN, include_in_schema=False)
    async def enter(request: Request) -> Response:
        given = parse_qs((await request.body()).decode("utf-8", "replace")).get("token", [""])[0].strip()
        if tokens is not None and tokens.client(f"Bearer {given}") is None:
            return _login(wrong=True)
        answer = RedirectResponse(HOME, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie("token", given, _MONTH, httponly=True, samesite="strict", secure=secure)
        return answer


def to_login(scope: Scope) -> Response | None:
    """Where somebody without a token goes who asks for the page; None for what programs ask."""
    asks_for_page = scope["path"].rstrip("/") in ("", ENGLISH) and scope["method"] in ("GET", "HEAD")
    return RedirectResponse(LOGIN, 303) if asks_for_page else None


def _built(service: "Service") -> FastAPI:
    """Imports gradio, which takes a while."""
    import gradio as gr
    from gradio import processing_utils

    from pai_modelscope.serving.page.layout import HEAD, STYLE, THEME, Layout

    async def no_address(url: str) -> Never:
        raise gr.Error("this server takes no addresses of pictures: upload the file", print_exception=False)

    # Its components would fetch a file that a program names by address, of any size.
    processing_utils.async_ssrf_protected_get = no_address
    app = FastAPI(openapi_url=None)
    for language, path in (("en", ENGLISH), ("zh", HOME)):
        blocks = Layout(service, "en" if language == "en" else "zh").blocks()
        blocks._queue.sleep_when_free = blocks._queue.progress_update_sleep_when_free = _GRADIO_LOOK
        gr.mount_gradio_app(
            app,
            blocks,
            path,
            theme=THEME,
            css=STYLE,
            head=HEAD,
            ssr_mode=False,
            run_history=False,
            footer_links=[],
            show_error=True,
            max_file_size=service.options.body_mib * 2**20,
        )
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            route.app.state.service = service
            add_handlers(route.app)  # its own fail at a body that is no text
    return app


def _nothing(scope: Scope) -> Response:
    """The page is asked last: what it does not have is nowhere, or was asked by a method that its path has not."""
    there = [route for route in _inner(scope["app"].routes) if route.matches(scope)[0] is Match.PARTIAL]
    if there:
        methods = ", ".join(sorted({method for route in there for method in getattr(route, "methods", None) or ()}))
        return problem(405, f"this path is asked by {methods}", headers={"Allow": methods})
    return problem(404, "there is nothing at this path")


def _inner(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes themselves, of routers that are included in another."""
    for route in routes:
        router = getattr(route, "original_router", None)
        yield from _inner(router.routes) if router is not None else (route,)


def _wanted(path: str) -> bool:
    inner = path.removeprefix(ENGLISH) if path == ENGLISH or path.startswith(f"{ENGLISH}/") else path
    parts = inner.strip("/").split("/")
    if parts[0] == "gradio_api":
        return len(parts) > 1 and (parts[1] in _CALLS or parts[1].startswith("file="))
    return parts[0] in ("", *_PATHS)


def _login(wrong: bool = False) -> HTMLResponse:
    zh, en = Words("zh"), Words("en")
    said = f"<p>{zh('wrong_token')} · {en('wrong_token')}</p>" if wrong else ""
    body = (
        f'<h1>{zh("title")}</h1><form method="post">{said}<label>{zh("token")} · {en("token")}<br>'
        f'<input name="token" type="password" autocomplete="current-password" autofocus></label> '
        f"<button>{zh('enter')} · {en('enter')}</button></form>"
    )
    return _bare(body, status=401 if wrong else 200)


def _bare(body: str, head: str = "", status: int = 200) -> HTMLResponse:
    return HTMLResponse(_BARE.format(head=head, body=body), status, {"Content-Security-Policy": _POLICY})
