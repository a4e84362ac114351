"""Optimizers by name: AdamW, whole or in 8 bits, Prodigy, and Muon."""

import importlib.util
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from torch import nn
from torch.optim.adamw import adamw
from torch.optim.lr_scheduler import LambdaLR

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods.base import Method, ParamGroup
from pai_modelscope.training.eight_bit import AdamW8bit, Group, in_blocks
from pai_modelscope.training.sharding import HALVES, cuts

_PACKAGES = {"adamw-8bit": "torchao", "prodigy": "prodigyopt"}

_SETTINGS = ("initial_lr", "betas", "eps", "weight_decay")  # of a group of weights
FUSED = ("cuda", "cpu")  # devices whose AdamW is one pass over the memory
SMALLEST = 64  # a matrix with fewer rows or columns is an input or output layer; those keep AdamW
_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic of Jordan et al.: steepest at zero, near one after five rounds


def build_optimizer(
    method: Method, config: TrainingConfig, device: torch.device, groups: Sequence[ParamGroup] | None = None
) -> torch.optim.Optimizer:
    """The optimizer that `config.optimizer` names, over `groups`, those of a phase, each at its rate.

    Without `groups`, it is over all that `method` trains.

    Raises `UserError` where its package is not installed, or it knows only one rate and the groups have several.
    """
    package = _PACKAGES.get(config.optimizer)
    if package and importlib.util.find_spec(package) is None:
        raise UserError(
            f"optimizer {config.optimizer!r} needs {package}, which is not installed: run pip install "
            "'pai_modelscope[optimizers]', or choose 'adamw'"
        )
    optimizer = _build(method, config, device, method.param_groups() if groups is None else groups)
    for group in optimizer.param_groups:
        group["eps"] = config.adam_epsilon
    return optimizer


def build_schedule(
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    factor: Callable[[int], float] | None = None,
    steps: int | None = None,
) -> LambdaLR:
    """As `config.lr_scheduler` names it, over `steps` (None: all of the run), or the rate times `factor(step)`."""
    if factor is not None:
        return LambdaLR(optimizer, factor)
    schedule: LambdaLR = get_scheduler(
        config.lr_scheduler,
        optimizer,
        num_warmup_steps=config.lr_warmup_steps,
        num_training_steps=config.max_train_steps if steps is None else steps,
        num_cycles=config.lr_num_cycles,
        power=config.lr_power,
    )
    return schedule


def _build(
    method: Method, config: TrainingConfig, device: torch.device, param_groups: Sequence[ParamGroup]
) -> torch.optim.Optimizer:
    rate, betas, decay = config.learning_rate, (config.adam_beta1, config.adam_beta2), config.adam_weight_decay
    groups: list[Group] = [dict(group) for group in param_groups]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, betas, weight_decay=decay, fused=device.type in FUSED)
    if config.optimizer == "adamw-8bit":
        return AdamW8bit(groups, rate, betas, decay, config.seed)
    if config.optimizer == "prodigy":
        return _prodigy(groups, rate, betas, decay)
    return _muon(method, groups, rate, betas, decay)


def check_processes(config: TrainingConfig, cut: bool) -> None:
    """Raises `UserError` for an optimizer that must see whole weights where they are `cut`: each process has a part."""
    if config.optimizer in _PACKAGES and cut:
        raise UserError(
            f"optimizer is {config.optimizer!r}, which needs whole weights in every process: with FSDP or DeepSpeed "
            "choose 'adamw'"
        )


@contextmanager
def settings_kept(schedule: LambdaLR) -> Iterator[None]:
    """While a checkpoint is loaded, which brings the settings it was made with, those of the configuration stay: a run
    may go on at another rate, or to another last step."""
    settings = [{name: group[name] for name in _SETTINGS} for group in schedule.optimizer.param_groups]
    yield
    for group, kept, curve in zip(schedule.optimizer.param_groups, settings, schedule.lr_lambdas, strict=True):
        group |= kept | {"lr": kept["initial_lr"] * curve(schedule.last_epoch)}
    schedule.base_lrs = [kept["initial_lr"] for kept in settings]


def hold_in_bfloat16(method: Method) -> None:
    """Weights that learn in bfloat16, but for biases and norms, which weigh nothing and need all their digits."""
    for weight in method.trainable():
        if in_blocks(weight):
            weight.data = weight.data.bfloat16()


def lighten(method: Method, accelerator: Accelerator) -> None:
    """What is only read is held in the precision of the steps: more digits help nobody. FSDP and DeepSpeed want weights
    of one kind, and see to their precision themselves."""
    half = HALVES.get(accelerator.mixed_precision)
    if half is None or cuts(accelerator):
        return
    for weight in method.frozen_parameters():
        weight.data = weight.data.to(half)


