"""DreamBooth: pictures of the class, drawn once from the class's own prompt, and their equal share of the training."""

import copy
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from pai_modelscope.config import TrainingConfig
from pai_modelscope.data import Example, Geometry
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.batches import PictureSource
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import read_png
from pai_modelscope.methods import (
    FullFineTuning,
    LoraTraining,
    class_examples,
    class_pictures,
    with_class_pictures,
)
from pai_modelscope.sampling import Sampler
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import Order, train
from pai_modelscope.training.options import resolve_options
from pai_modelscope.training.run import TrainingRun
from tests.support.adapter_files import MODEL
from tests.support.latents import scale_of
from tests.support.picture_files import Painted

CLASS, INSTANCE = "一只猫", "一只朵拉猫"
SMALL = {"resolution": 64, "num_inference_steps": 1, "progress": False}
DDIM = DDIMScheduler.from_pretrained(MODEL / "scheduler")


@pytest.fixture
def sampler(pipe):
    return Sampler(pipe)


def thing(count: int) -> list[Example]:
    picture = Image.new("RGB", (64, 64), "orange")
    return [Example(f"{i}.png", (INSTANCE,), (64, 64), str(i), Painted(picture)) for i in range(count)]


def test_class_pictures_are_of_the_class_and_a_cut_off_call_goes_on(sampler, tmp_path, monkeypatch):
    asked: list[Any] = []
    stream = Sampler.stream
    monkeypatch.setattr(
        Sampler, "stream", lambda self, texts, **more: asked.extend(texts) or stream(self, texts, **more)
    )
    paths = class_pictures(sampler, CLASS, 3, tmp_path, seed=5, **SMALL)
    assert asked == [{"text": CLASS, "seed": seed} for seed in (5, 6, 7)]
    first = [path.read_bytes() for path in paths]
    assert len(set(first)) == 3 and Image.open(paths[0]).size == (64, 64)
    told = read_png(paths[1])
    assert told["text"] == CLASS and told["seed"] == 6
    paths[1].unlink()
    assert class_pictures(sampler, CLASS, 4, tmp_path, seed=5, **SMALL)[:3] == paths
    assert [each["seed"] for each in asked[3:]] == [6, 8]
    assert [path.read_bytes() for path in paths] == first
    assert class_pictures(sampler, CLASS, 2, tmp_path, seed=5, **SMALL) == paths[:2] and len(asked) == 5


def test_another_prompt_model_seed_or_size_has_its_own_folder(sampler, shipped, tmp_path):
    def folder(who: Sampler = sampler, prompt: str = CLASS, **options: Any) -> Any:
        return class_pictures(who, prompt, 1, tmp_path, **{**SMALL, **options})[0].parent

    other = Sampler(copy.copy(shipped))
    other.pipe.unet = copy.deepcopy(shipped.unet)
    other.pipe.unet.conv_out.bias.data += 0.1
    folders = [
        folder(),
        folder(prompt="一只狗"),
        folder(other),
        folder(seed=1),
        folder(resolution=128),
        folder(num_inference_steps=2),
    ]
    assert len(set(folders)) == 6 and folder() == folders[0] and folders[0].name.startswith(CLASS)


def test_pictures_of_ones_own_come_first_and_the_rest_is_drawn(sampler, tmp_path):
    """They were passed over without a word, where diffusers' script takes what class_data_dir holds."""
    for name in ("b.jpg", "a.PNG", "c.webp"):
        Image.new("RGB", (64, 64), "green").save(tmp_path / name)
    paths = class_pictures(sampler, CLASS, 4, tmp_path, **SMALL)
    assert [path.name for path in paths] == ["a.PNG", "b.jpg", "c.webp", "00000.png"]
    assert class_pictures(sampler, CLASS, 2, tmp_path, **SMALL) == paths[:2]


def test_a_broken_picture_of_the_class_is_found_before_the_training(tmp_path):
    Image.new("RGB", (256, 256), "green").save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-40])
    told = {"instance_prompt": INSTANCE, "class_prompt": CLASS, "num_class_images": 1, "class_data_dir": str(tmp_path)}
    told |= {"train_data_dir": "shipped:style", "max_train_samples": 2, "output_dir": str(tmp_path / "run")}
    with pytest.raises(UserError, match=r"a\.png"):
        TrainingRun(resolve_options("dreambooth", {**told, "max_train_steps": 1, "resolution": 64, "rank": 2}))


