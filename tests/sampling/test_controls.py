"""Pictures steered by ControlNets: as plain diffusers draws them, in every task, made again, or refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from PIL import Image

from pai_modelscope import UserError, model_dir
from pai_modelscope.data import open_dataset
from pai_modelscope.images.annotators import annotate
from pai_modelscope.images.infotext import parse_infotext
from tests.support.command_line import generate, names
from tests.support.command_line import pixels as file_pixels
from tests.support.controlnets import save_steering_controlnet

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 3, "height": 64, "width": 64}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ControlNet of the shipped UNet's shape that does steer: its zero convolutions are no longer zero."""
    return save_steering_controlnet(MINI / "unet", tmp_path_factory.mktemp("controlnet"))


@pytest.fixture(scope="module")
def art() -> Image.Image:
    return open_dataset("base", size=64)[3]["image"].convert("RGB")


def array(image) -> np.ndarray:
    return np.asarray(image)


def test_a_controlled_picture_is_what_plain_diffusers_draws(sampler, art, net):
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        MINI, controlnet=ControlNetModel.from_pretrained(net), safety_checker=None, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae, pipe.controlnet):  # as the sampler lays them out; another layout rounds otherwise
        part.to(memory_format=torch.channels_last)
    expected = pipe(
        "熊猫",
        image=annotate("canny", art),
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.7,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(3),
        **QUICK,
    ).images[0]
    control = {"canny": {"image": art, "model": net, "scale": 0.8, "end": 0.7}}
    got = sampler("熊猫", control=control, seed=3, guidance_scale=5.0, guidance_rescale=0.0, **QUICK)[0].image
    assert np.array_equal(array(got), array(expected))
    free = sampler("熊猫", seed=3, guidance_scale=5.0, guidance_rescale=0.0, **QUICK)[0].image
    assert not np.array_equal(array(got), array(free))


def test_pictures_with_control_pictures_of_their_own_share_a_batch(sampler, art):
    other = open_dataset("base", size=64)[8]["image"].convert("RGB")
    texts = [
        {"text": text, "control": {"canny": image}, "seed": seed}
        for text, image, seed in (
            ("熊猫", art, 1),
            ("狐狸", other, 2),
            ("熊猫 AND 狗", art, 3),
            ("鸟 AND 猫", other, 4),
        )
    ]
    alone = [array(sampler(text, **QUICK)[0].image).astype(int) for text in texts]
    together = sampler(texts, batch_size=2, **QUICK)
    assert [parse_infotext(picture.infotext)["batch_size"] for picture in together] == [2, 2, 2, 2]
    for picture, expected in zip(together, alone, strict=True):
        assert np.abs(array(picture.image) - expected).mean() < 1
    same = sampler([{**texts[0], "control": texts[1]["control"]}], **QUICK)[0].image
    assert np.abs(array(same).astype(int) - alone[0]).mean() > 2, "the control pictures steer alike: nothing is shown"
    scaled = {**texts[1], "control": {"canny": {"image": other, "scale": 0.5}}}
    apart = sampler([texts[0], scaled], batch_size=2, **QUICK)
    assert all("Batch size" not in picture.infotext for picture in apart)


def test_scale_zero_is_no_control_and_a_ready_control_picture_is_taken_as_it_is(sampler, art, net):
    free = sampler("熊猫", seed=3, **QUICK)[0].image
    off = sampler("熊猫", seed=3, control={"canny": {"image": art, "model": net, "scale": 0}}, **QUICK)[0].image
    assert np.array_equal(array(free), array(off))
    edges = annotate("canny", art)
    read = sampler("熊猫", seed=3, control={"canny": {"image": art, "model": net}}, **QUICK)[0].image
    ready = {"canny": {"image": edges, "model": net, "annotate": False}}
    assert np.array_equal(array(read), array(sampler("熊猫", seed=3, control=ready, **QUICK)[0].image))


def test_control_joins_image_to_image_and_inpainting_and_other_controls(sampler, art, net):
    control = {"canny": {"image": art, "model": net}}
    start = sampler("熊猫", seed=3, image=art, strength=0.7, **QUICK)[0].image
    steered = sampler("熊猫", seed=3, image=art, strength=0.7, control=control, **QUICK)[0].image
    assert not np.array_equal(array(start), array(steered))
    mask = Image.new("L", art.size)
    mask.paste(255, (16, 16, 48, 48))
    painted = sampler("熊猫", seed=3, image=art, mask=mask, mask_blur=0, mask_only=True, control=control, **QUICK)[
        0
    ].image
    outside = array(mask) == 0
    assert np.array_equal(array(painted)[outside], array(art)[outside]) and not np.array_equal(painted, art)
    two = [
        {"kind": "canny", "image": art, "model": net},
        {"kind": "scribble", "image": art, "model": net, "scale": 0.5},
    ]
    both = sampler("熊猫", seed=3, control=two, **QUICK)[0].image
    assert not np.array_equal(array(both), array(sampler("熊猫", seed=3, control=control, **QUICK)[0].image))


