"""`compat.enable()`: the article's own LoRA line runs as printed, and nothing of it is there before or after."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.loaders.unet import UNet2DConditionLoadersMixin as Mixin
from PIL import Image

import pai_modelscope
from pai_modelscope import UserError, compat
from pai_modelscope.adapters import load_lora, loaded_loras, read_lora, set_loras
from tests.pipelines.test_article import LORA, MINI, printed
from tests.support.adapter_files import make_checkpoint

PROMPT = '"熊猫", num_inference_steps=2, height=64, width=64'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    compat.disable()


@pytest.fixture
def file(here: Path, shipped: Any) -> Path:
    """`checkpoint-20/pytorch_model.bin`, as the scripts of 2023 wrote it."""
    (here / "made").mkdir()
    return make_checkpoint(shipped, here / "made")[0] / "checkpoint-20/pytorch_model.bin"


def drawn(pipe: Any, **more: Any) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    picture = pipe("熊猫", num_inference_steps=2, height=64, width=64, generator=generator, **more).images[0]
    return np.asarray(picture).astype(int)


def test_the_articles_line_runs_as_printed(here: Path, file: Path) -> None:
    changes = {"model_path/checkpoint-xxx/pytorch_model.bin": str(file), '"input text"': PROMPT}
    with pytest.raises(ValueError, match="format"):
        exec(printed(LORA, **changes), {"torch": torch})
    compat.enable()
    torch.manual_seed(0)
    exec(printed(LORA, **changes), {"torch": torch})
    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    load_lora(pipe, read_lora(file), "poem")
    torch.manual_seed(0)
    ours = pipe("熊猫", num_inference_steps=2, height=64, width=64).images[0]
    assert np.array_equal(np.asarray(ours), np.asarray(Image.open(here / "result.png")))


def test_the_scale_of_a_call_weighs_it(file: Path, pipe: Any) -> None:
    plain = drawn(pipe)
    with compat.enable():
        pipe.unet.load_attn_procs(torch.load(file))
    (name,) = loaded_loras(pipe)
    scaled = {scale: drawn(pipe, cross_attention_kwargs={"scale": scale}) for scale in (0.4, 1.0)}
    assert np.array_equal(drawn(pipe), scaled[1.0]) and not np.array_equal(scaled[0.4], scaled[1.0])
    set_loras(pipe, {name: 0.4})
    assert abs(drawn(pipe) - scaled[0.4]).max() <= 1
    set_loras(pipe, {})
    assert np.array_equal(drawn(pipe), plain)


def test_a_layer_is_its_weights_and_the_product_of_the_matrices(file: Path, pipe: Any) -> None:
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
    layer = pipe.unet.get_submodule(f"{name}.to_q")
    state = torch.load(file)
    up, down = (state[f"{name}.processor.to_q_lora.{part}.weight"] for part in ("up", "down"))
    rows = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(0))
    expected = rows @ (layer.weight + up @ down).T
    with compat.enable():
        pipe.unet.load_attn_procs(state)
    assert torch.allclose(pipe.unet.get_submodule(f"{name}.to_q")(rows), expected, atol=1e-5)


def test_a_second_one_takes_the_place_of_the_first(file: Path, pipe: Any) -> None:
    state = torch.load(file)
    other = {key: 2 * tensor if "lora.up" in key else tensor for key, tensor in state.items()}
    with compat.enable():
        pipe.unet.load_attn_procs(state)
        first = drawn(pipe)
        pipe.unet.load_attn_procs(other)
        assert len(loaded_loras(pipe)) == 1 and not np.array_equal(drawn(pipe), first)
        pipe.unet.load_attn_procs(state)
        assert len(loaded_loras(pipe)) == 1 and np.array_equal(drawn(pipe), first)


@pytest.mark.parametrize("way", ["file", "text", "folder", "named"])
def test_files_and_folders_as_in_2023(way: str, file: Path, pipe: Any) -> None:
    given: Any = {"file": file, "text": str(file), "folder": file.parent, "named": str(file.parent)}[way]
    with compat.enable():
        pipe.unet.load_attn_procs(given, **({"weight_name": file.name} if way == "named" else {}))
    assert len(loaded_loras(pipe)) == 1


def test_nothing_is_there_before_and_nothing_after(here: Path) -> None:
    before, loads = dict(vars(Mixin)), torch.load
    compat.disable()
    assert dict(vars(Mixin)) == before
    with compat.enable() as outer, compat.enable() as inner:
        assert type(outer) is type(inner)
        assert Mixin.load_attn_procs is not before["load_attn_procs"] and torch.load is loads
        compat.enable()
    assert dict(vars(Mixin)) == before
    compat.enable()
    compat.disable()
    compat.disable()
    assert dict(vars(Mixin)) == before and torch.load is loads
    assert pai_modelscope.compat is compat


def broken(state: dict[str, Any], how: str) -> Any:
    key = next(key for key in state if "lora" in key)
    other = {
        "another model's": lambda: state | {key: torch.ones(3, 3)},
        "nothing of a LoRA": lambda: {name: tensor for name, tensor in state.items() if "lora" not in name},
        "empty": lambda: {},
        "half": lambda: {name: tensor for name, tensor in state.items() if "lora.down" not in name},
        "no tensors": lambda: {key: [1.0]},
        "not a number": lambda: state | {key: state[key] * torch.nan},
        "another layer's": lambda: {name.replace("down_blocks.1", "down_blocks.9"): t for name, t in state.items()},
    }
    return other[how]()


@pytest.mark.parametrize(
    "how", ["another model's", "nothing of a LoRA", "empty", "half", "no tensors", "not a number", "another layer's"]
)
def test_what_does_not_match_is_refused_and_the_model_is_as_before(how: str, file: Path, pipe: Any) -> None:
    plain = drawn(pipe)
    with compat.enable(), pytest.raises(UserError) as caught:
        pipe.unet.load_attn_procs(broken(torch.load(file), how))
    assert "\n" not in str(caught.value)
    assert loaded_loras(pipe) == [] and np.array_equal(drawn(pipe), plain)


def test_what_is_not_ours_goes_to_diffusers(here: Path, pipe: Any) -> None:
    with compat.enable():
        with pytest.raises(Exception, match=re.escape("to_k_custom_diffusion.weight")):
            pipe.unet.load_attn_procs({"a.processor.b.custom_diffusion.weight": torch.ones(2)})
        with pytest.raises(OSError):
            pipe.unet.load_attn_procs("owner/nowhere", local_files_only=True)
        with pytest.raises(UserError, match="holds no"):
            (here / "empty").mkdir()
            pipe.unet.load_attn_procs(here / "empty")


def test_a_pickle_with_code_is_refused_as_ever(here: Path, pipe: Any) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (here / "ran",)

    torch.save({"a.processor.to_q_lora.up.weight": Evil()}, here / "pytorch_model.bin")
    with compat.enable():
        with pytest.raises(pickle.UnpicklingError):
            pipe.unet.load_attn_procs(torch.load(here / "pytorch_model.bin"))
        with pytest.raises(UserError):
            pipe.unet.load_attn_procs(here / "pytorch_model.bin")
    assert not (here / "ran").exists()
