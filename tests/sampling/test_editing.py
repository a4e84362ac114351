"""Pictures that start from pictures: image to image and inpainting, in Python, ModelScope and on the command line."""

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, UNet2DConditionModel
from PIL import Image, PngImagePlugin

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.config import GenerationOptions
from pai_modelscope.images.infotext import parse_infotext, read_png
from pai_modelscope.sampling.request import read_call, resolve
from tests.support.command_line import generate, names
from tests.support.command_line import pixels as file_pixels
from tests.support.drawings import array, drawing, marked

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 4, "height": 64, "width": 64}


@pytest.fixture(scope="module")
def art() -> Image.Image:
    """A shipped drawing of 150 x 110 pixels: neither side is a multiple of 8."""
    return drawing(150, (0, 20, 150, 130))


@pytest.fixture
def mask(art: Image.Image) -> Image.Image:
    return marked(art, (60, 40, 100, 80))


# Image to image


def test_image_to_image_is_what_plain_diffusers_draws(sampler, art):
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(MINI, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae):  # as the sampler lays them out; another layout rounds another way
        part.to(memory_format=torch.channels_last)
    start = art.resize((64, 64))
    generator = torch.Generator().manual_seed(3)
    options = {"strength": 0.5, "num_inference_steps": 4, "guidance_scale": 5.0}
    expected = pipe("熊猫", image=start, negative_prompt="丑", generator=generator, **options).images[0]
    options |= {"guidance_rescale": 0.0}
    got = sampler("熊猫", image=start, negative_prompt="丑", seed=3, height=64, width=64, **options)[0].image
    assert np.array_equal(array(got), array(expected))


def test_the_weaker_the_strength_the_nearer_to_the_image(sampler, art):
    start = art.resize((64, 64))
    options = {"image": start, "seed": 1, "num_inference_steps": 5}
    near, far = (sampler("太阳,红色背景", strength=s, **options)[0].image.resize((64, 64)) for s in (0.2, 0.9))
    distances = [np.abs(array(drawn).astype(float) - array(start)).mean() for drawn in (near, far)]
    assert distances[0] < 0.5 * distances[1]


def test_guidance_rescale_reaches_image_to_image(sampler, art):
    options = {"image": art, "seed": 1, "strength": 0.8, "guidance_scale": 9.0, **QUICK}
    plain, rescaled = (sampler("熊猫", guidance_rescale=r, **options)[0].image for r in (0.0, 0.7))
    assert array(plain).std() > array(rescaled).std()
    assert not sampler.pipe.unet._forward_hooks


def test_without_a_size_the_proportions_stay(sampler, art):
    width, height = sampler("熊猫", image=art.resize((300, 150)), num_inference_steps=2, seed=0)[0].image.size
    assert width % 8 == height % 8 == 0 and abs(width / height - 2) < 0.15
    assert 0.6 < width * height / 256**2 < 1.6


def test_several_texts_share_one_image_and_batches_do_not_mix_images(sampler, art):
    other = Image.new("RGB", art.size, "blue")
    texts = [{"text": "熊猫", "image": art}, {"text": "熊猫", "image": other}, {"text": "狗", "image": art}]
    together = sampler(texts, seed=[1, 1, 1], batch_size=2, strength=0.5, **QUICK)
    alone = sampler({"text": "熊猫", "image": other}, seed=1, batch_size=1, strength=0.5, **QUICK)[0]
    assert np.array_equal(array(together[1].image), array(alone.image))
    assert not np.array_equal(array(together[0].image), array(together[1].image))


# Inpainting


@pytest.mark.parametrize("only", [False, True])
def test_outside_the_mask_every_pixel_comes_back(sampler, art, mask, only):
    drawn = sampler("太阳", image=art, mask=mask, mask_only=only, mask_blur=4, seed=0, **QUICK)[0].image
    assert drawn.size == art.size
    changed = (array(drawn) != array(art)).any(2)
    rows, columns = np.nonzero(changed)
    # The blurred edge reaches a few pixels beyond the mask, and nothing farther.
    assert 24 < rows.min() < rows.max() < 96 and 44 < columns.min() < columns.max() < 116
    assert changed[45:75, 65:95].mean() > 0.9


