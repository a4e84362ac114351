"""The stages of version 2's recipe, on a pool of a few small pictures."""

import json
import lzma
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, model_dir
from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.model import DEFAULT_MODEL
from pai_modelscope.images.upscalers.painter_network import PainterUpscaler
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from recipes.mini.vae import reconstruction_loss
from recipes.mini_v2 import pool
from recipes.mini_v2.adopt import adopt
from recipes.mini_v2.assemble import assemble
from recipes.mini_v2.captioned import CaptionedSource, caption_tokens, long_tokens
from recipes.mini_v2.clip import TaughtClip, TaughtSource, opened_clip, tokenizer_of, tower_folder
from recipes.mini_v2.domains import DOMAINS
from recipes.mini_v2.float8 import PARTS, RoundedFineTuning, is_rounded, rounded, to_float8
from recipes.mini_v2.latents import Bucket, LatentSource, encode, encode_pool, parse_bucket
from recipes.mini_v2.models import clip
from recipes.mini_v2.pool import CropSource, paint_shards, parse_shares, shard, shards
from recipes.mini_v2.sharpness import Features
from recipes.mini_v2.upscaler import UpscalerTraining
from recipes.mini_v2.vae import SharpVaeTraining

SIZE, CPU = (64, 64), torch.device("cpu")
KEYS = torch.arange(6) * 7919


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """Two shards of eight landscapes."""
    folder = tmp_path_factory.mktemp("v2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SHARD", 8)
        paint_shards(folder, "landscapes", 16, SIZE, 0, 1)
    return folder


@pytest.mark.slow
def test_a_pool_holds_what_its_domain_draws_and_goes_on(work, monkeypatch):
    monkeypatch.setattr(pool, "SHARD", 8)
    first, second = shards(work, "landscapes", SIZE)
    drawn = DOMAINS["landscapes"](work, 9, SIZE)
    assert np.array_equal(second.pictures()[1].numpy(), drawn.image) and second.captions()[1] == dict(drawn.captions)
    assert second.facts()[1] == dict(drawn.facts) and {"style", "time", "things"} <= set(drawn.facts)
    before = first.path.read_bytes()
    first.path.write_bytes(before + b" ")
    paint_shards(work, "landscapes", 16, SIZE, 0, 1)
    assert first.path.read_bytes() == before + b" ", "what is there is not painted again"
    first.path.write_bytes(before)
    assert not shard(work, "landscapes", SIZE, 2).path.exists() and not list(work.rglob("*.partial*"))


