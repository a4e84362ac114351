"""ModelScope's API-Inference, called by `requests` as its documentation does."""

import time
from typing import Any

import httpx
import pytest
import requests
from PIL import Image

from tests.support.server import ANN, BOB, Server

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
