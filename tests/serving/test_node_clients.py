"""The clients of other services from npm draw with the service; skipped without Node, unless REQUIRE_NODE is set."""

import base64
import io
import time
from typing import Any

import httpx
from PIL import Image

from tests.serving.test_service import SMALL, data_url
from tests.support.foreign_clients import with_node
from tests.support.server import ANN, Server

RED = data_url("red").partition(",")[2]


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def of_own_protocol(ann: httpx.Client, **options: Any) -> bytes:
    job = ann.post("/v1/jobs", json={"seed": 3, **SMALL, **options}, headers={"Prefer": "wait=60"}).json()
    return Image.open(io.BytesIO(ann.get(job["pictures"][0]["url"]).content)).convert("RGB").tobytes()


def test_hugging_face(server: Server, ann: httpx.Client) -> None:
    told = with_node("huggingface.js", server.address, ANN, RED)
    assert told["text"][0] == told["picture"][0] == "image/png"
    assert opened(told["text"][1]).tobytes() == of_own_protocol(ann, prompt="熊猫")
    start = {"prompt": "红墙", "image": f"data:image/png;base64,{RED}", "strength": 0.5}
    assert opened(told["picture"][1]).tobytes() == of_own_protocol(ann, **start)
    assert told["refused"][0] == 400 and "empty" in told["refused"][1]
    assert told["missing"][0] == 404 and "pai-diffusion-mini-zh" in told["missing"][1]


def test_openai(server: Server, ann: httpx.Client) -> None:
    told = with_node("openai.js", server.address, ANN, RED)
    assert opened(told["text"]).tobytes() == of_own_protocol(ann, prompt="熊猫")
    assert httpx.get(told["url"]).headers["content-type"] == "image/png"
    start = {"prompt": "红墙", "image": f"data:image/png;base64,{RED}", "strength": 0.5}
    assert opened(told["picture"]).tobytes() == of_own_protocol(ann, **start)
    assert told["models"] == ["pai-diffusion-mini-zh"]
    status, param, message = told["refused"]
    assert (status, param) == (400, "style") and "leave it out" in message


def test_gradio(server: Server, ann: httpx.Client) -> None:
    until = time.monotonic() + 60
    while ann.get("/config").status_code == 503 and time.monotonic() < until:  # the page opens after the service
        time.sleep(0.1)
    told = with_node("gradio.js", server.address, ANN)
    (drawn,) = told["pictures"]
    content = httpx.get(drawn["url"]).content
    assert Image.open(io.BytesIO(content)).convert("RGB").tobytes() == of_own_protocol(ann, prompt="熊猫")
    assert drawn["seed"] == 3 and "width is 63" in told["refused"] and "credentials" in told["stranger"]
