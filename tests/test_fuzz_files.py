"""LoRA files, metadata, folder names, packed sets and options of any kind are a value or one sentence."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from pai_modelscope.adapters import read_lora
from pai_modelscope.data import open_training_set, scan
from pai_modelscope.methods.registry import methods
from pai_modelscope.training.options import resolve_options
from tests.support.fuzzing import fuzz, texts, value_or_error, values

pytestmark = pytest.mark.fuzz

LAYER = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
KOHYA = LAYER.replace(".", "_")
PREFIXES = [
    "unet.",
    "lora_unet_",
    "base_model.model.",
    "text_encoder.",
    "lora_te_",
    "diffusion_model.",
    "lora_te1_",
    "",
]
MODULES = [
    *(
        LAYER,
        KOHYA,
        "input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
    ),
    *("text_model_encoder_layers_0_self_attn_q_proj", "encoder.layer.0.attention.self.query", "bundle_emb.a", "x"),
]
ENDS = [
    *(".lora_A.weight", ".lora_B.weight", ".lora_down.weight", ".lora_up.weight", ".lora.down.weight", ".alpha"),
    *(".processor.to_q_lora.down.weight", ".dora_scale", ".lora_mid.weight", ".hada_w1_a", ".hada_w2_b", ".lokr_w1"),
    *(".lokr_w2_a", ".diff", ".diff_b", ".oft_blocks", ".a1.weight", ".b2.weight", ".w_norm", ".string_to_param.*"),
    *(".lora_magnitude_vector", ".weight", ".ia3_l", ".lora_A.default.weight"),
]
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.int64, torch.bool]


@pytest.fixture(autouse=True)
def without_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def keys() -> st.SearchStrategy[str]:
    parts = st.sampled_from(PREFIXES), st.sampled_from(MODULES), st.sampled_from(ENDS)
    return st.one_of(st.tuples(*parts).map("".join), texts(*PREFIXES, *ENDS, most=4))


def tensors() -> st.SearchStrategy[torch.Tensor]:
    shapes = st.sampled_from(
        [(), (1,), (4,), (128,), (4, 128), (128, 4), (4, 0), (4, 128, 1, 1), (2, 2, 2), (1, 1, 1, 1, 1)]
    )
    fills = st.sampled_from([0.0, 1.0, -1.0, 4.0, 1e4, float("nan"), float("inf")])
    return st.tuples(shapes, st.sampled_from(DTYPES), fills).map(_filled)


def _filled(made: tuple[tuple[int, ...], torch.dtype, float]) -> torch.Tensor:
    shape, dtype, value = made
    if (dtype in (torch.int64, torch.bool) and value != value) or abs(value) == float("inf"):
        value = 0.0
    return torch.full(shape, value).to(dtype)


@fuzz
@given(st.dictionaries(keys(), tensors(), max_size=6), st.dictionaries(texts(most=2), texts(most=3), max_size=2))
def test_lora_keys(tmp_path: Path, content: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    file = tmp_path / "a.safetensors"
    try:
        save_file(content, file, {name.encode("utf-8", "replace").decode(): "x" for name in metadata})
    except Exception:  # what the format itself does not hold
        return
    value_or_error(read_lora, file)


@fuzz
@given(values())
def test_lora_configurations(tmp_path: Path, content: Any) -> None:
    """PEFT's adapter_config.json, with each of its fields of another kind."""
    folder = tmp_path / "lora"
    if not folder.is_dir():
        folder.mkdir()
        names = {
            f"base_model.model.{LAYER}.lora_A.weight": (4, 128),
            f"base_model.model.{LAYER}.lora_B.weight": (128, 4),
        }
        save_file({name: torch.ones(shape) for name, shape in names.items()}, folder / "adapter_model.safetensors")
    for field in (
        "r",
        "lora_alpha",
        "alpha_pattern",
        "rank_pattern",
        "peft_type",
        "use_dora",
        "target_modules",
        "bias",
    ):
        config = {"r": 4, "lora_alpha": 4, "peft_type": "LORA"} | {field: content}
        (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8", errors="replace")
        value_or_error(read_lora, folder)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    Image.new("RGB", (32, 32), "red").save(folder / "0.png")
    return folder


def opened(source: Any) -> Any:
    return scan(open_training_set(str(source)), "skip", workers=1)


ROWS = [
    '{"file_name": "0.png", "text": "红"}\n',
    '{"file_name": ',
    '"text": ',
    "file_name,text\n",
    "0.png,红\n",
    '"0.png"',
    "../0.png",
]


@fuzz
@given(
    st.one_of(texts(*ROWS), st.binary(max_size=80)),
    st.sampled_from(["metadata.jsonl", "metadata.csv", "0.txt", "a.tsv"]),
)
def test_metadata(pictures: Path, content: str | bytes, name: str) -> None:
    for other in pictures.iterdir():
        if other.name != "0.png":
            other.unlink()
    (pictures / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    value_or_error(opened, pictures / name if name.endswith(".tsv") else pictures)


@fuzz
@given(st.dictionaries(st.sampled_from(["file_name", "text", "image", "mask_file_name", "x"]), values(), max_size=4))
def test_rows(pictures: Path, row: dict[str, Any]) -> None:
    line = json.dumps({"file_name": "0.png", "text": "红"} | row)
    (pictures / "metadata.jsonl").write_text(line, encoding="utf-8", errors="replace")
    value_or_error(opened, pictures)


@fuzz
@given(texts("30_", "_", "20231105_", "0_", "9" * 30, "١_", "小狗", " ", most=4))
def test_folder_names(tmp_path: Path, name: str) -> None:
    root = tmp_path / "kohya"
    shutil.rmtree(root, ignore_errors=True)
    try:
        (root / name.replace("/", "")[:60]).mkdir(parents=True)
    except (OSError, ValueError):  # no name of a folder
        return
    Image.new("RGB", (8, 8)).save(root / name.replace("/", "")[:60] / "0.png")
    value_or_error(opened, root)


@fuzz
@given(st.binary(max_size=1200), st.integers(0, 1500))
def test_tars(tmp_path: Path, noise: bytes, place: int) -> None:
    """A tar of one sample, with bytes of it overwritten."""
    import tarfile

    sound = tmp_path / "sound.tar"
    if not sound.is_file():
        Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
        (tmp_path / "0.txt").write_text("红", encoding="utf-8")
        with tarfile.open(sound, "w") as archive:
            archive.add(tmp_path / "0.png", "0.png")
            archive.add(tmp_path / "0.txt", "0.txt")
    content = bytearray(sound.read_bytes())
    content[place : place + len(noise)] = noise
    (tmp_path / "a.tar").write_bytes(content)
    value_or_error(opened, tmp_path / "a.tar")


@fuzz
@given(st.sampled_from(sorted(methods())), st.data())
def test_options(method: str, data: st.DataObject) -> None:

    names = list(methods()[method].fields())
    given = data.draw(st.dictionaries(st.sampled_from(names), values(), max_size=4))
    sound = {"train_data_dir": "x", "output_dir": "y", "max_train_steps": 1}
    settled = value_or_error(resolve_options, method, sound | given)
    if settled is not None:
        value_or_error(_checked, settled)


def _checked(settled: Any) -> None:
    from pai_modelscope.errors import UserError

    if faults := settled.loop.faults():
        raise UserError.of(faults)
