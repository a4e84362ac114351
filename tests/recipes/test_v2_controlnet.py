"""Version 2's ControlNets: label maps in the pool, sketches that are rough on purpose, edges, and the training."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer, CLIPTextModel

from pai_modelscope import model_dir
from pai_modelscope.adapters.control import attach_control_lora, load_control_lora, read_control_lora
from pai_modelscope.config import TrainingConfig
from pai_modelscope.images.annotators import annotate
from pai_modelscope.images.sketch_palette import BLANK, SKETCH_COLOURS, paint_classes
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from recipes.landscapes.labels import LABELS
from recipes.landscapes.paint import paint
from recipes.mini_v2 import pool
from recipes.mini_v2.controlnet import HINT_CHANNELS, RANK, method_of
from recipes.mini_v2.controls import SKETCHES, ControlSource, make_controls
from recipes.mini_v2.latents import Bucket, encode_pool
from recipes.mini_v2.models import unet as whole_unet
from recipes.mini_v2.pool import paint_shards, shards
from recipes.mini_v2.sketches import sketch, with_meadow

SIZE, CPU = (64, 64), torch.device("cpu")
TURNS = {Bucket(SIZE): 1}
MINI = model_dir("pai-diffusion-mini-zh")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A shard of eight landscapes with label maps, their latents, edges and sketches."""
    folder = tmp_path_factory.mktemp("v2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SHARD", 8)
        paint_shards(folder, "landscapes", 8, SIZE, 0, 1, labels=True)
    encode_pool(folder, AutoencoderKL.from_pretrained(MINI / "vae"), BertTokenizer.from_pretrained(MINI / "tokenizer"))
    assert make_controls(folder, "canny") == 1 and make_controls(folder, "sketch") == 1
    return folder


@pytest.fixture(scope="module")
def paintings():
    """Landscapes of 128 pixels, of several places."""
    return [paint(seed, (128, 128)) for seed in range(12)]


def test_the_palette_has_the_classes_of_the_painter():
    assert tuple(SKETCH_COLOURS) == (*LABELS, "留白")


@pytest.mark.slow
def test_a_shard_keeps_its_label_maps(work):
    (here,) = shards(work, "landscapes", SIZE)
    labels = here.labels()
    assert labels is not None and labels.shape == (8, 64, 64) and labels.dtype == np.uint8
    assert np.array_equal(labels[3], paint(3, SIZE).labels)
    assert not list(work.rglob("*.partial*"))


@pytest.mark.slow
def test_a_shard_without_label_maps_is_read_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "SHARD", 2)
    paint_shards(tmp_path, "landscapes", 2, SIZE, 0, 1)
    (here,) = shards(tmp_path, "landscapes", SIZE)
    assert here.labels() is None and here.pictures().shape == (2, 64, 64, 3)
    assert make_controls(tmp_path, "sketch") == 0 and make_controls(tmp_path, "canny") == 1
    with pytest.raises(ValueError, match="without label maps"):
        pool._save(tmp_path / "x.npy", [None])


def test_label_maps_lie_on_their_pictures(paintings):
    """Borders of classes are where pictures change, and less so a few pixels off."""
    here, off = [], []
    for painting in paintings:
        lightness = cv2.cvtColor(painting.image, cv2.COLOR_RGB2LAB).astype(np.float32)
        change = sum(np.abs(cv2.Sobel(lightness[..., i], -1, *axes)) for i in range(3) for axes in ((1, 0), (0, 1)))
        pen = np.ones((3, 3), np.uint8)
        border = cv2.dilate(painting.labels, pen) != cv2.erode(painting.labels, pen)
        here.append(change[border].mean())
        off.append(change[np.roll(border, (7, 7), (0, 1))].mean())
    assert np.mean(here) > 1.3 * np.mean(off)


def test_sketches_keep_what_is_large(paintings):
    """Of classes that fill a tenth, where colour was laid at all."""
    shares = {0.2: [], 0.6: [], 1.0: []}
    for seed, painting in enumerate(paintings):
        for roughness, values in shares.items():
            drawn = sketch(painting.labels, np.random.default_rng(seed), roughness)
            laid = drawn != BLANK
            for number in np.unique(painting.labels):
                there, again = (painting.labels == number) & laid, drawn == number
                if (painting.labels == number).mean() > 0.1 and again.any():
                    values.append((there & again).sum() / (there | again).sum())
    means = [np.mean(values) for values in shares.values()]
    assert means[0] > 0.85 and means[1] > 0.65 and means[2] > 0.5, means
    assert means[0] > means[1] > means[2]
    assert all(len(values) > 20 for values in shares.values())


