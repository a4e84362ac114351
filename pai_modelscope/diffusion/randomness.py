"""Random numbers that follow from a key for each sample: the same on one process or many, in any split of the batch.

A generator's numbers depend on how many were drawn before. These are a function of key, stream and place, so that a
training step draws the same noise for a sample however the global batch is cut, and a resumed run needs no state.
"""

import math

import torch

_GOLDEN = -7046029254386353131  # 2**64 / golden ratio, as a signed number
_FIRST, _SECOND = -4658895280553007687, -7723592293110705685


def scramble(numbers: torch.Tensor) -> torch.Tensor:
    """A bijection of int64 whose results look random: the finaliser of SplitMix64 (Steele et al. 2014)."""
    numbers = numbers + _GOLDEN
    numbers = (numbers ^ _shifted(numbers, 30)) * _FIRST
    numbers = (numbers ^ _shifted(numbers, 27)) * _SECOND
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: torch.Tensor, by: int) -> torch.Tensor:
    """Without the sign that a right shift of int64 would carry along."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)


def uniform(keys: torch.Tensor, stream: int, count: int = 1) -> torch.Tensor:
    """(n, count) float32, evenly in [0, 1), from `keys` (n,) int64; other streams of a key are independent."""
    places = torch.arange(count, device=keys.device) + (stream << 40)
    bits = scramble(scramble(keys)[:, None] ^ scramble(places))
    return _shifted(bits, 40).float() * 2.0**-24


def normal(keys: torch.Tensor, stream: int, shape: tuple[int, ...]) -> torch.Tensor:
    """(n, *shape) float32 of mean 0 and variance 1, by Box and Muller (1958)."""
    count = math.prod(shape)
    radius, angle = uniform(keys, stream, 2 * count).view(len(keys), 2, count).unbind(1)
    drawn = (-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * math.pi * angle)
    return drawn.view(len(keys), *shape)
