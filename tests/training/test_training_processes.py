"""Two processes on the CPU: they equal one with the doubled batch, stop together, hand a run over to one and back."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import pai_modelscope
from tests.support.training_runs import run, same, steps_saved
from tests.support.two_processes import fine_tune

UNET = "result/unet/diffusion_pytorch_model.safetensors"


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """one: a whole run on one process. two: the same on two, stopped and resumed. from-one: begun on one, ended on two.
    back: what two had when they were stopped."""
    folder = tmp_path_factory.mktemp("processes")
    seen = fine_tune(folder / "one", 4, checkpointing_steps=3, checkpoints_total_limit=0)[1].seen
    (folder / "one/seen.json").write_text(json.dumps(seen))
    for file in ("checkpoint-3", "log.jsonl", "run.json"):
        copy = shutil.copytree if (folder / "one" / file).is_dir() else shutil.copy
        (folder / "from-one").mkdir(exist_ok=True)
        copy(folder / "one" / file, folder / "from-one" / file)
    words = ["torch.distributed.run", "--nproc_per_node", "2", "--standalone", "-m", "tests.support.two_processes"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words, str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


def report(runs: Path, rank: int) -> dict:
    return json.loads((runs / f"report-{rank}.json").read_text())


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([value.flatten() for _, value in sorted(load_file(folder / UNET).items())])


def distance(a: Path, b: Path) -> float:
    """How far the results are apart, as a share of how far training moved them."""
    shipped = load_file(pai_modelscope.model_dir("pai-diffusion-mini-zh") / "unet/diffusion_pytorch_model.safetensors")
    start = torch.cat([value.float().flatten() for _, value in sorted(shipped.items())])
    return float((weights(a) - weights(b)).norm() / (weights(a) - start).norm())


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_equal_one_with_the_doubled_batch(runs):
    assert losses(runs / "two") == pytest.approx(losses(runs / "one"), rel=1e-4)
    assert distance(runs / "one", runs / "two") < 0.02


def test_all_stop_at_the_step_at_which_one_was_told_to(runs):
    assert [report(runs, rank)["agreed"] for rank in (0, 1)] == [[False, True]] * 2
    stopped = [report(runs, rank)["stopped"] for rank in (0, 1)]
    assert [row["step"] for row in stopped] == [3, 3] and not any(row["finished"] for row in stopped)
    assert all(report(runs, rank)["finished"]["finished"] for rank in (0, 1))


def test_two_processes_see_the_samples_of_one_in_the_same_order(runs):
    one = json.loads((runs / "one/seen.json").read_text())
    two = [report(runs, rank)["begun"] + report(runs, rank)["rest"] for rank in (0, 1)]
    assert [a + b for a, b in zip(*two, strict=True)] == one


def test_a_run_begun_on_one_process_goes_on_on_two_and_the_other_way(runs):
    taken = [report(runs, rank)["taken"] for rank in (0, 1)]
    one = json.loads((runs / "one/seen.json").read_text())
    assert [taken[0][0] + taken[1][0]] == one[3:]
    assert distance(runs / "one", runs / "from-one") < 0.02
    # The checkpoint that both processes wrote when they were stopped, on one process.
    (runs / "back").mkdir()
    source = runs / "two"
    shutil.copytree(source / "checkpoint-4", runs / "back/checkpoint-4")
    result, rest = fine_tune(runs / "back", 4, max_train_steps=5)
    assert result["step"] == 5 and len(rest.seen) == 1


def test_a_save_that_fails_in_one_process_fails_in_all(runs):
    errors = [report(runs, rank)["error"] for rank in (0, 1)]
    assert "another process" in errors[0] and "disk is full" in errors[1]
    assert steps_saved(runs / "full") == [] and not list((runs / "full").glob("partial-*"))


def test_sharded_weights_equal_whole_ones_and_a_run_of_them_resumes_exactly(runs):
    folder = runs / "sharded"
    assert any(path.name.startswith("pytorch_model_fsdp") for path in (folder / "whole/checkpoint-12").iterdir())
    whole, parts = (torch.load(folder / name / "result/layer.pt") for name in ("whole", "parts"))
    assert same(whole, parts) and len((folder / "parts/log.jsonl").read_text().splitlines()) == 12
    one, _, _ = run(runs / "unsharded", ema_decay=0.9)
    for name, value in one.items():
        torch.testing.assert_close(whole[name], value, rtol=1e-5, atol=1e-6)


def test_the_shipped_model_learns_under_fsdp_what_it_learns_whole(runs):
    assert distance(runs / "one", runs / "sharded/unet") < 0.02


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="DeepSpeed is not installed")
def test_the_shipped_model_learns_under_deepspeed_what_it_learns_whole_and_resumes_exactly(runs):
    assert distance(runs / "one", runs / "deepspeed/whole") < 0.02
    assert torch.equal(weights(runs / "deepspeed/whole"), weights(runs / "deepspeed/parts"))
    assert losses(runs / "deepspeed/half") == pytest.approx(losses(runs / "one"), rel=0.05)
