"""ModelScope's API-Inference, called by `requests` as its documentation does, and what `modelscope server` answers."""

import base64
import io
import time
from typing import Any

import httpx
import numpy as np
import pytest
import requests
from modelscope.pipelines import pipeline
from modelscope.server.models.output import ApiResponse
from modelscope.utils.input_output import (
    call_pipeline_with_json,
    get_task_schemas,
    pipeline_output_to_service_base64_output,
)
from PIL import Image

from pai_modelscope import model_dir
from pai_modelscope.serving.admission import FIELDS
from tests.serving.test_service import SMALL, data_url
from tests.support.foreign_clients import state_of
from tests.support.server import ANN, BOB, Server

TASK = "text-to-image-synthesis"
RED = data_url("red").partition(",")[2]
QUICK = {"prompt": "熊猫", "size": "64x64", "seed": 3, "steps": 2, "guidance": 5}
HEADERS = {"Authorization": f"Bearer {ANN}", "Content-Type": "application/json"}


def task(server: Server, id: str, prefix: str = "") -> Any:
    headers = {**HEADERS, "X-ModelScope-Task-Type": "image_generation"}
    for _ in range(600):
        answer = requests.get(f"{server.address}{prefix}/v1/tasks/{id}", headers=headers, timeout=60).json()
        if answer["task_status"] not in ("PENDING", "RUNNING"):
            return answer
        time.sleep(0.05)
    raise AssertionError("the task did not end")


def ask(server: Server, body: dict[str, Any], prefix: str = "") -> requests.Response:
    headers = {**HEADERS, "X-ModelScope-Async-Mode": "true"}
    return requests.post(f"{server.address}{prefix}/v1/images/generations", headers=headers, json=body, timeout=60)


@pytest.mark.parametrize("prefix", ["", "/modelscope"])
def test_a_task_ends_with_the_same_picture(server: Server, ann: httpx.Client, prefix: str) -> None:
    accepted = ask(server, QUICK | {"model": "pai-diffusion-mini-zh"}, prefix)
    accepted.raise_for_status()
    done = task(server, accepted.json()["task_id"], prefix)
    assert done["task_status"] == "SUCCEED" and done["seeds"] == [3]
    picture = Image.open(requests.get(done["output_images"][0], stream=True, timeout=60).raw).convert("RGB")
    own = {"prompt": "熊猫", "width": 64, "height": 64, "seed": 3, "num_inference_steps": 2, "guidance_scale": 5}
    job = ann.post("/v1/jobs", json=own, headers={"Prefer": "wait=60"}).json()
    expected = Image.open(requests.get(server.address + job["pictures"][0]["url"], stream=True, timeout=60).raw)
    assert picture.tobytes() == expected.convert("RGB").tobytes()


def test_other_tasks_and_values(server: Server) -> None:
    id = ask(server, QUICK).json()["task_id"]
    stranger = requests.get(f"{server.address}/v1/tasks/{id}", headers={"Authorization": f"Bearer {BOB}"}, timeout=60)
    assert stranger.status_code == 404 and task(server, id)["task_status"] == "SUCCEED"
    wrong = (
        {"size": "large"},
        {"model": "other"},
        {"model": 3},
        {"steps": 5, "num_inference_steps": 4},
        {"sparkle": 1},
    )
    for change in (*wrong, {"image_url": "http://127.0.0.1/a.png"}, {"loras": "somebody/lora"}):
        refused = ask(server, QUICK | change)
        assert refused.status_code in (400, 422), change


def call(server: Server, body: dict[str, Any], prefix: str = "", timeout: float = 60) -> requests.Response:
    return requests.post(f"{server.address}{prefix}/call", headers=HEADERS, json=body, timeout=timeout)


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def test_a_call_is_answered_as_by_modelscopes_own_server(server: Server) -> None:
    """Whose two functions, over our pipeline, are what it does with a body."""
    pipe = pipeline(TASK, str(model_dir("pai-diffusion-mini-zh")), device="cpu")
    options = {"seed": 3, "guidance_scale": 5, "negative_prompt": "文字", **SMALL}
    several = {"input": {"text": "熊猫"}, "parameters": options | {"num_images_per_prompt": 2, "output_type": "bgr"}}
    for body in (several, {"input": "狐狸", "parameters": options}):
        result = call_pipeline_with_json({"task_name": TASK}, pipe, body)
        expected = pipeline_output_to_service_base64_output(TASK, result)
        for prefix in ("", "/modelscope"):
            told = call(server, body, prefix).json()
            assert set(told) == set(expected) - {"output"}
            drawn, theirs = ([opened(each).tobytes() for each in of["output_imgs"]] for of in (told, expected))
            assert drawn == theirs
            assert [told[name] == expected[name] for name in ("seeds", "infotext", "flagged")] == [True] * 3
    in_the_input = {"input": {"prompt": "狐狸", **options}}  # as the pipeline takes it, too
    assert call(server, in_the_input).json() == told


