"""Optimizers: Muon against the definition of its step, AdamW's part of it against torch, and a run that is resumed."""

import copy

import pytest
import torch
from torch import nn

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.training import train
from pai_modelscope.training.optimizers import Muon, build_optimizer, orthogonal

CPU = torch.device("cpu")


class Net(Method):
    """An embedding, a wide and a narrow convolution, a matrix; a frozen layer that no optimizer may see."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.table = nn.Embedding(100, 64)
        self.wide = nn.Conv2d(64, 64, 3, padding=1)
        self.narrow = nn.Conv2d(64, 4, 3, padding=1)
        self.matrix = nn.Linear(64, 128)
        self.frozen = nn.Linear(64, 64).requires_grad_(False)

    def training_step(self, batch, phase):
        x = self.table(batch["x"])
        picture = x.permute(0, 2, 1)[..., None]
        noise = torch.randn(())  # the random state is part of what is resumed
        return {"loss": self.narrow(self.wide(picture)).square().mean() + (self.matrix(x) - noise).square().mean()}

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.state_dict(), folder / "net.pt")


class Rows:
    lengths, cycle = (32,), (0,)

    def batch(self, bucket, indices, device, keys):
        return {"x": indices[:, None].to(device)}


def settings(folder, **options):
    return TrainingConfig(
        output_dir=str(folder),
        **{
            "optimizer": "muon",
            "max_train_steps": 6,
            "learning_rate": 0.01,
            "logging_steps": 1,
            "resume_from_checkpoint": "latest",
            **options,
        },
    )


@pytest.mark.parametrize("shape", [(3, 96, 864), (2, 192, 64), (1, 64, 64)])
def test_orthogonal_brings_singular_values_near_one(shape):
    torch.manual_seed(0)
    x = torch.randn(shape) @ torch.diag(torch.logspace(-1, 1, shape[2]))  # badly conditioned on purpose
    values = torch.linalg.svdvals(orthogonal(x))
    # A square matrix has directions of almost no gradient at all; five rounds cannot lift those.
    assert (values > 0.5).double().mean() > 0.9 and values.max() < 1.3
    left, _, right = torch.linalg.svd(x, full_matrices=False)
    nearest = left @ right
    alike = torch.nn.functional.cosine_similarity(orthogonal(x).flatten(1), nearest.flatten(1))
    assert alike.min() > 0.95


def test_muon_takes_hidden_matrices_and_adamw_the_rest(tmp_path):
    net = Net()
    optimizer = build_optimizer(net, settings(tmp_path), CPU)
    assert isinstance(optimizer, Muon)
    matrices, others = (set(map(id, group["params"])) for group in optimizer.param_groups)
    assert matrices == {id(net.wide.weight), id(net.matrix.weight)}
    assert matrices | others == {id(p) for p in net.trainable()}


def test_one_muon_step_is_a_scaled_orthogonal_matrix():
    """The first step on zero momentum: lr * 0.2 * sqrt(largest side) times the orthogonal factor of the gradient."""
    weight = nn.Parameter(torch.zeros(64, 8, 3, 3))
    weight.grad = torch.randn(64, 8, 3, 3)
    Muon([weight], [], lr=0.1, betas=(0.9, 0.99), weight_decay=0.0).step()
    step = -weight.detach().flatten(1) / (0.1 * 0.2 * 72**0.5)
    assert torch.allclose(step, orthogonal(weight.grad.flatten(1)[None])[0], atol=1e-4)
    # As large as a step of AdamW, whose elements are about 0.2 to 0.4 of the rate once training is under way.
    assert 0.1 < float(weight.detach().square().mean().sqrt()) / 0.1 < 0.3


def test_weights_in_channels_last_take_the_same_step():
    torch.manual_seed(2)
    plain = nn.Parameter(torch.randn(64, 64, 3, 3))
    turned = nn.Parameter(plain.detach().clone().contiguous(memory_format=torch.channels_last))
    gradient = torch.randn_like(plain)
    for weight in (plain, turned):
        weight.grad = gradient.clone().contiguous(
            memory_format=torch.channels_last if weight is turned else torch.contiguous_format
        )
        Muon([weight], [], lr=0.1, betas=(0.9, 0.99), weight_decay=0.1).step()
    assert torch.allclose(plain, turned, atol=1e-6)


def test_a_gradient_may_lie_otherwise_than_its_weight():
    torch.manual_seed(2)
    plain = nn.Parameter(torch.randn(64, 64, 3, 3))
    turned = nn.Parameter(plain.detach().clone().contiguous(memory_format=torch.channels_last))
    for weight in (plain, turned):
        optimizer = Muon([weight], [], lr=0.1, betas=(0.9, 0.99), weight_decay=0.1)
        for seed in range(2):
            gradient = torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(seed))
            with torch.no_grad():
                optimizer._orthogonal_step([weight], [gradient], optimizer.param_groups[0])
    assert torch.allclose(plain, turned, atol=1e-6)


def test_the_rest_moves_as_under_torch_adamw():
    torch.manual_seed(3)
    ours = [nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(4, 4))]
    theirs = copy.deepcopy(ours)
    optimizers = [
        Muon([], ours, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
        torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
    ]
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))


def test_a_run_with_muon_learns_and_resumes_exactly(tmp_path):
    whole = train(Net(), Rows(), settings(tmp_path / "whole"))
    first = train(Net(), Rows(), settings(tmp_path / "parts", max_train_seconds=1e-9))
    assert not first["finished"]
    second = train(Net(), Rows(), settings(tmp_path / "parts"))
    assert second["finished"]
    a, b = (torch.load(tmp_path / name / "result/net.pt", weights_only=True) for name in ("whole", "parts"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    start = Net().state_dict()
    changed = {name.split(".")[0] for name in a if not torch.equal(a[name], start[name])}
    assert changed == {"table", "wide", "narrow", "matrix"}
    assert whole["step"] == 6


def test_an_unknown_optimizer_is_named(tmp_path):
    (fault,) = settings(tmp_path, optimizer="sgd").faults()
    assert fault.field == "optimizer" and "'sgd'" in fault.message and "'muon'" in fault.message
