"""Texts that no model can take: half characters, texts without an end, weights beyond numbers."""

import copy
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.cli import main
from pai_modelscope.config.option import problem
from pai_modelscope.config.validation import ValidationOptions
from pai_modelscope.text import chunk_ids, encode_prompts, unknown_characters
from pai_modelscope.text.prompt_schedule import count_constructs
from pai_modelscope.text.syntax import foreign_syntax
from tests.support.command_line import generate

QUICK = {"num_inference_steps": 1, "height": 64, "width": 64, "seed": 1}


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler.from_pretrained(model_dir("pai-diffusion-mini-zh"), device="cpu")


def test_half_characters_are_refused_wherever_texts_enter(sampler, tmp_path: Path, capsys):
    for text, options in (
        ("猫\ud800", {}),
        ("\udcff猫", {}),
        ("猫", {"negative_prompt": "丑\udfff"}),
        (["狗", {"text": "猫\ud800"}], {}),
    ):
        with pytest.raises(UserError, match="half a character") as caught:
            sampler(text, **QUICK, **options)
        assert str(caught.value).isprintable()
    assert "text 2" in str(caught.value)
    tokenizer, encoder = sampler.pipe.tokenizer, sampler.pipe.text_encoder
    for read in (
        lambda: chunk_ids(tokenizer, ["猫\ud800"]),
        lambda: unknown_characters(tokenizer, "猫\ud800"),
        lambda: encode_prompts(tokenizer, encoder, ["猫"], ["\ud800"]),
    ):
        with pytest.raises(UserError, match=r"\\ud800' holds half a character"):
            read()
    with pytest.raises(SystemExit, match="2"):
        generate("\udcff猫", "--output", tmp_path)
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfd")
    assert generate("--from-file", tmp_path / "bad.txt", "--output", tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_half_characters_in_training_options_are_one_line(tmp_path: Path, capsys):
    Image.new("RGB", (64, 64)).save(tmp_path / "0.png")
    (tmp_path / "0.txt").write_text("猫", encoding="utf-8")
    for method, options in (
        ("textual-inversion", '{"placeholder_token": "狗\\ud800", "initializer_token": "猫"}'),
        ("textual-inversion", '{"placeholder_token": "<狗>", "initializer_token": "猫\\ud800"}'),
    ):
        (tmp_path / "options.yaml").write_text(options, encoding="utf-8")
        flags = [
            "--train_data_dir",
            str(tmp_path),
            "--config",
            str(tmp_path / "options.yaml"),
            "--max_train_steps",
            "1",
        ]
        assert main(["train", method, *flags, "--output_dir", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert "half a character" in error and error.count("\n") == 1, error
    (field,) = (field for field in fields(ValidationOptions) if field.name == "validation_prompts")
    assert problem(field, ["猫", "狗"]) is None
    assert "half a character" in str(problem(field, ["猫", "狗\ud800"]))


def test_a_prompt_has_a_bound_of_characters_and_of_chunks(sampler):
    with pytest.raises(UserError, match=r"text 2: the text '好.*has 100001 characters; valid are up to 100000"):
        sampler(["猫", "好" * 100_001], **QUICK)
    with pytest.raises(UserError, match=r"negative_prompt '好.*has 100001 characters"):
        sampler("猫", negative_prompt="好" * 100_001, **QUICK)
    with pytest.raises(UserError, match=r"text 2: The text '好.*needs 129 chunks of 30 tokens; valid are up to 128"):
        sampler(["猫", "好" * (30 * 128 + 1)], **QUICK)
    with pytest.raises(UserError, match="needs 201 chunks"):
        sampler("猫BREAK" * 200 + "猫", **QUICK)
    assert chunk_ids(sampler.pipe.tokenizer, ["好" * 30 * 128]).shape == (1, 128, 32)


def test_a_tokenizer_without_a_length_is_refused(sampler):
    for length in (0, 2, int(1e30)):
        tokenizer = copy.deepcopy(sampler.pipe.tokenizer)
        tokenizer.model_max_length = length
        with pytest.raises(UserError, match=f"model_max_length is {length}"):
            chunk_ids(tokenizer, ["猫"])


_LONG = """
import resource, warnings
resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30,) * 2)
warnings.simplefilter("ignore")
from transformers import AutoTokenizer
from pai_modelscope import UserError, model_dir
from pai_modelscope.adapters.embedding_loader import add_words
from pai_modelscope.text import expand, parse_weights, unknown_characters
from pai_modelscope.text.encode import weighted_chunks
from pai_modelscope.text.prompt_schedule import composed_prompt, count_constructs
from pai_modelscope.text.prompt_tags import split_loras
from pai_modelscope.text.syntax import foreign_syntax
from pai_modelscope.text.unknown_characters import warn_of_unknown
tokenizer = AutoTokenizer.from_pretrained(model_dir("pai-diffusion-mini-zh") / "tokenizer")
add_words(tokenizer, "inkcat", 1000), add_words(tokenizer, "<小奶猫>", 3)
readers = [parse_weights, split_loras, foreign_syntax] + [
    lambda text, read=read: read(tokenizer, text) for read in (weighted_chunks, unknown_characters, expand)
] + [lambda text: warn_of_unknown(tokenizer, [text])]
schedules = [count_constructs] + [lambda text, n=n: composed_prompt(text, n) for n in (1, 40, 1000)]
syntax = ("[|", "[|]", "[|a]", "[a:0.5]", "[[]", "[:", "AND ", "a:1AND ", "[:1", ":1]", "|", "[([a:1])")
pieces = ("(a", "([", "<lora:", "\\\\", " ", ":1", "[a:", "__a", "BREAK ", ", ", "<小奶猫>", "inkcat ", "\u0301")
for piece in (*pieces, *syntax):
    refused, text = 0, (piece * 100_000)[:99_992] + "<lora:a>"
    for reader in schedules if piece in syntax else readers + schedules:
        try:
            reader(text)
        except UserError:
            refused += 1
    print(refused)
"""


@pytest.mark.slow
def test_reading_long_texts_takes_linear_time():
    """What takes the square of 100 KB takes minutes."""
    done = subprocess.run([sys.executable, "-c", _LONG], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.split()) == 25


@pytest.mark.parametrize("read", [foreign_syntax, count_constructs])
def test_marks_that_follow_each_other_take_linear_time(read):
    """Sixteen times as many take sixteen times as long, and 256 times by NFKC of the whole text."""

    def seconds(count: int) -> float:
        text = "[a:" + "\u0301\u0327" * count + "]"
        began = time.process_time()
        read(text)
        return time.process_time() - began

    seconds(100)
    assert min(seconds(32_000) for _ in range(2)) < 64 * max(0.001, min(seconds(2_000) for _ in range(3)))
