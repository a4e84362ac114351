"""How a run ends before its time: signals, kill -9, a full disk, a bad loss; and what then can be gone on from."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import torch

from pai_modelscope.errors import UserError
from pai_modelscope.training import checkpoints, interrupts
from tests.support.training_runs import INTERVAL, Regression, Table, run, same, steps_saved


class Signals(Table):
    """Sends this process signals while it makes the batches of the given calls."""

    def __init__(self, **at: signal.Signals):
        super().__init__()
        self.at = {int(name.removeprefix("call")): number for name, number in at.items()}

    def batch(self, *args):
        if number := self.at.get(len(self.seen)):
            os.kill(os.getpid(), number)
        return super().batch(*args)


def subprocess_run(*words: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.training_runs", *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_after_the_step_and_the_run_goes_on_exactly(tmp_path, number, capfd):
    handler = signal.getsignal(number)
    whole, _, table = run(tmp_path / "whole", noise=0.3, ema_decay=0.9)
    _, first, started = run(tmp_path / "parts", noise=0.3, ema_decay=0.9, table=Signals(call4=number))
    assert not first["finished"] and first["step"] == 5 and steps_saved(tmp_path / "parts") == [5]
    assert number.name in capfd.readouterr().err
    assert signal.getsignal(number) is handler
    parts, second, rest = run(tmp_path / "parts", noise=0.3, ema_decay=0.9)
    assert second["finished"] and started.seen + rest.seen == table.seen
    assert same(whole, parts)


def test_a_second_ctrl_c_ends_at_once(tmp_path, monkeypatch):
    class Impatient(Signals):
        def batch(self, *args):
            if len(self.seen) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return super().batch(*args)

    monkeypatch.setattr(interrupts, "_ECHO", 0.0)
    handler = signal.getsignal(signal.SIGINT)  # a program in a shell's background ignores it
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, table=Impatient(call2=signal.SIGINT))
    assert not steps_saved(tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_echo_of_the_first_ctrl_c_is_no_second(tmp_path):
    """torchrun repeats the signal to processes that had it from the terminal."""

    class Echo(Signals):
        def batch(self, *args):
            if len(self.seen) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return super().batch(*args)

    _, result, _ = run(tmp_path, table=Echo(call2=signal.SIGINT))
    assert result["step"] == 3


def test_other_threads_than_the_main_one_may_train(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(run(tmp_path)[1]))
    thread.start()
    thread.join()
    assert results[0]["finished"]


def test_kill_9_at_random_moments_loses_at_most_an_interval_and_no_file(tmp_path):
    report = subprocess_run("kill", str(tmp_path), "6")
    assert report["kills"] == 6 and max(report["saved"][:-1]) > 0
    assert report["broken"] == [] and report["left"] == []
    assert max(report["lost"]) <= INTERVAL
    assert report["saved"] == sorted(report["saved"])
    weights = [torch.load(tmp_path / name / "result/layer.pt") for name in ("whole", "killed")]
    assert same(*weights)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "killed")]
    timed = ("seconds", "images_per_second")
    rows = [[{k: v for k, v in json.loads(line).items() if k not in timed} for line in log] for log in logs]
    assert rows[0] == rows[1]


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path):
    """As version 0.1.0 called it; beside it, what only begins as its files did."""
    (tmp_path / "partial-checkpoint-3").mkdir()
    (tmp_path / "partial-checkpoint-3/optimizer.bin").write_text("half")
    (tmp_path / "partial-run.json").write_text("{")
    (tmp_path / "partial-notes.txt").write_text("mine")
    (tmp_path / "partial-checkpoint-4").mkdir()
    (tmp_path / "partial-checkpoint-4/notes.txt").write_text("mine")
    (tmp_path / "run.json").write_text('{"versions": {"pai_modelscope": "0.1.0"}, "config": {}}')
    (tmp_path / "log.jsonl").write_text('{"step": 5, "loss": 1.0}\n{"st')
    run(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("partial-*")) == ["partial-checkpoint-4", "partial-notes.txt"]
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [*range(1, 13)]


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path):
    """The limit on the size of files makes the very writes of torch and safetensors fail."""
    run(tmp_path, 0.3, table=Signals(call4=signal.SIGTERM))
    before = {path.name: path.read_bytes() for path in (tmp_path / "checkpoint-5").iterdir()}
    error = subprocess_run("full", str(tmp_path))["error"]
    assert "checkpoint of step 6" in error and "checkpoint-5 is whole" in error and "free" in error
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoint-5").iterdir()} == before
    assert steps_saved(tmp_path) == [5] and not list(tmp_path.glob("partial-*"))
    assert run(tmp_path, 0.3)[1]["finished"]


@pytest.mark.parametrize("left", [None, 0.0, 0.5], ids=["missing", "empty", "cut"])
def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path, left):
    run(tmp_path / "whole", ema_decay=0.9, max_train_steps=2)
    names = [path.name for path in (tmp_path / "whole/checkpoint-2").iterdir()]
    assert len(names) == 6
    for name in names:
        folder = tmp_path / name
        shutil.copytree(tmp_path / "whole", folder)
        file = folder / "checkpoint-2" / name
        content = file.read_bytes()
        file.unlink() if left is None else file.write_bytes(content[: int(left * len(content))])
        with pytest.raises(UserError, match="checkpoint-2"):
            run(folder, ema_decay=0.9)


def test_a_disk_that_fills_while_weights_are_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(UserError, match=r"step 12.*disk is full.*no earlier one"):
        run(tmp_path)
    assert not steps_saved(tmp_path) and not list(tmp_path.glob("partial-*"))


def test_an_error_that_is_none_of_the_disk_is_not_called_one(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("a tensor is on another device")

    monkeypatch.setattr(checkpoints, "save_file", broken)
    with pytest.raises(RuntimeError, match="another device"):
        run(tmp_path)


class Poisoned(Regression):
    """Its loss is multiplied from one call on."""

    def __init__(self, call: int, by: float):
        super().__init__()
        self.call, self.by, self.calls = call, by, 0

    def training_step(self, batch, phase):
        self.calls += 1
        metrics = super().training_step(batch, phase)
        return {"loss": metrics["loss"] * (self.by if self.calls >= self.call else 1)}


def test_a_loss_that_is_not_finite_stops_with_the_exact_step_and_its_files(tmp_path):
    """Logged every 10 steps, the loss breaks at the 7th; the checkpoint of step 6 is not replaced by a broken one."""
    table = Table()
    with pytest.raises(UserError) as error:
        run(tmp_path, method=Poisoned(7, float("nan")), table=table, logging_steps=10, checkpointing_steps=6)
    files = ", ".join(f"row-{i}.png" for i in table.seen[6])
    assert f"is nan at step 7, on {files}: " in str(error.value)
    assert all(word in str(error.value) for word in ("learning_rate", "checkpoint-6", "latest"))
    assert steps_saved(tmp_path) == [6]


def test_a_broken_step_is_found_before_it_is_saved(tmp_path):
    with pytest.raises(UserError, match=r"step 2.*another output_dir"):
        run(tmp_path, method=Poisoned(2, float("inf")), logging_steps=12, checkpointing_steps=4)
    assert steps_saved(tmp_path) == []


def test_only_some_of_many_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"row-.* and 8 more: "):
        run(tmp_path, method=Poisoned(1, float("nan")), train_batch_size=16)


def test_a_loss_that_explodes_stops_and_one_spike_does_not(tmp_path):
    with pytest.raises(UserError, match=r"exploded to .* at step (3[1-9]|40)"):
        run(tmp_path / "explodes", method=Poisoned(31, 1e3), max_train_steps=60, learning_rate=1e-4)
    rows = (tmp_path / "explodes/log.jsonl").read_text().splitlines()
    assert len(rows) < 40
    spike = Poisoned(31, 20.0)
    step = spike.training_step
    spike.training_step = lambda batch, phase: (
        setattr(spike, "by", 20.0 if spike.calls == 30 else 1.0),
        step(batch, phase),
    )[1]
    assert run(tmp_path / "spike", method=spike, max_train_steps=60, learning_rate=1e-4)[1]["finished"]
    assert run(tmp_path / "off", method=Poisoned(31, 1e3), max_train_steps=60, max_loss_ratio=0.0)[1]["finished"]


def test_the_handlers_come_back_after_an_error(tmp_path):
    random.seed(0)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(UserError):
        run(tmp_path, noise=float("nan"))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
