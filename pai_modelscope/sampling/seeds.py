"""Seeds dealt out to the pictures of a call."""

import itertools
import secrets
from collections.abc import Sequence

import torch

from pai_modelscope.config.option import Bounds, plain_number, problem_of_number, short_repr
from pai_modelscope.errors import Fault, UserError

_MAX_SEED = 2**63 - 1
_SEEDS = Bounds(minimum=-1, maximum=_MAX_SEED)


SeedSource = tuple[object, object]  # a seed or seeds, and in their place a torch.Generator or several; None: neither


def deal_seeds(sources: Sequence[SeedSource], counts: Sequence[int], shared: SeedSource) -> list[list[int]]:
    """The seeds of each request's pictures. Raises `UserError` for seeds that can't be, or too few or many.

    Picture i has seed s + i (the WebUI's rule): i counts within a request that names its own seed, and over all
    pictures of the others. Random seeds follow the same rule from a random start.
    """
    is_open = [seed is None and generator is None for seed, generator in sources]
    open_counts = itertools.compress(counts, is_open)
    common = iter(_seeds(*shared, sum(open_counts)))
    return [
        list(itertools.islice(common, count)) if follows else _seeds(*source, count)
        for source, count, follows in zip(sources, counts, is_open, strict=True)
    ]


def _seeds(seed: object, generator: object, count: int) -> list[int]:
    if generator is not None:
        if isinstance(generator, torch.Generator):
            return _seeds_from(generator, count)
        if not isinstance(generator, list | tuple) or not all(isinstance(g, torch.Generator) for g in generator):
            raise UserError("generator must be a torch.Generator or a list of them, one a picture")
        _check_count("generators", len(generator), count)
        return [_seeds_from(one, 1)[0] for one in generator]
    if isinstance(seed, list | tuple):
        _check_count("seeds", len(seed), count)
        return [_checked_seed(one) for one in seed]
    start = _checked_seed(-1 if seed is None else seed)
    return [(start + i) % (_MAX_SEED + 1) for i in range(count)]


def _check_count(what: str, number: int, count: int) -> None:
    if number != count:
        raise UserError(f"{number} {what} for {count} pictures: give one, or one a picture")


def _seeds_from(generator: torch.Generator, count: int) -> list[int]:
    """A generator only supplies seeds, so that every picture can be made again from its seed alone.

    A fresh generator gives its own seed first: `generator=torch.Generator().manual_seed(5)` is `seed=5`.
    """
    fresh = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    is_fresh = torch.equal(fresh.get_state(), generator.get_state()) and generator.initial_seed() <= _MAX_SEED
    drawn = torch.randint(2**32, (count,), generator=generator, device=generator.device).tolist()
    return [generator.initial_seed(), *drawn[1:]] if is_fresh and count else drawn


def _checked_seed(seed: object) -> int:
    if problem_of_number("seed", seed, whole=True, bounds=_SEEDS):
        valid = "a whole number from 0 to 2**63 - 1, or -1 for a random one"
        message = f"seed {short_repr(seed)} is not valid: give {valid}"
        raise UserError(message, [Fault("seed", message, valid)])
    number = int(plain_number(seed, whole=True))
    return secrets.randbelow(2**32) if number == -1 else number
