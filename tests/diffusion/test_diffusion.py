"""Noising and targets against numbers derived by hand."""

import pytest
import torch

from pai_modelscope.diffusion import add_noise, prediction_target
from pai_modelscope.errors import UserError

# alpha_bar = 0.36 means sqrt(alpha_bar) = 0.6 and sqrt(1 - alpha_bar) = 0.8; alpha_bar = 0 is pure noise.
ALPHAS = torch.tensor([1.0, 0.36, 0.0])
LATENTS = torch.tensor([2.0, 2.0, 2.0]).view(3, 1, 1, 1)
NOISE = torch.tensor([1.0, 1.0, 1.0]).view(3, 1, 1, 1)
STEPS = torch.tensor([0, 1, 2])


def test_add_noise():
    assert add_noise(LATENTS, NOISE, STEPS, ALPHAS).flatten().tolist() == pytest.approx([2.0, 0.6 * 2 + 0.8, 1.0])


def test_v_target():
    target = prediction_target("v_prediction", LATENTS, NOISE, STEPS, ALPHAS)
    assert target.flatten().tolist() == pytest.approx([1.0, 0.6 - 0.8 * 2, -2.0])


def test_epsilon_target():
    assert prediction_target("epsilon", LATENTS, NOISE, STEPS, ALPHAS) is NOISE


def test_unknown_prediction_type_is_named():
    with pytest.raises(UserError, match="sample"):
        prediction_target("sample", LATENTS, NOISE, STEPS, ALPHAS)
