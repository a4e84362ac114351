"""Replicas on Ray beside as many processes of their own, a thread each, in turns: what front, jobs and Ray add.

    python -m benchmarks.replicas [--replicas 2] [--jobs 24] [--steps 8] [--rounds 3] [--device cpu]

The processes offline hold a `Sampler` each, draw the same prompts and write PNG files; the service answers PNG files
over HTTP. On a GPU, a process has one of its own.
"""

import argparse
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common import interleaved, table, write_json
from benchmarks.serving import MODEL, PROMPT, service, wait
from pai_modelscope.images.picture_text import picture_file
from pai_modelscope.sampling import Sampler

_sampler: Sampler


def begin(device: str, places: Any) -> None:
    """In a process: its model, with one thread, and on its own GPU."""
    import torch

    global _sampler
    torch.set_num_threads(1)
    place = places.get()
    _sampler = Sampler.from_pretrained(MODEL, device=f"cuda:{place}" if device == "cuda" else device)


def draw(seed: int, options: dict[str, Any]) -> int:
    (picture,) = _sampler(PROMPT, seed=seed, **options)
    return len(picture_file(picture.image, "png", picture.infotext))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, default=Path("build/bench/replicas.json"))
    args = parser.parse_args()
    options: dict[str, Any] = {"num_inference_steps": args.steps}
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for place in range(args.replicas):
        places.put(place)
    ray = ("--ray", "local", "--replicas", str(args.replicas))
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), args.device, 1, *ray) as (client, _),
        ProcessPoolExecutor(args.replicas, context, begin, (args.device, places)) as processes,
        ThreadPoolExecutor(args.jobs) as threads,
    ):

        def offline() -> None:
            list(processes.map(draw, range(args.jobs), [options] * args.jobs))

        def online() -> None:
            bodies = [{"prompt": PROMPT, "seed": seed, **options} for seed in range(args.jobs)]
            list(threads.map(lambda body: wait(client, body), bodies))

        cases = {f"{args.replicas} processes": offline, f"{args.replicas} replicas": online}
        interleaved(cases, 1)  # everything is open then
        seconds = interleaved(cases, args.rounds)
    best = {name: args.jobs / min(times) for name, times in seconds.items()}
    alone, replicas = best.values()
    rows = [{name: f"{rate:.3f} pictures/s" for name, rate in best.items()} | {"ratio": round(replicas / alone, 3)}]
    print(table(rows, list(rows[0])))
    write_json(args.json, rows, options=vars(args) | {"json": str(args.json)}, seconds=seconds, load=os.getloadavg())


if __name__ == "__main__":
    main()
