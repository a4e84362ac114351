"""Texts to pictures: the same bits as diffusers, seeds and batches that can be made again, clear refusals."""

import json

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.images.infotext import parse_infotext

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "height": 64, "width": 64}


def pixels(picture) -> np.ndarray:
    return np.asarray(picture.image)


def same(a, b) -> bool:
    return np.array_equal(pixels(a), pixels(b))


def again(sampler, picture):
    """The picture that its infotext describes."""
    options = parse_infotext(picture.infotext)
    options.pop("model")
    return sampler(options.pop("text"), **options)[0]


# Pictures


@pytest.mark.parametrize(
    ("guidance", "name", "scheduler"),
    [(5.0, None, None), (1.0, None, None), (5.0, "Euler a", EulerAncestralDiscreteScheduler)],
)
def test_the_picture_is_the_one_that_plain_diffusers_draws(sampler, guidance, name, scheduler):
    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    if scheduler:
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae):  # as the sampler lays them out; another layout rounds another way
        part.to(memory_format=torch.channels_last)
    options = {**QUICK, "width": 96, "guidance_scale": guidance, "guidance_rescale": 0.7}
    expected = pipe("熊猫", negative_prompt="丑", generator=torch.Generator().manual_seed(3), **options).images[0]
    got = sampler("熊猫", negative_prompt="丑", seed=3, scheduler=name, **options)[0].image
    assert got.size == (96, 64) and np.array_equal(np.asarray(got), np.asarray(expected))


def test_options_come_from_text_call_folder_and_default_in_this_order(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for each in MINI.iterdir():
        if each.name != "configuration.json":
            (folder / each.name).symlink_to(each)
    recommended = {"generation": {"num_inference_steps": 3, "guidance_scale": 2.0, "height": 64}}
    (folder / "configuration.json").write_text(json.dumps(recommended))
    tuned = Sampler.from_pretrained(folder, device="cpu")
    pictures = tuned(["熊猫", {"text": "狗", "guidance_scale": 4.0, "width": 128}], width=96, num_inference_steps=1)
    first, second = (parse_infotext(picture.infotext) for picture in pictures)
    assert (first["width"], first["height"], first["guidance_scale"]) == (96, 64, 2.0)
    assert (second["width"], second["guidance_scale"], second["num_inference_steps"]) == (128, 4.0, 1)
    assert "guidance_rescale" not in first and first["scheduler"] == "DDIM" and first["model"] == "model"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_images_per_prompt": 2},
        {"num_images_per_prompt": 3, "batch_size": 2},
        {"guidance_rescale": 0},  # off, where the folder recommends 0.7
        {"negative_prompt": "丑," * 30, "clip_skip": 1, "scheduler": "euler_a", "guidance_rescale": 0.3},
    ],
    ids=["plain", "several", "batched", "off", "everything"],
)
def test_every_picture_can_be_made_again_from_its_infotext(sampler, options):
    for picture in sampler(["(熊猫:1.2),红色", "狗"], seed=11, **QUICK, **options):
        twin = again(sampler, picture)
        assert same(picture, twin) and picture.infotext == twin.infotext


def test_random_seeds_are_drawn_and_reported(sampler):
    first, second = (sampler("熊猫", **QUICK)[0] for _ in range(2))
    assert first.seed != second.seed and not same(first, second)
    assert same(sampler("熊猫", seed=first.seed, **QUICK)[0], first)


def test_pictures_differ_in_what_they_were_asked_for(sampler):
    plain = sampler("熊猫", seed=1, **QUICK)[0]
    for text, options in (("狗", {}), ("熊猫", {"negative_prompt": "丑"}), ("熊猫", {"clip_skip": 1})):
        assert not same(plain, sampler(text, seed=1, **{**QUICK, **options})[0])
    assert not same(plain, sampler("(熊猫:1.8)黑", seed=1, **QUICK)[0])


# Seeds


def seeds_of(sampler, texts, **options):
    return [picture.seed for picture in sampler(texts, **{**QUICK, "num_inference_steps": 1, **options})]


@pytest.mark.parametrize(
    ("texts", "options", "seeds"),
    [
        ("猫", {"seed": 5, "num_images_per_prompt": 3}, [5, 6, 7]),
        (["猫", "狗"], {"seed": 5, "num_images_per_prompt": 2}, [5, 6, 7, 8]),
        (["猫", "狗"], {"seed": [9, 3]}, [9, 3]),
        ([{"text": "猫", "seed": 70, "num_images_per_prompt": 2}, "狗", "鸟"], {"seed": 5}, [70, 71, 5, 6]),
        ([{"text": "猫", "seed": 70}, "狗"], {"seed": [1]}, [70, 1]),
        ("猫", {"seed": np.int64(4)}, [4]),
    ],
)
def test_seeds_are_dealt_as_the_webui_does(sampler, texts, options, seeds):
    assert seeds_of(sampler, texts, **options) == seeds


def test_a_generator_supplies_seeds(sampler):
    generator = torch.Generator().manual_seed(5)
    first, *others = seeds_of(sampler, "猫", generator=generator, num_images_per_prompt=3)
    assert first == 5 and len({5, *others}) == 3
    assert seeds_of(sampler, "猫", generator=torch.Generator().manual_seed(5), num_images_per_prompt=3)[1:] == others
    assert seeds_of(sampler, "猫", generator=generator)[0] not in (5, *others)  # it has moved on
    both = [torch.Generator().manual_seed(8), torch.Generator().manual_seed(9)]
    assert seeds_of(sampler, ["猫", "狗"], generator=both) == [8, 9]


