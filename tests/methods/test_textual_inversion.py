"""Textual inversion on the shipped model: only the word's vectors move, and all of them are drawn with."""

import copy
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from pai_modelscope import adapters
from pai_modelscope.config import TrainingConfig
from pai_modelscope.data import Example, Geometry, open_dataset
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.batches import PictureSource
from pai_modelscope.diffusion.randomness import scramble
from pai_modelscope.errors import UserError
from pai_modelscope.methods import TextualInversion, save_pipeline, template_captions, with_word
from pai_modelscope.methods.textual_inversion.method import initial_vectors
from pai_modelscope.methods.textual_inversion.templates import OBJECT_TEMPLATES, STYLE_TEMPLATES
from pai_modelscope.sampling import Sampler
from pai_modelscope.text import chunk_ids, encode_prompts, expand, unknown_characters
from pai_modelscope.training import train
from pai_modelscope.training.options import resolve_options
from tests.support.adapter_files import CAT, MODEL, same_state
from tests.support.latents import scale_of
from tests.support.picture_files import Painted

DDIM = DDIMScheduler.from_pretrained(MODEL / "scheduler")


class TwoCaptioned:
    """Latents without pictures, and templates with the word."""

    lengths, cycle = (2,), (0,)

    def __init__(self, method: Any, latents: torch.Tensor | None = None):
        self.method = method
        self.latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        if latents is not None:
            self.latents = latents.repeat(2, 1, 1, 1)

    def batch(self, bucket, indices, device, keys):
        tokenizer = self.method.tokenizer
        templates = template_captions(self.method.placeholder)
        captions = [expand(tokenizer, templates[key % len(templates)]) for key in keys.tolist()]
        return {"latents": self.latents[indices], "ids": chunk_ids(tokenizer, captions)}


def inversion(pipe: Any, **options: Any) -> TextualInversion:
    settings = {"placeholder": CAT, "initializer": "小猫", "num_vectors": 3, **options}
    empty = chunk_ids(pipe.tokenizer, [""])[0, 0]
    return TextualInversion(pipe.unet, pipe.text_encoder, DDIM, empty, tokenizer=pipe.tokenizer, **settings)


def learn(method: Any, folder: Any, source: Any = None, steps: int = 3, **options: Any) -> dict[str, Any]:
    settings = {"train_batch_size": 2, "learning_rate": 1e-2, "logging_steps": 1, **options}
    config = TrainingConfig(output_dir=str(folder), max_train_steps=steps, adam_weight_decay=0.1, **settings)
    return train(method, source or TwoCaptioned(method), config)


def rows(pipe: Any, text: str) -> torch.Tensor:
    ids = pipe.tokenizer(text, add_special_tokens=False)["input_ids"]
    return pipe.text_encoder.get_input_embeddings().weight[ids].detach()


def test_only_the_new_rows_learn_and_every_one_of_them(pipe, shipped, tmp_path):
    method = inversion(pipe)
    assert len(method.trainable()) == 1 and method.trainable()[0] is method.vectors
    start = method.vectors.detach().clone()
    learn(method, tmp_path)
    assert (method.vectors - start).abs().amax(1).min() > 1e-3
    assert same_state(pipe.unet.state_dict(), shipped.unet.state_dict())
    ours = {name.replace(".table.", "."): value for name, value in pipe.text_encoder.state_dict().items()}
    vectors = ours.pop("embeddings.token_embedding.vectors")
    assert vectors is not None and same_state(ours, shipped.text_encoder.state_dict())
    assert len(pipe.tokenizer) == len(shipped.tokenizer) and CAT not in pipe.tokenizer.get_vocab()


