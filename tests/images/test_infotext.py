"""Parameters that other programs write into pictures, and what they mean here."""

import warnings

import pytest

from pai_modelscope import UserError
from pai_modelscope.images.infotext import format_infotext, parse_infotext
from pai_modelscope.sampling.schedulers import SCHEDULERS, nearest_scheduler, scheduler_name

LINE = "Steps: 2, Sampler: Euler, CFG scale: 5, Seed: 7, Size: 64x64"
TEXT = f"猫\nNegative prompt: 狗\n{LINE}"


def quietly(text: str) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parse_infotext(text)


READ = quietly(TEXT)

# Samplers and schedules


@pytest.mark.parametrize(
    ("sampler", "schedule", "name"),
    [
        ("DPM++ 2M Karras", None, "DPM++ 2M Karras"),
        ("DPM++ 2M Karras", "Karras", "DPM++ 2M Karras"),
        ("DPM++ 2M", "Karras", "DPM++ 2M Karras"),
        ("DPM++ 2M", "karras", "DPM++ 2M Karras"),
        ("DPM++ 2M", "Uniform", "DPM++ 2M"),
        ("DPM++ 2M", "Normal", "DPM++ 2M"),
        ("DPM++ 2M", None, "DPM++ 2M"),
        ("DPM++ 2M", "Automatic", "DPM++ 2M Karras"),  # the WebUI's own choice for it
        ("DPM++ 2M SDE", "Automatic", "DPM++ 2M SDE Exponential"),
        ("Euler a", "Automatic", "Euler a"),
        ("DPM++ 2M", "SGM Uniform", "DPM++ 2M SGM Uniform"),
        ("DPM++ 2M SGM Uniform", None, "DPM++ 2M SGM Uniform"),
        ("DPM++ 2M", "sgm_uniform", "DPM++ 2M SGM Uniform"),
        ("Euler", "Simple", "Euler SGM Uniform"),
        ("DPM++ 2M", "Polyexponential", "DPM++ 2M Exponential"),
        ("DPM++ 2M SDE Karras", "Karras", "DPM++ 2M SDE Karras"),
        ("DPM++ SDE Karras", None, "DPM++ SDE Karras"),
        ("DPM++ 3M SDE Exponential", None, "DPM++ 3M SDE Exponential"),
        ("LMS Karras", None, "LMS Karras"),
        ("DPM2 a Karras", None, "DPM2 a Karras"),
        ("DDIM", "Karras", "DDIM"),  # the WebUI names a schedule here, and doesn't use it
        ("dpmpp_2m_sde_gpu karras", None, "DPM++ 2M SDE Karras"),  # savers for ComfyUI
        ("euler_ancestral", "normal", "Euler a"),
        ("dpm_2_ancestral", "karras", "DPM2 a Karras"),
        ("k_euler_a", None, "Euler a"),  # k-diffusion's names
    ],
)
def test_a_sampler_and_its_schedule_are_one_name_of_ours(sampler, schedule, name):
    text = f"猫\nSteps: 2, Sampler: {sampler}, Seed: 7" + (f", Schedule type: {schedule}" if schedule else "")
    assert scheduler_name(quietly(text)["scheduler"]) == name


# Every sampler that the WebUI 1.10 lists, and what comes nearest where diffusers has none.
@pytest.mark.parametrize(
    ("foreign", "nearest"),
    [
        ("DPM++ 2S a", "DPM++ SDE"),
        ("DPM++ 2S a Karras", "DPM++ SDE Karras"),
        ("DPM++ 2M SDE Heun", "DPM++ 2M SDE"),
        ("DPM++ 2M SDE Heun Karras", "DPM++ 2M SDE Karras"),
        ("DPM fast", "DPM++ 2M"),
        ("DPM adaptive", "DPM++ 2M"),
        ("Restart", "Heun"),
        ("DDIM CFG++", "DDIM"),
        ("DPM++ 2M Beta", "DPM++ 2M"),
        ("Euler a Align Your Steps", "Euler a"),
        ("DPM++ 2M KL Optimal", "DPM++ 2M Karras"),
        ("DPM++ SDE SGM Uniform", "DPM++ SDE"),
        ("DPM++ 2M Sharp", "DPM++ 2M"),
    ],
)
def test_what_no_sampler_equals_gets_the_nearest_named(foreign, nearest):
    assert nearest_scheduler(foreign) == nearest
    with pytest.raises(UserError, match="not known here, the nearest is") as error:
        scheduler_name(foreign)
    assert f"{foreign!r}" in str(error.value) and f"{nearest!r}" in str(error.value)


@pytest.mark.parametrize("name", ["PLMS", "UniPC", "LCM", "Euler a", "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DEIS"])
def test_samplers_of_the_webui_that_are_here(name):
    assert scheduler_name(name) in SCHEDULERS and nearest_scheduler(name) == scheduler_name(name)


def test_a_name_of_which_nothing_is_known_has_no_nearest():
    assert nearest_scheduler("Quantum Leap") is None
    with pytest.raises(UserError, match="'Quantum Leap' is unknown"):
        scheduler_name("Quantum Leap")


# The form


