"""Replicas on Ray: two on this machine draw for one front, are killed, wanted for their LoRAs, and come and go."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pai_modelscope import Sampler
from pai_modelscope.images.open_images import open_image
from tests.sampling.test_loras import lora_file
from tests.support.server import start

pytestmark = pytest.mark.slow
PICTURE = {"num_inference_steps": 10, "width": 128, "height": 128}


class Replicas:
    """A front with replicas, and what its log tells."""

    def __init__(self, folder: Path, *flags: str):
        self.server = start(folder, "--ray", "local", *flags)
        self.log: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.server.wait_until_ready()
        except BaseException:
            self.server.process.terminate()
            raise
        self.client = self.server.client(None)

    def _read(self) -> None:
        assert self.server.process.stderr is not None
        for line in self.server.process.stderr:
            if line.startswith("{"):
                self.log.append(json.loads(line))

    def end(self) -> None:
        """It ends as a supervisor expects, and leaves no process."""
        begun = psutil.Process(self.server.process.pid).children(recursive=True)
        self.server.process.terminate()
        assert self.server.process.wait(120) == -signal.SIGTERM
        assert not psutil.wait_procs(begun, timeout=60)[1]

    def submit(self, seed: int, prompt: str = "熊猫", **options: Any) -> str:
        body = {"prompt": prompt, "seed": seed, **PICTURE, **options}
        id: str = self.client.post("/v1/jobs", json=body).raise_for_status().json()["id"]
        return id

    def job(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/jobs/{id}").raise_for_status().json()
        return found

    def ended(self, *ids: str, seconds: float = 180) -> list[dict[str, Any]]:
        until(lambda: all(self.job(id)["state"] not in ("queued", "running") for id in ids), seconds)
        return [self.job(id) for id in ids]

    def picture(self, job: dict[str, Any]) -> np.ndarray:
        content = self.client.get(job["pictures"][0]["url"]).raise_for_status().content
        return np.asarray(open_image(content).convert("RGB"), dtype=float)

    def processes(self) -> list[psutil.Process]:
        found = psutil.Process(self.server.process.pid).children(recursive=True)
        return [each for each in found if "ServeReplica" in " ".join(each.cmdline())]

    def drawn_with(self) -> list[tuple[str, str]]:
        """Which replica drew with which model and LoRAs, batch by batch."""
        found = (re.fullmatch(r"replica (\S+) draws \d+ jobs with (.*)", line["message"]) for line in self.log)
        return [(match[1], match[2]) for match in found if match]


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.1)


# Fronts of their own come first: two at once would be slow.


def test_a_killed_front_loses_no_job_and_leaves_no_replica(tmp_path: Path) -> None:
    front = Replicas(tmp_path / "data", "--replicas", "2")
    ids = [front.submit(seed, num_inference_steps=50) for seed in range(10)]
    until(lambda: any(front.job(id)["state"] == "running" for id in ids))
    left = front.processes()
    front.server.process.kill()
    front.server.process.wait()
    _, alive = psutil.wait_procs(left, timeout=60)
    assert not alive
    again = Replicas(tmp_path / "data", "--replicas", "2")
    try:
        assert [job["state"] for job in again.ended(*ids)] == ["done"] * 10
    finally:
        again.end()


def test_replicas_come_while_much_waits(tmp_path: Path) -> None:
    front = Replicas(tmp_path / "data", "--replicas", "1", "--most-replicas", "2")
    try:
        assert len(front.processes()) == 1
        ids = [front.submit(seed, num_inference_steps=50, width=256, height=256) for seed in range(12)]
        until(lambda: len(front.processes()) == 2)
        assert [job["state"] for job in front.ended(*ids)] == ["done"] * 12
        assert len({replica for replica, _ in front.drawn_with()}) == 2
    finally:
        front.end()


def test_no_cluster_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pai_modelscope.cli", "serve", "--port", "0", "--data", str(tmp_path), "--ray"]
    done = subprocess.run([*command, "127.0.0.1:1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "no Ray cluster at 127.0.0.1:1" in done.stderr and "Traceback" not in done.stderr


# One front for all that follows.


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    flags = ["--replicas", "2"]
    for seed, name in enumerate(("first", "second")):
        flags += ["--lora", lora_file(folder, name, seed)]
    running = Replicas(folder / "data", *flags)
    yield running
    running.end()


def test_a_picture_is_the_one_of_this_process(replicas: Replicas, sampler: Sampler) -> None:
    (job,) = replicas.ended(replicas.submit(7))
    (expected,) = sampler("熊猫", seed=7, **PICTURE)
    assert np.abs(replicas.picture(job) - np.asarray(expected.image, dtype=float)).mean() < 1  # one thread, not two


def test_what_can_not_be_drawn_is_said_in_the_same_words(replicas: Replicas) -> None:
    answer = replicas.client.post("/v1/jobs", json={"prompt": "熊猫", "width": 63, "scheduler": "none such"})
    assert answer.status_code == 422 and {fault["field"] for fault in answer.json()["faults"]} == {"width", "scheduler"}
    assert replicas.client.post("/v1/jobs", json={"prompt": "<lora:third:1>"}).status_code == 422


def test_a_cancelled_job_stops_where_it_is_drawn(replicas: Replicas) -> None:
    long = replicas.submit(1, num_inference_steps=150, width=256, height=256)
    until(lambda: replicas.job(long).get("step", 0) >= 2)
    replicas.client.delete(f"/v1/jobs/{long}").raise_for_status()
    cancelled = time.monotonic()
    for job in replicas.ended(*(replicas.submit(seed) for seed in range(4))):  # both replicas draw again
        assert job["state"] == "done"
    assert time.monotonic() - cancelled < 15 and replicas.job(long)["state"] == "cancelled"


def test_batches_go_to_the_replica_that_holds_their_lora(replicas: Replicas) -> None:
    before = len(replicas.drawn_with())
    for seed in range(8):  # one after the other: both replicas have room for each
        name = ("first", "second")[seed % 2]
        replicas.ended(replicas.submit(seed, f"熊猫<lora:{name}:0.8>"))
    drawn = replicas.drawn_with()[before:]
    assert len(drawn) == 8
    for name in ("first", "second"):
        assert len({replica for replica, affinity in drawn if affinity.endswith(f"+{name}")}) == 1


def test_a_killed_replica_loses_no_job(replicas: Replicas) -> None:
    ids = [replicas.submit(seed, num_inference_steps=20) for seed in range(30)]
    for _ in range(2):
        until(lambda: len(replicas.processes()) == 2 and any(replicas.job(id)["state"] == "running" for id in ids))
        replicas.processes()[0].send_signal(signal.SIGKILL)
        time.sleep(3)
    jobs = replicas.ended(*ids)
    assert [job["state"] for job in jobs] == ["done"] * 30
    assert any("lost" in line["message"] for line in replicas.log)
    pictures = {replicas.picture(job).tobytes() for job in jobs}
    assert len(pictures) == 30
    until(lambda: len(replicas.processes()) == 2)
