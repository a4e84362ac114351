"""What a launcher tells its processes in environment variables, checked before accelerate and PyTorch read it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from accelerate.state import AcceleratorState

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError, reason

RAM_EFFICIENT = "FSDP_CPU_RAM_EFFICIENT_LOADING"  # this package sets it itself

# Integers, and what each is at least and at most.
_INTEGERS: dict[str, tuple[int, int]] = {
    "LOCAL_RANK": (-1, 2**20),  # -1: no launcher
    "LOCAL_WORLD_SIZE": (1, 2**20),
    "WORLD_SIZE": (1, 2**20),
    "RANK": (0, 2**20),
    "MASTER_PORT": (0, 2**16 - 1),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": (1, 2**20),
}
_OTHERS = re.compile(r"(ACCELERATE|FSDP|PARALLELISM_CONFIG|MEGATRON_LM|OMPI|PMI|MV2)_\w+|MASTER_ADDR")
_ADVICE = "unset it, or start with `accelerate launch` or `torchrun`, which set it"


@contextmanager
def environment() -> Iterator[None]:
    """What accelerate does not understand of its variables becomes one line that names them.

    Raises:
        UserError: a number that is none or out of its range; anything else that it refuses while a variable is set.
    """
    _check_integers()
    fresh = not AcceleratorState._shared_state
    try:
        yield
    except UserError:
        raise
    except (ValueError, LookupError, ImportError, RuntimeError) as error:
        variables = _named(str(error))
        if not variables:
            raise
        if fresh and not dist.is_initialized():
            AcceleratorState._reset_state(reset_partial_state=True)  # what half begun would be taken for whole
        raise UserError(f"accelerate can't start with {variables}: {reason(error)}; {_ADVICE}") from error


def _check_integers() -> None:
    values = {}
    for name, (least, most) in _INTEGERS.items():
        if (value := os.environ.get(name)) is None:
            continue
        try:
            values[name] = int(value)
        except ValueError:
            values[name] = least - 1
        if not least <= values[name] <= most:
            valid = f"valid are integers from {least} to {most}"
            raise UserError(f"the environment variable {name} is {short_repr(value)}; {valid}: {_ADVICE}")
    rank, size = values.get("RANK"), values.get("WORLD_SIZE")
    if rank is not None and size is not None and rank >= size:
        raise UserError(
            f"the environment variable RANK is {rank}, and WORLD_SIZE is {size}; valid are ranks from 0 to "
            f"{size - 1}: {_ADVICE}"
        )


def _named(message: str) -> str:
    """The variables whose values or names stand in a message; all that are set if none does."""
    known = {
        name: value
        for name, value in sorted(os.environ.items())
        if (name in _INTEGERS or _OTHERS.fullmatch(name)) and value and name != RAM_EFFICIENT
    }
    words = re.findall(r"\w+", message.lower())
    meant = [name for name, value in known.items() if name.lower() in words or value.lower() in words]
    return ", ".join(f"{name}={short_repr(known[name])}" for name in meant or known)