def test_what_is_described_is_what_is_taken(server: Server) -> None:
    told = requests.get(f"{server.address}/describe", headers=HEADERS, timeout=60).json()
    assert told == requests.get(f"{server.address}/modelscope/describe", headers=HEADERS, timeout=60).json()
    assert set(told) == {"schema", "sample"} and told["schema"]["task_name"] == TASK
    schema, theirs = told["schema"]["schema"], get_task_schemas(TASK)
    assert set(schema) == set(theirs) and schema["input"] == theirs["input"]
    assert schema["output"]["properties"].items() >= theirs["output"]["properties"].items()
    assert set(schema["parameters"]["properties"]) == set(FIELDS) - {"prompt"}
    assert schema["parameters"]["properties"]["num_inference_steps"]["maximum"] == 1000
    answer = call(server, {"input": told["sample"]["input"], "parameters": told["sample"]["parameters"] | SMALL})
    assert answer.json()["seeds"] == [told["sample"]["parameters"]["seed"]]
    assert set(answer.json()) == set(schema["output"]["properties"])


def test_a_call_draws_from_a_picture_in_base64(server: Server) -> None:
    """Of either alphabet, as ModelScope reads it."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    plain, other = base64.b64encode(file.getvalue()).decode(), base64.urlsafe_b64encode(file.getvalue()).decode()
    assert plain != other
    asked = {"parameters": {"strength": 0.6, "seed": 3, **SMALL}}
    given = [plain, other, f"data:image/png;base64,{plain}", RED]
    answers = [call(server, {"input": {"text": "海", "image": each}, **asked}).json() for each in given]
    drawn = [answer["output_imgs"] for answer in answers]
    assert drawn[0] == drawn[1] == drawn[2] != drawn[3]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "input is None"),
        ({"input": ["猫", "狗"]}, "give a text"),
        ({"input": ""}, "empty"),
        ({"input": "猫", "parameters": [1]}, "give an object"),
        ({"input": "猫", "sparkle": 1}, "'sparkle' beside input"),
        ({"input": {"text": "猫", "prompt": "狗"}}, "say the same"),
        ({"input": {"text": "猫", "sparkle": 1}}, "unknown field 'sparkle'"),
        ({"input": "猫", "parameters": {"callback": "print"}}, "unknown field 'callback'"),
        ({"input": {"text": "猫", "seed": 1}, "parameters": {"seed": 2}}, "'seed' stands in input and in parameters"),
        ({"input": {}, "parameters": {"text": "猫"}}, "text has its place in input"),
        ({"input": "猫", "parameters": {"output_type": "pil"}}, "output_type"),
        ({"input": "猫", "parameters": {"width": 100}}, "multiple of 8"),
        ({"input": {"text": "猫", "image": "/etc/passwd"}}, "image"),
        ({"input": "猫", "model": "other"}, "pai-diffusion-mini-zh"),
        ({"input": "猫", "model": 3}, "give a name"),
    ],
)
def test_a_call_that_cannot_be_honoured_is_refused(server: Server, body: dict[str, Any], says: str) -> None:
    answer = call(server, body)
    told = ApiResponse[dict[str, str]](**answer.json())
    assert (answer.status_code, told.Code, told.Success, told.Data) == (400, 400, False, {})
    assert says in str(told.Message) and told.RequestId


def test_who_may_call_and_one_that_goes_away_stops_its_job(server: Server, ann: httpx.Client) -> None:
    assert requests.get(f"{server.address}/describe", timeout=60).status_code == 401
    assert requests.post(f"{server.address}/call", json={"input": "猫"}, timeout=60).status_code == 401
    slow = {"width": 128, "height": 128, "num_inference_steps": 150}
    with pytest.raises(requests.Timeout):
        call(server, {"input": "一只跳开的猫", "parameters": slow}, timeout=1.5)
    assert state_of(ann, "跳开的猫") == "cancelled"
