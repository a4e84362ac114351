"""Time per picture and peak memory on two CPU cores: our paths beside plain diffusers, in the same run.

Each path lives in a process of its own, so that its peak memory is its own; the processes take turns picture by
picture, so that a slow minute of the machine hits all alike.

    python -m benchmarks.cpu [--repeats 7] [--json build/bench/cpu.json]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import spread, table, write_json

CORES = 2
PROMPT = "戴眼镜的猫,蓝色背景"


def settings(folder: Path) -> dict[str, Any]:
    """The settings that the model recommends, for every path alike."""
    return json.loads((folder / "configuration.json").read_text(encoding="utf-8"))["generation"]


def plain_diffusers(folder: Path) -> Callable[[], Any]:
    import torch
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return lambda: pipe(PROMPT, generator=torch.Generator().manual_seed(0), **settings(folder)).images


def sampler(folder: Path) -> Callable[[], Any]:
    from pai_modelscope.sampling import Sampler

    sample = Sampler.from_pretrained(folder, device="cpu")
    return lambda: sample(PROMPT, seed=0, **settings(folder))


def modelscope_pipeline(folder: Path) -> Callable[[], Any]:
    from modelscope.pipelines import pipeline

    import pai_modelscope  # noqa: F401  (registers the pipeline)

    pipe = pipeline("text-to-image-synthesis", str(folder), device="cpu")
    return lambda: pipe({"text": PROMPT, "seed": 0, **settings(folder)})


PATHS = {
    "plain diffusers": plain_diffusers,
    "pai_modelscope Sampler": sampler,
    "ModelScope pipeline": modelscope_pipeline,
}


def work(name: str, folder: Path) -> None:
    """The process of one path: load, then one picture for every line on stdin; seconds and peak memory on stdout."""
    import resource

    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries print: keep the pipe for the answers
    os.dup2(2, 1)
    start = time.perf_counter()
    run = PATHS[name](folder)
    answers.write(f"{time.perf_counter() - start}\n")
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(f"{seconds} {peak_kib / 1024}\n")


class Worker:
    """A path in a process of its own, on the first two cores that this process may use."""

    def __init__(self, name: str, folder: Path) -> None:
        cores = sorted(os.sched_getaffinity(0))[:CORES]
        # Waiting threads that spin would measure what else runs on the machine.
        quiet = {"GOMP_SPINCOUNT": "3000", "MODELSCOPE_LOG_LEVEL": "40"}
        environment = os.environ | {"OMP_NUM_THREADS": str(CORES)} | quiet
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cpu", "--worker", name, "--model", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.load_s = float(self._answer())
        self.peak_mib = 0.0

    def picture(self) -> float:
        """Seconds of one picture."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, self.peak_mib = map(float, self._answer().split())
        return seconds

    def _answer(self) -> str:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"a path failed: run it alone to see why: {' '.join(self.process.args)}")  # type: ignore[arg-type]
        return answer

    def close(self) -> None:
        self.process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="pai-diffusion-mini-zh")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, default=Path("build/bench/cpu.json"))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()

    import pai_modelscope

    folder = pai_modelscope.model_dir(args.model)
    if args.worker:
        return work(args.worker, folder)
    workers = {name: Worker(name, folder) for name in PATHS}
    for worker in workers.values():
        worker.picture()  # warm-up
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(args.repeats):
        for name, worker in workers.items():
            seconds[name].append(worker.picture())
    rows = [
        {"path": name, "load_s": round(worker.load_s, 1), **spread(seconds[name]), "peak_MiB": round(worker.peak_mib)}
        for name, worker in workers.items()
    ]
    for worker in workers.values():
        worker.close()
    print(f"one picture at the settings the model recommends, {settings(folder)}, on {CORES} CPU cores")
    print(table(rows, ["path", "load_s", "median_s", "min_s", "max_s", "peak_MiB"]))
    write_json(args.json, rows, settings=settings(folder), cores_used=CORES)


if __name__ == "__main__":
    main()
