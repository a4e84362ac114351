"""Models whose weights take a byte each: all that is done with them is what is done with the same numbers in float16.

Copies keep every bit; what is merged or trained is never rounded to a byte again.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, adapters
from pai_modelscope.checkpoints.single_file import from_single_file, to_single_file
from pai_modelscope.cli import main
from pai_modelscope.errors import UserError
from pai_modelscope.evaluation.clip import ChineseClip
from pai_modelscope.methods import save_pipeline
from pai_modelscope.tensor_files import all_finite, is_float8, read_state, save_safetensors, widened
from pai_modelscope.zoo.push import faults
from recipes.mini_v2.float8 import to_float8
from tests.support.adapter_files import ATTENTION, CAT, MODEL, TEXT, State, random_lora, same_state, vectors
from tests.support.model_folder import edit
from tests.support.single_files import QUICK, WEIGHTS, dtypes, picture, same_bits, weights

BYTE = torch.float8_e4m3fn
TRAIN = ["--resolution", "64", "--max_train_steps", "1", "--train_batch_size", "2", "--max_train_samples", "4"]


def rewritten(folder: Path, change: Callable[[State], State]) -> Path:
    """The model in `folder` with other weights."""
    for part, name in WEIGHTS.items():
        save_file(change(load_file(folder / part / name)), folder / part / name, {"format": "pt"})
    return folder


def halves(tensors: State) -> State:
    return {name: tensor.half() for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with a byte for each weight."""
    folder = Path(shutil.copytree(MODEL, tmp_path_factory.mktemp("small") / "model"))
    to_float8(folder)
    return folder


@pytest.fixture(scope="module")
def twin(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same numbers in float16."""
    return rewritten(Path(shutil.copytree(small, tmp_path_factory.mktemp("twin") / "model")), halves)


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of UNet and text encoder, as if trained."""
    from tests.support.adapter_files import shipped_pipe

    pipe = shipped_pipe()
    both = adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION), random_lora(pipe.text_encoder, TEXT, seed=1))
    return adapters.write_lora(both, tmp_path_factory.mktemp("lora") / "a.safetensors", "kohya")


