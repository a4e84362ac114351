"""Random numbers from keys: evenly and normally distributed, independent, and the same in any split of the batch."""

import math

import torch

from pai_modelscope.diffusion.randomness import normal, scramble, uniform
from pai_modelscope.training import Order

KEYS = scramble(torch.arange(400))


def test_scramble_is_splitmix64():
    """The first outputs of the published generator from seed 0, as signed numbers."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    seeds = torch.tensor([0, 1, 2]) * (0x9E3779B97F4A7C15 - 2**64)
    assert [value % 2**64 for value in scramble(seeds).tolist()] == published


def test_uniform_fills_its_range_evenly():
    drawn = uniform(KEYS, 1, 500).flatten()
    assert 0 <= drawn.min() < 1e-3 and 0.999 < drawn.max() < 1
    counts = torch.histc(drawn, 20, 0, 1) / len(drawn)
    assert (counts - 0.05).abs().max() < 0.05 * 0.05


def test_normal_has_the_moments_and_tails_of_a_gaussian():
    drawn = normal(KEYS, 0, (4, 16, 16))
    assert drawn.shape == (400, 4, 16, 16)
    flat = drawn.flatten().double()
    moments = [(flat**power).mean().item() for power in (1, 2, 3, 4)]
    assert all(math.isclose(a, b, abs_tol=0.04) for a, b in zip(moments, (0, 1, 0, 3), strict=True))
    assert math.isclose((flat.abs() > 1.959964).double().mean().item(), 0.05, abs_tol=0.002)
    assert 4 < flat.abs().max() < 6.5


def test_keys_streams_and_places_are_independent():
    drawn = normal(KEYS, 0, (256,))
    other = normal(KEYS, 1, (256,))
    between_keys = torch.corrcoef(drawn) - torch.eye(400)
    between_places = torch.corrcoef(drawn.T) - torch.eye(256)
    assert between_keys.abs().max() < 0.4 and between_places.abs().max() < 0.35
    assert abs(torch.corrcoef(torch.stack([drawn.flatten(), other.flatten()]))[0, 1]) < 0.02


def test_a_sample_draws_the_same_alone_and_in_any_batch():
    whole = normal(KEYS[:8], 3, (4, 8, 8))
    assert torch.equal(torch.cat([normal(KEYS[i : i + 2], 3, (4, 8, 8)) for i in range(0, 8, 2)]), whole)


def test_keys_follow_from_seed_and_place_and_never_repeat():
    order, other = Order([10], 4, seed=3), Order([10], 4, seed=4)
    keys = torch.cat([order.keys(step) for step in range(50)])
    assert len(keys.unique()) == 200 and torch.equal(order.keys(7), Order([10], 4, seed=3).keys(7))
    assert not torch.isin(keys, torch.cat([other.keys(step) for step in range(50)])).any()
    assert torch.equal(Order([10], 8, seed=3).keys(2), torch.cat([order.keys(4), order.keys(5)]))
