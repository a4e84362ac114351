"""Tiny methods and sources for tests of the loop, and runs of them that are killed (run as a module)."""

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods import Method
from pai_modelscope.training import train

INTERVAL = 3  # steps between checkpoints of runs that are killed


class Regression(Method):
    """y = w x by least squares; noise on the input uses the random state, so that resuming it is tested too."""

    def __init__(self, noise: float = 0.0, width: int = 4):
        super().__init__()
        self.layer = nn.Linear(width, 1)
        self.frozen = nn.Linear(width, 1).requires_grad_(False)
        self.noise = noise

    def training_step(self, batch, phase):
        x = batch["x"] + self.noise * torch.randn_like(batch["x"])
        return {"loss": (self.layer(x) - batch["y"]).square().mean()}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.layer.state_dict(), folder / "layer.pt")


class Table:
    """64 fixed rows; remembers which were asked for."""

    lengths = (64,)
    cycle = (0,)

    def __init__(self):
        generator = torch.Generator().manual_seed(5)
        self.x = torch.randn(64, 4, generator=generator)
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]])
        self.seen: list[list[int]] = []

    def batch(self, bucket, indices, device, keys):
        self.seen.append(indices.tolist())
        return {"x": self.x[indices].to(device), "y": self.y[indices].to(device)}

    def names(self, bucket, indices):
        return [f"row-{i}.png" for i in indices.tolist()]


def run(folder: Path, noise=0.0, *, table=None, method=None, accelerator=None, validation=None, facts=None, **options):
    """What was saved, what `train` returned, and the source."""
    torch.manual_seed(7)
    settings = {
        "max_train_steps": 12,
        "resume_from_checkpoint": "latest",
        "train_batch_size": 8,
        "learning_rate": 0.05,
        "logging_steps": 1,
        **options,
    }
    table = table or Table()
    config = TrainingConfig(output_dir=str(folder), **settings)
    result = train(method or Regression(noise), table, config, accelerator, validation, facts)
    return torch.load(folder / "result/layer.pt", weights_only=True), result, table


def same(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


class Slow(Table):
    """A few milliseconds a batch, counted in a file that outlives the process."""

    def __init__(self, count: Path):
        super().__init__()
        self.count = count

    def batch(self, bucket, indices, device, keys):
        time.sleep(0.004)
        with open(self.count, "ab") as file:
            file.write(b".")
        return super().batch(bucket, indices, device, keys)


def forked(work, count: Path, batches: int | None, seconds: float) -> bool:
    """Whether `work`, in a process of its own, came to its end before it was killed: `seconds` after so many batches,
    which `count` counts; None never kills it."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work()
        os._exit(0)
    while batches is not None and count.stat().st_size < batches:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.001)
    if batches is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def steps_saved(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*"))


def killed_until_done(folder: Path, kills: int, seed: int) -> dict:
    """Kill the run `kills` times at random moments, then let it finish; what was lost and found broken on the way."""
    draw, report = random.Random(seed), {"kills": 0, "lost": [], "broken": [], "saved": []}
    options = {"max_train_steps": 90, "checkpointing_steps": INTERVAL, "checkpoints_total_limit": 2, "ema_decay": 0.9}
    whole = {"trained.safetensors", "optimizer.bin", "custom_checkpoint_0.pkl", "custom_checkpoint_1.pkl"}
    whole |= {"random_states_0.pkl", "training.json"}

    def work(out: Path) -> None:
        run(out, 0.3, table=Slow(folder / "count"), **options)

    assert forked(lambda: work(folder / "whole"), folder / "count", None, 0)
    done = False
    while not done:
        before = max(steps_saved(folder / "killed"), default=0)
        (folder / "count").write_bytes(b"")
        batches = draw.randint(0, 14) if report["kills"] < kills else None
        done = forked(lambda: work(folder / "killed"), folder / "count", batches, draw.uniform(0, 0.02))
        saved = steps_saved(folder / "killed")
        if not done:
            report["kills"] += 1
            begun = before + (folder / "count").stat().st_size
            report["lost"].append(max(0, begun - 1) - max(saved, default=0))
        report["saved"].append(max(saved, default=0))
        for step in saved:
            names = {path.name for path in (folder / f"killed/checkpoint-{step}").iterdir()}
            report["broken"] += [f"{step}: {name}" for name in whole - names]
    report["left"] = [str(path) for path in (folder / "killed").rglob("partial-*")]
    report["left"] += [str(path) for path in (folder / "killed/.pai_modelscope/unfinished").iterdir()]
    return report


def full_disk(folder: Path) -> dict:
    """Go on with a run whose files may not grow beyond 8 KiB: the states of the generators need more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    try:
        run(folder, 0.3, checkpointing_steps=INTERVAL)
    except UserError as error:
        return {"error": str(error)}
    return {"error": ""}


if __name__ == "__main__":
    torch.set_num_threads(1)
    task, out = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(killed_until_done(out, int(sys.argv[3]), 0) if task == "kill" else full_disk(out)))
