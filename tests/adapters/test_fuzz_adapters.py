"""Adapter files of any names, shapes, numbers and configurations are read or refused in one sentence."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from pai_modelscope import adapters
from pai_modelscope.adapters.lora_io.key_formats import _KOHYA_WORDS
from pai_modelscope.adapters.lora_io.patterns import Patterns
from tests.support.adapter_files import WIDTH, Q
from tests.support.fuzzing import fuzz, texts, value_or_error, values

pytestmark = pytest.mark.fuzz

MODULES = [
    *(
        f"lora_unet_{Q.replace('.', '_')}.",
        "lora_unet_input_blocks_4_1_proj_in.",
        "lycoris_conv_in.",
        "oft_unet_out_2.",
    ),
    *(f"unet.{Q}.", f"base_model.model.{Q}.", f"diffusion_model.{Q}.", "diffusion_model.time_embed.0."),
    *("bundle_emb.word.string_to_param.*", "bundle_emb.", "unet:0:up", "unet:0:down", "<s1>"),
]
WORDS = [*_KOHYA_WORDS, "lora_down.weight", "lora_up.weight", "lora.down.weight", "lora_A.default.weight", ""]
TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.bool, torch.complex64]


@st.composite
def states(draw: Any) -> dict[str, torch.Tensor]:
    """Mostly the names of one module, so that kinds are met whole; shapes that may fit."""
    module = draw(st.sampled_from(MODULES))
    names = draw(st.lists(st.sampled_from(WORDS), max_size=6))
    keys = [module + name for name in names] + draw(st.lists(st.one_of(texts(*MODULES, *WORDS, most=3)), max_size=2))
    state = {}
    for key in keys:
        shape = draw(
            st.lists(st.sampled_from([0, 1, 2, 4, WIDTH]), max_size=4).filter(lambda s: len(s) < 4 or WIDTH not in s)
        )
        fill = draw(st.sampled_from([0.0, 1.0, -1.0, float("nan"), float("inf"), 3e38]))
        state[key.encode("utf-8", "replace").decode()] = torch.full(shape, fill, dtype=torch.float32).to(
            draw(st.sampled_from(TYPES))
        )
    return state


@fuzz
@given(states(), st.dictionaries(texts(most=2), texts(most=3), max_size=2), st.booleans())
def test_names_and_tensors(tmp_path: Path, state: Any, metadata: dict[str, str], safe: bool) -> None:
    file = tmp_path / ("a.safetensors" if safe else "a.bin")
    clean = {
        key.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for key, v in metadata.items()
    }
    save_file(state, file, clean) if safe else torch.save(state, file)
    lora = value_or_error(adapters.read_lora, file)
    if lora is not None:
        value_or_error(adapters.inspect, file)


SETTINGS = ["peft_type", "lora_alpha", "alpha", "r", "alpha_pattern", "rank_pattern", "use_rslora", "eps", "coft"]
SETTINGS += ["feedforward_modules", "num_cayley_neumann_terms", "init_lora_weights"]
KINDS = st.sampled_from(["LORA", "LOHA", "LOKR", "IA3", "OFT", "BOFT"])
SHAPES: list[dict[str, tuple[int, ...]]] = [
    {"lora_A.weight": (4, WIDTH), "lora_B.weight": (WIDTH, 4)},
    {"lokr_w1": (8, 8), "lokr_w2": (16, 16)},
    {f"hada_w{i}_{side}": (4, 4) for i in (1, 2) for side in "ab"},
    {"ia3_l": (WIDTH, 1)},
    {"oft_R.weight": (16, 28)},
]


@fuzz
@given(st.dictionaries(st.sampled_from(SETTINGS), st.one_of(values(), KINDS)), st.sampled_from(SHAPES))
def test_configurations(tmp_path: Path, config: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    state = {f"base_model.model.{Q}.{name}": torch.ones(shape) for name, shape in shapes.items()}
    save_file(state, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8", errors="surrogatepass")
    value_or_error(adapters.read_lora, tmp_path)


@fuzz
@given(st.dictionaries(texts("^", "$", ".*", "|", "\\.", "\\d", "[a-z]", "(", ")", "+", "to_q", most=12), values()))
def test_patterns(patterns: dict[str, Any]) -> None:
    found = value_or_error(Patterns, patterns, "here")
    if found is not None:
        value_or_error(found.get, Q, 1)


@fuzz
@given(st.binary(max_size=300), st.sampled_from(["bare", "safetensors", "zip"]))
def test_bytes(tmp_path: Path, content: bytes, how: str) -> None:
    file = tmp_path / ("a.safetensors" if how == "safetensors" else "a.bin")
    if how == "safetensors":
        content = struct.pack("<Q", len(content)) + content
    elif how == "zip":
        torch.save({"a": torch.ones(2)}, file)
        whole = bytearray(file.read_bytes())
        for place in range(0, len(content) - 1, 2):
            whole[content[place] * 256 % len(whole)] = content[place + 1]
        content = bytes(whole)
    file.write_bytes(content)
    value_or_error(adapters.read_lora, file)


@fuzz
@given(st.lists(st.sampled_from([
    *(bytes([code]) for code in range(0x28, 0x98)), b"\x80\x02", b"K\x01", b"X\x01\0\0\0a", b"q\x00", b"h\x00",
    b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"J\xff\xff\xff\x7f", b"X\x07\0\0\0storage",
]), max_size=60))  # fmt: skip
def test_pickle_operations(tmp_path: Path, operations: list[bytes]) -> None:
    (tmp_path / "a.pt").write_bytes(pickle.PROTO + b"\x02" + b"".join(operations) + pickle.STOP)
    value_or_error(adapters.read_lora, tmp_path / "a.pt")