def test_crops_follow_from_keys_and_new_shards_join(work, monkeypatch):
    monkeypatch.setattr(pool, "SHARD", 8)
    source = CropSource(work, {"landscapes": 1.0}, 32, CPU, 8, SIZE)
    batch = source.batch(0, KEYS, CPU, KEYS)["pictures"]
    assert batch.shape == (6, 3, 32, 32) and -1 <= batch.min() < batch.max() <= 1
    assert torch.equal(batch, source.batch(0, KEYS, CPU, KEYS)["pictures"])
    assert source.counts == {"landscapes": 8}, "the limit"
    large = CropSource(work, {"landscapes": 1.0}, 64, CPU, 64, SIZE)
    large.look()
    assert large.counts == {"landscapes": 16}, "what is there"
    pictures = torch.cat([here.pictures() for here in shards(work, "landscapes", SIZE)])
    drawn = ((large.batch(0, KEYS, CPU, KEYS)["pictures"] + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    for crop in drawn:
        assert any(torch.equal(crop, picture) or torch.equal(crop, picture.flip(1)) for picture in pictures)


def test_shares_add_up_to_one():
    assert parse_shares("landscapes=3,icons=1") == {"landscapes": 0.75, "icons": 0.25}


def test_a_picture_comes_with_each_of_its_captions(work, monkeypatch):
    monkeypatch.setattr("recipes.mini_v2.captioned.SHARD", 8)
    tokenizer = tokenizer_of(work)
    ids, counts = caption_tokens(tokenizer, [{"a": "湖"}, {"a": "山", "b": "海"}])
    assert ids.shape == (2, 2, 32) and counts.tolist() == [1, 2] and torch.equal(ids[0, 0], ids[0, 1])
    ids, counts = caption_tokens(tokenizer, [{"a": "山" * 31, "b": "湖"}, {"a": "山" * 40, "b": "山" * 33}])
    assert counts.tolist() == [1, 1] and (ids[0, 0] != 0).sum() == 3, "what is cut short is only kept where all are"
    assert (ids[1, 0] != 0).sum() == 32
    source = CaptionedSource(work, {"landscapes": 1.0}, 32, tokenizer, CPU, 16, SIZE)
    keys = torch.arange(400)
    batch = source.batch(0, keys, CPU, keys)
    assert batch["pictures"].shape == (400, 3, 32, 32) and batch["ids"].shape == (400, 32)
    texts = [
        text for here in shards(work, "landscapes", SIZE) for written in here.captions() for text in written.values()
    ]
    known = {tuple(row.tolist()) for row in caption_tokens(tokenizer, [{"": text} for text in texts])[0][:, 0]}
    drawn = Counter(tuple(row.tolist()) for row in batch["ids"])
    assert set(drawn) <= known and len(drawn) > 0.8 * len(known)
    with pytest.raises(FileNotFoundError, match="has no icons of 64x64"):
        CaptionedSource(work, {"icons": 1.0}, 32, tokenizer, CPU, 16, SIZE)


def test_the_tower_learns_what_its_teacher_says_means_alike(work, monkeypatch):
    """Six sentences in two groups; the teacher gives each group a vector."""
    monkeypatch.setattr("recipes.mini_v2.captioned.SHARD", 8)
    torch.manual_seed(0)
    tokenizer, texts = tokenizer_of(work), ["雾气弥漫", "雾蒙蒙的", "薄雾笼罩", "大雪封山", "白雪皑皑", "雪花纷飞"]
    vectors = np.repeat(np.eye(2, 384, dtype=np.float16), 3, 0)
    pictures = CaptionedSource(work, {"landscapes": 1.0}, 32, tokenizer, CPU, 16, SIZE)
    ids = caption_tokens(tokenizer, [{"": text} for text in texts])[0][:, 0]
    source = TaughtSource(pictures, ids, vectors, 12)
    model = clip(len(tokenizer))
    config = TrainingConfig(output_dir=str(work / "clip"), max_train_steps=20, train_batch_size=4, learning_rate=1e-3)
    train(TaughtClip(model, 10.0), source, config)
    with torch.no_grad():
        pooled = model.text_model(input_ids=ids.long()).pooler_output
        ours = torch.nn.functional.normalize(model.text_projection(pooled), dim=-1)
    alike = ours @ ours.T
    within = (alike[:3, :3].mean() + alike[3:, 3:].mean()) / 2
    assert within - alike[:3, 3:].mean() > 0.5


def test_an_image_tower_learns_to_follow_a_text_tower(work, monkeypatch):
    """The text tower that a UNet taught on stays, bit for bit; the image tower learns."""
    monkeypatch.setattr("recipes.mini_v2.captioned.SHARD", 8)
    tokenizer = tokenizer_of(work)
    torch.manual_seed(1)
    begun, taught = clip(len(tokenizer)), clip(len(tokenizer)).text_model
    begun.save_pretrained(work / "begun", safe_serialization=True)
    taught.save_pretrained(work / "unet/result/text_encoder", safe_serialization=True)

    model = opened_clip(len(tokenizer), work / "begun", tower_folder(work))
    before = {name: value for name, value in begun.state_dict().items() if "vision" in name}
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    pictures = CaptionedSource(work, {"landscapes": 1.0}, 32, tokenizer, CPU, 16, SIZE)
    config = TrainingConfig(output_dir=str(work / "follow"), max_train_steps=2, train_batch_size=4, learning_rate=1e-3)
    train(TaughtClip(model, 0.0), pictures, config)  # a teacher of the text tower would have nobody to teach
    assert all(torch.equal(model.text_model.state_dict()[name], value) for name, value in taught.state_dict().items())
    assert not all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_vae_and_discriminator_train_in_turn(work, monkeypatch):
    monkeypatch.setattr(pool, "SHARD", 8)
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae")
    method = SharpVaeTraining(
        vae, Features.of_judge(), perceptual=0.3, adversarial=0.03, adversarial_from=1, equivariance=0.5
    )
    before = {name: weight.clone() for name, weight in method.named_parameters()}
    source = CropSource(work, {"landscapes": 1.0}, 64, CPU, 16, SIZE)
    config = TrainingConfig(output_dir=str(work / "vae"), max_train_steps=2, train_batch_size=2, learning_rate=1e-3)
    train(method, source, config)
    changed = {
        name.split(".")[0] for name, weight in method.named_parameters() if not torch.equal(weight, before[name])
    }
    assert changed == {"vae", "contest"}
    assert int(method.steps) == 2
    plain = SharpVaeTraining(
        vae, Features.of_judge(), perceptual=0.3, adversarial=0.03, adversarial_from=-1, equivariance=0.0
    )
    assert len(plain.phases()) == 1 and not any(p.requires_grad for p in plain.contest.parameters())


@pytest.mark.slow
def test_an_upscaler_learns_what_its_halves_lack(work, monkeypatch):
    monkeypatch.setattr(pool, "SHARD", 8)
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae")
    network = PainterUpscaler(16, 2)
    method = UpscalerTraining(network, vae, Features.of_judge(), perceptual=0.0, adversarial=1e-4)
    picture = torch.rand(4, 3, 64, 64) * 2 - 1
    assert method.halves(picture).shape == (4, 3, 32, 32) and network(torch.rand(1, 3, 9, 7)).shape == (1, 3, 18, 14)
    source = CropSource(work, {"landscapes": 1.0}, 64, CPU, 16, SIZE)
    config = TrainingConfig(
        output_dir=str(work / "upscaler"), max_train_steps=130, train_batch_size=4, learning_rate=3e-3
    )
    method.decoded = 0.0  # pictures as small as these do not survive the VAE
    before = {name: weight.clone() for name, weight in method.named_parameters()}
    train(method, source, config)
    changed = {
        name.split(".")[0] for name, weight in method.named_parameters() if not torch.equal(weight, before[name])
    }
    assert changed == {"network", "contest"}
    (painted, _) = shards(work, "landscapes", SIZE)
    target = painted.pictures().permute(0, 3, 1, 2) / 255
    halves = torch.nn.functional.avg_pool2d(target, 2)
    nearest = torch.nn.functional.interpolate(halves, scale_factor=2, mode="nearest")
    with torch.no_grad():
        drawn = method.network(halves)
    assert reconstruction_loss(drawn, target) < 0.98 * reconstruction_loss(nearest, target)
    kept = load_file(work / "upscaler/result/model.safetensors")
    assert {value.dtype for value in kept.values()} == {torch.float16}
    network.load_state_dict(kept)


def test_a_decoder_learns_alone(work, monkeypatch):
    monkeypatch.setattr(pool, "SHARD", 8)
    vae = AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae")
    method = SharpVaeTraining(
        vae,
        Features.of_judge(),
        perceptual=0.3,
        adversarial=0.03,
        adversarial_from=-1,
        equivariance=0.0,
        decoder=True,
    )
    before = {name: weight.clone() for name, weight in vae.named_parameters()}
    source = CropSource(work, {"landscapes": 1.0}, 64, CPU, 16, SIZE)
    config = TrainingConfig(output_dir=str(work / "dec"), max_train_steps=1, train_batch_size=2, learning_rate=1e-3)
    train(method, source, config)
    changed = {name.split(".")[0] for name, weight in vae.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {"decoder", "post_quant_conv"}


def store_latents(work, domain, size, number, value):
    path = work / "latents" / domain / size / f"{number:05d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = (int(side) // 8 for side in size.split("x"))
    ids = torch.full((5, 2, 32), int(value), dtype=torch.int16)
    stored = {
        "latents": torch.full((5, 4, height, width), value, dtype=torch.float16),
        "ids": ids,
        "counts": torch.tensor([2] * 5),
        "long_ids": ids + 10,
    }
    save_file(stored, path)


def test_latents_of_several_sizes_and_domains(work):
    vae = AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae")
    (first, _) = shards(work, "landscapes", SIZE)
    latents = encode(vae, first.pictures())
    assert latents.shape == (8, 4, 8, 8) and latents.dtype == torch.float16 and 0.2 < latents.float().std() < 3
    store_latents(work, "a", "64x64", 0, 1.0)
    store_latents(work, "b", "64x64", 0, 2.0)
    store_latents(work, "a", "96x64", 0, 3.0)
    turns = {parse_bucket("64x64"): 6, parse_bucket("96x64"): 2, parse_bucket("64x64+"): 1}
    assert list(turns) == [Bucket((64, 64)), Bucket((96, 64)), Bucket((64, 64), long=True)]
    source = LatentSource(work, {"a": 0.75, "b": 0.25}, turns, CPU)
    assert Counter(source.cycle) == {0: 6, 1: 2, 2: 1} and source.cycle != sorted(source.cycle)
    keys = torch.arange(4000)
    batch = source.batch(0, keys, CPU, keys)
    assert batch["latents"].shape == (4000, 4, 8, 8) and batch["ids"].shape == (4000, 1, 32)
    assert abs((batch["latents"][:, 0, 0, 0] == 1).float().mean() - 0.75) < 0.03
    assert torch.equal(batch["latents"][:, 0, 0, 0], batch["ids"][:, 0, 0].float())
    assert source.batch(2, keys, CPU, keys)["ids"].shape == (4000, 2, 32)
    assert source.batch(1, keys, CPU, keys)["latents"].shape == (4000, 4, 8, 12)
    with pytest.raises(FileNotFoundError, match="no latents of 32x32"):
        LatentSource(work, {"a": 1.0}, {Bucket((32, 32)): 1}, CPU)


def test_latents_that_appear_join_in(tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.mini_v2.latents.LOOK", 2)
    store_latents(tmp_path, "b", "64x64", 0, 1.0)
    source = LatentSource(tmp_path, {"a": 0.5, "b": 0.5}, {Bucket((64, 64)): 1}, CPU)
    keys = torch.arange(400)
    seen = []
    for _ in range(3):
        seen.append(source.batch(0, keys, CPU, keys)["latents"].unique().tolist())
        store_latents(tmp_path, "b", "64x64", 1, 2.0)
        store_latents(tmp_path, "a", "64x64", 0, 3.0)
    assert seen == [[1.0], [1.0], [1.0, 2.0, 3.0]]
    assert len(source.stored[64, 64]["b"]["latents"]) == 10


def test_a_long_text_holds_several_captions(work):
    tokenizer = tokenizer_of(work)
    captions = [{str(i): character * 13 + "。" for i, character in enumerate("山水云月风雪")}, {"0": "湖"}]
    ids = long_tokens(tokenizer, captions, 0)
    assert ids.shape == (2, 2, 32) and (ids[0] != 0).sum() > 40
    text = tokenizer.decode(ids[0].flatten().long(), skip_special_tokens=True).replace(" ", "")
    held = [character for character in "山水云月风雪" if character * 13 in text]
    assert len(held) == 3 and "。" not in text
    assert not torch.equal(ids, long_tokens(tokenizer, captions, 1))
    assert (ids[1, 1] != 0).sum() == 2, "an empty chunk"


def test_the_pool_is_encoded_by_parts(work):
    vae, tokenizer = AutoencoderKL.from_pretrained(model_dir("pai-diffusion-mini-zh") / "vae"), tokenizer_of(work)
    assert encode_pool(work, vae, tokenizer, but=["landscapes"]) == 0
    assert encode_pool(work, vae, tokenizer, 1, 2) == 1 and encode_pool(work, vae, tokenizer, 1, 2) == 0
    assert encode_pool(work, vae, tokenizer) == 1
    source = LatentSource(work, {"landscapes": 1.0}, {Bucket((64, 64)): 1}, CPU)
    assert len(source.stored[64, 64]["landscapes"]["latents"]) == 16


def test_captions_are_stored_as_they_are_written(work):
    (first, _) = shards(work, "landscapes", SIZE)
    lines = first.path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 8 and all(json.loads(line) for line in lines)


def test_the_base_unet_sees_no_icon_that_is_held_out(tmp_path):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="red"/></svg>'
    common = {"svg": svg, "aliases": [], "keywords": [], "style": "扁平插画风格", "source": "twemoji"}
    kinds = [
        ("雨伞", "train", True, False),
        ("齿轮", "train", False, False),
        ("饺子", "food", True, False),
        ("大象", "held_concept", True, False),
        ("钟表", "held_style", True, False),
        ("鞋子", "held_pair", True, False),
        ("馒头", "food", True, True),
    ]
    records = [
        {**common, "name": name, "split": split, "base": base, "food_test": test} for name, split, base, test in kinds
    ]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (tmp_path / "pictures.jsonl.xz").write_bytes(lzma.compress(lines.encode()))

    def names(domain: str) -> set[str]:
        texts = [text for seed in range(80) for text in DOMAINS[domain](tmp_path, seed, (32, 32)).captions.values()]
        return {name for name, *_ in kinds if any(name in text for text in texts)}

    assert names("icons") == {"雨伞"}
    assert names("tower_icons") == {"雨伞", "齿轮", "饺子", "大象", "钟表"}


def test_pairs_fill_their_halves(tmp_path):
    """Of one source and two names that the base may see; side by side, and both are named in their order."""
    square = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="{}"/></svg>'
    common = {
        "style": "扁平插画风格",
        "aliases": [],
        "keywords": [],
        "family": "1",
        "split": "train",
        "food_test": False,
    }
    kinds = [("雨伞", "a", "#010203", True), ("汽车", "a", "#c80000", True), ("饺子", "a", "#00c800", False)]
    kinds += [("闹钟", "b", "#0000c8", True), ("书本", "b", "#c8c800", True)]
    records = [
        {**common, "name": name, "source": source, "svg": square.format(colour), "base": base}
        for name, source, colour, base in kinds
    ]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (tmp_path / "pictures.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    colours = {name: tuple(bytes.fromhex(colour[1:])) for name, _, colour, _ in kinds}
    together = set()
    for seed in range(40):
        drawn = DOMAINS["icon_pairs"](tmp_path, seed, (64, 64))
        left, right = (
            next(name for name, colour in colours.items() if (half == colour).all(-1).mean() > 0.2)
            for half in (drawn.image[:, :32], drawn.image[:, 32:])
        )
        together.add(frozenset((left, right)))
        assert all(-1 < text.find(left) < text.find(right) for text in drawn.captions.values()), drawn.captions
    assert together == {frozenset(("雨伞", "汽车")), frozenset(("闹钟", "书本"))}


def test_weights_of_a_byte_draw_nearly_the_same(tmp_path):
    """The model that ships may be rounded already: here its weights are a little off, as training would leave them."""
    exact, folder = tmp_path / "exact", tmp_path / "model"
    shutil.copytree(model_dir("pai-diffusion-mini-zh"), exact)
    files = [file for part in PARTS for file in (exact / part).glob("*.safetensors")]
    random = torch.Generator().manual_seed(0)
    for file in files:
        weights = {name: value.float() for name, value in load_file(file).items()}
        for value in weights.values():
            value *= 1 + 0.02 * torch.randn(value.shape, generator=random)
        save_file({name: value.half() for name, value in weights.items()}, file, {"format": "pt"})
    shutil.copytree(exact, folder)
    to_float8(folder)
    sizes = [sum(file.stat().st_size for file in path.rglob("*.safetensors")) for path in (folder, exact)]
    assert sizes[0] < 0.6 * sizes[1]
    small = {"seed": 1, "num_inference_steps": 6, "width": 128, "height": 128}
    rounded_picture, exact_picture = (
        np.asarray(Sampler.from_pretrained(path, device="cpu")("熊猫,蓝色背景", **small)[0].image, float)
        for path in (folder, exact)
    )
    assert 0 < np.square(rounded_picture - exact_picture).mean() < 255**2 / 10**2.0, "20 dB"


def test_what_ships_is_adopted_and_assembled_again(tmp_path):
    """The same files, byte for byte, but for the versions that configurations name and for what stands beside them."""
    assert len(adopt(model_dir(DEFAULT_MODEL).parent, tmp_path)) == 4
    (tmp_path / "unet/result").mkdir(parents=True)
    (tmp_path / "adopted/unet").rename(tmp_path / "unet/result/unet")
    assemble(tmp_path, tmp_path / "again", float8=True)
    shipped, again = model_dir(DEFAULT_MODEL), tmp_path / "again"
    files = [file for part in PARTS for file in (shipped / part).iterdir()]
    assert len(files) == 6
    for file in (*files, shipped / "tokenizer/vocab.txt", shipped / "configuration.json"):
        other = again / file.relative_to(shipped)
        if file.name == "config.json":
            configs = [json.loads(path.read_text(encoding="utf-8")) for path in (file, other)]
            for config in configs:
                config.pop("transformers_version", None)
                config.pop("_diffusers_version", None)
            assert configs[0] == configs[1]
        else:
            assert file.read_bytes() == other.read_bytes(), file.name


def test_rounding_is_in_the_forward_pass_alone(sampler):
    def method(first_rounded: int, weights: dict[str, torch.Tensor]) -> RoundedFineTuning:
        pipe = sampler.pipe
        unet = UNet2DConditionModel.from_config(pipe.unet.config)
        unet.load_state_dict(weights)
        empty = chunk_ids(pipe.tokenizer, [""])[0, 0]
        return RoundedFineTuning(
            unet, pipe.text_encoder, DDIMScheduler.from_config(pipe.scheduler.config), empty, first_rounded
        )

    def gradients(method: RoundedFineTuning) -> dict[str, torch.Tensor]:
        ids = chunk_ids(sampler.pipe.tokenizer, ["熊猫", "太阳"])
        batch = {"latents": torch.ones(2, 4, 8, 8), "ids": ids, "keys": torch.arange(2)}
        method.training_step(batch, "main")["loss"].backward()
        return {name: weight.grad for name, weight in method.unet.named_parameters()}

    random = torch.Generator().manual_seed(0)  # what ships is rounded already
    weights = {
        name: value.float() * (1 + 0.02 * torch.randn(value.shape, generator=random))
        for name, value in sampler.pipe.unet.state_dict().items()
    }
    in_a_byte = {n: rounded(value) if is_rounded(n, value) else value for n, value in weights.items()}
    assert any(not torch.equal(in_a_byte[name], value) for name, value in weights.items())

    rounding, plain = method(0, weights), method(1, in_a_byte)
    there, wanted = gradients(rounding), gradients(plain)
    assert all(torch.equal(there[name], wanted[name]) for name in wanted)
    assert all(torch.equal(weight, weights[name]) for name, weight in rounding.unet.named_parameters())

    later = gradients(method(1, weights))
    assert not all(torch.equal(there[name], later[name]) for name in later)
