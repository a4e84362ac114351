"""Prompts to states: chunks, weights, unknown characters, and equality with plain diffusers."""

import copy
import random
import warnings

import pytest
import torch
from diffusers import StableDiffusionPipeline
from tokenizers import AddedToken
from transformers import BertConfig, BertModel, BertTokenizer, CLIPTextModel

from pai_modelscope import UserError, model_dir
from pai_modelscope.text import chunk_ids, encode_ids, encode_prompts, parse_weights, unknown_characters
from pai_modelscope.text.encode import apply_weights, weighted_chunks
from pai_modelscope.text.unknown_characters import warn_of_unknown

MINI = model_dir("pai-diffusion-mini-zh")
CLS, SEP, PAD = 2, 3, 0


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer.from_pretrained(MINI / "tokenizer")


@pytest.fixture(scope="module")
def encoder():
    return CLIPTextModel.from_pretrained(MINI / "text_encoder").eval()


def content(row: torch.Tensor) -> list[int]:
    """Tokens between [CLS] and [SEP] of one chunk, whose form is checked on the way."""
    ids = row.tolist()
    end = ids.index(SEP)
    assert ids[0] == CLS and set(ids[end + 1 :]) <= {PAD}
    return ids[1:end]


# Chunks


def test_a_short_prompt_is_what_the_tokenizer_pads(tokenizer):
    prompts = ["熊猫,扁平插画风格", "", "abc 123", "好" * 30]
    padded = tokenizer(prompts, padding="max_length", max_length=32, truncation=True, return_tensors="pt").input_ids
    assert torch.equal(chunk_ids(tokenizer, prompts)[:, 0], padded)


@pytest.mark.parametrize(("length", "chunks"), [(1, 1), (30, 1), (31, 2), (60, 2), (61, 3)])
def test_thirty_tokens_fit_into_a_chunk(tokenizer, length, chunks):
    ids = chunk_ids(tokenizer, ["好" * length])
    assert ids.shape == (1, chunks, 32)
    assert sum(len(content(row)) for row in ids[0]) == length


def test_no_token_is_lost_or_moved(tokenizer):
    rng = random.Random(0)
    prompts = ["".join(rng.choices("猫狗太阳,、。的", k=rng.randrange(200))) for _ in range(50)]
    for prompt, rows in zip(prompts, chunk_ids(tokenizer, prompts), strict=True):
        got = [token for row in rows for token in content(row)]
        assert got == tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("好" * 25 + "," + "猫" * 20, 26),  # the comma is close to the end
        ("好" * 25 + "。" + "猫" * 20, 26),
        ("好" * 5 + "," + "猫" * 40, 30),  # too far back
        ("好" * 29 + "," + "猫" * 20, 30),
        ("好" * 20 + "," + "猫" * 3 + "、" + "狗" * 20, 25),  # the last one counts
    ],
)
def test_a_full_chunk_ends_after_a_separator_near_its_end(tokenizer, prompt, first):
    assert len(content(chunk_ids(tokenizer, [prompt])[0, 0])) == first


def test_chunks_on_demand(tokenizer):
    ids = chunk_ids(tokenizer, ["猫", "好" * 40], n_chunks=3)
    assert ids.shape == (2, 3, 32)
    assert [len(content(row)) for row in ids[0]] == [1, 0, 0]
    with pytest.raises(UserError, match="needs 2 chunks"):
        chunk_ids(tokenizer, ["好" * 40], n_chunks=1)


def test_an_empty_batch_has_no_rows(tokenizer):
    assert chunk_ids(tokenizer, []).shape == (0, 1, 32)