@pytest.mark.parametrize(
    "text",
    [
        f"{TEXT}\nTemplate: {{猫|狗}}",
        f"{TEXT}\nTemplate: {{猫|狗}}\nNegative Template: {{a|b}}, c: d, e: f",
        f"猫\n  Negative prompt: 狗\n{LINE}",
        f"猫\nNegative prompt:狗\n  {LINE}",
        f"猫\r\nNegative prompt: 狗\r\n{LINE}\r\n".replace("猫\r", "猫"),
        f"{TEXT}, Model hash: 6ce0161689, Version: v1.10.1, User: 某人, Time taken: 2 sec.",
        f'{TEXT}, Lora hashes: "a: 1, b: 2", TI hashes: "x: 3", Hashes: "{{}}", Init image hash: 12',
        f"{TEXT}, Variation seed strength: 0, ENSD: 0, Noise multiplier: 1.0, RNG: CPU, Tiling: False, VAE: None",
        f"猫\nNegative prompt: 狗\n{LINE.replace('Steps: 2, ', 'Steps: 2, Seed resize from: , ')}",
        # SD.Next
        f'{TEXT}, Parser: native, Backend: Diffusers, App: SD.Next, Version: 1a2b3c, Operations: "txt2img; hires"',
    ],
)
def test_what_surrounds_the_parameters_changes_nothing(text):
    assert quietly(text) == READ


def test_a_saver_for_comfyui_and_sd_next_may_order_the_values_otherwise():
    assert quietly("猫\nNegative prompt: 狗\nSteps: 2, Seed: 7, Sampler: Euler, CFG scale: 5, Size: 64x64") == READ
    assert quietly("猫\nNegative prompt: 狗\nSeed: 7, Size: 64x64, Steps: 2.0, CFG scale: 5.0, Sampler: Euler") == READ


def test_sd_nexts_own_scheduler_and_embeddings_are_no_names():
    text = f"猫\n{LINE.replace('Euler', 'Default')}, Embeddings: easynegative"
    with pytest.warns(UserWarning, match="Embeddings: easynegative"):
        assert "scheduler" not in (found := parse_infotext(text)) and "embeddings" not in found


def test_the_first_pass_of_old_webuis_is_hires():
    text = f"猫\n{LINE.replace('64x64', '128x128')}, Denoising strength: 0.7, First pass size: "
    expected = {"width": 64, "height": 64, "upscale": 2, "upscaler": "hires", "upscale_strength": 0.7}
    assert expected.items() <= quietly(text + "64x64").items()
    assert "strength" not in quietly(text + "64x64")
    text = text.replace("128x128", "1024x1024")
    assert {"width": 512, "height": 512, "upscale": 2}.items() <= quietly(text + "0x0").items()


def test_the_size_of_a_second_pass_is_a_factor_where_it_keeps_the_proportions():
    text = f"猫\n{LINE}, Denoising strength: 0.5, Hires steps: 2, Hires upscaler: Lanczos, Hires resize: "
    for resize in ("128x128", "0x128", "128x0"):
        assert quietly(text + resize)["upscale"] == 2
    with pytest.warns(UserWarning, match="Hires resize: 128x256"):
        assert "upscale" not in parse_infotext(text + "128x256")


def test_values_of_inpainting_are_read():
    found = quietly(f"{TEXT}, Mask blur: 4.0, Inpaint area: Only masked, Masked area padding: 24")
    assert (found["mask_blur"], found["mask_only"], found["mask_padding"]) == (4, True, 24)


# What is not repeated


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("Variation seed: 12, Variation seed strength: 0.3", ["Variation seed: 12", "Variation seed strength: 0.3"]),
        ("RNG: NV", ["RNG: NV"]),
        ("Eta: 0.5, ENSD: 31337", ["Eta: 0.5", "ENSD: 31337"]),
        ("Seed resize from: 512x512", ["Seed resize from: 512x512"]),
        ("Face restoration: CodeFormer, Tiling: True", ["Face restoration: CodeFormer", "Tiling: True"]),
        ("Refiner: x, Refiner switch at: 0.8", ["Refiner: x"]),
        ("Hypernet: ink, Hypernet strength: 0.5", ["Hypernet: ink"]),
        ("NGMS: 1.5, Token merging ratio: 0.4", ["NGMS: 1.5", "Token merging ratio: 0.4"]),
        ("VAE: kl-f8, Conditional mask weight: 0.5", ["VAE: kl-f8", "Conditional mask weight: 0.5"]),
        ("Noise multiplier: 0.9, Image CFG scale: 1.5", ["Noise multiplier: 0.9", "Image CFG scale: 1.5"]),
        ("ADetailer model: face.pt, ADetailer confidence: 0.3", ["ADetailer (several)"]),
        ('ControlNet 0: "Module: canny, Weight: 1"', ["ControlNet (several)"]),
        ("Dynamic thresholding enabled: True, Mimic scale: 7", ["Dynamic thresholding (several)", "Mimic scale: 7"]),
        ("Hires upscale: 2, Hires upscaler: Latent, Hires steps: 9", ["Hires upscaler: Latent", "Hires steps: 9"]),
        ('Hires prompt: "狗, 鸟", Hires sampler: DDIM', ["Hires prompt: 狗, 鸟", "Hires sampler: DDIM"]),
        ("Schedule max sigma: 10, Discard penultimate sigma: True", ["Schedule max sigma: 10"]),
        ("Something new: 3", ["Something new: 3"]),
    ],
)
def test_one_warning_names_what_changed_the_picture_and_is_not_here(said, named):
    with pytest.warns(UserWarning) as caught:
        parse_infotext(f"{TEXT}, {said}, Model hash: 123, Version: v1.10.1")
    assert len(caught) == 1
    message = str(caught[0].message)
    assert all(each in message for each in named) and "hash" not in message and "v1.10" not in message


def test_the_programs_own_pictures_warn_of_nothing():
    values = {"Steps": 4, "Seed": 1, "Hires upscale": 2, "Hires steps": 2, "Hires upscaler": "Lanczos"}
    quietly(format_infotext("猫", "", {**values, "Version": "pai_modelscope 0.1.0"}))
