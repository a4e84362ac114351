"""Embeddings' words: found in any text as the WebUI finds them, learned where they stand, from files of every kind."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken

from pai_modelscope import Sampler, UserError
from pai_modelscope.adapters.embedding_loader import add_words
from pai_modelscope.cli import main
from pai_modelscope.data import Example, Geometry
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.batches import PictureSource
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.methods import with_word
from pai_modelscope.text import expand
from pai_modelscope.text.encode import weighted_chunks
from tests.support.adapter_files import CAT, MODEL, shipped_pipe, vectors
from tests.support.latents import scale_of
from tests.support.picture_files import Painted

QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 1}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    known = copy.deepcopy(shipped_pipe().tokenizer)
    add_words(known, "inkcat", 1)
    add_words(known, "sks-dog", 2)
    add_words(known, CAT, 2)
    add_words(known, "<Ink>", 1)
    return known


# A word in a text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("一只inkcat在雪地", "一 只 inkcat 在 雪 地"),
        ("一只 inkcat 在", "一 只 inkcat 在"),
        ("inkcat在", "inkcat 在"),
        ("在inkcat", "在 inkcat"),
        ("一只Inkcat,INKCAT", "一 只 inkcat , inkcat"),
        ("(inkcat:1.2)在", "inkcat 在"),
        ("ink\u200bcat,ink\\cat", "inkcat , inkcat"),
        ("-inkcat-猫inkcat，", "- inkcat - 猫 inkcat ，"),
        ("一只SKS-dog在", "一 只 sks-dog sks-dog_1 在"),
        ("sks-dog sks-dog_1在", "sks-dog sks-dog_1 在"),
        (f"{CAT}inkcat{CAT}", f"{CAT} {CAT}_1 inkcat {CAT} {CAT}_1"),
        ("一<ink>猫", "一 <Ink> 猫"),
    ],
)
def test_a_word_is_read_wherever_it_stands(tokenizer, text, read):
    ids = [token for tokens, _ in weighted_chunks(tokenizer, text) for token in tokens]
    assert tokenizer.convert_ids_to_tokens(ids) == read.split()
    assert weighted_chunks(tokenizer, expand(tokenizer, text)) == weighted_chunks(tokenizer, text)


@pytest.mark.parametrize("text", ["inkcats", "myinkcat", "inkcat2", "_inkcat", "inkcat_", "inkcat_7", "sks-dogs", "猫"])
def test_a_word_in_another_word_is_not_read(tokenizer, shipped, text):
    assert weighted_chunks(tokenizer, text) == weighted_chunks(shipped.tokenizer, text)


def test_case_tells_words_apart_where_there_are_both(shipped):
    known = copy.deepcopy(shipped.tokenizer)
    for word in ("ink", "Ink"):
        add_words(known, word, 1)
    assert [expand(known, text) for text in ("ink", "Ink", "INK")] == ["ink", "Ink", "ink"]


def test_pictures_and_training_read_a_word_alike(tmp_path: Path, tokenizer, shipped):
    """Drawn beside Chinese characters as between spaces; and in captions of every method."""
    save_file({"inkcat": vectors(2)}, tmp_path / "inkcat.safetensors")
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    sampler.add_embedding(tmp_path / "inkcat.safetensors")
    texts = ["一只 inkcat 在雪地", "一只inkcat在雪地", "一只Inkcat在雪地"]
    spaced, beside, capital = sampler(texts, **{**QUICK, "seed": [1, 1, 1]})
    assert spaced.image.tobytes() == beside.image.tobytes() == capital.image.tobytes()
    assert "Embeddings: " in beside.infotext and "Embeddings: " in capital.infotext
    (plain,) = sampler("一只inkcats在雪地", **QUICK)
    assert "Embeddings: " not in plain.infotext
    again = parse_infotext(capital.infotext)
    again.pop("model")
    (drawn,) = Sampler.from_pretrained(MODEL, device="cpu")(again.pop("text"), **again)
    assert drawn.image.tobytes() == spaced.image.tobytes()
    example = Example("a.png", ("一只SKS-dog在雪地",), (64, 64), "a", Painted(Image.new("RGB", (64, 64))))
    source = PictureSource(
        [example], Geometry(64), CaptionSettings(), tokenizer, vae=shipped.vae, scale=scale_of(shipped)
    )
    keys = torch.tensor([1])
    ids = source.batch(0, torch.tensor([0]), torch.device("cpu"), keys)["ids"][0, 0]
    assert set(tokenizer.convert_tokens_to_ids(["sks-dog", "sks-dog_1"])) <= set(ids.tolist())


# Learning a word


def test_a_bare_latin_word_learns(tmp_path: Path):
    for number in range(2):
        Image.new("RGB", (64, 64), ("red", "blue")[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "1.txt").write_text("坐着的SKSDOG在雪地", encoding="utf-8")
    (tmp_path / "0.txt").write_text("sksdogs", encoding="utf-8")
    flags = ["--train_data_dir", tmp_path, "--resolution", 64, "--train_batch_size", 1, "--max_train_steps", 2]
    flags += ["--placeholder_token", "sksdog", "--initializer_token", "狗", "--num_vectors", 2, "--learning_rate", 1e-2]
    assert main(["train", "textual-inversion", *map(str, flags), "--output_dir", str(tmp_path / "out")]) == 0
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    norms = [entry["grad_norm"] for entry in log if "grad_norm" in entry]
    assert norms and min(norms) > 0


def test_captions_that_a_tokenizer_reads_without_the_word_stop_the_run(shipped):
    picture = Painted(Image.new("RGB", (64, 64)))
    examples = [
        Example("a.png", ("坐着的sksdog在雪地",), (64, 64), "a", picture),
        Example("b.png", (), (64, 64), "b", picture),
    ]
    known = copy.deepcopy(shipped.tokenizer)
    add_words(known, "sksdog", 2)
    made = with_word(examples, "sksdog", known)
    assert made[0].captions == ("坐着的 sksdog sksdog_1 在雪地",) and len(made[1].captions) > 10
    # Such a token is found between spaces alone.
    strict = copy.deepcopy(shipped.tokenizer)
    strict.add_tokens([AddedToken(CAT, normalized=False, single_word=True)])
    for known, word, caption in (
        (shipped.tokenizer, "sksdog", "一张sksdog的照片"),
        (strict, CAT, f"一张{CAT}的照片"),
    ):
        with pytest.raises(UserError, match=f"doesn't read the word '{word}' in the caption '{caption}'"):
            made = with_word(examples, word, known)
            PictureSource(made, Geometry(64), CaptionSettings(), known, vae=shipped.vae, scale=scale_of(shipped))


@pytest.mark.parametrize("word", ["BREAK", "<lora:a:1>", "ink\u200bcat", "a\x1bb", "猫\ud800"])
def test_words_that_no_prompt_can_say_are_refused(shipped, word):
    with pytest.raises(UserError, match=r"can't be a prompt's word|half a character"):
        add_words(copy.deepcopy(shipped.tokenizer), word, 1)