# Weights


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("熊猫", [("熊猫", 1)]),
        ("", []),
        ("(熊猫)", [("熊猫", 1.1)]),
        ("[熊猫]", [("熊猫", 1 / 1.1)]),
        ("(熊猫:1.3)在(竹林 : 0.5)里", [("熊猫", 1.3), ("在", 1), ("竹林 ", 0.5), ("里", 1)]),
        ("((a)b)", [("a", 1.1 * 1.1), ("b", 1.1)]),
        ("((a:2) [b])", [("a", 2.2), (" ", 1.1), ("b", 1)]),
        ("（熊猫：1.3）［猫］（狗）", [("熊猫", 1.3), ("猫", 1 / 1.1), ("狗", 1.1)]),
        ("（熊猫：１．５）", [("熊猫", 1.5)]),
        (r"\(熊猫\) \[a\] \\", [("(熊猫) [a] \\", 1)]),
        ("(熊猫", [("熊猫", 1.1)]),
        ("熊)猫:1.3)", [("熊)猫:1.3)", 1)]),
        ("时间：白天", [("时间：白天", 1)]),
        ("猫BREAK狗", [("猫", 1), ("BREAK", -1), ("狗", 1)]),
        ("BREAKFAST", [("BREAKFAST", 1)]),
    ],
)
def test_the_grammar_of_weights(prompt, parts):
    got = parse_weights(prompt)
    assert [text for text, _ in got] == [text for text, _ in parts]
    assert [weight for _, weight in got] == pytest.approx([weight for _, weight in parts])


def test_weights_multiply_and_the_mean_is_restored():
    states = torch.rand(1, 1, 4, 8) + 1
    weights = torch.tensor([[[1.0, 1.5, 1.0, 1.0]]])
    got = apply_weights(states, weights)
    factor = states.mean() / (states * weights[..., None]).mean()
    assert torch.allclose(got[0, 0, 1], states[0, 0, 1] * 1.5 * factor)
    assert torch.allclose(got[0, 0, 0], states[0, 0, 0] * factor)
    assert torch.allclose(got.mean(), states.mean())


@pytest.mark.parametrize("mean", [0.0, 0.004, -0.004])
def test_a_mean_near_zero_is_not_restored(mean):
    """Its sign or size may turn around by chance, and every state with it."""
    states = torch.tensor([[[1.0, -1.0], [0.5, -0.5]]]) + mean
    weights = torch.tensor([[2.0, 1.0]])
    assert torch.equal(apply_weights(states, weights), states * weights[..., None])


def test_weights_fall_on_their_tokens(tokenizer):
    (ids, weights), (more, plain) = weighted_chunks(tokenizer, "红(猫狗:1.4)BREAK鸟")
    assert ids == tokenizer("红猫狗", add_special_tokens=False).input_ids and weights == [1, 1.4, 1.4]
    assert more == tokenizer("鸟", add_special_tokens=False).input_ids and plain == [1]


def test_weights_survive_the_cut_into_chunks(tokenizer):
    chunks = weighted_chunks(tokenizer, "好" * 20 + "(" + "猫" * 20 + ":1.2)")
    assert [weights for _, weights in chunks] == [[1] * 20 + [1.2] * 10, [1.2] * 10]


# Encoding


@pytest.fixture(scope="module")
def pipe():
    return StableDiffusionPipeline.from_pretrained(MINI)


@pytest.mark.parametrize("negative", ["", "模糊,低质量"])
@torch.no_grad()
def test_a_plain_prompt_is_encoded_as_by_diffusers(pipe, negative):
    expected = pipe.encode_prompt("熊猫,扁平插画风格", "cpu", 1, True, negative_prompt=negative)
    got = encode_prompts(pipe.tokenizer, pipe.text_encoder, ["熊猫,扁平插画风格"], [negative])
    assert torch.equal(got[0], expected[0]) and torch.equal(got[1], expected[1])


@torch.no_grad()
def test_a_weight_of_one_changes_no_bit(tokenizer, encoder):
    plain = encode_prompts(tokenizer, encoder, ["红猫狗"], [""])[0]
    assert torch.equal(encode_prompts(tokenizer, encoder, ["红(猫:1.0)狗"], [""])[0], plain)
    assert not torch.equal(encode_prompts(tokenizer, encoder, ["红(猫:1.3)狗"], [""])[0], plain)


@torch.no_grad()
def test_a_weight_multiplies_the_states_of_its_tokens(tokenizer, encoder):
    plain = encode_prompts(tokenizer, encoder, ["红猫狗"], [""])[0]
    ratio = (encode_prompts(tokenizer, encoder, ["红(猫:1.3)狗"], [""])[0] / plain).median(dim=-1).values[0]
    torch.testing.assert_close(ratio[2], ratio[0] * 1.3)
    others = [position for position in range(32) if position != 2]
    torch.testing.assert_close(ratio[others], ratio[0].expand(31))


