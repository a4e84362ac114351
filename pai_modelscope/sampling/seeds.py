"""Seeds dealt out to the pictures of a call."""

import itertools
import operator
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pai_modelscope.config.option import Bounds, problem_of_number, shown
from pai_modelscope.errors import UserError

_MAX_SEED = 2**63 - 1
_SEEDS = Bounds(minimum=-1, maximum=_MAX_SEED)


def deal_seeds(own: Sequence[Mapping[str, Any]], counts: Sequence[int], shared: Mapping[str, Any]) -> list[list[int]]:
    """The seeds of each request's pictures. Raises `UserError` for seeds that can't be, or too few or many.

    Picture i has seed s + i (the WebUI's rule): i counts within a request that names its own seed, and over all
    pictures of the others. Random seeds follow the same rule from a random start.
    """
    has_own = [any(request.get(name) is not None for name in ("seed", "generator")) for request in own]
    others = sum(count for count, is_own in zip(counts, has_own, strict=True) if not is_own)
    common = iter(_seeds(shared.get("seed"), shared.get("generator"), others))
    return [
        _seeds(request.get("seed"), request.get("generator"), count)
        if is_own
        else list(itertools.islice(common, count))
        for request, count, is_own in zip(own, counts, has_own, strict=True)
    ]


def _seeds(seed: Any, generator: Any, count: int) -> list[int]:
    if generator is not None:
        if isinstance(generator, torch.Generator):
            return _seeds_from(generator, count)
        if not isinstance(generator, list | tuple) or not all(isinstance(g, torch.Generator) for g in generator):
            raise UserError("generator must be a torch.Generator or a list of them, one a picture")
        _check_count("generators", len(generator), count)
        return [_seeds_from(each, 1)[0] for each in generator]
    if isinstance(seed, list | tuple):
        _check_count("seeds", len(seed), count)
        return [_checked_seed(each) for each in seed]
    start = _checked_seed(-1 if seed is None else seed)
    return [(start + i) % (_MAX_SEED + 1) for i in range(count)]


def _check_count(what: str, given: int, count: int) -> None:
    if given != count:
        raise UserError(f"{given} {what} for {count} pictures: give one, or one a picture")


def _seeds_from(generator: torch.Generator, count: int) -> list[int]:
    """A generator only supplies seeds, so that every picture can be made again from its seed alone.

    A fresh generator gives its own seed first: `generator=torch.Generator().manual_seed(5)` is `seed=5`.
    """
    fresh = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    is_fresh = torch.equal(fresh.get_state(), generator.get_state()) and generator.initial_seed() <= _MAX_SEED
    drawn = torch.randint(2**32, (count,), generator=generator, device=generator.device).tolist()
    return [generator.initial_seed(), *drawn[1:]] if is_fresh and count else drawn


def _checked_seed(seed: Any) -> int:
    if problem_of_number("seed", seed, whole=True, bounds=_SEEDS):
        valid = "give a whole number from 0 to 2**63 - 1, or -1 for a random one"
        raise UserError(f"seed {shown(seed)} is not valid: {valid}")
    found = operator.index(seed)
    return secrets.randbelow(2**32) if found == -1 else found
