"""Alibaba's own client `dashscope` draws with the service."""

import io
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import dashscope
import pytest
import requests
from PIL import Image

from tests.serving.test_service import data_url
from tests.support.server import ANN, Server

MODEL = "pai-diffusion-mini-zh"


@pytest.fixture(autouse=True, params=["", "/dashscope"])
def client(server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{server.address}{request.param}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", ANN)
    yield


USUAL = {"model": MODEL, "prompt": "熊猫", "size": "64*64", "n": 1, "seed": 3}


def call(**options: Any) -> Any:
    return dashscope.ImageSynthesis.call(**USUAL | options)


def test_a_call_waits_for_its_pictures() -> None:
    answer = call(n=2, style="<watercolor>")
    assert answer.status_code == HTTPStatus.OK, answer
    assert answer.output.task_status == "SUCCEEDED" and answer.usage.image_count == 2
    assert answer.output.task_metrics == {"TOTAL": 2, "SUCCEEDED": 2, "FAILED": 0}
    for result in answer.output.results:
        picture = Image.open(io.BytesIO(requests.get(result.url, timeout=60).content))
        assert picture.size == (64, 64) and result["actual_prompt"] == "水彩画,熊猫"


def test_a_task_is_fetched_and_cancelled() -> None:
    begun = dashscope.ImageSynthesis.async_call(model=MODEL, prompt="一只很慢的猫", size="512*512", n=4)
    assert begun.status_code == HTTPStatus.OK and begun.output.task_status == "PENDING"
    assert dashscope.ImageSynthesis.fetch(begun).output.task_status in ("PENDING", "RUNNING")
    assert dashscope.ImageSynthesis.cancel(begun).status_code == HTTPStatus.OK
    assert dashscope.ImageSynthesis.wait(begun).output.task_status == "CANCELED"
    assert dashscope.ImageSynthesis.cancel(begun).code == "UnsupportedOperation"


def test_a_picture_to_start_from() -> None:
    answer = call(task="image2image", base_image_url=data_url("red"), ref_strength=0.5)
    assert answer.output.task_status == "SUCCEEDED", answer


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": "64x64"}, "256*256"),
        ({"n": 99}, "16"),
        ({"style": "<photography>"}, "<watercolor>"),
        ({"watermark": True}, "watermark"),
        ({"thinking_mode": "fast"}, "thinking_mode"),
        ({"base_image_url": "http://127.0.0.1/a.png"}, "data URL"),
        ({"sketch_image_url": data_url()}, "sketch_image_url"),
        ({"base_image_url": data_url(), "ref_strength": 1}, "ref_strength"),
        ({"base_image_url": data_url(), "ref_img": data_url()}, "one picture"),
        ({"style": ["x"]}, "style"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_its_words(options: dict[str, Any], says: str) -> None:
    answer = dashscope.ImageSynthesis.async_call(**USUAL | options)
    assert answer.status_code == HTTPStatus.BAD_REQUEST and answer.code == "InvalidParameter" and says in answer.message


def test_other_models_tokens_and_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    other = dashscope.ImageSynthesis.async_call(model="wanx-v1", prompt="熊猫")
    assert other.code == "InvalidParameter" and MODEL in other.message
    assert dashscope.ImageSynthesis.fetch("0" * 32).output.task_status == "UNKNOWN"
    monkeypatch.setattr(dashscope, "api_key", "wrong-0123456789abcdef")
    assert dashscope.ImageSynthesis.async_call(model=MODEL, prompt="熊猫").status_code == HTTPStatus.UNAUTHORIZED