@torch.no_grad()
def test_a_weight_in_one_prompt_leaves_its_neighbour_alone(tokenizer, encoder):
    plain = encode_prompts(tokenizer, encoder, ["红猫", "鸟"], ["", ""])[0]
    weighted = encode_prompts(tokenizer, encoder, ["红(猫:1.3)", "鸟"], ["", ""])[0]
    assert torch.equal(plain[1], weighted[1]) and not torch.equal(plain[0], weighted[0])


@torch.no_grad()
def test_both_sides_have_as_many_chunks_and_each_is_encoded_apart(tokenizer, encoder):
    cond, uncond = encode_prompts(tokenizer, encoder, ["猫"], ["丑," * 40])
    assert cond.shape == uncond.shape == (1, 96, encoder.config.hidden_size)
    alone = encode_prompts(tokenizer, encoder, ["猫"], [""])
    torch.testing.assert_close(cond[:, :32], alone[0])
    torch.testing.assert_close(cond[:, 32:64], alone[1])


@pytest.mark.parametrize("skip", [1, 2])
@torch.no_grad()
def test_clip_skip_is_an_encoder_with_fewer_layers(tokenizer, encoder, skip):
    ids = chunk_ids(tokenizer, ["熊猫", "好" * 40])
    shorter = copy.deepcopy(encoder)
    stack = getattr(shorter, "text_model", shorter).encoder
    stack.layers = stack.layers[:-skip]
    torch.testing.assert_close(encode_ids(encoder, ids, skip), encode_ids(shorter, ids))
    assert not torch.allclose(encode_ids(encoder, ids, skip), encode_ids(encoder, ids))


@torch.no_grad()
def test_clip_skip_for_a_bert_encoder():
    config = BertConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16
    )
    encoder = BertModel(config).eval()
    shorter = copy.deepcopy(encoder)
    shorter.encoder.layer = shorter.encoder.layer[:-1]
    ids = torch.randint(100, (2, 2, 32))
    torch.testing.assert_close(encode_ids(encoder, ids, 1), encode_ids(shorter, ids))
    torch.testing.assert_close(encode_ids(encoder, ids), encoder(ids.flatten(0, 1))[0].view(2, 64, 16))


# Unknown characters


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("熊猫,abc 123", []),
        ("熊貓與熊貓", ["貓", "與"]),
        ("猫😀😀🐼", ["😀", "🐼"]),
        ("👨\u200d👩\u200d👧", ["👨", "👩", "👧"]),  # joined into one emoji by characters that nobody sees
        ("한글 Привет", list("한글Привет")),
        ("abc한", ["한", "abc한"]),  # known letters that are lost with an unknown one
        ("a" * 120, ["a" * 120]),  # BERT reads no word of more than 100 letters
        ("\ue000猫", ["\ue000"]),
        ("(熊貓:1.3)[一]\\(", ["貓"]),
        ("café naïve", []),
    ],
)
def test_unknown_characters_are_named(tokenizer, prompt, unknown):
    assert unknown_characters(tokenizer, prompt) == unknown


def test_unknown_characters_are_warned_of_once_a_prompt(tokenizer, encoder):
    with pytest.warns(UserWarning) as caught:
        encode_prompts(tokenizer, encoder, ["熊貓", "熊貓"], ["", "髒"])
    assert [[name in str(w.message) for name in "貓髒"] for w in caught] == [[True, False], [False, True]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_prompts(tokenizer, encoder, ["熊猫"], [""])


def test_a_word_whose_embedding_is_not_loaded_is_warned_of(tokenizer, encoder):
    with pytest.warns(UserWarning, match="No embedding <小奶猫> is loaded"):
        encode_prompts(tokenizer, encoder, ["一只(<小奶猫>:1.2), 1 < 2 > 0"], [""])
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_tokens([AddedToken("<猫>", normalized=False)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unknown(tokenizer, ["一只<猫>", "猫<lora:水墨:1>"])


def test_added_tokens_stay_whole(tokenizer):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_tokens([AddedToken("<小奶貓>", normalized=False)])
    new = len(tokenizer) - 1
    assert weighted_chunks(tokenizer, "一只(<小奶貓>:1.2)")[0][0][-1] == new
    assert unknown_characters(tokenizer, "一只<小奶貓>") == []
    ids = chunk_ids(tokenizer, ["好" * 29 + "<小奶貓>" + "好" * 5])
    assert content(ids[0, 0])[-1] == new
