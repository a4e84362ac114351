"""Embeddings in files of every kind: in pictures, several in one, in float8, with values that are none."""

import base64
import copy
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

from pai_modelscope import Sampler, UserError, adapters, limits
from pai_modelscope.adapters.embedding_loader import add_words
from pai_modelscope.adapters.embedding_pictures import _cover
from pai_modelscope.cli import main
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.text import expand
from tests.support.adapter_files import MODEL, rows_read, vectors

QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 1}


def png(folder: Path, content: Any, name: str = "dotcat.png", chunk: str = "sd-ti-embedding") -> Path:
    """A picture with a text chunk as the WebUI writes it."""
    text = content if isinstance(content, str) else base64.b64encode(json.dumps(content).encode()).decode()
    info = PngImagePlugin.PngInfo()
    info.add_text(chunk, text)
    Image.new("RGB", (64, 64), "green").save(folder / name, pnginfo=info)
    return folder / name


def webui(rows: Any, **more: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": {"TORCHTENSOR": rows}}, "name": "dotcat", **more}


def in_pixels(content: Any, height: int = 96) -> Image.Image:
    """A picture between the two halves of a zlib stream, covered by the generator of the WebUI's, number by number."""
    stream = zlib.compress(json.dumps(content).encode())
    width = -(-len(stream) // (height * 3))
    size, seed, cover = height * width * 3, 0, []
    for _ in range(size):
        seed = (1664525 * seed + 1013904223) % 2**32
        cover.append(seed % 255 & 15)
    data = np.frombuffer(stream + bytes(size - len(stream)), np.uint8)
    low, high = (half ^ np.array(cover, np.uint8) for half in (data & 15, data >> 4))
    bars = [(half | 0xF0).reshape(height, width, 3) for half in (low, high)]  # the upper bits are for the eye
    picture, line = np.full((height, 80, 3), 137, np.uint8), np.zeros((height, 1, 3), np.uint8)
    bare = np.concatenate([bars[0], line, picture, line, bars[1]], axis=1)
    return Image.fromarray(np.pad(bare, ((3, 5), (2, 7), (0, 0))))  # on a black ground


def test_the_cover_is_the_webui_s_generator():
    """Its self-test names the first numbers, before the upper bits are cut off."""
    first = [253, 242, 127, 44, 157, 27, 239, 133, 38, 79, 167, 4, 177]
    assert _cover(13).tolist() == [number & 15 for number in first] and len(_cover(1000)) == 1000


def test_an_embedding_in_a_picture_is_read_from_chunk_and_pixels(tmp_path: Path):
    rows = vectors(3)
    chunk = png(tmp_path, webui(rows.tolist(), step=10))
    in_pixels(webui(rows.tolist(), step=10)).save(tmp_path / "plain.png")
    in_pixels(webui(rows.tolist(), step=10)).save(tmp_path / "plain.webp", lossless=True, exact=True)
    for file in (chunk, tmp_path / "plain.png", tmp_path / "plain.webp"):
        found = adapters.read_embedding(file)
        assert found.token == "dotcat" and torch.equal(found.vectors, rows) and found.metadata["step"] == "10"
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    assert sampler.add_embedding(chunk) == "dotcat"
    assert torch.equal(rows_read(sampler, "dotcat,雪地")[:3], rows)
    assert main(["adapter", "inspect", str(chunk)]) == 0
    assert main(["adapter", "convert", str(chunk), str(tmp_path / "a.safetensors"), "--to", "webui"]) == 0
    assert torch.equal(adapters.read_embedding(tmp_path / "a.safetensors").vectors, rows)


def test_pictures_that_carry_no_embedding_or_a_false_one_are_refused(tmp_path: Path):
    wide = [0.5] * 256
    for content, message in (
        (webui([wide] * (limits.EMBEDDING_VECTORS + 1)), "or more than 1024"),
        (webui([wide, wide[:255]]), "no lists of as many numbers"),
        (webui([[wide]]), "no lists of as many numbers"),
        (webui([["1"] * 256]), "no lists of as many numbers"),
        (webui([[10**400] * 256]), "no lists of as many numbers"),
        (webui([[True] * 256]), "no lists of as many numbers"),
        (webui([]), "no lists of as many numbers"),
        (webui([[float("nan")] * 256]), "NaN or infinite"),
        (webui([[1e300] * 256]), "NaN or infinite"),
        (webui(wide[:2]) | {"string_to_param": {}}, "carries no embedding"),
        ([1, 2], "carries no embedding"),
        ("é?", "chunk sd-ti-embedding can't be read"),
        (base64.b64encode(b"[" * 100_000).decode(), "nests more than"),
        (base64.b64encode(b"\xff{").decode(), "can't be read as JSON"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            adapters.read_embeddings(png(tmp_path, content))
        assert "dotcat.png" in str(caught.value)
    with pytest.raises(UserError, match="carries no embedding"):
        adapters.read_embeddings(png(tmp_path, webui([wide]), chunk="parameters"))
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "noise.png")
    damaged = np.array(in_pixels(webui([wide])))
    damaged[20:60] ^= 3
    Image.fromarray(damaged).save(tmp_path / "damaged.png")
    Image.new("1", (4096, 4096)).save(tmp_path / "large.png")
    (tmp_path / "none.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name in ("black", "noise", "damaged", "large", "none", "missing"):
        with pytest.raises(UserError, match=rf"{name}\.png"):
            adapters.read_embeddings(tmp_path / f"{name}.png")


def test_a_file_of_several_words_teaches_all_of_them_or_none(tmp_path: Path, capsys):
    rows = {"<红点>": vectors(1), "<蓝点>": vectors(2) + 1, "bluedot": vectors(1) - 1}
    save_file(rows, tmp_path / "several.safetensors")
    torch.save(rows, tmp_path / "several.bin")
    torch.save({"string_to_token": {}, "string_to_param": rows, "name": "x"}, tmp_path / "several.pt")
    for name in ("several.safetensors", "several.bin", "several.pt"):
        found = adapters.read_embeddings(tmp_path / name)
        assert {each.token: each.vectors.tolist() for each in found} == {key: row.tolist() for key, row in rows.items()}
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    size, file = len(sampler.pipe.tokenizer), str(tmp_path / "several.safetensors")
    (picture,) = sampler("<红点>,<蓝点>", embeddings=[file], **QUICK)
    for word, row in rows.items():
        assert torch.equal(rows_read(sampler, word, file), row)
    assert parse_infotext(picture.infotext)["embeddings"] == [file]
    assert len(sampler.tokenizer) == size  # known to its own call alone
    assert sampler.add_embedding(file) == "<红点>"
    for word, row in rows.items():
        assert torch.equal(rows_read(sampler, word), row)
    assert len(sampler.tokenizer) == size + 4
    with pytest.raises(UserError, match="holds 3 embeddings, '<红点>', '<蓝点>', 'bluedot'"):
        sampler.add_embedding(tmp_path / "several.bin", "<x>")
    save_file({"<绿点>": vectors(1), "bluedot": vectors(1)}, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="knows 'bluedot' already"):
        sampler.add_embedding(tmp_path / "half.safetensors")
    assert len(sampler.tokenizer) == size + 4 and len(sampler.pipe.tokenizer) == size
    assert main(["adapter", "inspect", str(tmp_path / "several.safetensors")]) == 0
    assert "trigger words: <红点>, <蓝点>, bluedot" in capsys.readouterr().out
    assert main(["adapter", "convert", str(tmp_path / "several.bin"), str(tmp_path / "b.pt"), "--to", "webui"]) == 2
    assert "holds 3 embeddings" in capsys.readouterr().err


def test_further_vectors_under_their_own_names_are_one_word(tmp_path: Path):
    rows = vectors(3)
    save_file({"<猫>": rows[:1], "<猫>_1": rows[1:2], "<猫>_2": rows[2]}, tmp_path / "a.safetensors")
    (found,) = adapters.read_embeddings(tmp_path / "a.safetensors")
    assert found.token == "<猫>" and torch.equal(found.vectors, rows)


def test_embeddings_in_float8_are_read_and_their_nan_found(tmp_path: Path):
    rows = vectors(2).to(torch.float8_e4m3fn)
    save_file({"emb_params": rows}, tmp_path / "a.safetensors")
    assert torch.equal(adapters.read_embedding(tmp_path / "a.safetensors").vectors, rows.float())
    rows[1, 3] = torch.nan
    for content in (
        {"<a>": rows},
        {"<a>": vectors(1), "<b>": rows},
        {"<a>": vectors(1), "<b>": vectors(1) * torch.inf},
    ):
        save_file(content, tmp_path / "b.safetensors")
        with pytest.raises(UserError, match=r"b\.safetensors holds values that are no numbers \(NaN or infinite\)"):
            adapters.read_embeddings(tmp_path / "b.safetensors")


def test_more_vectors_than_a_prompt_holds_are_refused(tmp_path: Path, shipped):
    save_file({"<a>": torch.zeros(limits.EMBEDDING_VECTORS + 1, 4)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="has 1025 vectors for '<a>'; valid are up to 1024"):
        adapters.read_embeddings(tmp_path / "a.safetensors")
    with (tmp_path / "b.safetensors").open("wb") as file:
        file.truncate(limits.EMBEDDING_BYTES + 1)
    with pytest.raises(UserError, match=r"b\.safetensors has 67108865 bytes"):
        adapters.read_embeddings(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="is to have 1025 vectors"):
        add_words(copy.deepcopy(shipped.tokenizer), "<a>", 1025)
    long = copy.deepcopy(shipped.tokenizer)
    add_words(long, "<a>", 1000)
    with pytest.raises(UserError, match="once all vectors of '<a>' are written out"):
        expand(long, "<a>" * 1000)
