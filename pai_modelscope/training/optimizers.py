"""Optimizers by name: AdamW, and Muon, which needs fewer steps where all hidden layers learn."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.adamw import adamw

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method

SMALLEST = 64  # a matrix with fewer rows or columns is an input or output layer; those keep AdamW
_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic of Jordan et al.: steepest at zero, near one after five rounds


def build_optimizer(method: Method, config: TrainingConfig, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer that `config.optimizer` names, over what `method` trains."""
    betas = (config.adam_beta1, config.adam_beta2)
    settings = {"lr": config.learning_rate, "betas": betas, "weight_decay": config.adam_weight_decay}
    fused = device.type == "cuda"
    if config.optimizer == "adamw":
        return torch.optim.AdamW(method.trainable(), **settings, fused=fused)
    embeddings = {id(m.weight) for m in method.modules() if isinstance(m, nn.Embedding)}
    matrices = [p for p in method.trainable() if is_hidden_matrix(p) and id(p) not in embeddings]
    chosen = {id(p) for p in matrices}
    return Muon(matrices, [p for p in method.trainable() if id(p) not in chosen], **settings)


def is_hidden_matrix(weight: torch.Tensor) -> bool:
    return weight.ndim >= 2 and min(len(weight), weight[0].numel()) >= SMALLEST


class Muon(torch.optim.Optimizer):
    """Muon for `matrices`, AdamW for `others` (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

    The update of a matrix is its momentum made orthogonal by Newton-Schulz iteration, so that all its directions learn
    at the same speed. It is scaled to the size of an AdamW step (Liu et al. 2025, arXiv:2502.16982, eq. 4): one learning
    rate and one weight decay serve both. `torch.optim.Muon` knows two-dimensional weights only and takes them one by
    one; here a convolution is a matrix (out, in * height * width), and all of one shape are orthogonalised at once.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
        momentum: float = 0.95,
    ):
        groups = [{"params": list(matrices), "orthogonal": True}, {"params": list(others), "orthogonal": False}]
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            (self._orthogonal_step if group["orthogonal"] else self._adamw_step)(parameters, group)

    def _orthogonal_step(self, parameters: list[nn.Parameter], group: dict) -> None:
        shapes: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
        for p in parameters:
            self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
            shapes[len(p), p[0].numel()].append(p)
        gradients = [p.grad for p in parameters]
        buffers = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        for shape, members in shapes.items():
            gradient = torch.stack([p.grad.flatten(1) for p in members])  # type: ignore[union-attr]
            momentum = torch.stack([self.state[p]["momentum_buffer"].flatten(1) for p in members])
            # Nesterov: look ahead by one step of momentum.
            update = orthogonal(gradient.lerp(momentum, group["momentum"]))
            scale = 0.2 * max(shape) ** 0.5
            torch._foreach_add_(
                members, [u.view_as(p) for u, p in zip(update, members, strict=True)], alpha=-group["lr"] * scale
            )

    def _adamw_step(self, parameters: list[nn.Parameter], group: dict) -> None:
        for p in parameters:
            if not self.state[p]:
                step = torch.zeros((), dtype=torch.float32, device=p.device)
                self.state[p].update(step=step, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        columns = [[self.state[p][name] for p in parameters] for name in ("exp_avg", "exp_avg_sq")]
        adamw(
            parameters,  # type: ignore[arg-type]
            [p.grad for p in parameters],  # type: ignore[misc]
            *columns,
            [],
            [self.state[p]["step"] for p in parameters],
            foreach=False,
            fused=parameters[0].is_cuda,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )


def orthogonal(matrices: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices to (n, rows, columns), their singular values within about 0.7 to 1.2."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    if x.is_cuda:
        x = x.bfloat16()
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x if wide else x.mT).to(matrices.dtype)
