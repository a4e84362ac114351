"""Kill -9 at random moments: no accepted job is lost, none has two results, the store stays whole."""

import contextlib
import random
import signal
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from pai_modelscope.serving.store import JobStore, State
from tests.serving.test_service import SMALL
from tests.support.server import start

KILLS = 20


@pytest.mark.slow
def test_twenty_kills_lose_no_job(tmp_path: Path) -> None:
    dice, told = random.Random(0), []
    for turn in range(KILLS):
        server = start(tmp_path / "data")
        server.wait_until_ready()
        until = time.monotonic() + dice.uniform(0.05, 2.5)
        with server.client(None) as client, contextlib.suppress(httpx.TransportError):
            while time.monotonic() < until:
                body = {"prompt": f"第{turn}只熊猫", "seed": turn, **SMALL, "num_inference_steps": dice.randint(1, 6)}
                answer = client.post("/v1/jobs", json=body)
                if answer.status_code == 202:
                    told.append(answer.json()["id"])
                time.sleep(dice.uniform(0, 0.2))
        server.process.send_signal(signal.SIGKILL)
        server.process.communicate(timeout=60)
    last = start(tmp_path / "data")
    last.wait_until_ready()
    with last.client(None) as client:
        while [job for job in client.get("/v1/jobs", params={"limit": 100}).json()["jobs"] if job["state"] == "queued"]:
            time.sleep(0.2)
    last.process.terminate()
    last.process.communicate(timeout=60)
    store = JobStore(tmp_path / "data/jobs.sqlite")
    assert len(told) > KILLS
    jobs = {id: store.get(id) for id in told}
    assert [id for id, job in jobs.items() if job is None] == []
    assert {job.state for job in jobs.values() if job} <= {State.DONE, State.INTERRUPTED}
    for job in jobs.values():
        assert job is not None and (len(job.pictures) == 1) is (job.state is State.DONE) and job.tries <= 2
        for drawn in job.pictures:
            assert (tmp_path / "data/results" / drawn["file"][:2] / drawn["file"]).stat().st_size == drawn["bytes"]
    (whole,) = sqlite3.connect(tmp_path / "data/jobs.sqlite").execute("PRAGMA integrity_check").fetchone()
    assert whole == "ok"
