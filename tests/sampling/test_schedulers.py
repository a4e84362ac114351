"""Every scheduler ends where it should: proven with a model whose right answers are known."""

import json
import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DEISMultistepScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.sampling.schedulers import SCHEDULERS, on_cpu, own_name, scheduler_name

MINI = model_dir("pai-diffusion-mini-zh")
ZERO_SNR = json.loads((MINI / "scheduler" / "scheduler_config.json").read_text("utf-8"))
# Stable Diffusion 1.x: noise prediction, a schedule that never reaches pure noise.
ORDINARY = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
MEAN, BRIGHTNESS, DETAIL = 0.7, 0.5, 0.3
SHAPE = (300, 4, 4, 4)
STOCHASTIC = ("DPM++ 2M SDE", "DPM++ 3M SDE", "DPM++ SDE", "Euler a", "DPM2 a", "DDPM")
SMALL = {"seed": 20, "height": 160, "width": 160}
GENERAL = [name for name in SCHEDULERS if name != "LCM"]
SAMPLERS = [name for name in GENERAL if not name.endswith((" Karras", " Exponential", " SGM Uniform"))]


def perfect_model(config, brightness):
    """The best possible prediction where pictures are MEAN + one random brightness each + independent detail.

    In closed form: both parts are Gaussian, so E[x_0 | x_t] is linear in x_t for each of them.
    """
    alpha_bars = DDIMScheduler.from_config(config).alphas_cumprod.double()
    size = math.prod(SHAPE[1:])

    def predict(sample, timestep):
        low = int(timestep)
        high, share = min(low + 1, 999), float(timestep) - low
        alpha_bar = alpha_bars[low] * (1 - share) + alpha_bars[high] * share
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        centred = sample.double() - alpha * MEAN
        level = centred.mean((1, 2, 3), keepdim=True)
        variances = size * brightness**2 + DETAIL**2, DETAIL**2
        shrink = [alpha * v / (alpha_bar * v + sigma**2) for v in variances]
        clean = MEAN + shrink[0] * level + shrink[1] * (centred - level)
        if config.get("prediction_type") == "v_prediction":
            return (alpha * sample - clean) / sigma
        return (sample - alpha * clean) / sigma

    return predict


@torch.no_grad()
def draw(scheduler, predict, steps=20, dtype=torch.float32):
    """The loop of diffusers' pipelines."""
    generator = torch.Generator().manual_seed(0)
    scheduler.set_timesteps(steps)
    noise = torch.randn(SHAPE, generator=generator)
    level = noise.mean((1, 2, 3), keepdim=True)  # made exact, so that few pictures tell the mean of many
    noise += (level - level.mean()) / level.std() / math.sqrt(noise[0].numel()) - level
    sample = noise.to(dtype) * scheduler.init_noise_sigma
    noisy = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    for timestep in scheduler.timesteps:
        output = predict(scheduler.scale_model_input(sample, timestep), timestep).to(dtype)
        sample = scheduler.step(output, timestep, sample, return_dict=False, **noisy)[0]
    level = sample.double().mean((1, 2, 3))
    return level.mean().item(), level.std().item(), (sample.double() - level[:, None, None, None]).std().item()


@pytest.mark.parametrize("name", GENERAL)
def test_from_pure_noise_mean_brightness_and_detail_come_out_right(name):
    """Twenty steps leave an error of the method (the solution is 0.70, 0.50, 0.30), a wrong formula far more."""
    mean, brightness, detail = draw(SCHEDULERS[name](ZERO_SNR), perfect_model(ZERO_SNR, BRIGHTNESS))
    assert mean == pytest.approx(MEAN, abs=0.09)
    assert brightness == pytest.approx(BRIGHTNESS, abs=0.09)
    assert detail == pytest.approx(DETAIL, abs=0.09)


@pytest.mark.parametrize("name", GENERAL)
def test_half_precision_changes_little(name):
    scheduler, predict = SCHEDULERS[name](ZERO_SNR), perfect_model(ZERO_SNR, BRIGHTNESS)
    assert draw(scheduler, predict, dtype=torch.float16) == pytest.approx(draw(scheduler, predict), abs=0.02)


@pytest.mark.parametrize("name", GENERAL)
def test_ordinary_schedules_and_noise_prediction(name):
    mean, _, detail = draw(SCHEDULERS[name](ORDINARY), perfect_model(ORDINARY, 0.0))
    assert mean == pytest.approx(MEAN, abs=0.06)
    assert detail == pytest.approx(DETAIL, abs=0.09)


