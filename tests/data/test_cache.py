"""The cache of latents and text states: never stale, the same bytes however it was built, never a half of a file."""

import copy
import shutil
import subprocess
import sys
import threading

import pytest
import torch

from pai_modelscope import files
from pai_modelscope.data import Geometry, open_training_set
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.cached_batches import CachedSource
from pai_modelscope.data.latent_cache import ShardCache, key_of, weights_digest
from pai_modelscope.errors import UserError
from pai_modelscope.text import chunk_ids, encode_ids
from tests.support.latents import scale_of
from tests.support.picture_files import name, picture, png, write_metadata, write_rows

CPU = torch.device("cpu")
KEYS = torch.tensor([3, 4], dtype=torch.int64)
NAMES = [f"key {number}" for number in range(23)]
GROUPS = [number % 2 for number in range(23)]


class Made:
    """Rows whose numbers are those of their places; remembers which were computed, and may fail on the way."""

    def __init__(self, fail_at=None):
        self.places, self.calls, self.fail_at = [], 0, fail_at

    def __call__(self, places):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.places += places
        return {"row": torch.tensor(places, dtype=torch.float16)[:, None], "twice": 2 * torch.tensor(places)}


def build(folder, made=None, **options):
    cache = ShardCache(folder)
    made = made or Made()
    cache.build(NAMES, GROUPS, made, per_shard=4, **options)
    return cache, made


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_entries_come_back_by_key(tmp_path) -> None:
    cache, made = build(tmp_path)
    assert sorted(made.places) == list(range(23)) and made.calls == 6
    for opened in (cache, ShardCache(tmp_path)):
        found = opened.read([NAMES[7], NAMES[0], NAMES[7]])
        assert found["row"].tolist() == [[7], [0], [7]] and found["row"].dtype == torch.float16
        assert found["twice"].tolist() == [14, 0, 14]
        assert NAMES[7] in opened and "another" not in opened
    assert build(tmp_path)[1].calls == 0


def test_interrupted_and_resumed_gives_the_same_bytes(tmp_path) -> None:
    build(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "parts", Made(fail_at=4))
    assert len(content(tmp_path / "parts")) == 3
    (tmp_path / "parts" / "partial-77-0123.safetensors").write_bytes(b"half of a shard")
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    (tmp_path / "parts" / f"partial-{files._machine()}-{killed.pid}-{'0' * 32}.safetensors").touch()  # swept
    _, made = build(tmp_path / "parts")
    assert made.calls == 3
    (tmp_path / "parts" / "partial-77-0123.safetensors").unlink()
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_two_processes_write_what_one_writes(tmp_path) -> None:
    build(tmp_path / "one")
    barrier, made = threading.Barrier(2, timeout=30), [Made(), Made()]

    def process(index):
        build(tmp_path / "two", made[index], process_index=index, num_processes=2, wait=barrier.wait)

    threads = [threading.Thread(target=process, args=(index,)) for index in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert made[0].calls == made[1].calls == 3 and not set(made[0].places) & set(made[1].places)


def test_the_order_of_a_data_set_does_not_matter(tmp_path) -> None:
    build(tmp_path / "one")
    ShardCache(tmp_path / "two").build(NAMES[::-1], GROUPS[::-1], Made(), per_shard=4)
    assert content(tmp_path / "one").keys() == content(tmp_path / "two").keys()


def test_a_process_that_failed_is_noticed(tmp_path) -> None:
    with pytest.raises(UserError, match="11 of 23 entries are not in"):
        build(tmp_path, process_index=0, num_processes=2)


def test_a_cut_off_shard_is_made_again(tmp_path) -> None:
    build(tmp_path)
    whole = content(tmp_path)
    victim = sorted(tmp_path.iterdir())[2]
    victim.write_bytes(whole[victim.name][:-3])
    _, made = build(tmp_path)
    assert made.calls == 1 and content(tmp_path) == whole
    victim.write_bytes(b"")
    assert build(tmp_path)[1].calls == 1 and content(tmp_path) == whole


def test_a_folder_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="can't be written"):
        build(tmp_path / "file")


