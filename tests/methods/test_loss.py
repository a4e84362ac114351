"""The denoising loss against diffusers' own training computation, and what its options do."""

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.training_utils import compute_snr

import pai_modelscope
from pai_modelscope.diffusion import logit_normal_timesteps, masked_mean, min_snr_weight, uniform_timesteps
from pai_modelscope.diffusion.randomness import normal, scramble, uniform
from pai_modelscope.errors import UserError
from pai_modelscope.methods import FullFineTuning, mean_metrics
from pai_modelscope.methods.denoising import NOISE, OFFSET, PERTURBATION, TIMESTEP
from pai_modelscope.text import chunk_ids, encode_ids
from pai_modelscope.training import Order

FOLDER = pai_modelscope.model_dir("pai-diffusion-mini-zh")
ZERO_SNR = DDIMScheduler.from_pretrained(FOLDER / "scheduler")
PLAIN = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SCHEDULERS = {
    "epsilon": DDPMScheduler(**PLAIN, prediction_type="epsilon"),
    "v": DDPMScheduler(**PLAIN, prediction_type="v_prediction"),
    "v with zero terminal SNR": ZERO_SNR,
}
KEYS = Order([16], 6, seed=3).keys(5)


@pytest.fixture
def make(pipe):
    def build(scheduler=ZERO_SNR, **options):
        empty = chunk_ids(pipe.tokenizer, [""])[0, 0]
        return FullFineTuning(pipe.unet, pipe.text_encoder, scheduler, empty, caption_dropout=0.0, **options)

    return build


@pytest.fixture
def batch(pipe):
    latents = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return {"latents": latents, "ids": chunk_ids(pipe.tokenizer, ["猫", "狗"] * 3), "keys": KEYS}


