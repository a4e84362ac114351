"""Batches: what the loop, the methods and the ControlNet expect, from the same key always the same."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from pai_modelscope.config import TrainingConfig
from pai_modelscope.data import Geometry, join, open_training_set
from pai_modelscope.data.augmentation import POSTERIOR, CaptionSettings, shuffled
from pai_modelscope.data.batches import PictureSource, chunks_needed
from pai_modelscope.data.cached_batches import CachedSource
from pai_modelscope.diffusion.randomness import normal
from pai_modelscope.errors import UserError
from pai_modelscope.images.annotators import annotate
from pai_modelscope.methods import FullFineTuning
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from tests.support.latents import scale_of
from tests.support.picture_files import name, picture, write_metadata

CPU = torch.device("cpu")
PLAIN, MIRRORED = Geometry(64), Geometry(64, random_flip=True)
BUCKETS = Geometry(64, buckets=True)
LONG = "红色的苹果，" * 12


def keys(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def source_of(found, shipped, geometry=PLAIN, captions=None, folder=None, **options):
    parts = (found, geometry, captions or CaptionSettings(), shipped.tokenizer)
    if folder is None:
        return PictureSource(*parts, vae=shipped.vae, scale=scale_of(shipped), **options)
    return CachedSource(*parts, vae=shipped.vae, scale=scale_of(shipped), folder=folder, **options)


def posterior(shipped, image: Image.Image, key: int) -> torch.Tensor:
    """By hand: the VAE of the shipped model on one picture, with the noise of the key."""
    pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        found = shipped.vae.encode(pixels).latent_dist
    return (found.mean + found.std * normal(keys(key), POSTERIOR, found.mean.shape[1:])) * 0.18215


@pytest.mark.parametrize("cached", [False, True])
def test_a_batch_is_what_the_vae_and_the_tokenizer_say(cached, shipped, tmp_path) -> None:
    source = source_of(
        open_training_set(write_metadata(tmp_path / "set", 2)), shipped, folder=tmp_path / "cache" if cached else None
    )
    assert source.lengths == [2] and source.cycle == [0]
    batch = source.batch(0, torch.tensor([1, 0]), CPU, keys(5, 6))
    assert set(batch) == {"latents", "ids"}
    assert batch["latents"].shape == (2, 4, 8, 8) and batch["latents"].dtype == torch.float32
    assert abs(shipped.vae.config.scaling_factor - 0.18215) < 1e-9
    middle = picture(1).resize((64, 64), Image.Resampling.LANCZOS, box=(24, 0, 120, 96))
    # Half precision in the cache: 11 bits.
    torch.testing.assert_close(batch["latents"][:1], posterior(shipped, middle, 5), atol=2e-3, rtol=2e-3)
    assert torch.equal(batch["ids"], chunk_ids(shipped.tokenizer, [name(1), name(0)]))
    assert source.names(0, torch.tensor([1, 0])) == ["1.png", "0.png"]


@pytest.mark.parametrize("cached", [False, True])
def test_a_sample_follows_from_its_key_in_any_cut_of_the_batch(cached, shipped, tmp_path) -> None:
    columns = {"caption": lambda n: [f"{name(n)}, 红, 蓝", name(n), LONG]}
    found = open_training_set(write_metadata(tmp_path / "set", 3, **columns), caption_column="caption")
    settings = CaptionSettings(shuffle_tags=True)
    source = source_of(found, shipped, MIRRORED, settings, tmp_path / "cache" if cached else None)
    indices, drawn = torch.tensor([0, 1, 2, 0]), keys(11, 22, 33, 44)
    whole = source.batch(0, indices, CPU, drawn)
    again = source.batch(0, indices, CPU, drawn)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    for place in range(4):
        alone = source.batch(0, indices[place : place + 1], CPU, drawn[place : place + 1])
        assert torch.equal(alone["ids"][0], whole["ids"][place])
        torch.testing.assert_close(alone["latents"][0], whole["latents"][place], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(whole["latents"][0], whole["latents"][3], atol=0.05)  # the posterior of another key


@pytest.mark.parametrize("cached", [False, True])
def test_mirrored_and_captioned_in_turn(cached, shipped, tmp_path) -> None:
    columns = {"caption": lambda n: ["苹果", "梨"]}
    found = open_training_set(write_metadata(tmp_path / "set", 1, **columns), caption_column="caption")
    source = source_of(found, shipped, MIRRORED, folder=tmp_path / "cache" if cached else None)
    image = picture(0).resize((64, 64), Image.Resampling.LANCZOS)
    seen = set()
    for key in range(12):
        batch = source.batch(0, torch.tensor([0]), CPU, keys(key))
        ways = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
        distances = [(batch["latents"] - posterior(shipped, way, key)).abs().max().item() for way in ways]
        assert min(distances) < 5e-3 and max(distances) > 0.05
        caption = next(c for c in ("苹果", "梨") if torch.equal(batch["ids"], chunk_ids(shipped.tokenizer, [c])))
        seen.add((distances.index(min(distances)), caption))
    assert len(seen) == 4


def test_random_crops_move(shipped, tmp_path) -> None:
    found = open_training_set(write_metadata(tmp_path, 2))
    source = source_of(found, shipped, Geometry(64, random_crop=True), annotator="canny")
    views = {source.batch(0, torch.tensor([1]), CPU, keys(k))["control"].numpy().tobytes() for k in range(6)}
    assert len(views) == 6


def test_conditions_and_masks_follow_the_picture(shipped, tmp_path) -> None:
    """A condition that is the picture, and a mask that is its left half, in any crop and mirroring."""
    folder = tmp_path / "set"
    columns = {
        "conditioning_file_name": lambda n: f"{n}.png",
        "mask_file_name": lambda n: "half.png" if n == 1 else None,
    }
    write_metadata(folder, 2, **columns)
    half = Image.new("L", (72, 48))
    half.paste(255, (0, 0, 36, 48))  # of a picture twice as large
    half.save(folder / "half.png")
    geometry = Geometry(64, random_crop=True, random_flip=True)
    source = source_of(open_training_set(folder), shipped, geometry)
    sides = set()
    for key in range(8):
        batch = source.batch(0, torch.tensor([1, 0]), CPU, keys(key, key))
        assert batch["control"].shape == (2, 3, 64, 64) and batch["mask"].shape == (2, 1, 8, 8)
        assert batch["mask"][1].eq(1).all()
        assert batch["control"].min() >= 0 and 0.5 < batch["control"].max() <= 1
        view = Image.fromarray((batch["control"][0] * 255).round().byte().permute(1, 2, 0).numpy())
        assert (batch["latents"][:1] - posterior(shipped, view, key)).abs().max() < 1e-3
        left, right = batch["mask"][0, 0, :, 0].mean(), batch["mask"][0, 0, :, -1].mean()
        sides.add(bool(left > right))
        assert max(left, right) == 1 and min(left, right) == 0
    assert sides == {False, True}


def test_the_annotator_draws_from_the_view(shipped, tmp_path) -> None:
    found = open_training_set(write_metadata(tmp_path / "set", 1))
    options = {"annotator": "canny", "annotator_options": {"low_threshold": 50.0}}
    source = source_of(found, shipped, folder=tmp_path / "cache", **options)
    control = source.batch(0, torch.tensor([0]), CPU, keys(1))["control"][0]
    image = picture(0).resize((64, 64), Image.Resampling.LANCZOS)
    wanted = np.asarray(annotate("canny", image, low_threshold=50.0))
    assert torch.equal((control * 255).byte().permute(1, 2, 0), torch.from_numpy(wanted.copy()))
    with pytest.raises(UserError, match=r"0.png: There is no annotator 'x'"):
        source_of(found, shipped, annotator="x").batch(0, torch.tensor([0]), CPU, keys(1))


def test_buckets_by_shape_and_by_length_of_caption(shipped, tmp_path) -> None:
    columns = {"caption": lambda n: LONG if n == 3 else name(n)}
    found = open_training_set(write_metadata(tmp_path, 6, **columns), caption_column="caption")
    source = source_of(found, shipped, BUCKETS)
    assert source.shapes == [((48, 80), 1), ((56, 72), 1), ((64, 64), 1), ((64, 64), 3), ((72, 56), 1), ((80, 48), 1)]
    assert source.lengths == [1] * 6 and sorted(source.cycle) == [0, 1, 2, 3, 4, 5]
    for bucket, ((width, height), chunks) in enumerate(source.shapes):
        batch = source.batch(bucket, torch.tensor([0]), CPU, keys(1))
        assert batch["latents"].shape == (1, 4, height // 8, width // 8)
        assert batch["ids"].shape == (1, chunks, 32)
    padded = source_of(found, shipped, captions=CaptionSettings(chunks=3))
    assert padded.shapes == [((64, 64), 3)] and padded.lengths == [6]
    with pytest.raises(UserError, match=r"3.png: the caption needs 3 chunks .* 2 are allowed"):
        source_of(found, shipped, captions=CaptionSettings(max_chunks=2))


def test_shuffled_tags_always_fit(shipped) -> None:
    """These fill two chunks of thirty to the last token; with the longest first, twenty stay alone in a chunk."""
    text = "，".join(["红" * 14, "绿" * 14, "蓝" * 19, "白" * 9])
    found = [open_training_set([{"image": picture(0), "text": each}])[0] for each in (text, "梨，苹果")]
    lengths = [chunk_ids(shipped.tokenizer, [shuffled(text, key, 0)]).shape[1] for key in range(50)]
    assert chunk_ids(shipped.tokenizer, [text]).shape[1] == 2 and set(lengths) == {2, 3}
    assert chunks_needed(shipped.tokenizer, found, CaptionSettings(shuffle_tags=True)) == [3, 1]
    assert chunks_needed(shipped.tokenizer, found, CaptionSettings()) == [2, 1]


def test_captions_that_the_model_cannot_read_are_counted(shipped) -> None:
    """Another language, or a text in another encoding that happens to be valid UTF-8: to the model it is nothing."""
    texts = ("苹果", "한국어", "一只猫".encode("gbk").decode("utf-8"))
    found = open_training_set([{"image": picture(0), "text": text} for text in texts])
    with pytest.warns(UserWarning, match=r"lacks: 2 of 3, such as 한 국 어 in '한국어'"):
        source_of(found, shipped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source_of(open_training_set(found, limit=1), shipped)


def test_weights_come_where_they_differ(shipped, tmp_path) -> None:
    one, other = (open_training_set(write_metadata(tmp_path / each, 1)) for each in "ab")
    batch = source_of(join([one, other], [1.0, 0.25]), shipped).batch(0, torch.tensor([1, 0]), CPU, keys(1, 2))
    assert batch["weight"].tolist() == [0.25, 1.0]


def test_what_no_source_can_be_made_of(shipped, tmp_path) -> None:
    with pytest.raises(UserError, match="no pictures"):
        source_of([], shipped)
    columns = {"conditioning_file_name": lambda n: "0.png" if n else None}
    with pytest.raises(UserError, match=r"1 of 2 pictures lack a condition, first 0\.png|1 of 2 .*0\.png"):
        source_of(open_training_set(write_metadata(tmp_path / "some", 2, **columns)), shipped)
    columns = {"mask_file_name": lambda n: "0.png"}
    found = open_training_set(write_metadata(tmp_path / "shape", 2, **columns))
    with pytest.raises(UserError, match=r"mask of 1\.png is 96x96 and its picture 144x96"):
        source_of(found, shipped).batch(0, torch.tensor([1]), CPU, keys(1))
    (tmp_path / "shape" / "0.png").unlink()
    with pytest.raises(UserError, match=r"0\.png can't be read"):
        source_of(found, shipped).batch(0, torch.tensor([0]), CPU, keys(1))


@pytest.mark.parametrize("cached", [False, True])
def test_the_loop_trains_on_it(cached, pipe, tmp_path) -> None:
    """The real loop and a real method: two steps over two shapes."""
    found = open_training_set(write_metadata(tmp_path / "set", 4))
    source = source_of(
        found, pipe, Geometry(64, buckets=True, random_flip=True), folder=tmp_path / "c" if cached else None
    )
    empty = chunk_ids(pipe.tokenizer, [""])[0, 0]
    method = FullFineTuning(pipe.unet.requires_grad_(True), pipe.text_encoder, pipe.scheduler, empty)
    config = TrainingConfig(output_dir=str(tmp_path / "run"), max_train_steps=2, train_batch_size=2, logging_steps=1)
    assert 0 < train(method, source, config)["loss"] < 3
