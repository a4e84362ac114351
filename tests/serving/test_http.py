"""`pai-modelscope serve` as a process of its own, asked over HTTP as programs do."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from pai_modelscope.cli.parser import build_parser
from pai_modelscope.cli.serve import options_of
from pai_modelscope.images.open_images import open_image
from pai_modelscope.serving import app
from pai_modelscope.serving.admission import FIELDS
from pai_modelscope.serving.problems import TooSlow
from pai_modelscope.serving.store import JobStore, State
from tests.serving.test_service import SMALL, data_url
from tests.support.browser import visit
from tests.support.server import ANN, BOB, CYD, Server, start


def test_a_job_is_asked_for_watched_and_fetched(server: Server, ann: httpx.Client) -> None:
    accepted = ann.post("/v1/jobs", json={"prompt": "熊猫", "seed": 1, **SMALL, "num_inference_steps": 5})
    assert accepted.status_code == 202
    job = accepted.json()
    assert accepted.headers["Location"] == f"/v1/jobs/{job['id']}" and job["state"] in ("queued", "running")
    events = []
    with ann.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                events.append((value, {}))
            elif name == "data":
                events[-1][1].update(json.loads(value))
    assert [name for name, _ in events if name not in ("position", "step", "preview")] == ["done"]
    preview = next(data["image"] for name, data in events if name == "preview")
    assert open_image(preview).size == (32, 32)  # four pixels for each of the latents
    steps = [data["step"] for name, data in events if name == "step"]
    assert steps == sorted(steps) and len(set(steps)) >= 3
    (picture,) = events[-1][1]["pictures"]
    with server.client(None) as nobody:
        fetched = nobody.get(picture["url"])
        assert fetched.status_code == 200 and fetched.content.startswith(b"\x89PNG")
        assert nobody.get(picture["url"].partition("?")[0]).status_code == 401
        assert nobody.get(picture["url"].replace("/0?", "/1?")).status_code == 401


def test_prefer_wait_answers_with_the_end(ann: httpx.Client) -> None:
    body = {"prompt": "熊猫", "seed": 1, "format": "webp", **SMALL}
    done = ann.post("/v1/jobs", json=body, headers={"Prefer": "wait=60"})
    assert done.status_code == 200 and done.json()["state"] == "done" and done.json()["format"] == "webp"
    picture = ann.get(done.json()["pictures"][0]["url"])
    assert picture.headers["content-type"] == "image/webp" and picture.content[8:12] == b"WEBP"
    soon = ann.post("/v1/jobs", json=body | {"num_inference_steps": 150}, headers={"Prefer": "wait=1"})
    assert soon.status_code == 202 and ann.delete(soon.headers["Location"]).json()["state"] == "cancelled"
    assert ann.delete(soon.headers["Location"]).json()["state"] == "cancelled"


def test_a_key_repeated_is_one_job(ann: httpx.Client) -> None:
    headers, body = {"Idempotency-Key": "k1"}, {"prompt": "熊猫", **SMALL}
    first, second = (ann.post("/v1/jobs", json=body, headers=headers).json()["id"] for _ in range(2))
    assert first == second
    other = ann.post("/v1/jobs", json={"prompt": "狐狸"}, headers=headers)
    assert other.status_code == 409 and other.headers["content-type"] == "application/problem+json"


def test_nobody_sees_anothers(server: Server, ann: httpx.Client) -> None:
    job = ann.post("/v1/jobs", json={"prompt": "秘密", **SMALL}, headers={"Prefer": "wait=60"}).json()
    with server.client(BOB) as bob:
        path = f"/v1/jobs/{job['id']}"
        asked = (bob.get(path), bob.delete(path), bob.get(f"{path}/events"), bob.get(f"{path}/pictures/0"))
        assert [answer.status_code for answer in asked] == [404] * 4
        assert bob.get("/v1/jobs", params={"words": "秘密"}).json() == {"jobs": []}
    assert job["id"] in [each["id"] for each in ann.get("/v1/jobs", params={"words": "秘密"}).json()["jobs"]]
    assert ann.get("/v1/jobs", params={"words": "没有的词"}).json() == {"jobs": []}


def test_uploads_are_named_by_requests(ann: httpx.Client) -> None:
    import base64

    content = base64.b64decode(data_url("blue").partition(",")[2])
    upload = ann.post("/v1/images", content=content)
    assert upload.status_code == 201
    body = {"prompt": "熊猫", "image": upload.json()["id"], **SMALL}
    assert ann.post("/v1/jobs", json=body, headers={"Prefer": "wait=60"}).json()["state"] == "done"
    assert ann.post("/v1/images", content=b"no picture").status_code == 422


def test_lists(ann: httpx.Client) -> None:
    models = ann.get("/v1/models").json()
    assert models["object"] == "list" and models["data"][0]["id"] == "pai-diffusion-mini-zh"
    assert models["data"][0]["state"] == "ready" and models["data"][0]["bytes"] > 2**20
    assert "DDIM" in ann.get("/v1/schedulers").json()["schedulers"]
    assert {"canny", "sketch"} <= set(ann.get("/v1/controls").json()["controls"])
    assert ann.get("/v1/loras").json() == {"loras": []}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'"x"', "object"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 5000, "nests"),
        (b'{"prompt": "a", "prompt": "b"}', "twice"),
        (b'{"prompt": "a", "seed": ' + b"9" * 6000 + b"}", "digits"),
        (b'{"prompt": "a", "model": 7}', "model"),
        (b'{"prompt": "a", "model": "other"}', "pai-diffusion-mini-zh"),
        (b'{"prompt": "a", "format": "bmp"}', "webp"),
        (b"{}", "empty"),
    ],
)
def test_bodies_that_are_none(ann: httpx.Client, content: bytes, says: str) -> None:
    answer = ann.post("/v1/jobs", content=content)
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422 and problem["type"] and problem["title"] and says in problem["detail"]


def test_every_fault_is_named_with_its_field(ann: httpx.Client) -> None:
    answer = ann.post("/v1/jobs", json={"prompt": "熊猫", "stepz": 1, "image": "/etc/passwd", "width": 100})
    faults = {fault["field"]: fault for fault in answer.json()["faults"]}
    assert set(faults) == {"stepz", "image", "width"} and "64" in faults["width"]["valid"]


def test_who_asks_how_and_how_much(server: Server, ann: httpx.Client) -> None:
    with server.client(None) as nobody:
        assert nobody.get("/v1/jobs").status_code == nobody.get("/metrics").status_code == 401
        assert nobody.get("/healthz").status_code == 200
    with server.client("wrong-0123456789abcdef") as wrong:
        refused = wrong.get("/v1/jobs")
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert ann.get("/v1/jobs", headers={"Host": "evil.example"}).status_code == 421
    body = {"prompt": "熊猫", **SMALL}
    assert ann.post("/v1/jobs", json=body, headers={"Origin": "http://evil.example"}).status_code == 403
    assert ann.post("/v1/images", content=b"0" * (2**20 + 1)).status_code == 413
    in_pieces = ann.post("/v1/images", content=iter([b"0" * 2**18] * 5))
    assert in_pieces.status_code == 413 and in_pieces.headers["content-type"] == "application/problem+json"
    assert ann.get("/v1/nothing").status_code == 404 and ann.put("/v1/jobs").status_code == 405
    assert ann.get("/v1/jobs", params={"limit": 0}).status_code == 422


def test_a_line_of_the_token_file_holds_its_client_to_less(server: Server, ann: httpx.Client) -> None:
    body = {"prompt": "熊猫", **SMALL}
    with server.client(CYD) as cyd:
        for more in ({"width": 256}, {"num_inference_steps": 4}, {"num_images_per_prompt": 2}):
            refused, allowed = (client.post("/v1/jobs", json=body | more) for client in (cyd, ann))
            (fault,) = refused.json()["faults"]
            assert refused.status_code == 422 and fault["field"] in more and "up to" in fault["message"], fault
            assert allowed.status_code == 202 and ann.delete(allowed.headers["Location"]).status_code == 200
        picture = {"image": data_url("red").partition(",")[2], "upscaler_1": "Lanczos", "upscaling_resize": 2}
        assert cyd.post("/sdapi/v1/extra-single-image", json=picture).status_code == 422
        assert ann.post("/sdapi/v1/extra-single-image", json=picture).status_code == 200
        long = ann.post("/v1/jobs", json=body | {"num_inference_steps": 150, "width": 128}).json()
        while ann.get(f"/v1/jobs/{long['id']}").json()["state"] == "queued":
            time.sleep(0.01)
        other = ann.post("/v1/jobs", json=body).json()
        first, second = (cyd.post("/v1/jobs", json=body) for _ in range(2))
        assert first.json()["position"] == 0 and ann.get(f"/v1/jobs/{other['id']}").json()["position"] == 1
        assert second.status_code == 429 and "1 jobs of yours wait" in second.json()["detail"]
        ann.delete(f"/v1/jobs/{long['id']}")


def test_one_client_does_not_hold_all_connections(server: Server, ann: httpx.Client) -> None:
    host, _, port = server.address.removeprefix("http://").partition(":")
    head = f"POST /v1/images HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ANN}\r\nContent-Length: 9\r\n\r\n"
    with contextlib.ExitStack() as opened, server.client(BOB) as bob:
        for _ in range(32):
            opened.enter_context(socket.create_connection((host, int(port)))).sendall(head.encode())
        until = time.monotonic() + 10
        while (full := ann.get("/v1/schedulers")).status_code == 200 and time.monotonic() < until:
            time.sleep(0.02)
        assert full.status_code == 429 and full.headers["Retry-After"] == "1", full.text
        assert "32 requests of yours are open: come again" in full.json()["detail"]
        assert ann.get("/healthz").status_code == bob.get("/v1/schedulers").status_code == 200
    until = time.monotonic() + 10
    while ann.get("/v1/schedulers").status_code == 429:
        assert time.monotonic() < until, "who goes away holds nothing"
        time.sleep(0.02)


def test_a_slow_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_BODY_SECONDS", 0.2)

    async def never() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.request"}

    with pytest.raises(TooSlow):
        asyncio.run(app._Body(never, 100)())


def test_a_client_that_goes_away_holds_nothing(server: Server, ann: httpx.Client) -> None:
    job = ann.post("/v1/jobs", json={"prompt": "熊猫", **SMALL, "num_inference_steps": 60}).json()
    with ann.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        next(stream.iter_lines())
    after = ann.post("/v1/jobs", json={"prompt": "狐狸", **SMALL}, headers={"Prefer": "wait=60"})
    assert after.json()["state"] == "done"  # perhaps before the other, for somebody waited for it
    assert ann.get(f"/v1/jobs/{job['id']}/events").text.rstrip().rpartition("event: ")[2].startswith("done")


def test_metrics_count(ann: httpx.Client) -> None:
    text = ann.get("/metrics").text
    done = re.search(r'pai_jobs_ended_total\{model="pai-diffusion-mini-zh",state="done"\} (\S+)', text)
    assert done and float(done[1]) >= 1 and "pai_step_seconds_bucket" in text and "pai_memory_bytes" in text


def test_the_schema_is_made_of_the_options(ann: httpx.Client) -> None:
    openapi = ann.get("/openapi.json").json()
    body = openapi["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {*FIELDS, "model", "format"} and body["additionalProperties"] is False
    assert body["properties"]["num_inference_steps"]["maximum"] == 1000
    assert "/healthz" not in openapi["paths"]


def test_the_page_of_the_schema_works_without_a_network(server: Server, browser: Any) -> None:
    with visit(browser) as seen:
        seen.page.context.add_cookies([{"name": "token", "value": ANN, "url": server.address}])
        seen.page.goto(f"{server.address}/docs")
        seen.page.get_by_text("/v1/images/generations").first.wait_for()
        assert seen.errors == [] and {url.split("/")[2] for url in seen.requests if "://" in url} == {
            server.address.split("/")[2]
        }


def test_sigterm_ends_what_is_drawn_and_a_crash_loses_nothing(tmp_path: Path) -> None:
    first = start(tmp_path / "data")
    first.wait_until_ready()
    with first.client(None) as client:
        drawn = client.post("/v1/jobs", json={"prompt": "熊猫", "seed": 1, **SMALL, "num_inference_steps": 40}).json()
        waits = client.post("/v1/jobs", json={"prompt": "狐狸", "seed": 2, **SMALL}).json()
        while client.get(f"/v1/jobs/{drawn['id']}").json()["state"] == "queued":
            time.sleep(0.01)
    first.process.terminate()
    first.process.communicate(timeout=60)
    store = JobStore(first.data / "jobs.sqlite")
    states = {name: store.get(job["id"]).state for name, job in (("drawn", drawn), ("waits", waits))}
    assert states["drawn"] is State.DONE and states["waits"] in (State.QUEUED, State.DONE)
    store.close()

    second = start(tmp_path / "data")
    second.wait_until_ready()
    with second.client(None) as client:
        long = client.post("/v1/jobs", json={"prompt": "水墨画", "seed": 3, **SMALL, "num_inference_steps": 60}).json()
        while client.get(f"/v1/jobs/{long['id']}").json().get("step", 0) < 1:
            time.sleep(0.01)
    second.process.send_signal(signal.SIGKILL)
    second.process.communicate(timeout=60)

    third = start(tmp_path / "data")
    third.wait_until_ready()
    with third.client(None) as client:
        for job, seed in ((waits, 2), (long, 3)):
            until = time.monotonic() + 100
            while client.get(f"/v1/jobs/{job['id']}").json()["state"] != "done":
                assert time.monotonic() < until
                time.sleep(0.05)
            assert client.get(f"/v1/jobs/{job['id']}").json()["pictures"][0]["seed"] == seed
    third.process.terminate()
    third.process.communicate(timeout=60)
    assert JobStore(first.data / "jobs.sqlite").get(long["id"]).tries == 2


def refused(*flags: str) -> str:
    """The one line on stderr of a command that ends with 2."""
    command = [sys.executable, "-m", "pai_modelscope.cli", "serve", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_a_switch_is_off_on_and_off_again(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("picture-urls: yes\n")
    of_file = ["--config", str(tmp_path / "serve.yaml")]
    given: list[list[str]] = [[], ["--picture-urls"], of_file, [*of_file, "--no-picture-urls"]]
    options = [options_of(build_parser().parse_args(["serve", *flags])) for flags in given]
    assert [each.picture_urls for each in options] == [False, True, True, False]


def test_what_cannot_be_served_is_one_line(server: Server, tmp_path: Path) -> None:
    assert "--most-replicas is of replicas on Ray: give --ray" in refused("--most-replicas", "2")
    fewer = refused("--ray", "local", "--replicas", "3", "--most-replicas", "2")
    assert "--most-replicas is 2; it is at least --replicas, 3" in fewer
    assert "--token-file" in refused("--host", "0.0.0.0", "--data", str(tmp_path / "a"))
    assert "another service" in refused("--port", "0", "--data", str(server.data))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "cannot listen" in refused("--port", port, "--data", str(tmp_path / "b"))
    assert "0 to 65535" in refused("--port", "70000", "--data", str(tmp_path / "c"))
    text = "port: 0\nquue: 3\npictures: none\nmodel: [1]\npicture-urls: public\n"
    (tmp_path / "serve.yaml").write_text(text)
    line = refused("--config", str(tmp_path / "serve.yaml"))
    assert "quue" in line and "pictures" in line and "model" in line and "give true or false" in line
    (tmp_path / "tokens").write_text(f"ann {ANN} steps=50\n")
    assert "steps is 50, but --steps 20" in refused("--token-file", str(tmp_path / "tokens"), "--steps", "20")
