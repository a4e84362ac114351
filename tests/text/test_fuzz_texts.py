"""Prompts, tags and a picture's parameters of any kind are a value or one sentence."""

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

import pai_modelscope
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.sampling.request import OPTIONS, ModelLimits, read_call, resolve
from pai_modelscope.text import expand, unknown_characters
from pai_modelscope.text.encode import weighted_chunks
from pai_modelscope.text.prompt_schedule import composed_prompt
from pai_modelscope.text.prompt_tags import split_loras
from tests.support.fuzzing import fuzz, texts, value_or_error, values

pytestmark = pytest.mark.fuzz

SYNTAX = [
    *(
        "<lora:a:0.5>",
        "<LORA:",
        "<lyco:ink_v1.5",
        "<hypernet:h:1>",
        "[a:b:0.5]",
        "[a|b]",
        ":0.5]",
        ": 3 ]",
        "{a|b}",
        "__x__",
        " AND ",
    ),
    *("(((", ":1.3)", "(a:1.3\u200b)", "\\(", "\\", " BREAK ", "<小奶猫>", ":", "|", "::"),
]
NAMES = [
    *(
        "Steps",
        "Sampler",
        "Schedule type",
        "CFG scale",
        "Seed",
        "Size",
        "Clip skip",
        "Batch size",
        "Batch pos",
        "Resize",
    ),
    *(
        "Denoising strength",
        "Init image",
        "Mask",
        "Mask blur",
        "Mask only",
        "Outpaint",
        "Controls",
        "Embeddings",
        "RNG",
    ),
    *("Lora files", "Mask padding", "Hires upscale", "Postprocess upscale by", "First pass size", "Variation seed"),
    *("Template", "Negative Template", "Lora hashes", "Version", "ControlNet 0", "Eta", "Token merging ratio", "VAE"),
]
SAMPLERS = [
    "DPM++ 2M Karras",
    "Euler a",
    "DPM++ SDE",
    "Karras",
    "UniPC",
    "64x64",
    "512x512",
    '["a"]',
    '[{"image": "#"}]',
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(pai_modelscope.model_dir("pai-diffusion-mini-zh") / "tokenizer")


@pytest.fixture(autouse=True)
def without_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@fuzz
@given(texts(*SYNTAX))
def test_prompts(tokenizer: Any, prompt: str) -> None:
    def read() -> None:
        bare, weights = split_loras(prompt)
        assert all(isinstance(weight, float) for weight in weights.values())
        unknown_characters(tokenizer, bare)
        chunks = weighted_chunks(tokenizer, expand(tokenizer, bare))
        assert all(len(tokens) == len(numbers) <= 30 for tokens, numbers in chunks)

    value_or_error(read)


@fuzz
@given(texts(*SYNTAX), st.integers(1, 1000), st.integers(0, 1000))
def test_schedules(prompt: str, steps: int, steps_before: int) -> None:
    def read() -> None:
        for part in composed_prompt(prompt, steps, steps_before):
            lasts = [last for last, _ in part.texts]
            assert lasts == sorted(set(lasts)) and lasts[0] >= 1 and lasts[-1] == steps
            assert abs(part.weight) <= 10_000

    value_or_error(read)


@fuzz
@given(
    st.one_of(texts(*SYNTAX), values()),
    st.dictionaries(st.sampled_from([*OPTIONS, "prompt", "generator", "x"]), values(), max_size=4),
)
def test_requests(prompt: Any, options: dict[str, Any]) -> None:
    def plan(text: object, options: dict[str, object], recommended: dict[str, object]) -> None:
        limits = ModelLimits(64, 64, 3, "DDIM", lcm=False, recommended=recommended)
        resolve(read_call(text, options), limits)

    value_or_error(plan, {"text": prompt, **options}, {}, {})
    value_or_error(plan, "猫", options, {})
    value_or_error(plan, "猫", {}, options)


def parameters() -> st.SearchStrategy[str]:
    pair = st.tuples(
        st.sampled_from(NAMES), st.one_of(st.sampled_from(SAMPLERS), st.integers(-2, 100).map(str), texts(most=3))
    )
    line = st.lists(pair, max_size=8).map(lambda pairs: ", ".join(f"{name}: {value}" for name, value in pairs))
    head = st.sampled_from(["", "猫\n", "猫\nNegative prompt: 狗\n", "猫\n  Negative prompt:狗\n\n"])
    return st.tuples(head, st.sampled_from(["Steps: 1, Seed: 1, ", ""]), line).map("".join)


@fuzz
@given(st.one_of(parameters(), texts(*NAMES, ": ", ", ", "\n", *SAMPLERS)))
def test_infotexts(text: str) -> None:
    options = value_or_error(parse_infotext, text)
    assert options is None or isinstance(options["text"], str)