def test_the_word_is_read_in_training_as_in_plain_diffusers(pipe, shipped, tmp_path):
    """From the saved pipeline, and from the embedding in its two forms: the same text states, of all vectors."""
    method = inversion(pipe)
    learn(method, tmp_path)
    prompt = f"一只{CAT}在睡觉"
    ids = chunk_ids(method.tokenizer, [expand(method.tokenizer, prompt)])
    tokens = method.tokenizer.convert_ids_to_tokens(ids[0, 0])
    assert tokens[1:10] == ["一", "只", CAT, f"{CAT}_1", f"{CAT}_2", "在", "睡", "觉", "[SEP]"]
    states = method.states(ids, torch.tensor([0])).detach()
    folder = save_pipeline(MODEL, method.embedding(), tmp_path / "whole")
    whole = StableDiffusionPipeline.from_pretrained(folder)
    assert torch.equal(whole.encode_prompt(prompt, "cpu", 1, False)[0], states)
    for name in ("", "learned_embeds.safetensors", "小奶猫.safetensors"):
        embedding = adapters.read_embedding(tmp_path / "result" / name)
        assert embedding.token == CAT and torch.equal(embedding.vectors, method.vectors)
        plain = copy.deepcopy(shipped)
        adapters.load_embedding(plain, embedding)
        text = expand(plain.tokenizer, prompt)
        assert torch.equal(encode_prompts(plain.tokenizer, plain.text_encoder, [text], [""])[0], states)
        if name != "小奶猫.safetensors":
            theirs = copy.deepcopy(shipped)
            theirs.load_textual_inversion(tmp_path / "result", weight_name="learned_embeds.safetensors")
            known = theirs.tokenizer.convert_tokens_to_ids([CAT, f"{CAT}_1", f"{CAT}_2"])
            assert torch.equal(theirs.text_encoder.get_input_embeddings().weight[known], embedding.vectors)
    for row in range(3):  # and each vector counts
        embedding.vectors[row] += 1
        plain = copy.deepcopy(shipped)
        adapters.load_embedding(plain, embedding)
        text = expand(plain.tokenizer, prompt)
        assert not torch.allclose(encode_prompts(plain.tokenizer, plain.text_encoder, [text], [""])[0], states)
        embedding.vectors[row] -= 1


def test_the_saved_pipeline_is_whole_and_draws_the_word(pipe, tmp_path):
    method = inversion(pipe)
    method.vectors.data += 0.5
    folder = save_pipeline(MODEL, method.embedding(), tmp_path / "whole")
    assert same_state(StableDiffusionPipeline.from_pretrained(folder).unet.state_dict(), method.unet.state_dict()) and {
        file.name for file in folder.iterdir()
    } >= {"configuration.json", "model_index.json", "vae", "scheduler"}
    method.save(tmp_path / "result")
    options = {"seed": 0, "num_inference_steps": 2, "height": 64, "width": 64}
    texts = [f"一只{CAT}", "一只小猫小"]
    learned, started = (
        picture.image.tobytes() for picture in Sampler.from_pretrained(folder, device="cpu")(texts, **options)
    )
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    sampler.add_embedding(tmp_path / "result")
    assert sampler(texts[0], **options)[0].image.tobytes() == learned != started
    with pytest.raises(UserError, match="exists already"):
        save_pipeline(MODEL, method.embedding(), folder)
    with pytest.raises(UserError, match="width 768"):
        save_pipeline(MODEL, adapters.Embedding(CAT, torch.ones(1, 768)), tmp_path / "wide")
    assert not (tmp_path / "wide").exists()


@pytest.mark.slow
def test_the_loss_falls_on_a_picture(pipe, shipped, tmp_path):
    """A gold medal, from a word that begins as a dog; measured over other noise than it trains with."""
    picture = open_dataset("base")[0]["image"].convert("RGB").resize((128, 128))
    pixels = torch.tensor(list(picture.tobytes())).view(1, 128, 128, 3).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        latents = shipped.vae.encode(pixels).latent_dist.mean * shipped.vae.config.scaling_factor
    method = inversion(pipe, num_vectors=4, initializer="狗", timestep_range=(500, 900))
    source, keys = TwoCaptioned(method, latents), scramble(torch.arange(16))
    batch = source.batch(0, torch.tensor([0, 1] * 8), torch.device("cpu"), keys) | {"keys": keys}
    before = method(batch)["loss"].item()
    learn(method, tmp_path, source, steps=40, learning_rate=2e-2, train_batch_size=4)
    assert method(batch)["loss"].item() < 0.75 * before


def test_resumed_equals_uninterrupted_and_checkpoints_are_small(shipped, tmp_path):
    results = []
    for folder, limits in (("whole", (0,)), ("parts", (1e-9, 0))):
        for limit in limits:
            method = inversion(copy.deepcopy(shipped))
            more = {"max_train_seconds": limit, "resume_from_checkpoint": "latest"}
            assert learn(method, tmp_path / folder, steps=4, **more)["finished"] is (limit == 0)
        results.append(adapters.read_embedding(tmp_path / folder / "result").vectors)
    assert torch.equal(*results) and torch.equal(results[1], method.vectors)
    (checkpoint,) = (tmp_path / "parts").glob("checkpoint-*")
    assert sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file()) < 200_000


