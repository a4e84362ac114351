"""Every scheduler in every task draws what diffusers' own pipeline draws with diffusers' own scheduler.

The shipped model begins at pure noise. Classes that can't (no `rescale_betas_zero_snr`) get its betas with no signal
left at the end, computed here from the paper (arXiv:2305.08891). Where this package leaves diffusers' formula on
purpose (sigmas spread from pure noise; Heun's and DPM2's first step from there), its class stands in diffusers'
pipeline.
"""

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pai_modelscope.sampling import SCHEDULERS, Sampler
from tests.support.drawings import array, drawing, marked

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, from within diffusers' KDPM2
STEPS = 4
CLASSES: dict[str, tuple[Any, dict[str, Any]]] = {
    "DPM++ 2M": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "DPM++ 2M SDE": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 3M SDE": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}),
    "DPM++ SDE": (
        diffusers.DPMSolverSinglestepScheduler,
        {"algorithm_type": "sde-dpmsolver++", "lower_order_final": True},
    ),
    "UniPC": (diffusers.UniPCMultistepScheduler, {}),
    "Euler": (diffusers.EulerDiscreteScheduler, {}),
    "Euler a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "Heun": (diffusers.HeunDiscreteScheduler, {}),
    "LMS": (diffusers.LMSDiscreteScheduler, {}),
    "DPM2": (diffusers.KDPM2DiscreteScheduler, {}),
    "DPM2 a": (diffusers.KDPM2AncestralDiscreteScheduler, {}),
    "DEIS": (diffusers.DEISMultistepScheduler, {}),
    "DDIM": (diffusers.DDIMScheduler, {"clip_sample": False}),
    "DDPM": (diffusers.DDPMScheduler, {"clip_sample": False}),
    "PNDM": (diffusers.PNDMScheduler, {"skip_prk_steps": True}),
    "LCM": (diffusers.LCMScheduler, {}),
}
OWN_FIRST_STEP = ("Heun", "DPM2", "DPM2 a")
PLAIN = list(CLASSES)
# The shipped model has the spacing of SGM Uniform anyway; the last test knows the others.
SPREAD = [name for name in SCHEDULERS if name.endswith((" Karras", " Exponential"))]


def betas(config) -> list[float]:
    plain = torch.linspace(config.beta_start**0.5, config.beta_end**0.5, 1000, dtype=torch.float64) ** 2
    root = (1 - plain).cumprod(0).sqrt()
    bars = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    bars[-1] = 2**-24
    return torch.cat([1 - bars[:1], 1 - bars[1:] / bars[:-1]]).tolist()


def reference(name: str, config, from_noise: bool):
    """The scheduler, and how many steps it must be asked for to evaluate the model as often."""
    if name in SPREAD or (from_noise and name in OWN_FIRST_STEP):
        scheduler = SCHEDULERS[name](config)
        scheduler.from_noise = from_noise
        return scheduler, STEPS
    cls, options = CLASSES[name]
    keys = cls._get_init_keys(cls)
    wanted = {key: value for key, value in config.items() if key in keys and key != "trained_betas"}
    if "rescale_betas_zero_snr" not in keys:
        wanted["trained_betas"] = betas(config)
    twice = 2 if name == "DPM++ SDE" else 1
    return cls(**{**wanted, **options}), STEPS * twice


@pytest.fixture(scope="module")
def art() -> Image.Image:
    return drawing(64, (0, 0, 64, 64))


@pytest.fixture(scope="module")
def steered(sampler):
    """The sampler, open to LCM, with a ControlNet 'lines' that does steer: its zero convolutions are no longer zero."""
    net = diffusers.ControlNetModel.from_unet(sampler.pipe.unet)
    generator = torch.Generator().manual_seed(0)
    for name, weight in net.named_parameters():
        if "controlnet_" in name:
            weight.data += 0.02 * torch.randn(weight.shape, generator=generator)
    made = Sampler(sampler.pipe, recommended={"scheduler": "LCM"})
    made.add_controlnet(net.eval().requires_grad_(False).to(memory_format=torch.channels_last), "lines")
    return made


@pytest.fixture(scope="module")
def pipes(steered) -> dict[str, Any]:
    parts = {**steered.pipe.components, "requires_safety_checker": False}
    control = {**parts, "controlnet": steered._controlnets["lines"]}
    made = {
        "text": diffusers.StableDiffusionPipeline(**parts),
        "image": diffusers.StableDiffusionImg2ImgPipeline(**parts),
        "mask": diffusers.StableDiffusionInpaintPipeline(**parts),
        "control": diffusers.StableDiffusionControlNetPipeline(**control),
        "control image": diffusers.StableDiffusionControlNetImg2ImgPipeline(**control),
        "control mask": diffusers.StableDiffusionControlNetInpaintPipeline(**control),
    }
    for pipe in made.values():
        pipe.set_progress_bar_config(disable=True)
    return made


def lines() -> Image.Image:
    picture = Image.new("RGB", (64, 64))
    ImageDraw.Draw(picture).ellipse((12, 12, 52, 52), outline="white")
    return picture


