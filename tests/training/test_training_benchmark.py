"""The training benchmark on a CPU, in small: rows beside each other, failures among them, earlier rows kept."""

import json
import sys

import pytest
from accelerate.state import AcceleratorState

from benchmarks import training


@pytest.fixture
def bench(tmp_path, monkeypatch):
    def call(*words: str) -> list[dict]:
        path = tmp_path / "training.json"
        common = ["--tiny", "--batch", "2", "--steps", "1", "--warmup", "1", "--rate", "1e-3", "--json", str(path)]
        monkeypatch.setattr(sys, "argv", ["training", *common, *words])
        training.main()
        return json.loads(path.read_text(encoding="utf-8"))["rows"]

    yield call
    AcceleratorState._reset_state(True)  # accelerate keeps the precision of a process for all later runs


@pytest.mark.slow
def test_rows_are_measured_side_by_side_and_failures_lose_none(bench, monkeypatch, capsys):
    monkeypatch.setitem(training.CASES, "8-bit", training.Case({"optimizer": "sgd"}))
    rows = {row["method"]: row for row in bench("--methods", "plain", "full", "8-bit", "few-bits", "lora")}
    assert "failed" in rows["8-bit"] and "8-bit, batch 2: " in capsys.readouterr().out
    for name in ("plain", "full", "few-bits", "lora"):
        row = rows[name]
        assert len(row["seconds"]) == 1
        assert row["images_per_s"] == pytest.approx(2000 / row["step_ms"], rel=0.001, abs=0.006)  # of two decimals
        # The target's variance is 1. The model knows pictures, and is shown noise: it errs by more at first.
        assert all(0.1 < loss < 4 for loss in row["losses"])
    # The same samples, noise and timesteps, so that the losses differ by the rounding alone.
    assert rows["few-bits"]["loss_beside"] == "full" and rows["few-bits"]["losses"] != rows["full"]["losses"]
    assert abs(float(rows["few-bits"]["loss_change"].rstrip("%"))) < 1
    assert "loss_change" not in rows["lora"]
    again = bench("--methods", "lora", "--repeats", "2")
    assert [row["method"] for row in again] == ["plain", "full", "8-bit", "few-bits", "lora"]
    assert len(again[-1]["seconds"]) == 2


def test_the_scaling_is_that_of_the_speed_of_each_gpu():
    row = {"shape": "full", "method": "compiled", "batch": 32, "attention": "default", "losses": [1.0], "steps": 2}
    one, two = row | {"gpus": 1, "seconds": [0.3, 0.3]}, row | {"gpus": 2, "seconds": [0.32, 0.3, 0.31]}
    rows = training.merged(training.merged([], one, again=False), two, again=False)
    assert rows[1]["images_per_s"] == pytest.approx(64 / 0.31, rel=0.001)
    assert rows[1]["scaling"] == pytest.approx(0.3 / 0.31, abs=0.001) and "scaling" not in rows[0]


def test_an_unknown_method_is_refused(bench, capsys):
    with pytest.raises(SystemExit):
        bench("--methods", "fast")
    assert "there is no method fast; valid are plain, float32" in capsys.readouterr().err
