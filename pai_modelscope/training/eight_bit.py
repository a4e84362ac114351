"""AdamW whose memory of the gradients takes one byte a number, for weights in float32 or bfloat16."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch.optim.optimizer import ParamsT

Group: TypeAlias = dict[str, Any]  # weights of an optimizer and their settings, as PyTorch types it
BLOCK, LEAST = 256, 4096  # numbers that share a scale; smaller weights keep whole states, as in the paper
_PARTS = ("codes", "scale", "qmap")  # of torchao's state
State = tuple[torch.Tensor, ...]  # the state itself, or its codes, the scales of its blocks, and what the codes mean


def in_blocks(weight: torch.Tensor) -> bool:
    return weight.numel() >= LEAST and weight.numel() % BLOCK == 0


class AdamW8bit(torch.optim.Optimizer):
    """AdamW with states in 8 bits, each block with a scale of its own (Dettmers et al. 2021, arXiv:2110.02861).

    The states and what turns numbers into bytes are torchao's. Its own optimizer compiles a kernel for each shape,
    which for a UNet takes minutes; here weights go in as flat rows, so that one kernel serves all.

    Weights in bfloat16 are rounded up or down at random, in proportion: to the nearest, most steps would round to
    nothing (Zamirai et al. 2020, arXiv:2010.06192). The random numbers follow from seed and step, so that all processes
    round alike and a resumed run goes on exactly.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
        seed: int = 0,
        eps: float = 1e-8,
    ):
        from torchao.optim.subclass_8bit import OptimState8bit

        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "eps": eps, "rounds": 0})
        self._seed, self._eight_bits, self._update = seed, OptimState8bit, _updater()
        if self.param_groups[0]["params"][0].is_cuda:  # on a CPU it would need a C++ compiler, and a minute
            self._update = torch.compile(self._update, fullgraph=True, dynamic=True)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        first = self.param_groups[0]
        with following(self._seed, first["rounds"], first["params"][0].device):
            for group in self.param_groups:
                self._group_step(group)
        first["rounds"] += 1

    def _group_step(self, group: Group) -> None:
        known: dict[float, torch.Tensor] = {}

        def scalar(value: float, device: torch.device) -> torch.Tensor:
            """On the device, without a copy that would wait for it."""
            if value not in known:
                known[value] = torch.full((), value, dtype=torch.float32, device=device)
            return known[value]

        for weight in group["params"]:
            if weight.grad is None:
                continue
            state, place = self.state[weight], weight.detach()
            flat = place.reshape(-1)  # a copy, where the weight lies in another order
            if not state:
                state.update(step=0, exp_avg=self._empty(flat, True), exp_avg_sq=self._empty(flat, False))
            state["step"] += 1
            self._update(
                flat,
                weight.grad.reshape(-1),
                *(_plain(state[name], self._eight_bits) for name in ("exp_avg", "exp_avg_sq")),
                *(scalar(value, flat.device) for value in (state["step"], group["lr"])),
                *group["betas"],
                group["weight_decay"],
                group["eps"],
            )
            if flat.data_ptr() != place.data_ptr():
                place.copy_(flat.view_as(place))

    def _empty(self, flat: torch.Tensor, signed: bool) -> torch.Tensor:
        if not in_blocks(flat):
            return torch.zeros_like(flat)
        state: torch.Tensor = self._eight_bits.zeros(flat.shape, signed, BLOCK, flat.device, dtype=flat.dtype)
        return state


def _plain(state: torch.Tensor, eight_bits: type[torch.Tensor]) -> State:
    """A state as the tensors that it consists of, which is what the compiler knows best.

    eight_bits: torchao's class of states in 8 bits.
    """
    return tuple(getattr(state, name) for name in _PARTS) if isinstance(state, eight_bits) else (state,)


def _updater() -> Callable[..., None]:
    """One step of AdamW on a flat weight, by torchao's quantisation."""
    from torchao.optim import quant_utils as quantisation

    def read(state: State) -> torch.Tensor:
        if len(state) == 1:
            return state[0].float()
        codes, scale, levels = state
        value: torch.Tensor = quantisation.dequant_with_qmap(codes, levels, scale)
        return value

    def write(state: State, value: torch.Tensor) -> None:
        if len(state) == 1:
            state[0].copy_(value)
            return
        codes, scale, levels = state
        scaled, largest = quantisation.scale_tensor(value, BLOCK)
        codes.copy_(quantisation.quantize_8bit_with_qmap(scaled, levels))
        scale.copy_(largest)

    def update(
        weight: torch.Tensor,
        gradient: torch.Tensor,
        mean_state: State,
        square_state: State,
        step: torch.Tensor,
        rate: torch.Tensor,
        beta1: float,
        beta2: float,
        decay: float,
        eps: float,
    ) -> None:
        gradient = gradient.float()
        mean = read(mean_state).lerp(gradient, 1 - beta1)
        square = read(square_state).lerp(gradient.square(), 1 - beta2)
        write(mean_state, mean)
        write(square_state, square)
        size = (square / (1 - beta2**step)).sqrt() + eps
        moved = weight.float() * (1 - rate * decay) - rate * (mean / (1 - beta1**step)) / size
        if weight.dtype == torch.bfloat16:
            moved = quantisation._fp32_to_bf16_sr(moved)
        weight.copy_(moved)

    return update


@contextmanager
def following(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """What is drawn here follows from seed and step, and what is drawn after it is as if nothing had been."""
    drawing = [torch.default_generator]
    if device.type == "cuda":
        drawing.append(torch.cuda.default_generators[device.index or 0])
    before = [generator.get_state() for generator in drawing]
    for generator in drawing:
        generator.manual_seed((seed * 1_000_003 + step) % 2**63)
    try:
        yield
    finally:
        for generator, state in zip(drawing, before, strict=True):
            generator.set_state(state)
