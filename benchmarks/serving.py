"""The service beside `Sampler` in this process, on the same machine, in turns: what HTTP and jobs add.

    python -m benchmarks.serving [--model NAME] [--pairs 50] [--jobs 8] [--steps 8] [--overload 60] [--device cpu]
                                 [--batch 1]

One picture: pairs of a `Sampler` call that writes a PNG file, and of a request that waits for its PNG. Saturated:
`--jobs` jobs that all wait when the first of them begins, and the same prompts offline at the same batch size.
Overload: for so many seconds ten times as many requests as the service can draw; then whether it is as fast as before.
Cancel: how long after a DELETE the next job begins, in steps.
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line has it, so that both sides have the same

import httpx
import psutil

from benchmarks.common import interleaved, table, write_json
from pai_modelscope.images.picture_text import picture_file
from pai_modelscope.sampling import Sampler

MODEL, PROMPT = "pai-diffusion-mini-zh", "水墨画,清晨,湖面,小船"
MIB = 2**20
_TURNS = 10  # of both, saturated


@contextlib.contextmanager
def service(folder: Path, device: str, batch: int, *more: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    command = [sys.executable, "-m", "pai_modelscope.cli", "serve", "--port", "0", "--data", str(folder)]
    command += ["--device", device, "--batch", str(batch), "--queue", "64", "--queue-of-client", "64"]
    command += ["--requests-of-client", "256", *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r"listening on (\S+)", process.stderr.readline())
        assert found
        threading.Thread(target=process.stderr.read, daemon=True).start()  # its log must not fill the pipe
        began = time.monotonic()
        with httpx.Client(base_url=found[1], timeout=600, limits=httpx.Limits(max_connections=256)) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        break
                time.sleep(0.05)
            print(f"ready after {time.monotonic() - began:.1f} s from its first line", file=sys.stderr)
            while client.get("/").status_code == 503:
                time.sleep(0.5)
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def wait(client: httpx.Client, body: dict[str, Any]) -> bytes:
    job = client.post("/v1/jobs", json=body, headers={"Prefer": "wait=120"}).json()
    assert job.get("state") == "done", job
    return client.get(job["pictures"][0]["url"]).content


def job_of(client: httpx.Client, id: str) -> dict[str, Any]:
    job: dict[str, Any] = client.get(f"/v1/jobs/{id}").json()
    return job


def ended_job(client: httpx.Client, id: str) -> dict[str, Any]:
    while (job := job_of(client, id))["state"] in ("queued", "running"):
        time.sleep(0.5)  # the service says when it ended; to ask often would be work beside
    assert job["state"] == "done", job
    return job


def saturated(client: httpx.Client, sampler: Sampler, options: dict[str, Any], jobs: int, batch: int) -> dict[str, Any]:
    """Pictures a second of both, each drawing the same prompts; the service while its queue is full. In short turns:
    a machine that others use, too, changes its pace by the minute."""

    def offline() -> float:
        began = time.perf_counter()
        for first in range(0, jobs, batch):
            rows = [{"text": PROMPT, "seed": seed} for seed in range(first, min(first + batch, jobs))]
            for picture in sampler(rows, batch_size=batch, **options):
                picture_file(picture.image, "png", picture.infotext)
        return time.perf_counter() - began

    def online() -> float:
        """Seconds in which the jobs are drawn, from when all of them wait."""
        before = client.post("/v1/jobs", json={"prompt": PROMPT, **options, "num_inference_steps": 30}).json()
        bodies = [{"prompt": PROMPT, "seed": seed, **options} for seed in range(jobs)]
        with ThreadPoolExecutor(16) as pool:
            waiting = list(pool.map(lambda body: client.post("/v1/jobs", json=body).json()["id"], bodies))
        began = float(job_of(client, before["id"])["ended"] or 0)
        assert not began, "all of them wait before the first is drawn"
        ended = [float(ended_job(client, id)["ended"]) for id in (before["id"], *waiting)]
        return max(ended) - ended[0]

    turns = [(offline(), online()) for _ in range(_TURNS)]
    return {
        "what": f"saturated, batch {batch}, pictures/s, median of {_TURNS} turns of {jobs}",
        "offline": round(jobs / statistics.median(own for own, _ in turns), 3),
        "service": round(jobs / statistics.median(served for _, served in turns), 3),
        "service/offline": round(statistics.median(own / served for own, served in turns), 3),
    }


def lone(client: httpx.Client, sampler: Sampler, options: dict[str, Any], pairs: int) -> dict[str, Any]:
    def offline() -> None:
        picture = sampler(PROMPT, seed=1, **options)[0]
        picture_file(picture.image, "png", picture.infotext)

    seconds = interleaved(
        {"offline": offline, "service": lambda: wait(client, {"prompt": PROMPT, "seed": 1, **options})}, pairs
    )
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    added = statistics.median(b - a for a, b in zip(seconds["offline"], seconds["service"], strict=True))
    return {
        "what": f"one picture, seconds, median of {pairs} pairs",
        **{name: round(value, 3) for name, value in medians.items()},
        "service/offline": round(medians["service"] / medians["offline"], 3),
        "added_ms": round(added * 1000, 1),
    }


def overload(
    client: httpx.Client, process: psutil.Process, options: dict[str, Any], seconds: float, rate: float
) -> dict[str, Any]:
    """Ten times as many requests as are drawn, none of which is waited for."""
    answers: Counter[int] = Counter()
    told: list[float] = []
    accepted: dict[str, float] = {}  # with the seconds after which they were said to begin
    before, most = process.memory_info().rss, 0
    until, gap = time.monotonic() + seconds, 1 / (10 * rate)
    while time.monotonic() < until:
        answer = client.post("/v1/jobs", json={"prompt": PROMPT, **options})
        answers[answer.status_code] += 1
        if answer.status_code == 429:
            told.append(float(answer.headers["Retry-After"]))
        elif answer.status_code == 202:
            accepted[answer.json()["id"]] = answer.json().get("wait_seconds") or 0.0
        most = max(most, process.memory_info().rss)
        time.sleep(gap)
    queued = [client.get(f"/v1/jobs/{id}").json() for id in accepted]
    for job in queued:
        if job["state"] in ("queued", "running"):
            client.delete(f"/v1/jobs/{job['id']}")
    waited = {job["id"]: job["started"] - job["created"] for job in queued if job["started"]}
    waits = sorted(waited.values())
    in_time = sum(accepted[id] >= seconds for id, seconds in waited.items()) / max(1, len(waited))
    again = wait(client, {"prompt": PROMPT, "seed": 1, **options})
    assert again
    return {
        "what": f"overload, {seconds:g} s at ten times the rate",
        "answers": dict(answers),
        "rss_growth_MiB": round((most - before) / MIB, 1),
        "p95_wait_s": round(waits[int(0.95 * (len(waits) - 1))], 1) if waits else None,
        "p95_told_s": sorted(accepted[id] for id in waited)[int(0.95 * (len(waits) - 1))] if waits else None,
        "began_within_told": round(in_time, 3),
        "told_retry_s": round(max(told), 1) if told else None,
    }


def cancelled(client: httpx.Client, options: dict[str, Any], times: int = 5) -> dict[str, Any]:
    """From a DELETE in the middle to the next job's start, in steps of the job that was cancelled."""
    waited = []
    for _ in range(times):
        job = client.post("/v1/jobs", json={"prompt": PROMPT, **options, "num_inference_steps": 100}).json()
        following = client.post("/v1/jobs", json={"prompt": PROMPT, **options, "num_inference_steps": 1}).json()
        while (seen := client.get(f"/v1/jobs/{job['id']}").json()).get("step", 0) < 10:
            time.sleep(0.01)
        step = (time.time() - seen["started"]) / seen["step"]
        asked = time.time()
        client.delete(f"/v1/jobs/{job['id']}")
        while (begun := client.get(f"/v1/jobs/{following['id']}").json()["started"]) is None:
            time.sleep(0.005)
        waited.append((begun - asked) / step)
        while client.get(f"/v1/jobs/{following['id']}").json()["state"] not in ("done", "failed"):
            time.sleep(0.05)
    return {"what": f"cancel to the next start, in steps, median of {times}", "service": statistics.median(waited)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--overload", type=float, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/bench/serving.json"))
    args = parser.parse_args()
    options: dict[str, Any] = {"num_inference_steps": args.steps}
    sampler = Sampler.from_pretrained(args.model, device=args.device)
    more = ("--model", args.model)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), args.device, args.batch, *more) as (client, process),
    ):
        sampler(PROMPT, seed=0, **options)
        wait(client, {"prompt": PROMPT, "seed": 0, **options})
        rows = [lone(client, sampler, options, args.pairs)]
        rows.append(saturated(client, sampler, options, args.jobs, args.batch))
        rows.append(cancelled(client, options))
        rows.append(overload(client, process, options, args.overload, float(rows[1]["service"])))
        rows.append(lone(client, sampler, options, max(2, args.pairs // 5)))
        rows[-1]["what"] += ", after the overload"
    print(table(rows, list(dict.fromkeys(name for row in rows for name in row))))
    write_json(args.json, rows, options=vars(args) | {"json": str(args.json)}, load=os.getloadavg())


if __name__ == "__main__":
    main()