def ask(task: str, art: Image.Image, strength: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task's arguments for the sampler, and for diffusers."""
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    if "image" in task or "mask" in task:
        ours |= {"image": art, "strength": strength}
        theirs |= {"image": art, "strength": strength}
    if "mask" in task:
        mask = marked(art, (16, 16, 48, 56))
        ours |= {"mask": mask, "mask_blur": 0}
        theirs |= {"mask_image": mask, "height": 64, "width": 64}
    if "control" in task:
        ours["control"] = {"lines": lines()}
        theirs |= {"image" if task == "control" else "control_image": lines(), "controlnet_conditioning_scale": 1.0}
    if task in ("text", "control"):
        theirs |= {"height": 64, "width": 64}
    return ours, theirs


def difference(sampler, pipes, name: str, task: str, art: Image.Image, strength: float = 1.0) -> int:
    """The largest, over the pixels, in levels of 255."""
    from_noise = task in ("text", "control") or strength == 1
    ours, theirs = ask(task, art, strength)
    shared = {"guidance_scale": 2.0 if (name, task) == ("Heun", "text") else 1.0}
    got = sampler(
        "太阳", seed=3, num_inference_steps=STEPS, height=64, width=64, guidance_rescale=0.0, scheduler=name,
        **shared, **ours,
    )[0].image  # fmt: skip
    pipe = pipes[task]
    pipe.scheduler, steps = reference(name, sampler.pipe.scheduler.config, from_noise)
    generator = torch.Generator().manual_seed(3)
    expected = pipe("太阳", num_inference_steps=steps, generator=generator, **shared, **theirs).images[0]
    if "mask" in task:
        expected = Image.composite(expected, art, ours["mask"])
    return int(np.abs(array(got).astype(int) - array(expected)).max())


# Of four steps, 0.25 leaves one and 0.5 leaves two.
TASKS = [("text", 1.0), ("image", 0.25), ("image", 0.5), ("image", 0.8), ("mask", 0.25), ("mask", 0.5), ("mask", 1.0)]
TASKS += [("control", 1.0), ("control image", 0.25), ("control image", 0.5), ("control mask", 0.5)]
TASKS += [("control mask", 1.0)]


def samplers() -> list[Any]:
    """One of each way of stepping; the others, which differ from these by an option or an order, are slow."""
    first = ("DPM++ 2M", "Heun", "LCM")
    return [pytest.param(name, marks=[] if name in first else [pytest.mark.slow]) for name in PLAIN]


@pytest.mark.parametrize("name", samplers())
@pytest.mark.slow
def test_every_sampler_in_every_task_is_diffusers_own(steered, pipes, art, name):
    found = {f"{task} at {strength}": difference(steered, pipes, name, task, art, strength) for task, strength in TASKS}
    assert {task: levels for task, levels in found.items() if levels > 1} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPREAD)
def test_every_schedule_from_text_and_from_a_picture_is_diffusers_own(steered, pipes, art, name):
    tasks = [("text", 1.0), ("image", 0.5)]
    found = {f"{task} at {strength}": difference(steered, pipes, name, task, art, strength) for task, strength in tasks}
    assert {task: levels for task, levels in found.items() if levels > 1} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_the_second_pass_of_hires_is_diffusers_own(steered, pipes, name):
    options = {"num_inference_steps": STEPS, "guidance_scale": 1.0, "guidance_rescale": 0.0, "scheduler": name}
    small, large = (
        steered("太阳", seed=3, height=64, width=64, **options, **more)[0].image
        for more in ({}, {"upscale": 2, "upscale_strength": 0.5})
    )
    pipe = pipes["image"]
    pipe.scheduler, steps = reference(name, steered.pipe.scheduler.config, from_noise=False)
    expected = pipe(
        "太阳",
        image=small.resize((128, 128), Image.Resampling.LANCZOS),
        strength=0.5,
        num_inference_steps=steps,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    assert np.abs(array(large).astype(int) - array(expected)).max() <= 1


ORDINARY = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "LCM"])
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_on_an_ordinary_schedule_every_step_is_diffusers_own(name, steps):
    sampler = max((known for known in CLASSES if name.startswith(known)), key=len)
    schedule = {
        "Karras": {"use_karras_sigmas": True},
        "Exponential": {"use_exponential_sigmas": True},
        "SGM Uniform": {"timestep_spacing": "trailing"},
        "": {},
    }[name.removeprefix(sampler).strip()]
    cls, options = CLASSES[sampler]
    expected, got = cls(**ORDINARY, **options, **schedule), SCHEDULERS[name](ORDINARY)
    expected.set_timesteps(steps * 2 if sampler == "DPM++ SDE" else steps)
    got.set_timesteps(steps)
    # KDPM2 takes logarithms by PyTorch, this package's class by numpy, which rounds them otherwise.
    close = {"atol": 1e-3, "rtol": 1e-6} if sampler.startswith("DPM2") else {"atol": 0, "rtol": 0}
    torch.testing.assert_close(got.timesteps, expected.timesteps, **close)
    if hasattr(expected, "sigmas"):
        torch.testing.assert_close(got.sigmas, expected.sigmas, atol=0, rtol=0)