def test_a_control_pictures_way_to_the_size_is_the_callers_choice(sampler, art, net):
    """`resize` is of use without an image to start from, too."""
    options = {**QUICK, "width": 128, "control": {"canny": {"image": art, "model": net}}, "seed": 4}
    ways = {how: array(sampler("树", resize=how, **options)[0].image) for how in ("crop", "fit", "stretch")}
    assert not np.array_equal(ways["fit"], ways["crop"]) and not np.array_equal(ways["fit"], ways["stretch"])


def test_the_infotext_keeps_every_control(sampler, art, net, tmp_path: Path):
    art.save(tmp_path / "art.png")
    control = [{"kind": "canny", "image": str(tmp_path / "art.png"), "model": net, "scale": 0.6, "start": 0.1}]
    first = sampler("熊猫", seed=3, control=control, **QUICK)[0]
    options = parse_infotext(first.infotext)
    options.pop("model")
    again = sampler(options.pop("text"), **options)[0]
    assert np.array_equal(array(first.image), array(again.image)) and first.infotext == again.infotext


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ({"depth": "ART"}, "the zoo knows no ControlNet 'depth' for pai-diffusion-mini-zh: give its folder or id"),
        ({"ufo": {"image": "ART", "model": "NET"}}, "control 'ufo' is not known; valid are .*canny"),
        ({"canny": {"image": "ART", "model": "NET", "scale": -1}}, "scale is -1"),
        ({"canny": {"image": "ART", "model": "NET", "start": 0.5, "end": 0.5}}, "0 <= start < end <= 1"),
        ({"canny": {"image": "ART", "model": "NET", "weight": 1}}, "unknown option of a control: 'weight'; valid are"),
        ({"canny": {"image": "nowhere.png", "model": "NET"}}, "nowhere.png"),
        ({"canny": {"model": "NET"}}, "'kind' and 'image'"),
        (5, "control is int; give"),
        ({"canny": {"image": "ART", "model": "OTHER"}}, "is for another model: its cross_attention_dim is 64"),
        ({"canny": {"image": "ART", "model": "UNET"}}, "can't be loaded|lack"),
    ],
)
def test_what_cannot_steer_is_said(sampler, art, net, tmp_path, control, message):
    other = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=64,
        layers_per_block=1,
    )
    ControlNetModel.from_unet(other).save_pretrained(tmp_path / "other")
    known = {"ART": art, "NET": net, "OTHER": str(tmp_path / "other"), "UNET": str(MINI / "unet")}

    def named(value):
        return {k: named(v) for k, v in value.items()} if isinstance(value, dict) else known.get(value, value)

    with pytest.raises(UserError, match=message):  # before anything is drawn
        sampler.stream("熊猫", control=named(control), **QUICK)


def test_modelscope_pipeline(sampler, art, net):
    from modelscope.pipelines import pipeline

    import pai_modelscope  # noqa: F401  registers

    steering = pipeline(
        "controllable-image-generation", MINI, pipeline_name="pai-diffusion-controlnet", controlnet=net, device="cpu"
    )
    bgr = np.ascontiguousarray(array(art)[:, :, ::-1])
    result = steering({"prompt": "熊猫", "img": bgr}, seed=3, **QUICK)
    expected = sampler("熊猫", control={"canny": {"image": art, "model": net}}, seed=3, **QUICK)[0].image
    assert np.array_equal(result["output_img"], array(expected)[:, :, ::-1])
    control = {"canny": {"image": art, "model": net}}
    given = steering([{"text": "熊猫", "control": control}], seed=3, **QUICK)
    assert np.array_equal(given[0]["output_img"], result["output_img"])
    with pytest.raises(UserError, match="the input lacks 'control'"):
        steering("熊猫")


def test_the_command_line_steers_and_repeats(tmp_path: Path, art, net, capsys):
    art.save(tmp_path / "art.png")
    flags = ["--control", f"canny={tmp_path / 'art.png'},model={net},scale=0.7", "--size", "64", "--steps", "2"]
    assert generate("熊猫", *flags, "--seed", "1", "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--output", tmp_path / "b") == 0
    assert np.array_equal(file_pixels(first), file_pixels(tmp_path / "b" / names(tmp_path / "b")[0]))
    with pytest.raises(SystemExit):
        generate("熊猫", "--control", "canny")
    assert "is not KIND=FILE" in capsys.readouterr().err
