"""Files and folders that can't be converted: each is refused with the reason, and nothing is written."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pai_modelscope.adapters.control import attach_control_lora, write_control_lora
from pai_modelscope.checkpoints.single_file import from_single_file, to_single_file
from pai_modelscope.cli import main
from pai_modelscope.errors import UserError
from tests.adapters.test_adapters_bad import Trap
from tests.support.adapter_files import MODEL, VOCABULARY, WIDTH, State
from tests.support.command_line import COMMAND, names
from tests.support.single_files import TEXT, UNET, WEIGHTS, control, copied, rewrite, weights

ATTENTION = f"{UNET}input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight"
TOKENS, PLACES = (f"{TEXT}text_model.embeddings.{name}_embedding.weight" for name in ("token", "position"))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return to_single_file(MODEL, tmp_path_factory.mktemp("single") / "mini.safetensors")


@pytest.fixture(scope="module")
def tensors(single: Path) -> State:
    return load_file(single)


ONE = {"a": torch.ones(1)}
NO_CHECKPOINT = {
    "SDXL": {"conditioner.embedders.0.transformer.text_model.x": torch.ones(1), f"{UNET}a": torch.ones(1)},
    "SD 2.x, whose text tower is OpenCLIP's": {"cond_stage_model.model.ln_final.bias": torch.ones(1)},
    "is a transformer": {f"{UNET}double_blocks.0.img_attn.proj.weight": torch.ones(1)},
    "is a LoRA, for which there is .*adapter convert": {"lora_unet_down_blocks_0_x.lora_up.weight": torch.ones(1)},
    "one part of a model in diffusers' layout": {"down_blocks.0.resnets.0.conv1.weight": torch.ones(1)},
    r"is no checkpoint \(a\)": ONE,
}


@pytest.mark.parametrize("message", NO_CHECKPOINT)
def test_files_of_another_kind(message: str, tmp_path: Path) -> None:
    save_file(NO_CHECKPOINT[message], tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=message):
        from_single_file(tmp_path / "a.safetensors", tmp_path / "out", base=MODEL)
    assert names(tmp_path) == ["a.safetensors"]


DAMAGED: dict[str, tuple[str, Callable[[Path, Path], Any]]] = {
    "There is no file": ("a.safetensors", lambda path, single: None),
    "no checkpoint: give a file that ends in .safetensors, .bin": ("a.zip", lambda path, single: path.touch()),
    "cut short": ("a.safetensors", lambda path, single: path.write_bytes(single.read_bytes()[:-9])),
    "Git LFS pointer": (
        "a.safetensors",
        lambda path, single: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
    ),
    r"asks for more than tensors .*not loaded": ("a.ckpt", lambda path, single: torch.save({"a": Trap()}, path)),
    r"is no checkpoint \(no tensors\)": ("a.ckpt", lambda path, single: torch.save([1, 2], path)),
}


@pytest.mark.parametrize("message", DAMAGED)
def test_damaged_files(message: str, single: Path, tmp_path: Path) -> None:
    name, make = DAMAGED[message]
    make(tmp_path / name, single)
    before = names(tmp_path)
    with pytest.raises(UserError, match=message):
        from_single_file(tmp_path / name, tmp_path / "out", base=MODEL)
    assert names(tmp_path) == before


ALL, OF_VAE = len(weights(MODEL)), len(load_file(MODEL / "vae" / WEIGHTS["vae"]))
MISFITS: dict[str, Callable[[State], State]] = {
    # The English original over a Chinese base: its UNet fits one of 768, its text tower none.
    rf"{ALL} tensors that it needs, 2 are wrong or missing; .*token_embedding.weight is 49408x256, "
    rf"not {VOCABULARY}x256, .*position_embedding.weight is 77x256, not 32x256. "
    r".*49408 tokens \(English Stable Diffusion's text tower\)": (
        lambda t: t | {TOKENS: torch.ones(49408, 256), PLACES: torch.ones(77, 256)}
    ),
    rf", 1 are wrong .*attn2.to_k.weight is {WIDTH}x768, not {WIDTH}x256.* made for SD 1.x or PAI-Diffusion "
    rf"\(cross_attention_dim 768\), 96 channels, {VOCABULARY} tokens: give a base of that kind. Nothing was written": (
        lambda t: t | {ATTENTION: torch.ones(WIDTH, 768)}
    ),
    f", 1 are wrong .*{UNET}out.2.bias is missing": (
        lambda t: {name: tensor for name, tensor in t.items() if name != f"{UNET}out.2.bias"}
    ),
    rf", {OF_VAE} are wrong or missing; first_stage_model.*and {OF_VAE - 3} more": (
        lambda t: {name: tensor for name, tensor in t.items() if not name.startswith("first_stage_model.")}
    ),
    # A deeper model of the same widths: dropping what is more would leave another model.
    f", 1 are wrong .*{UNET}input_blocks.6.0.out_layers.3.bias has no place": (
        lambda t: t | {f"{UNET}input_blocks.6.0.out_layers.3.bias": torch.ones(1)}
    ),
}


@pytest.mark.parametrize("message", MISFITS)
def test_files_for_another_base(message: str, tensors: State, tmp_path: Path) -> None:
    save_file(MISFITS[message](tensors), tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=f"does not fit the base pai-diffusion-mini-zh.*{message}"):
        from_single_file(tmp_path / "a.safetensors", tmp_path / "out", base="pai-diffusion-mini-zh")
    assert names(tmp_path) == ["a.safetensors"]


def test_bases_that_are_none(tensors: State, shipped: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file(tensors, file)
    with pytest.raises(UserError, match=r"another program, .*--base \(base=...\)"):
        from_single_file(file, tmp_path / "out")
    with pytest.raises(UserError, match="no such name"):
        from_single_file(file, tmp_path / "out", base="nope")
    control(shipped.unet).save_pretrained(tmp_path / "canny")
    with pytest.raises(UserError, match=r"holds a model, but the base .* is a ControlNet"):
        from_single_file(file, tmp_path / "out", base=tmp_path / "canny")
    # A ControlNet for a wider model.
    canny = to_single_file(tmp_path / "canny", tmp_path / "canny.safetensors")
    key = f"control_model.{ATTENTION.removeprefix(UNET)}"
    save_file(load_file(canny) | {key: torch.ones(WIDTH, 768)}, tmp_path / "wide.safetensors")
    with pytest.raises(UserError, match=r"1 are wrong .*SD 1.x or PAI-Diffusion .*96 channels: give"):
        from_single_file(tmp_path / "wide.safetensors", tmp_path / "out", base="pai-diffusion-mini-zh")
    assert names(tmp_path) == ["a.safetensors", "canny", "canny.safetensors", "wide.safetensors"]


def test_a_header_decides_on_no_other_file(single: Path, tensors: State, tmp_path: Path) -> None:
    """Headers come from anywhere: a path in one must not reach out of the folder, nor a class beyond the known."""
    with safe_open(single, "pt") as file:
        header = dict(file.metadata())
    evil = {"pai_modelscope.../evil.json": "{}", "pai_modelscope./etc/evil": "{}", "pai_modelscope.unet/run.py": ""}
    save_file(tensors, tmp_path / "a.safetensors", header | evil)
    back = from_single_file(tmp_path / "a.safetensors", tmp_path / "deep" / "back")
    assert names(tmp_path) == ["a.safetensors", "deep"] and names(tmp_path / "deep") == ["back"]
    assert names(back / "unet") == ["config.json", WEIGHTS["unet"]]
    index = json.loads(header["pai_modelscope.model_index.json"])
    for broken, message in (
        (
            {"model_index.json": json.dumps(index | {"text_encoder": ["os", "system"]})},
            "names .*system.* for the text_e",
        ),
        ({"unet/config.json": "{"}, "unet/config.json of .* can't be read as JSON"),
        ({"unet/config.json": '{"block_out_channels": 3}'}, "unet's config.json is not understood"),
    ):
        texts = {f"pai_modelscope.{path}": text for path, text in broken.items()}
        save_file(tensors, tmp_path / "b.safetensors", header | texts)
        with pytest.raises(UserError, match=message):
            from_single_file(tmp_path / "b.safetensors", tmp_path / "out")
    del header["pai_modelscope.vae/config.json"]
    save_file(tensors, tmp_path / "b.safetensors", header)
    with pytest.raises(UserError, match=r"b.safetensors lacks vae/config.json"):
        from_single_file(tmp_path / "b.safetensors", tmp_path / "out")
    assert names(tmp_path) == ["a.safetensors", "b.safetensors", "deep"]


def test_folders_that_have_no_single_file(shipped: Any, tmp_path: Path) -> None:
    config = json.loads((MODEL / "unet" / "config.json").read_text())
    classes: Any = UNet2DConditionModel.from_config(config | {"num_class_embeds": 3})
    folder = copied(tmp_path / "model", "unet", classes)
    with pytest.raises(
        UserError, match=r"has 1 tensors that the original layout has no names for, such as class_embed"
    ):
        to_single_file(folder, tmp_path / "a.safetensors")
    rewrite(folder / "model_index.json", text_encoder=["transformers", "T5EncoderModel"])
    with pytest.raises(UserError, match=r"names .*T5EncoderModel.* not CLIPTextModel or BertModel"):
        to_single_file(folder, tmp_path / "a.safetensors")
    shutil.rmtree(folder / "unet")
    shutil.copytree(MODEL / "unet", folder / "unet")
    rewrite(folder / "model_index.json", text_encoder=["transformers", "CLIPTextModel"])
    rewrite(folder / "unet" / "config.json", cross_attention_dim=768)
    with pytest.raises(UserError, match=rf"don't fit its config.json: .* is {WIDTH}x256, not {WIDTH}x768"):
        to_single_file(folder, tmp_path / "a.safetensors")
    (tmp_path / "lora").mkdir()
    save_file(ONE, tmp_path / "lora" / "pytorch_lora_weights.safetensors")
    with pytest.raises(UserError, match=r"neither a model's folder .* nor a ControlNet's .* `pai-modelscope adapter"):
        to_single_file(tmp_path / "lora", tmp_path / "a.safetensors")
    low = control(shipped.unet)
    attach_control_lora(low, 2)
    write_control_lora(low, tmp_path / "low")
    with pytest.raises(UserError, match="low is a control adapter of low rank"):
        to_single_file(tmp_path / "low", tmp_path / "a.safetensors")
    assert names(tmp_path) == ["lora", "low", "model"]


def test_nothing_is_replaced(single: Path, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(UserError, match="exists already"):
        to_single_file(MODEL, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="exists already"):
        from_single_file(single, tmp_path / "full")
    assert (tmp_path / "a.safetensors").read_text() == "mine" and names(tmp_path / "full") == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{single}", "{tmp}/out.safetensors"], "names a file"),
        (["{tmp}/nowhere.safetensors", "{tmp}/out"], "There is no file"),
        (["pai-diffusion-mini-zh", "{tmp}/out"], "does not end in .safetensors"),
        (["pai-diffusion-mini-zh", "{tmp}/out.safetensors", "--base", "x"], "--base is for reading a file"),
        (["nope", "{tmp}/out.safetensors"], "no such name"),
        (["{single}", "{tmp}/out", "--base", "nope"], "no such name"),
        (["{single}", "{single}/out"], "can't be written"),
    ],
)
def test_one_line_and_status_2(
    arguments: list[str], says: str, single: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    given = [argument.replace("{tmp}", str(tmp_path)).replace("{single}", str(single)) for argument in arguments]
    assert main(["convert", *given]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1 and says in printed.err
    assert printed.out == "" and names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("back", [False, True], ids=["to a file", "to a folder"])
@pytest.mark.slow
def test_no_room_leaves_nothing_behind(back: bool, single: Path, tmp_path: Path) -> None:
    """A limit on the size of a file stands for a full disk: the write fails half-way."""
    import resource

    given = [single, tmp_path / "out"] if back else ["pai-diffusion-mini-zh", tmp_path / "out.safetensors"]
    done = subprocess.run(
        [*COMMAND, "convert", *given],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "can't be written" in done.stderr
    assert names(tmp_path) == []