def test_one_file_may_be_the_picture_and_its_mask(sampler, art, mask, tmp_path):
    """A picture with a transparent part, given twice by one and the same name."""
    whole = art.convert("RGBA")
    whole.putalpha(mask)
    whole.save(tmp_path / "both.png")
    path = str(tmp_path / "both.png")
    with pytest.warns(UserWarning, match="transparent in places"):
        twice = sampler("太阳", image=path, mask=path, seed=0, **QUICK)[0].image
    with pytest.warns(UserWarning, match="transparent in places"):
        apart = sampler("太阳", image=path, mask=tmp_path / "both.png", seed=0, **QUICK)[0].image
    assert np.array_equal(array(twice), array(apart))


def test_without_blur_not_one_pixel_beside_the_mask_changes(sampler, art, mask):
    drawn = sampler("太阳", image=art, mask=mask, mask_blur=0, seed=0, **QUICK)[0].image
    outside = array(mask) == 0
    assert np.array_equal(array(drawn)[outside], array(art)[outside])


def test_only_the_masked_part_is_drawn_larger(sampler, art, mask):
    """At full resolution the 40 pixels of the mask become most of the drawing: finer than the whole picture's share."""
    whole, only = (
        sampler("太阳", image=art, mask=mask, mask_only=o, mask_padding=4, seed=0, **QUICK)[0].image
        for o in (False, True)
    )
    sharpness = [np.abs(np.diff(array(i).astype(float)[45:75, 65:95], axis=1)).mean() for i in (whole, only)]
    assert not np.array_equal(array(whole), array(only)) and min(sharpness) > 0


def test_a_repainting_unet_with_nine_channels(art, mask, tmp_path):
    """Its extra channels weigh nothing here, so it paints what its text alone asks for; the rest is pasted back."""
    folder = tmp_path / "model"
    shutil.copytree(MINI, folder)
    unet = UNet2DConditionModel.from_pretrained(MINI / "unet")
    wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": 9})
    state = unet.state_dict()
    state["conv_in.weight"] = torch.cat([state["conv_in.weight"], torch.zeros(96, 5, 3, 3)], 1)
    wide.load_state_dict(state)
    wide.save_pretrained(folder / "unet")
    painter = Sampler.from_pretrained(folder, device="cpu")
    drawn = painter("太阳", image=art, mask=mask, mask_blur=0, seed=0, **QUICK)[0].image
    outside = array(mask) == 0
    assert np.array_equal(array(drawn)[outside], array(art)[outside])
    assert not np.array_equal(array(drawn), array(art))
    with pytest.raises(UserError, match="repaints parts of pictures and nothing else: give image and mask"):
        painter("太阳", **QUICK)


# Outpainting


def test_outpainting_draws_around_and_leaves_the_picture(sampler, art):
    first = sampler("太阳", image=art, outpaint=[40, 0, 0, 24], mask_blur=0, seed=0, num_inference_steps=2)[0]
    assert first.image.size == (190, 134)
    # A small overlap is drawn anew, so that the seam does not show.
    assert np.array_equal(array(first.image)[:80, 80:], array(art)[:80, 40:])
    left = array(first.image)[:, :30]
    assert left.std() > 0 and not np.array_equal(left[:, 0], left[:, -1])
    options = parse_infotext(first.infotext)
    assert options["outpaint"] == (40, 0, 0, 24) and "mask" not in options


# Made again


def test_the_infotext_makes_it_again_and_knows_a_changed_file(sampler, art, mask, tmp_path):
    art.save(tmp_path / "art.png")
    mask.save(tmp_path / "mask.png")
    given = {"image": str(tmp_path / "art.png"), "mask": tmp_path / "mask.png", "mask_only": True, "mask_blur": 2}
    first = sampler("太阳", seed=5, strength=0.9, mask_padding=8, **given, **QUICK)[0]
    options = parse_infotext(first.infotext)
    options.pop("model")
    again = sampler(options.pop("text"), **options)[0]
    assert np.array_equal(array(first.image), array(again.image)) and first.infotext == again.infotext
    Image.new("RGB", art.size, "red").save(tmp_path / "art.png")
    with pytest.raises(UserError, match=r"art\.png is not the image any more"):
        sampler("太阳", **options)