@pytest.mark.parametrize(
    ("text", "count", "means"),
    [
        ("小猫", 2, ["小", "猫"]),
        ("小猫", 1, ["小猫"]),
        ("小奶猫", 2, ["小奶", "猫"]),
        ("小猫", 5, ["小", "猫", "小", "猫", "小"]),
        ("猫", 3, ["猫", "猫", "猫"]),
    ],
)
def test_vectors_begin_at_all_characters_of_the_initializer(text, count, means, shipped):
    table = shipped.text_encoder.get_input_embeddings()
    expected = torch.stack([rows(shipped, each).mean(0) for each in means])
    assert torch.equal(initial_vectors(shipped.tokenizer, table, text, count), expected)


def test_with_the_initializer_s_vectors_the_word_reads_as_the_initializer(pipe):
    method = inversion(pipe, num_vectors=2)
    one, other = (
        method.states(chunk_ids(method.tokenizer, [expand(method.tokenizer, text)]), torch.tensor([0]))
        for text in (f"一只{CAT}", "一只小猫")
    )
    assert torch.equal(one, other)


def test_words_that_cannot_be_are_refused(pipe):
    for options, message in (
        ({"initializer": "小龘猫"}, "小龘猫.*龘"),
        ({"initializer": ""}, "initializer is ''"),
        ({"initializer": "  "}, "initializer is '  '"),
        ({"placeholder": "猫"}, "knows '猫' already"),
        ({"placeholder": "[UNK]"}, "can't be a prompt's word"),
        ({"placeholder": "小 猫"}, "can't be a prompt's word"),
        ({"num_vectors": 0}, "num_vectors is 0"),
    ):
        with pytest.raises(UserError, match=message):
            inversion(pipe, **options)
    adapters.load_embedding(pipe, adapters.Embedding(CAT, torch.ones(2, 256)))
    with pytest.raises(UserError, match="already"):
        inversion(pipe)


@pytest.mark.parametrize(("kind", "templates"), [("object", OBJECT_TEMPLATES), ("style", STYLE_TEMPLATES)])
def test_templates_can_be_read(kind, templates, shipped):
    assert len(set(templates)) == len(templates) >= 15 and all(one.count("{}") == 1 for one in templates)
    assert not any(unknown_characters(shipped.tokenizer, one.format("猫")) for one in templates)
    assert template_captions(CAT, kind) == [one.replace("{}", CAT) for one in templates]
    with pytest.raises(UserError, match="'object', 'style'"):
        template_captions(CAT, "colour")


def test_pictures_without_captions_are_shown_with_templates_by_their_keys(pipe, shipped):
    """Through the source that training uses: every vector is in the ids, and a key means one caption."""
    method = inversion(pipe)
    said = (f"{CAT}坐着", "坐着的猫")
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    examples = [
        Example(f"{i}.png", captions, (64, 64), str(i), Painted(picture))
        for i, (picture, captions) in enumerate(zip(pictures, ((), said, (CAT,)), strict=True))
    ]
    made = with_word(examples, CAT, method.tokenizer)
    assert made[1].captions == (f"{CAT} {CAT}_1 {CAT}_2坐着",) and len(made[0].captions) == len(OBJECT_TEMPLATES)
    assert made[2].captions == made[0].captions, "the word alone says no more than no caption"
    source = PictureSource(
        made, Geometry(64), CaptionSettings(), method.tokenizer, vae=shipped.vae, scale=scale_of(shipped)
    )
    keys, device = scramble(torch.arange(40)), torch.device("cpu")
    ids = source.batch(0, torch.zeros(40, dtype=torch.long), device, keys)["ids"]
    new = torch.tensor(method.tokenizer.convert_tokens_to_ids([CAT, f"{CAT}_1", f"{CAT}_2"]))
    assert (ids[..., None] == new).sum(1).sum(1).eq(1).all()
    assert len(ids.unique(dim=0)) > 10
    assert torch.equal(source.batch(0, torch.zeros(3, dtype=torch.long), device, keys[5:8])["ids"], ids[5:8])


def test_replay_is_refused_where_the_model_itself_learns_nothing() -> None:
    options = {"train_data_dir": "x", "output_dir": "y", "max_train_steps": 1, "replay_data_dir": "shipped:base"}
    words = {"placeholder_token": "<小奶猫>", "initializer_token": "猫"}
    with pytest.raises(UserError, match=r"replay_data_dir is not for textual-inversion: .* leave it out"):
        resolve_options("textual-inversion", options | words)
    assert resolve_options("lora", options).data.replay_data_dir == "shipped:base"
