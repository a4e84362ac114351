"""Textual-inversion embeddings: files of two programs, and every vector on its way to the encoder."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pai_modelscope import adapters
from pai_modelscope.errors import UserError
from pai_modelscope.text import expand
from tests.support.adapter_files import (
    ATTENTION,
    CAT,
    VOCABULARY,
    make_embedding,
    random_lora,
    vectors,
)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["learned_embeds.bin", "learned_embeds.safetensors", "webui.pt", "webui.safetensors"])
def test_every_embedding_reads_the_same_and_survives_every_form(kind: str, count: int, tmp_path: Path) -> None:
    rows = vectors(count)
    found = adapters.read_embedding(make_embedding(kind, rows, tmp_path))
    assert found.token == CAT and torch.equal(found.vectors, rows) and not found.vectors.requires_grad
    assert found.kind == ("WebUI" if kind.startswith("webui") else "diffusers")
    for form, name in (
        ("diffusers", "a.safetensors"),
        ("diffusers", "a.bin"),
        ("webui", "b.safetensors"),
        ("webui", "b.pt"),
    ):
        again = adapters.read_embedding(adapters.write_embedding(found, tmp_path / "out" / name, form))
        assert again.token == CAT and torch.equal(again.vectors, rows)
    with pytest.raises(UserError, match=r"must end in .safetensors or .pt"):
        adapters.write_embedding(found, tmp_path / "c.bin", "webui")
    with pytest.raises(UserError, match="valid are 'diffusers', 'webui'"):
        adapters.write_embedding(found, tmp_path / "c.bin", "comfy")


@pytest.mark.parametrize("name", ["a.safetensors", "a.bin"])
def test_diffusers_reads_written_embeddings(name: str, pipe: Any, tmp_path: Path) -> None:
    rows = vectors(2)
    adapters.write_embedding(adapters.Embedding("zzz", rows), tmp_path / name, "diffusers")
    pipe.load_textual_inversion(tmp_path, weight_name=name)
    ids = pipe.tokenizer.convert_tokens_to_ids(["zzz", "zzz_1"])
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[ids], rows)


def reached(pipe: Any, prompt: str) -> torch.Tensor:
    """The vectors that the text encoder looks up for a prompt, without [CLS] and [SEP]."""
    ids = pipe.tokenizer(expand(pipe.tokenizer, prompt), add_special_tokens=False)["input_ids"]
    return pipe.text_encoder.get_input_embeddings().weight[ids]


@pytest.mark.parametrize("count", [1, 3, 12])
def test_all_vectors_reach_the_encoder(count: int, pipe: Any, shipped: Any, tmp_path: Path) -> None:
    rows = vectors(count)
    plain = reached(pipe, "一只在睡觉")
    names = adapters.load_embedding(pipe, adapters.Embedding(CAT, rows))
    assert names == [CAT, *(f"{CAT}_{i}" for i in range(1, count))]
    assert not pipe.text_encoder.get_input_embeddings().weight.requires_grad
    prompt = f"一只{CAT}在睡觉"
    pipe.vae = shipped.vae
    pipe.save_pretrained(tmp_path)
    reloaded = StableDiffusionPipeline.from_pretrained(tmp_path)
    for one in (pipe, reloaded):
        assert torch.equal(reached(one, prompt), torch.cat([plain[:2], rows, plain[2:]]))
        text = expand(one.tokenizer, prompt)
        assert text.count(CAT) == count and expand(one.tokenizer, text) == text
        assert one.maybe_convert_prompt(prompt, one.tokenizer) == text
        assert torch.equal(reached(one, "一只在睡觉"), plain)
        states = one.encode_prompt(prompt, "cpu", 1, False)[0]
        ids = one.tokenizer(text, padding="max_length", return_tensors="pt").input_ids
        assert torch.equal(states, one.text_encoder(ids)[0])


def test_expansion_keeps_tokens_apart(pipe: Any) -> None:
    load = adapters.load_embedding
    load(pipe, adapters.Embedding("猫", vectors(2)), token="<猫>")
    load(pipe, adapters.Embedding("<猫>咪", vectors(2)))
    load(pipe, adapters.Embedding("inkwash", vectors(2)))
    load(pipe, adapters.Embedding("<一>", vectors(1)))
    for text, expected in {
        "<猫><猫>": "<猫> <猫>_1<猫> <猫>_1",
        "<猫>咪": "<猫>咪 <猫>咪_1",
        "<猫>_1": "<猫>_1",
        "(<猫>:1.2), inkwash": "(<猫> <猫>_1:1.2), inkwash inkwash_1",
        "inkwashes": "inkwashes",
        "<一>": "<一>",
    }.items():
        assert expand(pipe.tokenizer, text) == expected
    tokens = pipe.tokenizer.tokenize("inkwashes")
    assert "inkwash" not in tokens
    plain = copy.deepcopy(pipe.tokenizer)
    assert expand(plain, "熊猫") == "熊猫"


def test_embeddings_that_do_not_fit_change_nothing(pipe: Any) -> None:
    adapters.load_embedding(pipe, adapters.Embedding(CAT, vectors(2)))
    adapters.load_embedding(pipe, adapters.Embedding("<q>_1", vectors(1)))
    table, size = pipe.text_encoder.get_input_embeddings().weight.clone(), len(pipe.tokenizer)
    good = vectors(2)
    for embedding, token, message in (
        (adapters.Embedding("<a>", vectors(1, 768)), None, "width 768.*has 256"),
        (adapters.Embedding(CAT, good), None, f"knows '{CAT}' already"),
        (adapters.Embedding("<b>", good), f"{CAT}_1", "already"),
        (adapters.Embedding("<b>", good), f"{CAT}_2", "already"),
        (adapters.Embedding("<q>", vectors(1)), None, "knows '<q>_1' already"),
        (adapters.Embedding("猫", good), None, "knows '猫' already"),
        (adapters.Embedding("<a b>", good), None, "can't be a prompt's word"),
        (adapters.Embedding("(a)", good), None, "can't be a prompt's word"),
        (adapters.Embedding("<b>", good), "", "can't be a prompt's word"),
    ):
        with pytest.raises(UserError, match=message):
            adapters.load_embedding(pipe, embedding, token)
        assert len(pipe.tokenizer) == size
        assert torch.equal(pipe.text_encoder.get_input_embeddings().weight, table)


def test_spare_rows_of_the_encoder_are_used(pipe: Any) -> None:
    pipe.text_encoder.resize_token_embeddings(VOCABULARY + 60, mean_resizing=False)
    adapters.load_embedding(pipe, adapters.Embedding(CAT, vectors(2)))
    table = pipe.text_encoder.get_input_embeddings().weight
    assert len(table) == VOCABULARY + 60 and torch.equal(table[VOCABULARY : VOCABULARY + 2], vectors(2))


def test_bad_embeddings_are_refused(pipe: Any, tmp_path: Path) -> None:
    nothing = {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}
    for number, (content, message) in enumerate(
        [
            (nothing, "SDXL"),
            ({"<a>": torch.ones(2, 3, 4)}, r"\(2, 3, 4\) where"),
            ({"<a>": "b"}, "str where"),
            ({"<a>": torch.ones(1, 4) * torch.nan}, "NaN"),
            ({"<a>": torch.ones(1, 4, dtype=torch.int)}, "no numbers"),
            ({"string_to_param": {}}, "no embedding under string_to_param"),
            (random_lora(pipe.unet, ATTENTION), "no textual-inversion embedding"),
            ({"string_to_param": torch.nn.ParameterDict({"*": torch.ones(1, 4)})}, "asks for more than tensors"),
        ]
    ):
        torch.save(content, tmp_path / f"{number}.bin")
        with pytest.raises(UserError, match=message):
            adapters.read_embedding(tmp_path / f"{number}.bin")
    with pytest.raises(UserError, match="holds no learned_embeds"):
        adapters.read_embedding(tmp_path)
    file = make_embedding("webui.pt", vectors(1), tmp_path)
    with pytest.raises(UserError, match="embedding, no LoRA"):
        adapters.read_lora(file)