def reference(pipe, scheduler, batch, steps, noise, snr_gamma=None, noise_offset=0.0, input_perturbation=0.0):
    """The lines of diffusers' examples/text_to_image/train_text_to_image.py, given the numbers that it would draw."""
    latents, keys = batch["latents"], batch["keys"]
    if noise_offset:
        noise = noise + noise_offset * normal(keys, OFFSET, (4, 1, 1))
    if input_perturbation:
        new_noise = noise + input_perturbation * normal(keys, PERTURBATION, (4, 8, 8))
    noisy_latents = scheduler.add_noise(latents, new_noise if input_perturbation else noise, steps)
    encoder_hidden_states = pipe.text_encoder(batch["ids"][:, 0], return_dict=False)[0]
    if scheduler.config.prediction_type == "epsilon":
        target = noise
    elif scheduler.config.prediction_type == "v_prediction":
        target = scheduler.get_velocity(latents, noise, steps)
    model_pred = pipe.unet(noisy_latents, steps, encoder_hidden_states, return_dict=False)[0]
    if snr_gamma is None:
        return F.mse_loss(model_pred.float(), target.float(), reduction="mean")
    snr = compute_snr(scheduler, steps)
    mse_loss_weights = torch.stack([snr, snr_gamma * torch.ones_like(steps)], dim=1).min(dim=1)[0]
    if scheduler.config.prediction_type == "epsilon":
        mse_loss_weights = mse_loss_weights / snr
    elif scheduler.config.prediction_type == "v_prediction":
        mse_loss_weights = mse_loss_weights / (snr + 1)
    loss = F.mse_loss(model_pred.float(), target.float(), reduction="none")
    return (loss.mean(dim=list(range(1, len(loss.shape)))) * mse_loss_weights).mean()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"snr_gamma": 5.0},
        {"snr_gamma": 1.0},
        {"offset_noise": 0.1},
        {"input_perturbation": 0.1},
        {"snr_gamma": 5.0, "offset_noise": 0.05, "input_perturbation": 0.2},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_the_loss_is_diffusers(kind, options, make, batch, pipe):
    scheduler = SCHEDULERS[kind]
    method = make(scheduler, **options)
    steps = (uniform(KEYS, TIMESTEP)[:, 0] * 1000).long()
    assert steps.max() - steps.min() > 400  # both sides of gamma are in it
    theirs = {"noise_offset" if name == "offset_noise" else name: value for name, value in options.items()}
    expected = reference(pipe, scheduler, batch, steps, normal(KEYS, NOISE, (4, 8, 8)), **theirs)
    found = method(batch)["loss"]
    torch.testing.assert_close(found, expected, rtol=2e-6, atol=0)
    gradients = [
        torch.autograd.grad(loss, pipe.unet.conv_in.weight, retain_graph=True)[0] for loss in (found, expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    if options:
        assert abs(float((found / make(scheduler)(batch)["loss"]).detach()) - 1) > 1e-4


@pytest.mark.parametrize("gamma", [None, 5.0])
def test_the_terminal_step_of_zero_snr_is_diffusers_too(gamma, make, batch, pipe):
    last = make(timestep_range=(999, 999), snr_gamma=gamma)(batch)["loss"]
    steps = torch.full((6,), 999)
    expected = reference(pipe, ZERO_SNR, batch, steps, normal(KEYS, NOISE, (4, 8, 8)), snr_gamma=gamma)
    torch.testing.assert_close(last, expected)


def test_min_snr_by_hand_and_at_both_ends_of_the_schedule():
    """alpha_bar 0.9 is an SNR of 9; 0 and 1 are pure noise and the picture itself."""
    alphas, steps = torch.tensor([1.0, 0.9, 0.5, 0.0]), torch.arange(4)
    epsilon = min_snr_weight("epsilon", steps, alphas, 5.0)
    assert epsilon.tolist() == pytest.approx([0.0, 5 / 9, 1.0, 1.0])
    v = min_snr_weight("v_prediction", steps, alphas, 5.0)
    assert v.tolist() == pytest.approx([0.0, 5 / 10, 1 / 2, 0.0])
    with pytest.raises(UserError, match="'sample'"):
        min_snr_weight("sample", steps, alphas, 5.0)


def test_timesteps_fill_their_range():
    keys = scramble(torch.arange(20000))
    drawn = uniform_timesteps(uniform(keys, TIMESTEP)[:, 0], 200, 209)
    assert torch.bincount(drawn - 200).tolist() == pytest.approx([2000] * 10, rel=0.1)
    assert uniform_timesteps(torch.tensor([0.0, 1 - 2**-24]), 0, 999).tolist() == [0, 999]
    middle = logit_normal_timesteps(normal(keys, TIMESTEP, ()), 0, 999)
    # A normal variable is below log(1/3) with probability 0.136, and that is the logit of 1/4.
    assert [(middle < edge).double().mean().item() for edge in (250, 500, 750)] == pytest.approx(
        [0.136, 0.5, 0.864], abs=0.01
    )
    noisy = logit_normal_timesteps(normal(keys, TIMESTEP, ()), 100, 199, mean=1.0, std=0.5)
    assert noisy.min() >= 100 and noisy.max() <= 199 and noisy.double().median() == pytest.approx(173, abs=1.5)


def test_methods_draw_the_timesteps_that_were_asked_for(make):
    keys = scramble(torch.arange(2000))
    few = make(timestep_range=(600, 649)).timesteps(keys)
    assert sorted(few.unique().tolist()) == list(range(600, 650))
    middle = make(timestep_sampling="logit-normal").timesteps(keys)
    assert 0.68 < ((middle > 250) & (middle < 750)).double().mean() < 0.78


def test_a_masked_loss_counts_only_inside_the_mask(make, batch):
    method, mask = make(), torch.zeros(6, 1, 8, 8)
    mask[:, :, :4] = 1
    inside = dict(batch, mask=mask)
    assert torch.equal(method(dict(batch, mask=torch.ones(6, 1, 8, 8)))["loss"], method(batch)["loss"])
    halves = [method(dict(batch, mask=part))["loss"] for part in (mask, 1 - mask)]
    torch.testing.assert_close(sum(halves) / 2, method(batch)["loss"])
    assert not torch.isclose(*halves)
    noise, seen = method.noise(KEYS, (4, 8, 8))
    assert noise is seen
    method.predict = lambda noisy, *_: torch.cat([noisy[:, :, :4], noisy[:, :, 4:] + 100], 2)
    assert method(inside)["loss"] < 100 < method(batch)["loss"]
    soft = masked_mean(torch.tensor([[[[1.0, 3.0]]], [[[1.0, 3.0]]]]), torch.tensor([[[[0.2, 0.6]]], [[[0.0, 0.0]]]]))
    assert soft.tolist() == pytest.approx([2.5, 0.0])


def test_the_weight_of_a_sample_scales_its_loss_alone(make, batch):
    method = make()
    each = torch.stack([method({name: value[i : i + 1] for name, value in batch.items()})["loss"] for i in range(6)])
    weight = torch.tensor([1.0, 0.5, 1.0, 0.5, 0.0, 2.0])
    metrics = method(dict(batch, weight=weight))
    torch.testing.assert_close(metrics["loss"], (each * weight).mean())
    logged = mean_metrics({name: value.item() for name, value in metrics.items()})
    assert logged["loss/instance"] == pytest.approx(each[[0, 2]].mean().item(), rel=1e-5)
    assert logged["loss/prior"] == pytest.approx(each[[1, 3, 4, 5]].mean().item(), rel=1e-5)


def test_bands_of_the_schedule_are_logged_and_empty_ones_are_not(make, batch):
    method = make(timestep_range=(500, 999), snr_gamma=5.0)
    metrics = method(batch)
    assert all(value.isfinite() and not value.requires_grad for name, value in metrics.items() if name != "loss")
    logged = mean_metrics({name: value.item() for name, value in metrics.items()})
    assert set(logged) == {"loss", "loss/500-749", "loss/750-999"}
    steps = method.timesteps(KEYS)
    plain = make(timestep_range=(500, 999))
    each = [plain({name: value[i : i + 1] for name, value in batch.items()})["loss"].item() for i in range(6)]
    late = [loss for loss, step in zip(each, steps, strict=True) if step >= 750]
    assert 0 < len(late) < 6 and logged["loss/750-999"] == pytest.approx(sum(late) / len(late), rel=1e-5)
    assert list(make(bands=0)(batch)) == ["loss"]
    # Sums and counts of two batches add up; means of means would not be the mean.
    assert mean_metrics({"a:sum": 6.0, "a:count": 3.0, "b:sum": 0.0, "b:count": 0.0, "lr": 1.0}) == {
        "lr": 1.0,
        "a": 2.0,
    }


def test_a_sample_has_its_noise_in_any_batch(make, batch):
    """All that is random follows from the keys: a batch cut in two gives the same loss."""
    method = make(offset_noise=0.1, input_perturbation=0.1, timestep_sampling="logit-normal")
    torch.manual_seed(1)
    whole = method(batch)["loss"]
    torch.manual_seed(2)
    parts = [method({name: value[part] for name, value in batch.items()})["loss"] for part in (slice(3), slice(3, 6))]
    torch.testing.assert_close(whole, sum(parts) / 2)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_states_that_were_kept_are_used_in_place_of_the_encoder(dropout, make, batch, pipe):
    method = make()
    method.caption_dropout = dropout
    kept = encode_ids(pipe.text_encoder, batch["ids"])
    torch.testing.assert_close(method(dict(batch, states=kept))["loss"], method(batch)["loss"])
    assert method(dict(batch, states=kept + 1))["loss"] != method(batch)["loss"]
    learning = make(train_text_encoder=True)
    assert torch.equal(learning(dict(batch, states=kept + 1))["loss"], learning(batch)["loss"])


def test_gradient_checkpointing_changes_memory_and_no_gradient(make, batch, pipe):
    gradients = []
    for on in (False, True):
        method = make(gradient_checkpointing=on)
        assert pipe.unet.is_gradient_checkpointing is on
        method.zero_grad()
        method(batch)["loss"].backward()
        gradients.append([p.grad.clone() for p in method.trainable()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_every_wrong_option_is_named(make):
    with pytest.raises(UserError) as error:
        make(
            timestep_sampling="cosine",
            timestep_range=(10, 1000),
            snr_gamma=0.0,
            offset_noise=2.0,
            logit_std=0.0,
            bands=-1,
            text_encoder_lr=0.0,
        )
    names = ("timestep_sampling", "timestep_range", "snr_gamma", "offset_noise", "logit_std", "bands", "text_encoder")
    assert all(name in str(error.value) for name in names)
    with pytest.raises(UserError, match="'all', 'attention'"):
        make(train="some")
