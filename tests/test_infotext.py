"""Parameters that other programs write into pictures: what they mean here, and where in a file they stand."""

import json
import warnings
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin, features

from pai_modelscope import UserError
from pai_modelscope.images.infotext import format_infotext, parse_infotext, read_png
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


# Where it stands


def exif(comment: bytes) -> bytes:
    found = Image.Exif()
    found.get_ifd(0x8769)[0x9286] = comment
    return found.tobytes()


def piexif_style(big: bool, comment: bytes) -> bytes:
    """EXIF of either byte order with UserComment alone, put together by hand."""
    order = "big" if big else "little"

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return b"".join(n.to_bytes(size, order) for n, size in ((tag, 2), (kind, 2), (count, 4), (value, 4)))

    one, none = (1).to_bytes(2, order), bytes(4)
    head = (b"MM" if big else b"II") + (42).to_bytes(2, order) + (8).to_bytes(4, order)
    return (
        b"Exif\0\0"
        + head
        + one
        + entry(0x8769, 4, 1, 26)
        + none
        + one
        + entry(0x9286, 7, len(comment), 44)
        + none
        + comment
    )


COMMENTS = {
    "utf-16, larger byte first": b"UNICODE\0" + TEXT.encode("utf-16-be"),
    "utf-16, smaller byte first": b"UNICODE\0" + TEXT.encode("utf-16-le"),
    "utf-16 with a mark": b"UNICODE\0" + TEXT.encode("utf-16"),
    "ascii": b"ASCII\0\0\0" + TEXT.encode(),
    "no code": bytes(8) + TEXT.encode(),
    "bare": TEXT.encode(),
}
PICTURE = Image.new("RGB", (64, 64), (90, 160, 110))


@pytest.mark.parametrize("comment", COMMENTS)
@pytest.mark.parametrize("kind", ["jpg", "webp", "avif", "png"])
def test_parameters_in_exifs_user_comment(tmp_path, kind, comment):
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    PICTURE.save(tmp_path / f"a.{kind}", exif=exif(COMMENTS[comment]))
    assert read_png(tmp_path / f"a.{kind}") == READ


@pytest.mark.parametrize("big", [True, False])
def test_either_byte_order_of_exif(tmp_path, big):
    for name, comment in COMMENTS.items():
        PICTURE.save(tmp_path / "a.jpg", exif=piexif_style(big, comment))
        assert read_png(tmp_path / "a.jpg") == READ, name


def png(path: Path, after: bool = False, **texts: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name.replace("_", "-") if name == "sd_metadata" else name, text)
    PICTURE.save(path, pnginfo=info)
    return path


def test_every_kind_of_png_text_and_a_gifs_comment(tmp_path):
    ascii_text = TEXT.replace("猫", "cat").replace("狗", "dog")
    for kind, how in (("tEXt", {}), ("zTXt", {"zip": True})):
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", ascii_text, **how)
        PICTURE.save(tmp_path / "a.png", pnginfo=info)
        assert read_png(tmp_path / "a.png")["text"] == "cat", kind
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", TEXT, zip=True)
    PICTURE.save(tmp_path / "a.png", pnginfo=info)
    assert read_png(tmp_path / "a.png") == READ
    PICTURE.save(tmp_path / "a.gif", comment=TEXT.encode())
    assert read_png(tmp_path / "a.gif") == READ


# InvokeAI and ComfyUI


def test_invokeais_metadata(tmp_path):
    metadata = {
        "app_version": "5.0.0", "generation_mode": "txt2img", "positive_prompt": "猫", "negative_prompt": "狗",
        "width": 64, "height": 64, "seed": 7, "rand_device": "cpu", "cfg_scale": 5.0, "cfg_rescale_multiplier": 0,
        "steps": 2, "scheduler": "euler", "model": {"key": "k", "name": "小模型", "hash": "blake3:1"}, "loras": [],
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_png(png(tmp_path / "a.png", invokeai_metadata=json.dumps(metadata)))
    assert found == READ | {"model": "小模型", "guidance_rescale": 0.0, "scheduler": "euler"}
    metadata |= {"scheduler": "dpmpp_2m_k", "loras": [{"lora": {}, "weight": 0.5}], "seamless_x": True, "clip_skip": 1}
    with pytest.warns(UserWarning, match="loras: 1 entries, seamless_x: True"):
        found = read_png(png(tmp_path / "b.png", invokeai_metadata=json.dumps(metadata)))
    assert (scheduler_name(found["scheduler"]), found["clip_skip"]) == ("DPM++ 2M Karras", 1)


def test_the_metadata_of_invokeai_2(tmp_path):
    image = {"prompt": [{"prompt": "猫 [狗]", "weight": 1.0}], "steps": 2, "cfg_scale": 5, "threshold": 0, "perlin": 0}
    image |= {"width": 64, "height": 64, "seed": 7, "type": "txt2img", "sampler": "k_euler", "variations": []}
    text = json.dumps({"model": "stable diffusion", "model_weights": "小模型", "image": image})
    found = read_png(png(tmp_path / "a.png", sd_metadata=text, Dream="x -s 1 -S 2"))
    assert found == READ | {"model": "小模型", "scheduler": "k_euler"} and scheduler_name("k_euler") == "Euler"
    for line in ('"猫 [狗]" -s 2 -S 7 -W 64 -H 64 -C 5 -A k_euler', "猫 [狗] -s 2 -S 7 -W 64 -H 64 -C 5.0 -A k_euler"):
        assert read_png(png(tmp_path / "b.png", Dream=line)) == READ | {"scheduler": "k_euler"}


def test_a_graph_of_comfyui_is_called_one(tmp_path):
    graph = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 2}}})
    with pytest.raises(UserError, match=r"a\.png holds a ComfyUI graph \(prompt and workflow\)"):
        read_png(png(tmp_path / "a.png", prompt=graph, workflow=graph))
    assert read_png(png(tmp_path / "b.png", prompt=graph, workflow=graph, parameters=TEXT)) == READ