@pytest.mark.parametrize("name", ["DPM++ 2M", "DPM++ 2M Karras", "UniPC", "Heun", "LMS", "DDIM", "PNDM"])
def test_more_steps_come_closer(name):
    """The ordinary differential equation has one solution, and every method converges to it."""
    scheduler, predict = SCHEDULERS[name](ZERO_SNR), perfect_model(ZERO_SNR, BRIGHTNESS)
    # Karras' spacing leaps from pure noise to a sigma of 40 however many steps follow.
    assert draw(scheduler, predict, steps=100) == pytest.approx(
        (MEAN, BRIGHTNESS, DETAIL), abs=0.07 if "Karras" in name else 0.04
    )


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("name", GENERAL)
def test_any_number_of_steps_gives_numbers(name, steps):
    for config in (ZERO_SNR, ORDINARY):
        assert all(math.isfinite(x) for x in draw(SCHEDULERS[name](config), lambda x, t: x * 0.5, steps))


def test_karras_starts_at_pure_noise_and_wastes_no_steps_there():
    scheduler = SCHEDULERS["DPM++ 2M Karras"](ZERO_SNR)
    scheduler.set_timesteps(20)
    assert scheduler.timesteps[0] == 999 and (scheduler.timesteps > 950).sum() <= 4
    assert len(scheduler.timesteps.unique()) == 20
    ordinary = SCHEDULERS["DPM++ 2M Karras"](ORDINARY)
    reference = DPMSolverMultistepScheduler.from_config(ORDINARY, use_karras_sigmas=True)
    ordinary.set_timesteps(20)
    reference.set_timesteps(20)
    assert torch.equal(ordinary.sigmas, reference.sigmas)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_models_own_configuration_is_kept(name):
    scheduler = SCHEDULERS[name](ZERO_SNR)
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.timestep_spacing == "trailing"
    assert scheduler.alphas_cumprod[-1] < 1e-6
    expected = DDIMScheduler.from_config(ZERO_SNR).alphas_cumprod
    torch.testing.assert_close(scheduler.alphas_cumprod[:-1].float(), expected[:-1], rtol=1e-3, atol=1e-6)
    assert not scheduler.config.get("clip_sample") and not scheduler.config.get("thresholding")


def test_timesteps_stay_on_the_cpu_and_the_original_is_untouched():
    original = SCHEDULERS["Euler"](ZERO_SNR)
    copied = on_cpu(original)
    copied.set_timesteps(5, device="meta")
    assert copied.timesteps.device.type == "cpu" and len(copied.timesteps) == 5
    assert len(original.timesteps) == 1000


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Euler a", "Euler a"),
        ("euler_a", "Euler a"),
        ("EulerAncestralDiscreteScheduler", "Euler a"),
        ("dpm++_2m_karras", "DPM++ 2M Karras"),
        ("dpmpp_2m", "DPM++ 2M"),
        ("PLMS", "PNDM"),
        ("ddim", "DDIM"),
        ("unipc", "UniPC"),
        ("LCMScheduler", "LCM"),
    ],
)
def test_names_are_free_in_case_and_spelling(given, meant):
    assert scheduler_name(given) == meant


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UserError, match=r"'eulr' is unknown \(did you mean 'Euler'\?\), valid are DPM\+\+ 2M, "):
        scheduler_name("eulr")


@pytest.mark.parametrize(
    ("scheduler", "name"),
    [
        (DDIMScheduler(), "DDIM"),
        (EulerDiscreteScheduler(), "Euler"),
        (EulerDiscreteScheduler(use_karras_sigmas=True), "EulerDiscrete Karras"),
        (DPMSolverMultistepScheduler(use_karras_sigmas=True), "DPM++ 2M Karras"),
        (DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++"), "DPM++ 2M SDE"),
        (DEISMultistepScheduler(), "DEISMultistep"),
    ],
)
def test_a_folders_own_scheduler_has_a_name(scheduler, name):
    assert own_name(scheduler) == name


@pytest.fixture(scope="module")
def converged():
    """The shipped model's picture where the ordinary differential equation is all but solved."""
    sampler = Sampler.from_pretrained(MINI, device="cpu")
    return sampler, np.asarray(sampler("熊猫,蓝色背景", scheduler="UniPC", num_inference_steps=50, **SMALL)[0].image)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SAMPLERS, "DPM++ 2M Karras", "DPM++ SDE Karras", "DEIS Exponential"])
def test_the_shipped_model_draws_the_same_with_every_method(converged, name):
    """Methods that solve the equation agree on the picture; those that add noise agree on its background."""
    sampler, expected = converged
    got = np.asarray(sampler("熊猫,蓝色背景", scheduler=name, num_inference_steps=20, **SMALL)[0].image)
    if name.removesuffix(" Karras") in STOCHASTIC:
        corner = (slice(0, 16), slice(0, 16))
        assert np.abs(got[corner].astype(float).mean((0, 1)) - expected[corner].mean((0, 1))).max() < 40
        assert got.std() > 0.5 * expected.std()
    else:
        assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.8