@pytest.fixture(scope="module")
def merged(small: Path, twin: Path, lora: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both models with the LoRA merged into them."""
    made = [tmp_path_factory.mktemp("merged") / name for name in ("small", "twin")]
    for model, folder in zip((small, twin), made, strict=True):
        assert main(["adapter", "merge", str(model), f"{lora}=0.5", str(folder)]) == 0
    return made


def same_numbers(left: State, right: State) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key].float(), right[key].float()) for key in left)


def test_the_model_takes_bytes(small: Path, twin: Path) -> None:
    assert dtypes(weights(small)).keys() == {BYTE, torch.float16} and dtypes(weights(small))[BYTE] > 150
    assert dtypes(weights(twin)).keys() == {torch.float16}
    assert same_numbers(weights(small), weights(twin))


def test_it_draws_inpaints_and_takes_loras(small: Path, twin: Path, lora: Path) -> None:
    art = Image.effect_noise((64, 64), 80).convert("RGB")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    drawn = []
    for folder in (small, twin):
        sampler = Sampler.from_pretrained(folder, device="cpu")
        asked: list[dict[str, Any]] = [{}, {"image": art, "mask": mask}, {"loras": {str(lora): 0.5}}]
        drawn.append([np.asarray(sampler("熊猫", **QUICK, **options)[0].image) for options in asked])
    assert all(np.array_equal(a, b) for a, b in zip(*drawn, strict=True))
    plain, painted, changed = drawn[0]
    assert not np.array_equal(plain, painted) and not np.array_equal(plain, changed)


def test_merging_keeps_every_bit_but_rounds_nothing_to_a_byte(small: Path, merged: list[Path], lora: Path) -> None:
    before, (after, exact) = weights(small), map(weights, merged)
    assert same_numbers(after, exact), "all that the LoRA changed is there, in float16"
    touched = {f"{name}.weight" for name in adapters.read_lora(lora).ranks}
    own = {name.replace("text_encoder.text_model.", "text_encoder.") for name in before} & touched
    assert len(own) == len(touched)
    for name, tensor in before.items():
        changed = name.replace("text_encoder.text_model.", "text_encoder.") in touched
        assert after[name].dtype == (torch.float16 if changed else tensor.dtype)
        assert changed or torch.equal(after[name], tensor)
        assert not changed or tensor.dtype == BYTE
    assert np.array_equal(picture(merged[0]), picture(merged[1]))


def test_merging_says_what_is_beyond_float16(small: Path, lora: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["adapter", "merge", str(small), f"{lora}=1e9", str(tmp_path / "out")]) == 2
    assert "is beyond torch.float16 after merging" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_extraction_gives_the_same_lora(small: Path, twin: Path, merged: list[Path], tmp_path: Path) -> None:
    made = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for tuned, base, file in zip(merged, (small, twin), made, strict=True):
        assert main(["adapter", "extract", str(tuned), str(base), str(file), "--rank", "4", "--to", "kohya"]) == 0
    assert same_state(load_file(made[0]), load_file(made[1]))
    assert float(adapters.read_lora(made[0]).metadata["extracted_share"]) > 0.99


def test_a_single_file_and_back_keep_every_bit(small: Path, twin: Path, tmp_path: Path) -> None:
    files = [to_single_file(folder, tmp_path / f"{i}.safetensors") for i, folder in enumerate((small, twin))]
    single, exact = map(load_file, files)
    assert same_numbers(single, exact)
    assert dtypes(single) == dtypes(weights(small))
    back = from_single_file(files[0], tmp_path / "back")
    assert same_bits(weights(back), weights(small))
    assert np.array_equal(picture(back), picture(small))
    assert same_bits(weights(from_single_file(files[1], tmp_path / "twin")), weights(twin))


def test_a_control_adapter_grows_whole_by_its_unet(small: Path, twin: Path, tmp_path: Path) -> None:
    name = "pai-diffusion-mini-zh-controlnet-canny"
    left, right = (
        load_file(to_single_file(name, tmp_path / f"{folder.parent.name}.safetensors", base=folder))
        for folder in (small, twin)
    )
    assert same_state(left, right) and dtypes(left).keys() == {torch.float32}


def trained(method: str, model: Path, output: Path, *options: str) -> Path:
    arguments = ["--model", str(model), "--train_data_dir", "shipped:style", "--output_dir", str(output), *TRAIN]
    assert main(["train", method, *arguments, *options]) == 0
    return output / "result"


def test_a_lora_learns_the_same(small: Path, twin: Path, tmp_path: Path) -> None:
    results = [trained("lora", folder, tmp_path / folder.parent.name, "--rank", "2") for folder in (small, twin)]
    left, right = (load_file(result / "pytorch_lora_weights.safetensors") for result in results)
    assert same_state(left, right)
    assert any(bool(tensor.any()) for name, tensor in left.items() if "lora_B" in name or "lora.up" in name)


def test_full_fine_tuning_writes_what_it_learned_and_copies_the_rest(small: Path, twin: Path, tmp_path: Path) -> None:
    left, right = (trained("full", folder, tmp_path / folder.parent.name) for folder in (small, twin))
    learned, exact, before = (load_file(folder / "unet" / WEIGHTS["unet"]) for folder in (left, right, small))
    assert dtypes(learned).keys() == {torch.float32}
    assert same_state(learned, exact) and not same_numbers(learned, before)
    for part in ("text_encoder", "vae"):
        assert (left / part / WEIGHTS[part]).read_bytes() == (small / part / WEIGHTS[part]).read_bytes()
    assert np.array_equal(picture(left), picture(right))


@pytest.mark.parametrize("config", [{}, {"dtype": "float8_e4m3fn", "torch_dtype": "float8_e4m3fn"}])
def test_a_new_word_is_written_into_the_model(config: dict[str, str], small: Path, twin: Path, tmp_path: Path) -> None:
    """Also where the text encoder's own configuration asks for float8, in which nothing can be computed."""
    model = Path(shutil.copytree(small, tmp_path / "model"))
    edit(model / "text_encoder/config.json", config)
    word = adapters.Embedding(CAT, vectors(2))
    left, right = (save_pipeline(folder, word, tmp_path / name) for folder, name in ((model, "left"), (twin, "right")))
    texts = [load_file(folder / "text_encoder" / WEIGHTS["text_encoder"]) for folder in (left, right)]
    assert same_bits(*texts) and dtypes(texts[0]).keys() == {torch.float32}
    assert (left / "unet" / WEIGHTS["unet"]).read_bytes() == (small / "unet" / WEIGHTS["unet"]).read_bytes()
    assert json.loads((left / "text_encoder/config.json").read_text())["dtype"] == "float32"
    drawn = [Sampler.from_pretrained(folder, device="cpu")(CAT, **QUICK)[0].image for folder in (left, right)]
    assert drawn[0].tobytes() == drawn[1].tobytes()


def test_it_can_be_published_and_its_own_clip_opens(small: Path, twin: Path) -> None:
    assert faults(small) == []
    texts = ["熊猫", "太阳"]
    assert torch.equal(ChineseClip.load(small).texts(texts), ChineseClip.load(twin).texts(texts))


def test_loras_and_embeddings_in_types_that_nothing_reads_are_refused(tmp_path: Path) -> None:
    """float4, two numbers in a byte: one line says so."""
    packed = getattr(torch, "float4_e2m1fn_x2", None)
    if packed is None:
        pytest.skip("PyTorch knows no float4 before 2.8")
    for name, rows in (("emb_params", 1), ("lora_unet_down_blocks_1_attentions_0_proj_in.diff_b", 192)):
        file = tmp_path / f"{rows}.safetensors"
        save_file({name: torch.zeros(rows, 256, dtype=torch.uint8).view(packed)}, file)
        with pytest.raises(UserError, match="values that are no numbers"):
            (adapters.read_embedding if rows == 1 else adapters.read_lora)(file)


def test_numbers_of_a_byte_are_widened_and_written(tmp_path: Path) -> None:
    numbers = torch.tensor([0.0, -1.5, 448.0, 2**-9]).to(BYTE)
    broken = torch.tensor([1.0, float("nan")]).to(BYTE)
    assert is_float8(numbers) and widened(numbers).tolist() == [0.0, -1.5, 448.0, 2**-9]
    assert all_finite(numbers) and not all_finite(broken)
    wide = torch.ones(2, dtype=torch.float16)
    assert widened(wide) is wide and not is_float8(torch.ones(2, dtype=torch.uint8))
    save_safetensors({"a": numbers, "b": numbers[1:]}, tmp_path / "a.safetensors", {})
    stored = read_state(tmp_path / "a.safetensors")
    assert stored["a"].dtype == stored["b"].dtype == BYTE and widened(stored["b"]).tolist() == [-1.5, 448.0, 2**-9]