def test_a_picture_from_memory_must_be_given_again(sampler, art):
    options = parse_infotext(sampler("太阳", seed=5, image=art, **QUICK)[0].infotext)
    options.pop("model")
    with pytest.raises(UserError, match="came from memory, not from a file: give image again"):
        sampler(options.pop("text"), **options)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": 0.5}, "strength is given without an image"),
        ({"mask": Image.new("L", (8, 8), 255)}, "mask is given without an image"),
        ({"image": "ART", "strength": 0}, r"strength is 0; give a number above 0 and below 1"),
        ({"image": "ART", "strength": 1}, "1 would leave nothing of the image"),
        (
            {"image": "ART", "strength": 1.5, "mask": "MASK"},
            r"strength is 1\.5; give a number above 0 and of at most 1",
        ),
        ({"image": "ART", "strength": "0.5"}, "strength is '0.5'"),
        ({"image": "ART", "strength": 0.1}, "no step at all"),
        ({"image": "ART", "resize": "zoom"}, "resize is 'zoom'; valid are 'crop', 'fit', 'stretch'"),
        ({"image": "ART", "mask": "MASK", "mask_blur": -1}, "mask_blur is -1"),
        ({"image": "ART", "outpaint": (1, 2)}, "four whole numbers"),
        ({"image": "ART", "outpaint": (0, 0, 0, 0)}, "four whole numbers"),
        ({"image": "ART", "mask": "MASK", "outpaint": (8, 0, 0, 0)}, "outpaint and mask are both given"),
        ({"outpaint": (8, 0, 0, 0)}, "outpaint is given without an image"),
        ({"resize": "fit"}, "resize is given without an image: give image too"),
        ({"mask_blur": 30, "mask_only": True}, r"mask_blur is given without a mask.*; mask_only is given without a"),
        ({"mask_padding": 9}, "mask_padding is given without mask_only: give mask_only too"),
        ({"image": "ART", "mask_only": True, "mask_padding": 5}, "mask_only is given without a mask: give mask or"),
        ({"image": "ART", "mask_blur": 0}, "mask_blur is given without a mask"),
        ({"image": "ART", "mask": "MASK", "mask_padding": 5}, "mask_padding is given without mask_only"),
        ({"image": "ART", "mask": "MASK", "resize": "fit"}, "resize is given with mask or outpaint, under which"),
        ({"image": "ART", "outpaint": (8, 0, 0, 0), "resize": "fit"}, "resize is given with mask or outpaint"),
        ({"image": "nowhere.png"}, "nowhere.png"),
        ({"image": "ART", "mask": Image.new("L", (8, 8), 255)}, "8"),
        ({"image": "ART", "mask": "EMPTY"}, "mask"),
    ],
)
def test_what_cannot_work_is_said(sampler, art, mask, options, message):
    stand_ins = {"ART": art, "MASK": mask, "EMPTY": Image.new("L", art.size)}
    options = {k: stand_ins.get(v, v) if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(UserError, match=message):
        sampler("太阳", **{**QUICK, **options})


def test_what_is_not_asked_for_by_the_caller_may_have_no_use(sampler, art, mask):
    """Defaults that a program hands on, and what a model's folder recommends."""
    defaults = {field.name: field.default for field in fields(GenerationOptions)}
    assert len(resolve(read_call("太阳", {**defaults, "seed": 1}), sampler.limits)) == 1
    limits = replace(
        sampler.limits, recommended={"mask_blur": 9, "mask_only": True, "mask_padding": 7, "resize": "fit"}
    )
    for options in ({}, {"image": art}, {"image": art, "mask": mask}):
        assert len(resolve(read_call("太阳", {"seed": 1, **options}), limits)) == 1
    with pytest.raises(UserError, match="text 2: mask_blur is given without a mask"):
        texts = [{"text": "太阳", "image": art, "mask": mask, "mask_blur": 9}, {"text": "猫", "mask_blur": 9}]
        resolve(read_call(texts, {}), limits)


def test_what_a_picture_remembers_of_another_mask_is_left_out(art, tmp_path, capsys):
    """The WebUI writes no file of the mask beside its blur."""
    about = PngImagePlugin.PngInfo()
    about.add_text("parameters", "太阳\nSteps: 4, Seed: 1, Size: 64x64, Denoising strength: 0.5, Mask blur: 8")
    Image.new("RGB", (64, 64)).save(tmp_path / "like.png", pnginfo=about)
    art.save(tmp_path / "art.png")
    marked(art, (60, 40, 100, 80)).save(tmp_path / "mask.png")
    command = ["--like", tmp_path / "like.png", "--image", tmp_path / "art.png", "--output", tmp_path / "out"]
    assert generate(*command) == 0
    assert generate(*command, "--mask", tmp_path / "mask.png") == 0
    first, second = sorted((tmp_path / "out").glob("*seed*.png"))
    assert "mask_blur" not in read_png(first) and read_png(second)["mask_blur"] == 8
    capsys.readouterr()
    assert generate(*command, "--mask-blur", "8") == 2
    assert "mask_blur is given without a mask: give mask or outpaint too" in capsys.readouterr().err


# ModelScope and the command line


def test_modelscope_pipelines(art, mask, sampler):
    from modelscope.pipelines import pipeline

    import pai_modelscope  # noqa: F401

    bgr = np.ascontiguousarray(array(art)[:, :, ::-1])
    drawing = pipeline("image-to-image-generation", MINI, pipeline_name="pai-diffusion-img2img", device="cpu")
    result = drawing({"text": "熊猫", "img": bgr, "strength": 0.5}, seed=3, **QUICK)
    expected = sampler("熊猫", image=art, strength=0.5, seed=3, **QUICK)[0].image
    assert np.array_equal(result["output_img"], array(expected)[:, :, ::-1])
    assert np.array_equal(result["output_imgs"][0], result["output_img"])
    several = drawing([{"text": "熊猫", "image": art}, {"text": "狗", "image": art}], seed=3, **QUICK)
    assert [each["output_img"].shape for each in several] == [(64, 64, 3)] * 2
    with pytest.raises(UserError, match="the input lacks 'image'"):
        drawing("熊猫")
    painting = pipeline("image-inpainting", str(MINI), device="cpu")  # the folder's own type serves this task too
    result = painting({"prompt": "太阳", "img": bgr, "mask": array(mask)}, seed=3, mask_blur=0, **QUICK)
    outside = array(mask) == 0
    assert np.array_equal(result["output_img"][outside], bgr[outside])
    with pytest.raises(UserError, match="the input lacks 'mask'"):
        painting({"text": "太阳", "image": art})


def test_the_command_line_repaints_and_repeats(tmp_path: Path, art, mask, capsys):
    art.save(tmp_path / "art.png")
    mask.save(tmp_path / "mask.png")
    out = tmp_path / "out"
    flags = ["--image", tmp_path / "art.png", "--mask", tmp_path / "mask.png", "--mask-only", "--mask-blur", "2"]
    assert generate("太阳", *flags, "--steps", "3", "--size", "64", "--seed", "4", "--output", out) == 0
    first = out / names(out)[0]
    assert generate("--like", first, "--output", tmp_path / "again") == 0
    second = tmp_path / "again" / names(tmp_path / "again")[0]
    assert np.array_equal(file_pixels(first), file_pixels(second)) and file_pixels(first).shape == (110, 150, 3)
    capsys.readouterr()
    assert generate("太阳", "--image", tmp_path / "none.png", "--output", out) == 2
    assert "none.png" in capsys.readouterr().err
