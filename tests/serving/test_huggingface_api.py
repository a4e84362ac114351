"""Hugging Face's own client `huggingface_hub` draws with the service."""

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from tests.serving.test_service import SMALL, data_url
from tests.support.foreign_clients import state_of
from tests.support.server import ANN, Server

MODEL = "pai-diffusion-mini-zh"
RED = base64.b64decode(data_url("red").partition(",")[2])


@pytest.fixture(params=["/hf", f"/hf/models/{MODEL}"])
def client(server: Server, request: pytest.FixtureRequest) -> InferenceClient:
    return InferenceClient(base_url=f"{server.address}{request.param}", api_key=ANN, timeout=120)


def test_a_picture_of_a_text_is_the_one_of_the_own_protocol(client: InferenceClient, ann: httpx.Client) -> None:
    options: Any = {"negative_prompt": "文字", "guidance_scale": 5.0, "scheduler": "Euler a", "seed": 3, **SMALL}
    drawn = client.text_to_image("熊猫", **options)
    own = ann.post("/v1/jobs", json={"prompt": "熊猫", **options}, headers={"Prefer": "wait=60"}).json()
    content = ann.get(own["pictures"][0]["url"]).content
    assert drawn.format == "PNG" and drawn.tobytes() == Image.open(io.BytesIO(content)).tobytes()
    other = client.text_to_image("熊猫", extra_body={"clip_skip": 1}, **options)
    assert other.size == (64, 64) and other.tobytes() != drawn.tobytes(), "the extra option counts"


def test_a_picture_of_a_picture_goes_as_far_as_strength_says(client: InferenceClient) -> None:
    options: Any = {
        "prompt": "蓝色的海",
        "num_inference_steps": 10,
        "seed": 3,
        "target_size": {"width": 64, "height": 64},
    }
    near, far = (client.image_to_image(RED, strength=strength, **options) for strength in (0.2, 0.95))
    apart = [np.abs(np.asarray(each, dtype=int) - (255, 0, 0)).mean() for each in (near, far)]
    assert near.size == (64, 64) and apart[0] < 40 and apart[1] > apart[0] + 20, apart


def test_the_format_is_the_one_that_is_accepted_and_headers_tell_the_rest(ann: httpx.Client) -> None:
    body = {"inputs": "熊猫", "parameters": {"seed": 7, **SMALL}}
    for kind in ("image/jpeg", "image/webp", "image/png"):
        answer = ann.post("/hf", json=body, headers={"Accept": f"{kind}, application/json"})
        assert answer.status_code == 200 and answer.headers["content-type"] == kind
        assert Image.open(io.BytesIO(answer.content)).get_format_mimetype() == kind
        assert answer.headers["x-seed"] == "7" and answer.headers["x-flagged"] == "false"
    refused = ann.post("/hf", json=body, headers={"Accept": "application/json"})
    assert refused.status_code == 406 and "image/webp" in refused.json()["error"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width": 100}, "multiple of 8"),
        ({"width": "wide"}, "width"),
        ({"scheduler": "magic"}, "scheduler"),
        ({"num_inference_steps": 10**6}, "num_inference_steps"),
        ({"extra_body": {"sparkle": 1}}, "sparkle"),
        ({"extra_body": {"num_images_per_prompt": 2}}, "one picture"),
        ({"extra_body": {"seed": [1, 2]}}, "one picture"),
        ({"extra_body": {"target_size": {"width": 64}}}, "target_size"),
        ({"width": 64, "extra_body": {"target_size": {"width": 64, "height": 64}}}, "say the same"),
        ({"extra_body": {"mask": "/etc/passwd"}}, "data URL"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_its_words(
    client: InferenceClient, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(HfHubHTTPError, match=says) as error:
        client.text_to_image("熊猫", **options)
    assert error.value.response.status_code == 400


def test_pictures_that_are_none_and_bodies_that_are_none(client: InferenceClient, ann: httpx.Client) -> None:
    with pytest.raises(HfHubHTTPError, match="image"):
        client.image_to_image(b"no picture", prompt="海")
    with pytest.raises(HfHubHTTPError, match="text is empty"):
        client.image_to_image(RED)  # sent as it is
    for body in (
        {"parameters": {}},
        {"inputs": ["熊猫"]},
        {"inputs": "熊猫", "parameters": [1]},
        {"inputs": "熊", "x": 1},
    ):
        answer = ann.post("/hf", json=body)
        assert answer.status_code == 400 and set(answer.json()) == {"error"}
    assert ann.post("/hf", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400


def test_other_models_and_tokens(server: Server) -> None:
    with pytest.raises(HfHubHTTPError, match=MODEL) as missing:
        InferenceClient(model=f"{server.address}/hf/models/stabilityai/sdxl", api_key=ANN).text_to_image("熊猫")
    assert missing.value.response.status_code == 404
    with pytest.raises(HfHubHTTPError) as stranger:
        InferenceClient(base_url=f"{server.address}/hf", api_key="wrong-0123456789abcdef").text_to_image("熊猫")
    assert stranger.value.response.status_code == 401


def test_a_client_that_goes_away_stops_its_job(server: Server, ann: httpx.Client) -> None:
    impatient = InferenceClient(base_url=f"{server.address}/hf", api_key=ANN, timeout=1.5)
    with pytest.raises(httpx.TimeoutException):
        impatient.text_to_image("一只跑开的猫", width=128, height=128, num_inference_steps=150)
    assert state_of(ann, "跑开的猫") == "cancelled"
