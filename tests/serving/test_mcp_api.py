"""The Model Context Protocol's own client `mcp` draws with the service."""

import base64
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import ClientSession, MCPError, types
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.serving.app import build_app
from pai_modelscope.serving.service import Service
from tests.serving.test_service import SMALL, data_url
from tests.support.foreign_clients import state_of
from tests.support.server import ANN, Server

Result = types.CallToolResult
MODEL = "pai-diffusion-mini-zh"


@asynccontextmanager
async def session(server: Server, token: str = ANN) -> AsyncIterator[ClientSession]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=120) as http,
        streamable_http_client(f"{server.address}/mcp", http_client=http) as streams,
        ClientSession(*streams[:2]) as made,
    ):
        yield made


def run(server: Server, ask: Callable[[ClientSession], Awaitable[Any]], modern: bool = False) -> Any:
    """What `ask` gets of a session, after a handshake or, as of 2026, without one."""

    async def asked() -> Any:
        async with session(server) as made:
            await (made.discover() if modern else made.initialize())
            return await ask(made)

    return anyio.run(asked)


def call(server: Server, modern: bool = False, tool: str = "draw_picture", **options: Any) -> Result:
    result = run(server, lambda made: made.call_tool(tool, options), modern)
    assert isinstance(result, Result)
    return result


def texts(result: Result) -> str:
    return "\n".join(each.text for each in result.content if isinstance(each, types.TextContent))


def pictures(result: Result) -> list[Image.Image]:
    found = [each for each in result.content if isinstance(each, types.ImageContent)]
    opened = [Image.open(io.BytesIO(base64.b64decode(each.data))) for each in found]
    assert [each.mime_type for each in found] == [each.get_format_mimetype() for each in opened]
    return opened


def test_the_tool_is_listed_with_its_options(server: Server) -> None:
    (tool,) = run(server, lambda made: made.list_tools()).tools
    options = tool.input_schema["properties"]
    assert tool.name == "draw_picture" and tool.input_schema["additionalProperties"] is False
    assert {"prompt", "seed", "width", "image", "strength"} <= set(options) and "data URL" in options["image"][
        "description"
    ]
    assert options["model"]["enum"] == [MODEL] and "FILE" not in str(options)


@pytest.mark.parametrize("modern", [False, True])
def test_a_picture_is_the_one_of_the_own_protocol(server: Server, ann: httpx.Client, modern: bool) -> None:
    drawn = call(server, modern, prompt="熊猫", seed=3, num_images_per_prompt=2, **SMALL)
    assert not drawn.is_error, texts(drawn)
    body = {"prompt": "熊猫", "seed": 3, "num_images_per_prompt": 2, **SMALL}
    own = ann.post("/v1/jobs", json=body, headers={"Prefer": "wait=60"}).json()
    contents = [ann.get(each["url"]).content for each in own["pictures"]]
    assert [each.tobytes() for each in pictures(drawn)] == [Image.open(io.BytesIO(each)).tobytes() for each in contents]
    seeds, urls = re.findall(r"seed (\d+)", texts(drawn)), re.findall(r"http\S+", texts(drawn))
    assert seeds == [str(each["seed"]) for each in own["pictures"]]
    assert [httpx.get(url).content for url in urls] == contents, "links need no token"


def test_a_picture_to_start_from_and_another_format(server: Server) -> None:
    result = call(server, prompt="红墙", image=data_url(), strength=0.5, format="webp", **SMALL)
    (drawn,) = pictures(result)
    assert drawn.format == "WEBP" and drawn.size == (64, 64)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "empty"),
        ({"prompt": "熊猫", "width": 100}, "multiple of 8"),
        ({"prompt": ["熊猫"]}, "list"),
        ({"prompt": "熊猫", "seed": "three"}, "seed"),
        ({"prompt": "熊猫", "image": "/etc/passwd"}, "data URL"),
        ({"prompt": "熊猫", "sparkle": 1}, "sparkle"),
        ({"prompt": "熊猫", "output_type": "pil"}, "output_type"),
        ({"prompt": "熊猫", "model": "other"}, MODEL),
        ({"prompt": "熊猫", "model": 1}, "model"),
        ({"prompt": "熊猫", "format": "gif"}, "webp"),
        ({"tool": "paint", "prompt": "熊猫"}, "draw_picture"),
    ],
)
@pytest.mark.parametrize("modern", [False, True])
def test_what_cannot_be_honoured_is_an_error_of_the_tool(
    server: Server, options: dict[str, Any], says: str, modern: bool
) -> None:
    result = call(server, modern, **options)
    assert result.is_error and says in texts(result) and not pictures(result)


def test_the_guard_is_before_it(server: Server, ann: httpx.Client) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream"}
    assert ann.post("/mcp", json=body, headers=headers).status_code == 200
    assert ann.post("/mcp", json=body, headers=headers | {"Host": "evil.example"}).status_code == 421
    assert ann.post("/mcp", json=body, headers=headers | {"Origin": "http://evil.example"}).status_code == 403
    assert (
        ann.post("/mcp", json=body, headers=headers | {"Authorization": "Bearer wrong-0123456789"}).status_code == 401
    )
    assert ann.post("/mcp", content=b"[" * 2**21, headers=headers).status_code == 413
    assert ann.get("/mcp", headers=headers).status_code == 405, "nothing is pushed to a client"

    async def stranger() -> None:
        async with session(server, "wrong-0123456789abcdef") as made:
            await made.initialize()

    with pytest.RaisesGroup(MCPError, flatten_subgroups=True):
        anyio.run(stranger)


def test_the_names_that_count_are_the_services_own(tmp_path: Any) -> None:
    """A service that answers to a name and is started twice: the package's own list of hosts knows none."""
    from fastapi.testclient import TestClient

    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for _ in range(2):
        options = ServeOptions(model=[MODEL], data=str(tmp_path), allow_host=["paint.example"], safety="off")
        service = Service(options)
        with TestClient(build_app(service, drain_seconds=60), base_url="http://paint.example:8000") as client:
            answer = client.post("/mcp", json=body, headers={"Accept": "application/json, text/event-stream"})
            assert answer.status_code == 200 and "draw_picture" in answer.text


@pytest.mark.parametrize("modern", [False, True])
def test_a_client_that_goes_away_stops_its_job(server: Server, ann: httpx.Client, modern: bool) -> None:
    prompt = f"一只{'快步' if modern else '慢步'}离开的猫"

    async def leave() -> None:
        with anyio.move_on_after(3):
            async with session(server) as made:
                await (made.discover() if modern else made.initialize())
                await made.call_tool(
                    "draw_picture", {"prompt": prompt, "width": 128, "height": 128, "num_inference_steps": 150}
                )

    anyio.run(leave)
    assert state_of(ann, prompt) == "cancelled"
