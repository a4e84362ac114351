"""The files of a checkpoint, which may come from elsewhere: read as tensors and plain values, none of their code runs.

PyTorch's own reader of that kind does it (`torch.load` with `weights_only`). accelerate and PyTorch's sharded
checkpoints ask for the other one in places, so it is made the only one while they load.
"""

import os
import pickle
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate.utils import load
from safetensors import SafetensorError

from pai_modelscope import untrusted
from pai_modelscope.errors import UserError, reason
from pai_modelscope.pickles import check_pickle
from pai_modelscope.training import checkpoint_index

_PICKLES = {".pkl", ".bin", ".pt"}
_FORCED, _FORBIDDEN = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
# Classes of numbers in DeepSpeed's files. What a class of this list does when it is made or filled runs no other code.
_DEEPSPEED = {
    "deepspeed.runtime.fp16.loss_scaler": ("LossScaler", "DynamicLossScaler"),
    "deepspeed.runtime.zero.config": ("ZeroStageEnum",),
    "deepspeed.utils.tensor_fragment": ("fragment_address",),
}

ADVICE = "remove the folder, and 'latest' takes the checkpoint before it or begins anew"
# What libraries raise for content that is not what they wrote.
DAMAGED = (
    OSError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    MemoryError,
)


def check(folder: Path) -> None:
    """Raise `UserError` that names the first file of a checkpoint that is not what a run writes: a named pipe, a link
    to a folder, a pickle with more in it than tensors and plain values."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            if path.is_symlink():
                raise UserError(f"{path} leads out of the checkpoint: put the folder itself there")
            continue
        try:
            untrusted.check_regular(path)
        except OSError as error:
            raise UserError(f"{path} can't be read ({reason(error)})") from None
        if path.suffix in _PICKLES:
            read(path)
        elif path.name == ".metadata":
            _check_sharded(path)


def read(path: Path) -> object:
    """The value of a file that `torch.save` wrote; tensors stay on the disk until they are used.

    Raises:
        UserError: no such file, or one that asks for anything but tensors and plain values.
    """
    try:
        untrusted.check_regular(path)
        with zipfile.ZipFile(path) as archive:  # torch.save compresses nothing: the content is no larger than the file
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise _unsafe(path, "it is compressed")
        check_pickle(path, f"{ADVICE[0].upper()}{ADVICE[1:]}.")
        with only_values():
            return load(str(path), map_location="cpu", mmap=True)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise _unsafe(path, f"it asks for {wanted[1]}" if wanted else reason(error)) from None
    except zipfile.BadZipFile:
        raise _unsafe(path, "it is cut, or no file of torch.save") from None
    except DAMAGED as error:
        raise UserError(f"{path} can't be read ({reason(error)}): {ADVICE}") from None


@contextmanager
def only_values() -> Iterator[None]:
    """Whatever a library asks of it, `torch.load` reads nothing but tensors and plain values meanwhile."""
    before = {name: os.environ.pop(name, None) for name in (_FORCED, _FORBIDDEN)}
    os.environ[_FORCED] = "1"
    try:
        with torch.serialization.safe_globals(_classes_of_deepspeed()):
            yield
    finally:
        os.environ.pop(_FORCED)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def restore_random(path: Path) -> None:
    """The generators of random numbers as they were; accelerate goes on without a word where it can't.

    Raises `UserError` for a file that does not hold their states.
    """
    states = read(path)
    try:
        if not isinstance(states, dict):
            raise TypeError("it holds no states")
        random.setstate(states["random_state"])
        np.random.set_state(states["numpy_random_seed"])
        torch.set_rng_state(states["torch_manual_seed"])
    except DAMAGED as error:
        raise UserError(f"{path} can't be read ({reason(error)}): {ADVICE}") from None


def alike(theirs: object, ours: object) -> bool:
    """Whether a plain value of a file may stand in the place of ours: of its kind, and as long as it is. Of dicts, the
    values of the names that both have: versions of PyTorch differ in others."""
    if isinstance(ours, dict):
        shared = ours.keys() & theirs.keys() if isinstance(theirs, dict) else ()
        return isinstance(theirs, dict) and all(alike(theirs[name], ours[name]) for name in shared)
    if isinstance(ours, list | tuple):
        if not isinstance(theirs, list | tuple) or len(theirs) != len(ours):
            return False
        return all(alike(one, other) for one, other in zip(theirs, ours, strict=True))
    if isinstance(ours, torch.Tensor):
        return isinstance(theirs, torch.Tensor) and theirs.shape == ours.shape
    if isinstance(ours, bool | None):
        return isinstance(theirs, bool | None)
    if isinstance(ours, int | float):
        return _is_number(theirs) or (isinstance(theirs, float) and theirs == ours)  # infinity, where ours is
    return type(theirs) is type(ours)


def check_optimizer(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """Raise `UserError` for an optimizer's state that does not fit what it is to be the state of."""
    state, expected = read(path), optimizer.state_dict()
    groups, values = (state.get(name) if isinstance(state, dict) else None for name in ("param_groups", "state"))
    values = values if isinstance(values, dict) else {None: None}
    good = isinstance(groups, list) and alike(groups, expected["param_groups"])
    pairs = zip(groups, expected["param_groups"], strict=True) if good and isinstance(groups, list) else ()
    good = good and all(_same_switches(one, other) for one, other in pairs)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for place, of_weight in values.items() if good else ():
        known = isinstance(place, int) and 0 <= place < len(weights) and isinstance(of_weight, dict)
        good = good and known and all(_fits(value, weights[place]) for value in of_weight.values())
    if not good:
        raise UserError(f"{path} is no state of this optimizer for these weights: {ADVICE}")


