"""AdamW whose memory of the gradients takes one byte a number, for weights in float32 or bfloat16."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

BLOCK, LEAST = 256, 4096  # numbers that share a scale; smaller weights keep whole states, as in the paper


def in_blocks(weight: torch.Tensor) -> bool:
    return weight.numel() >= LEAST and weight.numel() % BLOCK == 0


class AdamW8bit(torch.optim.Optimizer):
    """AdamW with states in 8 bits, each block with a scale of its own (Dettmers et al. 2021, arXiv:2110.02861).

    Arithmetic and states are torchao's. Its own optimizer compiles a kernel for each shape, which for a UNet takes
    minutes; here weights go in as flat rows, so that one kernel serves all.

    Weights in bfloat16 are rounded up or down at random, in proportion: to the nearest, most steps would round to
    nothing (Zamirai et al. 2020, arXiv:2010.06192). The random numbers follow from seed and step, so that all processes
    round alike and a resumed run goes on exactly.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
        seed: int = 0,
        eps: float = 1e-8,
    ):
        from torchao.optim.adam import single_param_adam
        from torchao.optim.subclass_8bit import OptimState8bit

        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "eps": eps, "rounds": 0})
        self._seed, self._eight_bits = seed, OptimState8bit
        # On a CPU compiling needs a C++ compiler, and a minute.
        compiled = self.param_groups[0]["params"][0].is_cuda
        self._update: Any = (
            torch.compile(single_param_adam, fullgraph=True, dynamic=True) if compiled else single_param_adam
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        first = self.param_groups[0]
        with following(self._seed, first["rounds"], first["params"][0].device):
            for group in self.param_groups:
                self._group_step(group)
        first["rounds"] += 1

    def _group_step(self, group: dict[str, Any]) -> None:
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
                scalar(state["step"], flat.device),
                state["exp_avg"],
                state["exp_avg_sq"],
                None,
                scalar(group["lr"], flat.device),
                *group["betas"],
                group["weight_decay"],
                group["eps"],
                True,
                weight.dtype == torch.bfloat16,
            )
            if flat.data_ptr() != place.data_ptr():
                place.copy_(flat.view_as(place))

    def _empty(self, flat: torch.Tensor, signed: bool) -> torch.Tensor:
        if not in_blocks(flat):
            return torch.zeros_like(flat)
        return self._eight_bits.zeros(flat.shape, signed, BLOCK, flat.device, dtype=flat.dtype)


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
