"""The one loop: a resumed run equals an uninterrupted one, accumulation equals a larger batch, order is a function."""

import json
import math

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from pai_modelscope.errors import UserError
from pai_modelscope.training import Order
from tests.support.training_runs import Regression, run, same


def test_the_loss_falls_and_the_log_says_so(tmp_path):
    _, result, _ = run(tmp_path, max_train_steps=60)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 61))
    assert rows[-1]["loss"] < 0.2 * rows[0]["loss"]
    assert result["finished"]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resumed_equals_uninterrupted(tmp_path, ema):
    """Weights, optimizer, schedule, average, random numbers and position in the data all go on as if never stopped."""
    options = {"noise": 0.3, "ema_decay": ema, "lr_scheduler": "cosine"}
    whole, _, table = run(tmp_path / "whole", **options)
    # The schedule knows 12 steps in both runs; the limit on time, checked at every logged step, stops the first at 1.
    _, first, started = run(tmp_path / "parts", max_train_seconds=1e-9, **options)
    assert not first["finished"] and first["step"] < 12
    parts, second, rest = run(tmp_path / "parts", **options)
    assert second["finished"]
    assert started.seen + rest.seen == table.seen
    assert same(whole, parts)


def test_what_the_options_say_counts_for_the_rest_of_a_run(tmp_path):
    """A checkpoint brings its rate, betas and weight decay along; the cosine of more steps begins where it would be."""
    run(tmp_path, max_train_steps=4, checkpoints_total_limit=0)
    changed = {
        "learning_rate": 0.01,
        "adam_beta1": 0.8,
        "adam_weight_decay": 0.5,
        "max_train_steps": 8,
        "checkpoints_total_limit": 0,
    }
    run(tmp_path, max_train_seconds=1e-9, **changed)
    (group,) = torch.load(tmp_path / "checkpoint-5/optimizer.bin")["param_groups"]
    assert (group["betas"], group["weight_decay"]) == ((0.8, 0.99), 0.5)
    moved = [load_file(tmp_path / f"checkpoint-{step}/trained.safetensors")["layer.weight"] for step in (4, 5)]
    assert float((moved[0] - moved[1]).abs().max()) > 1e-3  # at the cosine's old end, nothing would move
    run(tmp_path, **changed)
    rates = [json.loads(line)["lr"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    expected = [0.01 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(5, 9)]
    assert rates[4:] == pytest.approx(expected)


@pytest.mark.parametrize("micro", [1, 2])
def test_accumulation_equals_a_larger_batch(tmp_path, micro):
    large, _, _ = run(tmp_path / "large", train_batch_size=8)
    small, _, _ = run(tmp_path / "small", train_batch_size=micro, gradient_accumulation_steps=8 // micro)
    for name in large:
        torch.testing.assert_close(large[name], small[name], rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_weights(tmp_path):
    assert same(run(tmp_path / "a", noise=0.3)[0], run(tmp_path / "b", noise=0.3)[0])


def test_the_seed_reaches_every_random_number_generator(tmp_path):
    """Methods may draw from Python's and NumPy's generators, too."""
    import random

    import numpy as np

    drawn = []
    for folder in ("a", "b"):
        random.seed()
        np.random.seed()
        run(tmp_path / folder, max_train_steps=1)
        drawn.append((random.random(), float(np.random.rand())))
    assert drawn[0] == drawn[1]


def test_a_last_step_that_was_saved_is_not_saved_again(tmp_path, monkeypatch):
    from pai_modelscope.training import checkpoints

    saved, save = [], checkpoints.save
    monkeypatch.setattr(checkpoints, "save", lambda *args: saved.append(args[2]) or save(*args))
    run(tmp_path, checkpointing_steps=6)
    assert saved == [6, 12]


def test_only_the_newest_checkpoint_stays_and_none_is_partial(tmp_path):
    run(tmp_path, checkpointing_steps=4)
    assert sorted(p.name for p in tmp_path.glob("*checkpoint*")) == ["checkpoint-12"]


@pytest.mark.parametrize(("name", "value"), [("lr_warmup_steps", 12), ("learning_rate", 1e-8)])
def test_a_polynomial_that_cannot_fall_is_refused(tmp_path, name, value):
    """It ended in a division by zero, at the last step of all."""
    with pytest.raises(UserError, match=f"{name} is {value}.*polynomial"):
        run(tmp_path, lr_scheduler="polynomial", **{name: value})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"lr_scheduler": "cosine_with_restarts", "lr_num_cycles": 3}, [0.85355, 0.5, 0.14645, 1.0]),
        (
            {"lr_scheduler": "polynomial", "lr_power": 2.0},
            [(11 / 12) ** 2, (10 / 12) ** 2, (9 / 12) ** 2, (8 / 12) ** 2],
        ),
    ],
)
def test_the_rates_curve_has_its_cycles_and_its_power(tmp_path, options, expected):
    run(tmp_path, learning_rate=1.0, **options)
    rates = [json.loads(line)["lr"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rates[:4] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_large_epsilon_makes_small_steps(tmp_path, optimizer):
    torch.manual_seed(7)
    begun, options = float(Regression().layer.bias.detach()), {"optimizer": optimizer, "adam_weight_decay": 0.0}
    for epsilon, moved in ((1e-8, True), (1e8, False)):
        saved, _, _ = run(tmp_path / str(epsilon), adam_epsilon=epsilon, **options)
        assert (abs(float(saved["bias"]) - begun) > 1e-3) == moved


def test_what_a_launcher_says_of_accumulation_divides_no_gradient(tmp_path):
    norms = []
    for name, steps in (("one", 1), ("four", 4)):
        run(tmp_path / name, accelerator=Accelerator(gradient_accumulation_steps=steps), max_train_steps=1)
        norms.append(json.loads((tmp_path / name / "log.jsonl").read_text())["grad_norm"])
    assert norms[0] == norms[1]


def test_every_wrong_value_is_named(tmp_path):
    with pytest.raises(UserError) as error:
        run(tmp_path, learning_rate=-1.0, mixed_precision="fp8", ema_decay=1.0)
    assert all(name in str(error.value) for name in ("learning_rate", "mixed_precision", "ema_decay"))


def test_an_epoch_shows_every_sample_once_and_epochs_differ():
    order = Order([10], batch_size=5, seed=3)
    epochs = [torch.cat([order.indices(2 * e), order.indices(2 * e + 1)]).tolist() for e in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_the_order_does_not_depend_on_how_often_a_batch_is_asked_for():
    forward = [Order([10], 4, 3).indices(step).tolist() for step in range(6)]
    order = Order([10], 4, 3)
    assert [order.indices(step).tolist() for step in reversed(range(6))] == forward[::-1]


def test_buckets_take_turns_and_each_keeps_its_own_place():
    order = Order([8, 4], batch_size=4, seed=0, cycle=[0, 0, 1])
    assert [order.bucket(step) for step in range(6)] == [0, 0, 1, 0, 0, 1]
    assert sorted(order.indices(0).tolist() + order.indices(1).tolist()) == list(range(8))
    assert sorted(order.indices(2).tolist()) == [0, 1, 2, 3]
    assert sorted(order.indices(3).tolist() + order.indices(4).tolist()) == list(range(8))
