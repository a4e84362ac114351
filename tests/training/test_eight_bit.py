"""Weights and states of few bits, the rate that is found, and the average: each against its definition, and resumed."""

import importlib.util

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers.training_utils import EMAModel
from torch import nn

from pai_modelscope.errors import UserError
from pai_modelscope.training import train
from pai_modelscope.training.eight_bit import AdamW8bit, following
from pai_modelscope.training.ema import Average
from pai_modelscope.training.optimizers import build_optimizer, check_processes, hold_in_bfloat16
from tests.training.test_optimizers import CPU, Net, Rows, settings

FEW_BITS = {"optimizer": "adamw-8bit", "weights": "bfloat16", "mixed_precision": "bf16"}


@pytest.fixture
def any_precision():
    """accelerate keeps the first precision of a process for all later runs."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def stepped(optimizer, weights, steps=10, seed=0):
    """The weights after steps along gradients that change slowly, as those of training do."""
    generator = torch.Generator().manual_seed(seed)
    slopes = [torch.randn(weight.shape, generator=generator) for weight in weights]
    for _ in range(steps):
        for weight, slope in zip(weights, slopes, strict=True):
            layout = torch.contiguous_format if weight.is_contiguous() else torch.channels_last
            noise = torch.randn(weight.shape, generator=generator)
            weight.grad = (slope + 0.3 * noise).to(weight.dtype).contiguous(memory_format=layout)
        optimizer.step()
    return [weight.detach().clone() for weight in weights]


def weights():
    torch.manual_seed(3)
    return [nn.Parameter(torch.randn(shape)) for shape in ((64, 64, 3, 3), (128, 64), (64,), (70, 77))]


def test_eight_bits_move_the_weights_almost_as_adamw_does():
    ours, theirs, begin = weights(), weights(), weights()
    moved = stepped(AdamW8bit(ours, 0.01, (0.9, 0.99), 0.1), ours)
    exact = stepped(torch.optim.AdamW(theirs, 0.01, (0.9, 0.99), weight_decay=0.1), theirs)
    for i, (a, b, start) in enumerate(zip(moved, exact, map(torch.detach, begin), strict=True)):
        share = float((a - b).norm() / (b - start).norm())
        assert share < (0.03 if i < 2 else 1e-5)  # small weights, and those that are not whole blocks, are exact


def test_the_states_take_a_byte_a_number():
    ours = weights()[:1]
    optimizer = AdamW8bit(ours, 0.01, (0.9, 0.99), 0.1)
    stepped(optimizer, ours, 1)
    state = optimizer.state[ours[0]]
    parts = [part for name in ("exp_avg", "exp_avg_sq") for part in (state[name].codes, state[name].scale)]
    assert sum(part.numel() * part.element_size() for part in parts) < 2.05 * ours[0].numel()


def test_the_order_of_a_weight_in_memory_changes_nothing():
    plain, turned = weights()[:1], weights()[:1]
    turned[0].data = turned[0].data.contiguous(memory_format=torch.channels_last)
    results = [stepped(AdamW8bit(each, 0.01, (0.9, 0.99), 0.1), each)[0] for each in (plain, turned)]
    assert torch.equal(*results) and not turned[0].is_contiguous()


def test_weights_in_bfloat16_move_by_steps_below_their_precision():
    """A step of 1e-4 from 1 is a fortieth of the gap to the next number: to the nearest, all would stay."""
    weight = nn.Parameter(torch.ones(256, 64, dtype=torch.bfloat16))
    optimizer = AdamW8bit([weight], 1e-4, (0.9, 0.99), 0.0)
    for _ in range(20):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert float(1 - weight.detach().float().mean()) == pytest.approx(20 * 1e-4, rel=0.05)
    assert weight.unique().numel() > 1


def test_rounding_follows_from_seed_and_step_alone():
    """Else the processes of a run, whose generators differ on purpose, would drift apart."""
    found = []
    for state, seed in ((1, 0), (2, 0), (1, 5)):
        ours = [nn.Parameter(weight.detach().bfloat16()) for weight in weights()[:2]]
        optimizer = AdamW8bit(ours, 1e-3, (0.9, 0.99), 0.0, seed=seed)
        torch.manual_seed(state)
        found.append((stepped(optimizer, ours), torch.rand(3)))
    assert all(map(torch.equal, found[0][0], found[1][0]))
    assert not any(map(torch.equal, found[0][0], found[2][0]))
    assert torch.equal(found[0][1], torch.rand(3, generator=torch.Generator().manual_seed(1)))
    with following(0, 1, CPU):
        first = torch.rand(3)
    with following(0, 2, CPU):
        assert not torch.equal(first, torch.rand(3))


def test_biases_and_norms_stay_whole():
    net = Net()
    hold_in_bfloat16(net)
    kept = {name for name, value in net.named_parameters() if value.dtype == torch.float32}
    assert kept == {"wide.bias", "narrow.weight", "narrow.bias", "matrix.bias", "frozen.weight", "frozen.bias"}


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw-8bit", "learning_rate": 0.01},
        {**FEW_BITS, "learning_rate": 0.01},
        {**FEW_BITS, "learning_rate": 0.01, "ema_decay": 0.9},
        {"optimizer": "prodigy", "learning_rate": 1.0, "lr_warmup_steps": 1},
    ],
    ids=lambda options: "-".join(str(value) for value in options.values()),
)
def test_a_run_resumes_exactly(tmp_path, any_precision, options):
    train(Net(), Rows(), settings(tmp_path / "whole", **options))
    assert not train(Net(), Rows(), settings(tmp_path / "parts", max_train_seconds=1e-9, **options))["finished"]
    train(Net(), Rows(), settings(tmp_path / "parts", **options))
    a, b = (torch.load(tmp_path / name / "result/net.pt", weights_only=True) for name in ("whole", "parts"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    start = Net().state_dict()
    changed = {name.split(".")[0] for name in a if not torch.equal(a[name], start[name].to(a[name].dtype))}
    assert changed == {"table", "wide", "narrow", "matrix"}
    if options.get("weights"):
        assert a["wide.weight"].dtype == torch.bfloat16


def test_a_checkpoint_keeps_to_its_kind_of_weights(tmp_path, any_precision):
    options = {"optimizer": "adamw-8bit", "mixed_precision": "bf16"}
    train(Net(), Rows(), settings(tmp_path, max_train_seconds=1e-9, **options))
    with pytest.raises(UserError, match="weights was float32 and is now bfloat16: set weights to float32"):
        train(Net(), Rows(), settings(tmp_path, **options, weights="bfloat16"))
    assert train(Net(), Rows(), settings(tmp_path, **options))["finished"]


def test_prodigy_finds_a_rate_and_says_nothing(tmp_path, capsys):
    net = Net()
    optimizer = build_optimizer(net, settings(tmp_path, optimizer="prodigy", learning_rate=1.0), CPU)
    for step in range(20):
        torch.manual_seed(step % 2)
        loss = net({"x": torch.arange(32)[:, None]})["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    group = optimizer.param_groups[0]
    assert group["d"] > 10 * group["d0"] and group["weight_decay"] == 0.01
    assert capsys.readouterr().out == ""


def test_prodigy_refuses_several_rates(tmp_path, monkeypatch):
    net = Net()
    groups = [{"params": [net.matrix.weight]}, {"params": [net.wide.weight], "lr": 1e-5}]
    monkeypatch.setattr(net, "param_groups", lambda: groups)
    with pytest.raises(UserError, match="leave text_encoder_lr out"):
        build_optimizer(net, settings(tmp_path, optimizer="prodigy", learning_rate=1.0), CPU)


@pytest.mark.parametrize(("name", "package"), [("adamw-8bit", "torchao"), ("prodigy", "prodigyopt")])
def test_a_package_that_is_missing_is_named_with_its_cure(tmp_path, monkeypatch, name, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(UserError, match=package) as error:
        build_optimizer(Net(), settings(tmp_path, optimizer=name, learning_rate=1.0), CPU)
    assert "pip install 'pai_modelscope[optimizers]'" in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "prodigy", "learning_rate": 1e-4}, "give 1"),
        ({"optimizer": "prodigy", "learning_rate": 1.0, "scale_lr": True}, "leave scale_lr out"),
        ({"optimizer": "adamw", "weights": "bfloat16", "mixed_precision": "bf16"}, "'adamw-8bit'"),
        ({"optimizer": "adamw-8bit", "weights": "bfloat16"}, "set mixed_precision to 'bf16'"),
        ({"weights": "float16"}, "'float32', 'bfloat16'"),
    ],
)
def test_what_cannot_go_together_is_said(tmp_path, options, words):
    (fault,) = settings(tmp_path, **options).faults()
    assert words in fault.message


def test_optimizers_of_whole_weights_refuse_parts(tmp_path):
    for name in ("adamw-8bit", "prodigy"):
        with pytest.raises(UserError, match="choose 'adamw'"):
            check_processes(settings(tmp_path, optimizer=name), cut=True)
    check_processes(settings(tmp_path, optimizer="adamw-8bit"), cut=False)


def test_the_average_is_that_of_diffusers():
    ours, theirs = weights(), weights()
    average = Average(ours, 0.6)
    reference = EMAModel(theirs, decay=0.6, use_ema_warmup=True, power=0.75)
    for step in range(1, 8):
        torch.manual_seed(step)
        for a, b in zip(ours, theirs, strict=True):
            a.data += torch.randn_like(a)
            b.data.copy_(a.data)
        average.step()
        reference.step(theirs)
        assert average.current_decay() == pytest.approx(reference.cur_decay_value)
    for mine, shadow, now in zip(average.values, reference.shadow_params, ours, strict=True):
        torch.testing.assert_close(mine, shadow, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(mine, now)


def test_the_average_of_bfloat16_weights_keeps_what_they_cannot():
    weight = nn.Parameter(torch.ones(8, dtype=torch.bfloat16))
    average = Average([weight], 0.999)
    average.steps = 10**6  # grown up
    weight.data += 2**-7  # the next number above 1
    for _ in range(3):
        average.step()
    torch.testing.assert_close(average.values[0], torch.full((8,), 1 + 2**-7 * (1 - 0.999**3)), rtol=0, atol=1.2e-7)
    with average.swapped_in():
        assert (weight == 1).all()  # the nearest number to the average
    assert (weight == 1 + 2**-7).all()
    other = Average([weight], 0.999)
    other.load_state_dict(average.state_dict())
    assert torch.equal(other.values[0], average.values[0]) and other.steps == average.steps