def test_shards_are_for_those_to_read_who_may_read_the_users_files(tmp_path) -> None:
    build(tmp_path / "cache")
    (tmp_path / "file").touch()
    modes = {path.stat().st_mode for path in (tmp_path / "cache").iterdir()}
    assert modes == {(tmp_path / "file").stat().st_mode}


def test_a_shard_that_vanishes_is_named(tmp_path) -> None:
    cache, _ = build(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(UserError, match="can't be read any more"):
        cache.read(NAMES[:1])


def test_keys_differ_by_every_part() -> None:
    keys = {key_of("a", (1, 2), False), key_of("a", (2, 1), False), key_of("a", (1, 2), True), key_of("a(1", 2, False)}
    assert len(keys) == 4 and key_of("a", (1, 2)) == key_of("a", [1, 2])


def test_a_digest_tells_weights_types_and_configurations(shipped) -> None:
    vae = copy.deepcopy(shipped.vae)
    first = weights_digest(shipped.vae)
    assert weights_digest(vae) == first
    with torch.no_grad():
        next(vae.decoder.parameters()).flatten()[5] += 1e-6
    assert weights_digest(vae) != first
    assert weights_digest(copy.deepcopy(shipped.vae).half()) != first
    assert weights_digest(shipped.text_encoder) == weights_digest(copy.deepcopy(shipped.text_encoder))
    other = copy.deepcopy(shipped.text_encoder)
    other.config.hidden_act = "gelu"
    assert weights_digest(other) != weights_digest(shipped.text_encoder)


def source_of(folder, shipped, geometry=None, captions=None, vae=None, **options):
    found = open_training_set(folder / "set")
    parts = (found, geometry or Geometry(64), captions or CaptionSettings(), shipped.tokenizer)
    return CachedSource(*parts, vae=vae or shipped.vae, scale=scale_of(shipped), folder=folder / "cache", **options)


def latents(source, places=(0, 1)) -> torch.Tensor:
    return source.batch(0, torch.tensor(places), CPU, KEYS)["latents"]


def shards(folder) -> set[str]:
    return {path.name for path in (folder / "cache").iterdir()}


def test_nothing_is_encoded_twice(shipped, tmp_path, monkeypatch) -> None:
    write_metadata(tmp_path / "set", 3)
    first = latents(source_of(tmp_path, shipped))
    monkeypatch.setattr(type(shipped.vae), "encode", None)  # another call would raise
    assert torch.equal(latents(source_of(tmp_path, shipped)), first)
    # Moved, renamed and in another order: the content is the same.
    (tmp_path / "set" / "2.png").rename(tmp_path / "set" / "a.png")
    rows = [{"file_name": file, "text": "一"} for file in ("a.png", "1.png", "0.png")]
    write_rows(tmp_path / "set", rows)
    assert torch.equal(latents(source_of(tmp_path, shipped), (2, 1)), first)


def test_a_changed_picture_is_never_read_from_the_cache(shipped, tmp_path) -> None:
    write_metadata(tmp_path / "set", 2)
    first = latents(source_of(tmp_path, shipped))
    before = shards(tmp_path)
    picture(3).save(tmp_path / "set" / "0.png")
    second = latents(source_of(tmp_path, shipped))
    assert torch.equal(second[1], first[1]) and not torch.allclose(second[0], first[0], atol=0.05)
    assert len(shards(tmp_path) - before) == 1
    (tmp_path / "set" / "0.png").write_bytes(png(0))
    assert torch.equal(latents(source_of(tmp_path, shipped)), first) and len(shards(tmp_path)) == 2


def test_what_was_saved_between_opening_and_encoding_is_not_taken_for_what_was_opened(shipped, tmp_path) -> None:
    found = open_training_set(write_metadata(tmp_path / "set", 2))
    assert len({found[place].digest for place in range(2)}) == 2
    picture(3).save(tmp_path / "set" / "0.png")
    with pytest.raises(UserError, match=r"0\.png has changed since"):
        CachedSource(
            found,
            Geometry(64),
            CaptionSettings(),
            shipped.tokenizer,
            vae=shipped.vae,
            scale=scale_of(shipped),
            folder=tmp_path / "cache",
        )
    assert not list(tmp_path.rglob("*.safetensors"))


def test_another_vae_or_geometry_is_never_read_from_the_cache(shipped, tmp_path) -> None:
    write_metadata(tmp_path / "set", 2)
    first = latents(source_of(tmp_path, shipped))
    vae = copy.deepcopy(shipped.vae)
    with torch.no_grad():
        vae.encoder.conv_in.weight.mul_(1.5)
    assert not torch.allclose(latents(source_of(tmp_path, shipped, vae=vae)), first, atol=0.05)
    assert latents(source_of(tmp_path, shipped, Geometry(72))).shape[-2:] == (9, 9)
    mirrored = source_of(tmp_path, shipped, Geometry(64, random_flip=True))
    assert len(shards(tmp_path)) == 4  # the mirrored views alone are new
    assert latents(mirrored).shape == first.shape
    assert torch.equal(latents(source_of(tmp_path, shipped)), first)


def test_latents_are_drawn_anew_for_each_key(shipped, tmp_path) -> None:
    write_metadata(tmp_path / "set", 1)
    source = source_of(tmp_path, shipped)
    many = torch.arange(400, dtype=torch.int64)
    drawn = (
        source.batch(0, torch.zeros(400, dtype=torch.long), CPU, many)["latents"] / shipped.vae.config.scaling_factor
    )
    held = source._cache.read([source._key(source.examples[0][0], (64, 64), False)])
    torch.testing.assert_close(drawn.std(0), held["std"][0].float(), rtol=0.25, atol=1e-4)
    torch.testing.assert_close(drawn.mean(0), held["mean"][0].float(), rtol=0, atol=0.3 * held["std"].max().item())


def test_two_processes_of_a_source_equal_one(shipped, tmp_path) -> None:
    for folder in ("one", "two"):
        write_metadata(tmp_path / folder / "set", 6)
    buckets = Geometry(64, buckets=True, random_flip=True)
    source_of(tmp_path / "one", shipped, buckets, text_encoder=shipped.text_encoder)
    barrier = threading.Barrier(2, timeout=60)

    def process(index):
        options = {"process_index": index, "num_processes": 2, "wait": barrier.wait}
        source_of(tmp_path / "two", shipped, buckets, text_encoder=shipped.text_encoder, **options)

    threads = [threading.Thread(target=process, args=(index,)) for index in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    one, two = (content(tmp_path / folder / "cache") for folder in ("one", "two"))
    assert one == two and len(one) == 6  # a square and four oblong shapes, and the captions


def test_text_states_are_those_of_the_encoder(shipped, tmp_path, monkeypatch) -> None:
    write_metadata(tmp_path / "set", 2)
    source = source_of(tmp_path, shipped, text_encoder=shipped.text_encoder)
    batch = source.batch(0, torch.tensor([1, 0]), CPU, KEYS)
    with torch.no_grad():
        wanted = encode_ids(shipped.text_encoder, chunk_ids(shipped.tokenizer, [name(1), name(0), ""]))
    torch.testing.assert_close(batch["states"], wanted[:2], atol=4e-3, rtol=2e-3)
    torch.testing.assert_close(source.states([""], 1, CPU), wanted[2:], atol=4e-3, rtol=2e-3)
    assert batch["states"].dtype == torch.float32 and "ids" in batch

    other = copy.deepcopy(shipped.text_encoder)
    with torch.no_grad():
        next(other.parameters()).mul_(1.5)
    changed = source_of(tmp_path, shipped, text_encoder=other).batch(0, torch.tensor([1, 0]), CPU, KEYS)
    assert not torch.allclose(changed["states"], batch["states"], atol=0.05)


def test_what_cannot_be_cached_is_refused(shipped, tmp_path) -> None:
    write_metadata(tmp_path / "set", 1)
    with pytest.raises(UserError, match="random crops can't be cached"):
        source_of(tmp_path, shipped, Geometry(64, random_crop=True))
    settings = CaptionSettings(shuffle_tags=True)
    with pytest.raises(UserError, match="shuffled tags can't be cached"):
        source_of(tmp_path, shipped, captions=settings, text_encoder=shipped.text_encoder)
    assert source_of(tmp_path, shipped, captions=settings).lengths == [1]