def test_sketches_follow_from_their_seed(paintings):
    labels = paintings[2].labels
    drawn = [sketch(labels, np.random.default_rng(seed)) for seed in range(40)]
    assert np.array_equal(drawn[7], sketch(labels, np.random.default_rng(7)))
    assert len({classes.tobytes() for classes in drawn}) > 30
    exact = sum(np.array_equal(classes, labels) for classes in drawn)
    assert 1 <= exact <= 12
    assert np.array_equal(sketch(labels, np.random.default_rng(0), 0.0), labels)
    assert any((classes == BLANK).mean() > 0.1 for classes in drawn) and not (labels == BLANK).any()
    assert max(classes.max() for classes in drawn) <= BLANK and drawn[0].dtype == np.uint8


def test_any_map_can_be_sketched():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, len(LABELS), (40, 72)).astype(np.uint8)
    maps = [np.full((32, 96), number, np.uint8) for number in range(len(LABELS))]
    for labels in (noise, *maps):
        for seed in range(3):
            drawn = sketch(labels, np.random.default_rng(seed), 1.0)
            assert drawn.shape == labels.shape and drawn.max() <= BLANK


def test_a_hole_that_is_large_stays():
    """A moon gate: water is seen through a wall."""
    wall, water = LABELS.index("房屋"), LABELS.index("水")
    labels = np.full((128, 128), LABELS.index("天"), np.uint8)
    labels[40:] = wall
    cv2.circle(labels, (64, 84), 30, water, -1)
    for seed in range(10):
        drawn = sketch(labels, np.random.default_rng(seed), 0.7)
        inside = drawn[74:94, 54:74]
        assert (inside == wall).mean() < 0.2


def test_green_ground_is_grass():
    ground, grass = LABELS.index("地"), LABELS.index("草")
    labels = np.zeros((8, 8), np.uint8)
    labels[4:] = ground
    green, brown = (np.full((8, 8, 3), colour, np.uint8) for colour in ((80, 150, 60), (150, 110, 70)))
    assert np.array_equal(np.unique(with_meadow(labels, green)), [0, grass])
    assert with_meadow(labels, brown) is labels and with_meadow(labels[:4], green[:4]).max() == 0


def test_controls_come_with_their_latents(work):
    """Latents and controls of a shard are numbered alike: every control is one of its own picture's."""
    (here,) = shards(work, "landscapes", SIZE)
    latents = load_file(work / "latents/landscapes/64x64/00000.safetensors")["latents"].float()
    stored = np.load(work / "controls/sketch/landscapes/64x64/00000.npy")
    assert stored.shape == (8, SKETCHES, 32, 32)
    keys = torch.arange(80)
    for kind in ("canny", "sketch"):
        batch = ControlSource(kind, work, {"landscapes": 1.0}, TURNS, CPU).batch(0, keys, CPU, keys)
        assert batch["control"].shape == (80, 3, 64, 64) and batch["control"].min() >= 0 <= batch["control"].max() <= 1
        numbers = [int((latents - sample).abs().flatten(1).sum(1).argmin()) for sample in batch["latents"]]
        assert len(set(numbers)) == 8
        for number, control in zip(numbers, batch["control"], strict=True):
            pixels = (control * 255).round().byte().permute(1, 2, 0).numpy()
            if kind == "canny":
                picture = here.pictures()[number].numpy()
                assert np.array_equal(pixels, np.asarray(annotate("canny", Image.fromarray(picture))))
            else:
                drawn = [paint_classes(classes).repeat(2, 0).repeat(2, 1) for classes in stored[number]]
                assert any(np.array_equal(pixels, sketched) for sketched in drawn)
    with pytest.raises(FileNotFoundError, match="no latents with sketch controls of 96x64"):
        ControlSource("sketch", work, {"landscapes": 1.0}, {Bucket((96, 64)): 1}, CPU)


def test_shards_wait_for_their_controls(work, tmp_path):
    """Latents are there first."""
    stored = load_file(work / "latents/landscapes/64x64/00000.safetensors")
    for number in range(2):
        path = tmp_path / f"latents/landscapes/64x64/{number:05}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(stored, path)
    controls = tmp_path / "controls/sketch/landscapes/64x64"
    controls.mkdir(parents=True)
    np.save(controls / "00001.npy", np.zeros((8, 1, 32, 32), np.uint8))
    source = ControlSource("sketch", tmp_path, {"landscapes": 1.0}, TURNS, CPU)
    assert {path.stem for path in source.read} == {"00001"}
    np.save(controls / "00000.npy", np.zeros((8, 1, 32, 32), np.uint8))
    source.look()
    assert {path.stem for path in source.read} == {"00000", "00001"}
    assert len(source.stored[SIZE]["landscapes"]["controls"]) == 16