# Batches and order


@pytest.fixture
def rows(sampler):
    """Rows of every call of the UNet: pictures times two, for guidance."""
    seen: list[int] = []
    handle = sampler.pipe.unet.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[0] // 2))
    yield seen
    handle.remove()


def test_requests_alike_are_drawn_as_one_batch_and_order_is_kept(sampler, rows):
    wide = {"text": "狗", "width": 96}
    pictures = sampler(["猫", wide, "鸟", {"text": "鱼", "seed": 9}, wide], batch_size=2, **QUICK, seed=0)
    assert rows == [2, 2, 2, 2, 1, 1]  # 猫 鸟, 狗 狗, 鱼; two steps each
    assert [picture.prompt for picture in pictures] == ["猫", "狗", "鸟", "鱼", "狗"]
    assert [picture.image.width for picture in pictures] == [64, 96, 64, 64, 96]
    assert [picture.seed for picture in pictures] == [0, 1, 2, 9, 3]


def test_on_a_cpu_pictures_are_drawn_one_by_one(sampler, rows):
    sampler(["猫", "狗"], **QUICK)
    assert set(rows) == {1}


def test_a_longer_neighbour_changes_no_bit(sampler):
    alone = sampler("猫", seed=1, **QUICK, batch_size=2)[0]
    assert same(sampler(["猫", "好" * 40], seed=1, **QUICK, batch_size=2)[0], alone)


@pytest.mark.parametrize("scheduler", ["DDIM", "PNDM", "Heun"])
@pytest.mark.parametrize("parameters", [2, 3])
def test_the_callback_counts_to_the_total(sampler, scheduler, parameters):
    seen = []
    callback = (lambda *a: seen.append(a)) if parameters == 3 else (lambda step, total: seen.append((step, total)))
    sampler(["猫", "狗"], callback=callback, scheduler=scheduler, **{**QUICK, "num_inference_steps": 3})
    steps = [each[0] for each in seen]
    assert steps == sorted(steps) and set(steps) >= {3, 6} and steps[-1] == 6
    assert {each[1] for each in seen} == {6}
    assert parameters == 2 or seen[0][2].shape == (1, 4, 8, 8)


def test_an_interruption_keeps_finished_pictures(sampler):
    def interrupt(step, total):
        if step > 2:
            raise KeyboardInterrupt

    finished = []
    with pytest.raises(KeyboardInterrupt):
        for picture in sampler.stream(["猫", "狗"], seed=0, callback=interrupt, **QUICK):
            finished.append(picture)
    assert [picture.prompt for picture in finished] == ["猫"]
    assert same(sampler("猫", seed=0, **QUICK)[0], finished[0])  # and the sampler is as good as new


# Refusals


def test_unknown_options_list_the_valid_ones(sampler):
    with pytest.raises(UserError, match=r"'steps' \(did you mean 'num_inference_steps'\?\).*valid are text, negative"):
        sampler("猫", steps=3)
    with pytest.raises(UserError, match=r"'promt'.*valid are text"):
        sampler({"text": "猫", "promt": 1})


def test_all_faults_are_named_together_before_anything_is_drawn(sampler, rows):
    with pytest.raises(UserError) as error:
        sampler.stream(["猫", " ", {"text": "狗", "width": 7}], num_inference_steps=0, scheduler="eulr", height=100)
    message = str(error.value)
    for part in ("num_inference_steps is 0", "'eulr'", "'Euler'", "height is 100", "text 2: the text is empty"):
        assert part in message, message
    assert message.count("height is 100") == 1 and "text 3: width is 7" in message and "\n" not in message
    assert not rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_inference_steps": 2.5}, "num_inference_steps is 2.5"),
        ({"num_inference_steps": 1001}, "from 1 to 1000"),
        ({"guidance_scale": -1}, "guidance_scale is -1"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"guidance_rescale": 1.5}, "from 0 to 1"),
        ({"height": 250}, "such as 248"),
        ({"width": 8}, "multiple of 8 from 64"),
        ({"num_images_per_prompt": 0}, "num_images_per_prompt is 0"),
        ({"clip_skip": 99}, "clip_skip is 99"),
        ({"output_type": "jpg"}, "'bgr', 'pil'"),
        ({"scheduler": 3}, "scheduler is 3"),
        ({"seed": "x"}, "seed 'x'"),
        ({"seed": -2}, "seed -2"),
        ({"seed": [1, 2]}, "2 seeds for 1 pictures"),
        ({"generator": 3}, "generator must be"),
        ({"batch_size": 2, "batch_pos": 2}, "batch_pos is 2"),
        ({"negative_prompt": 3}, "negative_prompt"),
        ({"scheduler": "LCM"}, "distilled"),
    ],
)
def test_values_that_cannot_work(sampler, options, words):
    with pytest.raises(UserError, match="(?s).*" + words.replace("(", r"\(")) as error:
        sampler("猫", **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, 3, "", "  ", {"seed": 1}, {"text": ""}, {"text": 3}, [["猫"]]])
def test_texts_that_are_none(sampler, text):
    with pytest.raises(UserError, match="text"):
        sampler(text if isinstance(text, list) else [text])


def test_memory_that_does_not_suffice_is_said_so(sampler, monkeypatch):
    def greedy(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(sampler.pipe.unet, "forward", greedy)
    with pytest.raises(UserError, match=r"memory for 1 pictures of 64x64"):
        sampler("猫", **QUICK)