class Stateful(Protocol):
    """A part of a run whose state a checkpoint keeps: a schedule, the average."""

    def state_dict(self) -> Mapping[str, object]: ...

    def load_state_dict(self, state: dict[str, object], /) -> None: ...


class Checked:
    """What accelerate keeps in a checkpoint: the state of `part`, compared with its own before it goes there."""

    def __init__(self, part: Stateful, *needed: str):
        """`needed`: names without which a state is none."""
        self._part, self._needed = part, needed

    def state_dict(self) -> dict[str, object]:
        return dict(self._part.state_dict())

    def load_state_dict(self, state: object) -> None:
        """Raises `ValueError` for a state of another form. What other versions of PyTorch keep besides is left out."""
        expected = self.state_dict()
        theirs = {name: value for name, value in state.items() if name in expected} if isinstance(state, dict) else {}
        if not all(name in theirs for name in self._needed) or not alike(theirs, expected):
            raise ValueError(f"what it holds is no state of {type(self._part).__name__}")
        self._part.load_state_dict(theirs)


def _unsafe(path: Path, why: str) -> UserError:
    return UserError(f"{path} is not read: {why}, where tensors and plain values are valid; {ADVICE}")


def _fits(value: object, weight: torch.Tensor) -> bool:
    """One value of the state of a weight: a number, a tensor of one, or one of as many numbers as the weight has."""
    if isinstance(value, torch.Tensor):
        return value.numel() in (1, weight.numel()) and all(stride > 0 for stride in value.stride())
    return value is None or _is_number(value)


def _same_switches(theirs: object, ours: Mapping[str, object]) -> bool:
    """Whether a group names its weights, and what is on or off is so in both."""
    if not isinstance(theirs, dict) or "params" not in theirs:
        return False
    switches = [name for name, value in ours.items() if isinstance(value, bool) and isinstance(theirs.get(name), bool)]
    return all(theirs[name] == ours[name] for name in switches)


def _is_number(value: object) -> bool:
    """Also False for nan and infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _classes_of_deepspeed() -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """Where DeepSpeed is installed and imported."""
    import sys

    classes: list[Callable[..., object] | tuple[Callable[..., object], str]] = []
    for module, names in _DEEPSPEED.items():
        if module in sys.modules:
            classes += [kind for name in names if (kind := getattr(sys.modules[module], name, None)) is not None]
    return classes


def _check_sharded(path: Path) -> None:
    try:
        checkpoint_index.check(path, ADVICE)
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(f"{path} can't be read ({reason(error)}): {ADVICE}") from None