def opened_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(MINI / "unet", torch_dtype=torch.float32)


def test_a_run_changes_the_adapter_alone_and_its_result_is_read(work):
    empty = chunk_ids(BertTokenizer.from_pretrained(MINI / "tokenizer"), [""])[0, 0]
    method = method_of(opened_unet(), CLIPTextModel.from_pretrained(MINI / "text_encoder"), empty, 4)
    before = {name: weight.clone() for name, weight in method.named_parameters()}
    source = ControlSource("sketch", work, {"landscapes": 1.0}, TURNS, CPU)
    config = TrainingConfig(
        output_dir=str(work / "run"), max_train_steps=3, train_batch_size=2, learning_rate=1e-3, ema_decay=0.9
    )
    train(method, source, config)
    changed = {name for name, weight in method.named_parameters() if not torch.equal(weight, before[name])}
    assert changed and all(".lora_" in name or name.startswith("controlnet.controlnet_") for name in changed)
    assert any(".lora_" in name for name in changed), "it learns beyond what reads the picture"
    folder, unet = work / "run/result/controlnet", opened_unet()
    again = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT_CHANNELS)
    attach_control_lora(again, 4)
    load_control_lora(again, folder)
    stored = load_file(folder / "control_lora.safetensors")
    learned = {name.replace(".control.", "."): p for name, p in again.named_parameters() if p.requires_grad}
    assert learned.keys() == stored.keys() and all(torch.equal(learned[name].half(), stored[name]) for name in stored)
    assert tuple(read_control_lora(folder, unet).config.conditioning_embedding_out_channels) == HINT_CHANNELS


def test_the_adapter_of_the_whole_model_fits_the_package():
    """2.4 MB in float16, by the UNet of version 2."""
    with torch.device("meta"):
        unet = whole_unet()
        net = ControlNetModel(
            **{
                name: unet.config[name]
                for name in ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim")
            },
            down_block_types=unet.config.down_block_types,
            attention_head_dim=unet.config.attention_head_dim,
            norm_num_groups=unet.config.norm_num_groups,
            conditioning_embedding_out_channels=HINT_CHANNELS,
        )
        net.requires_grad_(True)
        attach_control_lora(net, RANK)
    kept = sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    assert 1.5e6 < 2 * kept < 2.4e6


@pytest.mark.slow
def test_it_learns_to_follow_colours(tmp_path):
    """Eight pictures without words: where the sketch is sky, latents are 1, and where it is water, -1."""
    empty = chunk_ids(BertTokenizer.from_pretrained(MINI / "tokenizer"), [""])[0, 0]
    sky = np.arange(8) % 2 == 0
    for folder in ("latents/landscapes/64x64", "controls/sketch/landscapes/64x64"):
        (tmp_path / folder).mkdir(parents=True)
    latents = torch.from_numpy(np.where(sky, 1.0, -1.0)).half()[:, None, None, None].expand(8, 4, 8, 8)
    words = {"ids": empty.expand(8, 1, 32).short(), "counts": torch.ones(8), "long_ids": empty.expand(8, 2, 32).short()}
    stored = {"latents": latents, **words}
    save_file(
        {name: value.contiguous() for name, value in stored.items()},
        tmp_path / "latents/landscapes/64x64/00000.safetensors",
    )
    classes = np.where(sky, LABELS.index("天"), LABELS.index("水")).astype(np.uint8)
    np.save(
        tmp_path / "controls/sketch/landscapes/64x64/00000.npy",
        np.broadcast_to(classes[:, None, None, None], (8, 1, 32, 32)),
    )
    source = ControlSource("sketch", tmp_path, {"landscapes": 1.0}, TURNS, CPU)
    method = method_of(opened_unet(), CLIPTextModel.from_pretrained(MINI / "text_encoder"), empty, 4)
    keys = torch.arange(8)
    batch = source.batch(0, keys, CPU, keys)
    states = method.text_encoder(empty.expand(8, 32))[0]

    @torch.no_grad()
    def guess(control: torch.Tensor) -> torch.Tensor:
        """The mean of the latents that are foreseen from pure noise, where v is minus the latents."""
        noise = torch.randn(batch["latents"].shape, generator=torch.Generator().manual_seed(0))
        return -method.predict(noise, torch.full((8,), 999), states, {"control": control}).mean((1, 2, 3))

    before = guess(batch["control"]).sub(guess(batch["control"].flip(0))).abs().max()
    config = TrainingConfig(
        output_dir=str(tmp_path / "run"), max_train_steps=48, train_batch_size=6, learning_rate=1e-2
    )
    train(method, source, config)
    wished = batch["latents"][:, 0, 0, 0]
    assert before < 1e-6 and (guess(batch["control"]) * wished).mean() > 0.15