def _prodigy(groups: list[Group], rate: float, betas: tuple[float, float], decay: float) -> torch.optim.Optimizer:
    """Prodigy (Mishchenko & Defazio 2023, arXiv:2306.06101) with the settings of diffusers' scripts."""
    from prodigyopt import Prodigy

    if any(group.get("lr", rate) != rate for group in groups):
        raise UserError("optimizer 'prodigy' finds one rate for all that learns: leave text_encoder_lr out")
    optimizer: torch.optim.Optimizer = Prodigy(groups, rate, betas, use_bias_correction=True, safeguard_warmup=True)
    for group in optimizer.param_groups:
        group["weight_decay"] = decay  # given to the constructor, it is announced on stdout
    return optimizer


def _muon(method: Method, groups: list[Group], rate: float, betas: tuple[float, float], decay: float) -> "Muon":
    embeddings = {id(m.weight) for m in method.modules() if isinstance(m, nn.Embedding)}
    muon: Muon | None = None
    for group in groups:
        settings = {"lr": rate} | {name: value for name, value in group.items() if name != "params"}
        matrices = [p for p in group["params"] if is_hidden_matrix(p) and id(p) not in embeddings]
        chosen = {id(p) for p in matrices}
        others = [p for p in group["params"] if id(p) not in chosen]
        if muon is None:
            muon = Muon(matrices, others, settings["lr"], betas, decay)
            continue
        for params, whether in ((matrices, True), (others, False)):
            if params:
                muon.add_param_group(settings | {"params": params, "orthogonal": whether})
    assert muon is not None, "a method has at least one group"
    return muon


def is_hidden_matrix(weight: torch.Tensor) -> bool:
    return weight.ndim >= 2 and min(len(weight), weight[0].numel()) >= SMALLEST


class Muon(torch.optim.Optimizer):
    """Muon for `matrices`, AdamW for `others` (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

    The update of a matrix is its momentum made orthogonal by Newton-Schulz iteration, so that all its directions learn
    at the same speed. It is scaled to the size of an AdamW step (Liu et al. 2025, arXiv:2502.16982, eq. 4): one
    learning rate and one weight decay serve both. `torch.optim.Muon` knows two-dimensional weights only and takes them
    one by one; here a convolution is a matrix (out, in * height * width), and all of one shape are orthogonalised at
    once.
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
        defaults = {"lr": lr, "betas": betas, "eps": 1e-8, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights: list[torch.Tensor] = [p for p in group["params"] if p.grad is not None]
            gradients: list[torch.Tensor] = [p.grad for p in group["params"] if p.grad is not None]
            if weights:
                (self._orthogonal_step if group["orthogonal"] else self._adamw_step)(weights, gradients, group)

    def _orthogonal_step(self, weights: list[torch.Tensor], gradients: list[torch.Tensor], group: Group) -> None:
        for weight in weights:
            if "momentum_buffer" not in self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        momenta = [self.state[weight]["momentum_buffer"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, weight in enumerate(weights):
            shapes[len(weight), weight[0].numel()].append(i)
        for shape, members in shapes.items():
            gradient = torch.stack([as_matrix(gradients[i], weights[i]) for i in members])
            momentum = torch.stack([as_matrix(momenta[i], weights[i]) for i in members])
            # Nesterov: look ahead by one step of momentum.
            updates = orthogonal(gradient.lerp(momentum, group["momentum"]))
            turned = [as_weight(update, weights[i]) for update, i in zip(updates, members, strict=True)]
            torch._foreach_add_([weights[i] for i in members], turned, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)

    def _adamw_step(self, weights: list[torch.Tensor], gradients: list[torch.Tensor], group: Group) -> None:
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:
                step = torch.zeros((), dtype=torch.float32, device=weight.device)
                state.update(step=step, exp_avg=torch.zeros_like(weight), exp_avg_sq=torch.zeros_like(weight))
        adamw(
            weights,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            foreach=False,
            fused=weights[0].device.type in FUSED,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def as_matrix(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(out, all others) of a value that lies as `weight` does, without a copy.

    Of a convolution in `channels_last` the columns come in another order, which the orthogonal factor only follows.
    """
    return (value.permute(0, 2, 3, 1) if _last(weight) else value).flatten(1)


def as_weight(matrix: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What `as_matrix` made a matrix of, in the shape and the memory format of `weight`."""
    if not _last(weight):
        return matrix.view_as(weight)
    out, channels, height, width = weight.shape
    return matrix.view(out, height, width, channels).permute(0, 3, 1, 2)


def _last(weight: torch.Tensor) -> bool:
    last = weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return last and not weight.is_contiguous()


def orthogonal(matrices: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices to (n, rows, columns), their singular values within about 0.7 to 1.2."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    if x.is_cuda:
        x = x.bfloat16()
    for _ in range(rounds):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x if wide else x.mT).to(matrices.dtype)