@pytest.mark.parametrize(("things", "classes"), [(2, 6), (5, 3), (4, 4)])
def test_both_have_equal_shares_of_every_epoch(things, classes, sampler, tmp_path):
    paths = class_pictures(sampler, CLASS, classes, tmp_path, **SMALL)
    joined = with_class_pictures(thing(things), class_examples(paths, CLASS), 0.5)
    every = [joined[place] for place in range(len(joined))]
    assert len(every) == 2 * max(things, classes)
    assert [each.weight for each in every] == [1.0, 0.5] * (len(every) // 2)
    assert [each.captions for each in every[:2]] == [(INSTANCE,), (CLASS,)]
    counts = [sum(each.name == name for each in every) for name in {each.name for each in every}]
    assert len(counts) == things + classes and max(counts) <= -(-len(every) // 2 // min(things, classes))
    assert every[1].read().tobytes() == Image.open(paths[0]).convert("RGB").tobytes()
    source = source_of(joined, sampler.pipe)
    order = Order(source.lengths, 2, 0, source.cycle)
    shown = [
        source.batch(0, order.indices(step), torch.device("cpu"), order.keys(step)) for step in range(len(every) // 2)
    ]
    weights = torch.cat([batch["weight"] for batch in shown])
    assert (weights == 1).sum() == (weights == 0.5).sum() == len(every) // 2


def source_of(joined: Any, pipe: Any) -> PictureSource:
    return PictureSource(joined, Geometry(64), CaptionSettings(), pipe.tokenizer, vae=pipe.vae, scale=scale_of(pipe))


def test_the_loss_is_that_of_diffusers_script(sampler, pipe, tmp_path):
    """There: mse(instances).mean() + prior_loss_weight * mse(classes).mean(), of halves; the mean of all is half."""
    paths = class_pictures(sampler, CLASS, 2, tmp_path, **SMALL)
    source = source_of(with_class_pictures(thing(2), class_examples(paths, CLASS), 0.3), pipe)
    keys = torch.arange(4)
    batch = source.batch(0, torch.arange(4), torch.device("cpu"), keys) | {"keys": keys}
    method = FullFineTuning(
        pipe.unet, pipe.text_encoder, DDIM, chunk_ids(pipe.tokenizer, [""])[0, 0], caption_dropout=0.0
    )
    assert batch["weight"].tolist() == pytest.approx([1, 0.3, 1, 0.3])
    plain = {name: value for name, value in batch.items() if name != "weight"}
    instance, prior = (
        method({name: value[places] for name, value in plain.items()})["loss"]
        for places in (slice(0, 4, 2), slice(1, 4, 2))
    )
    torch.testing.assert_close(2 * method(batch)["loss"], instance + 0.3 * prior)


def test_a_lora_learns_from_both(sampler, pipe, tmp_path):
    paths = class_pictures(sampler, CLASS, 2, tmp_path / "class", **SMALL)
    source = source_of(with_class_pictures(thing(2), class_examples(paths, CLASS), 0.5), pipe)
    empty = chunk_ids(pipe.tokenizer, [""])[0, 0]
    method = LoraTraining(pipe.unet, pipe.text_encoder, DDIM, empty, caption_dropout=0.0, rank=8)
    config = TrainingConfig(
        output_dir=str(tmp_path / "run"), max_train_steps=20, train_batch_size=4, learning_rate=5e-3, logging_steps=10
    )
    keys = torch.arange(8)
    batch = source.batch(0, torch.arange(8) % 4, torch.device("cpu"), keys) | {"keys": keys}
    before = method(batch)
    logged = train(method, source, config)
    after = method(batch)
    assert after["loss/instance:sum"] < 0.7 * before["loss/instance:sum"]
    assert logged["loss/instance"] > 0 and logged["loss/prior"] > 0


def test_values_that_cannot_work_are_refused(sampler, tmp_path):
    for call, message in (
        (lambda: class_pictures(sampler, " ", 3, tmp_path), "need a prompt"),
        (lambda: class_pictures(sampler, CLASS, 0, tmp_path), "count of at least 1"),
        (lambda: with_class_pictures(thing(1), []), "1 pictures of the thing and 0"),
        (lambda: with_class_pictures(thing(1), thing(1), -1.0), "prior_loss_weight is -1"),
        (lambda: class_pictures(sampler, CLASS, 1, tmp_path, resolution=63), "63"),
    ):
        with pytest.raises(UserError, match=message):
            call()
