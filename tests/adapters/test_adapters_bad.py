"""Files that are no LoRA, or not a whole one: each is refused with the reason, and nothing is overwritten."""

import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pai_modelscope import adapters
from pai_modelscope.errors import UserError
from tests.support.adapter_files import (
    CAT,
    WIDTH,
    Q,
    make_kohya,
    make_legacy,
    make_peft,
    random_lora,
)


class Trap:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("trapped"),)


TEXT_2 = "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight"
BAD_KEYS = {
    "SDXL .*text_encoder_2": [TEXT_2],
    "SDXL .*lora_te2": ["lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight"],
    "SDXL .*transformer_blocks_1": ["lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q.lora_down.weight"],
    "SDXL .*label_emb": ["lora_unet_label_emb_0_0.lora_down.weight"],
    "Flux": ["lora_unet_double_blocks_0_img_attn_proj.lora_down.weight"],
    "denoiser is a transformer": ["transformer.blocks.0.to_q.lora_A.weight"],
    "lacks hada_w2_a, hada_w2_b": ["lora_unet_conv_in.hada_w1_a", "lora_unet_conv_in.hada_w1_b"],
    "lacks a part of its factors": ["lora_unet_conv_in.lokr_w1", "lora_unet_conv_in.alpha"],
    "lacks a part of its": ["lora_unet_conv_in.lokr_w1", "lora_unet_conv_in.lokr_w2_a"],
    "lacks b1, b2": ["lora_unet_conv_in.a1.weight", "lora_unet_conv_in.a2.weight"],
    "lacks weight": ["lora_unet_conv_in.on_input", "lora_unet_conv_in.alpha"],
    "only one of its two matrices: ": [f"lora_unet_conv_in.lora_{side}.weight" for side in ("up", "mid")],
    "of kind LoRA, and has hada_w1_a too": [f"lora_unet_conv_in.{x}" for x in ("lora_down", "lora_up", "hada_w1_a")],
    "of the kind OFT of LyCORIS before version 3": ["lora_unet_conv_in.oft_diag"] * 2,
    "PEFT's: its adapter_config.json is missing": ["conv_in.ia3_l", "conv_out.ia3_l"],
    "no LoRA: its 2 tensors are conv_in.bias, conv_in.weight": ["conv_in.weight", "conv_in.bias"],
    r"names mean nothing here \(conv_in.lora_B.bias\)": [
        f"conv_in.lora_{x}" for x in ("A.weight", "B.weight", "B.bias")
    ],
    "names mean nothing here": ["conv_in.lora_A.weight", "conv_in.lora_B.weight", "epoch"],
    "only one of its two matrices": ["conv_in.lora_A.weight", "conv_out.lora_B.weight"],
    "several adapters": [f"conv_in.lora_{x}.{name}.weight" for x in "AB" for name in ("a", "b")],
    "alphas without matrices": ["conv_in.lora_A.weight", "conv_in.lora_B.weight", "conv_out.alpha"],
    "adapter_config.json is missing": [f"base_model.model.conv_in.lora_{x}.weight" for x in "AB"],
}


@pytest.mark.parametrize("message", BAD_KEYS)
def test_unknown_names_are_refused(message: str, tmp_path: Path) -> None:
    tensors = {key: torch.ones(()) if key.endswith("alpha") else torch.ones(1, 1) for key in BAD_KEYS[message]}
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=message):
        adapters.read_lora(tmp_path / "a.safetensors")


def test_damaged_files_are_refused(pipe: Any, tmp_path: Path) -> None:
    whole, _ = make_kohya(pipe, tmp_path)
    data = whole.read_bytes()
    legacy = make_legacy(pipe, tmp_path)[0] / "pytorch_lora_weights.bin"
    bad = {
        "cut.safetensors": (data[: len(data) // 2], "cut short"),
        "header.safetensors": (data[:50], "cut short"),
        "empty.safetensors": (b"", "cut short"),
        "cut.bin": (legacy.read_bytes()[:9000], "cut short"),
        "text.bin": (b"not found", "damaged"),
        "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        "trap.bin": (pickle.dumps(Trap(), protocol=2), "asks for more than tensors .pathlib.Path.touch|getattr"),
        "newer.bin": (pickle.dumps(Trap()), "asks for more than tensors"),
        "list.bin": (_saved([1, 2], tmp_path), "no plain dictionary"),
        "picture.png": (b"", "no weight file"),
    }
    for name, (content, message) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            adapters.read_lora(tmp_path / name)
    assert not Path("trapped").exists()
    with pytest.raises(UserError, match="There is no file"):
        adapters.read_lora(tmp_path / "nothing.safetensors")


def _saved(content: Any, folder: Path) -> bytes:
    torch.save(content, folder / "saved.tmp")
    return (folder / "saved.tmp").read_bytes()


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), "NaN"), (1, "NaN"), ("shape", "don't multiply"), ("three", "don't multiply")]
)
def test_impossible_matrices_are_refused(value: Any, message: str, tmp_path: Path) -> None:
    up = {"shape": torch.ones(4, 3), "three": torch.ones(4, 2, 1)}.get(value)
    up = torch.full((4, 2), value) if up is None else up
    save_file({"conv_in.lora_A.weight": torch.ones(2, 4), "conv_in.lora_B.weight": up}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=message):
        adapters.read_lora(tmp_path / "a.safetensors")


@pytest.mark.parametrize("names", [("lora_A", "lora_B"), ("lora_down", "lora_up")])
@pytest.mark.parametrize("shape", [(), (4,)])
def test_numbers_and_rows_are_no_matrices(names: tuple[str, str], shape: tuple[int, ...], tmp_path: Path) -> None:
    save_file({f"{Q}.{name}.weight": torch.ones(shape) for name in names}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=re.escape(Q)):
        adapters.read_lora(tmp_path / "a.safetensors")


LOHA = {"hada_w1_a": (WIDTH, 4), "hada_w1_b": (4, WIDTH), "hada_w2_a": (WIDTH, 4), "hada_w2_b": (4, WIDTH)}
TUCKER = dict.fromkeys(LOHA, (4, WIDTH)) | {"hada_t1": (4, 4, 1, 1), "hada_t2": (4, 4, 1, 1)}


@pytest.mark.parametrize(
    "shapes",
    [
        LOHA | {"hada_w2_a": (1, 4)},
        TUCKER | {"hada_w1_b": (1, WIDTH)},
        {"oft_blocks": (WIDTH // 32, 32, 1)},
        {"oft_blocks": (2, 1, 32, 32)},
        {"oft_blocks": (WIDTH // 32, 32, 32), "rescale": (1, 1)},
        {"ia3_l": (1, 1)},
        {"boft_R": (1, WIDTH // 8, 8, 1), "boft_s": (WIDTH, 1)},
        {"boft_R": (1, WIDTH // 8, 8, 8), "boft_s": (1, 1)},
        {"a1.weight": (1, 4), "a2.weight": (4, WIDTH), "b1.weight": (WIDTH, 4), "b2.weight": (4, WIDTH)},
    ],
    ids=str,
)
def test_sizes_of_one_are_not_repeated(shapes: dict[str, tuple[int, ...]], pipe: Any, tmp_path: Path) -> None:
    """PyTorch would stretch them to any size, and a damaged file would draw something."""
    save_file({f"unet.{Q}.{name}": torch.ones(shape) for name, shape in shapes.items()}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=re.escape(Q)):
        adapters.load_lora(pipe, adapters.read_lora(tmp_path / "a.safetensors"), "a")


REMAINDER = {"bias_indices": torch.zeros(2, 1), "bias_values": torch.ones(1)}


@pytest.mark.parametrize(
    "size",
    [torch.full((800_000,), 9e18), torch.tensor([WIDTH + 0j, WIDTH]), torch.tensor([float("inf"), 1]), torch.zeros(0)],
    ids=["long", "complex", "infinite", "empty"],
)
def test_a_sparse_remainder_of_no_size_is_refused(size: torch.Tensor, pipe: Any, tmp_path: Path) -> None:
    """LyCORIS' remainder of an extracted LoRA: the sizes of what it belongs to."""
    content = {"lora_down.weight": torch.ones(4, WIDTH), "lora_up.weight": torch.ones(WIDTH, 4), **REMAINDER}
    save_file({f"unet.{Q}.{name}": t for name, t in {**content, "bias_size": size}.items()}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=re.escape(Q)):
        adapters.load_lora(pipe, adapters.read_lora(tmp_path / "a.safetensors"), "a")


@pytest.mark.parametrize(
    "shape", [(40, WIDTH // 8, 8, 8), (3, WIDTH, 1, 1), (8, 1, WIDTH, WIDTH), (0, WIDTH // 8, 8, 8)]
)
def test_butterflies_of_impossible_shapes_are_refused(shape: tuple[int, ...], pipe: Any, tmp_path: Path) -> None:
    content = {"boft_R": torch.zeros(shape), "boft_s": torch.ones(WIDTH, 1)}
    save_file(
        {f"base_model.model.{Q}.{name}": t for name, t in content.items()}, tmp_path / "adapter_model.safetensors"
    )
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "BOFT", "alpha": 8, "r": 8}')
    with pytest.raises(UserError, match=re.escape(Q)):
        adapters.load_lora(pipe, adapters.read_lora(tmp_path), "a")


@pytest.mark.parametrize("use", [lambda pipe, lora: adapters.load_lora(pipe, lora, "a"), adapters.merge_lora])
def test_changes_that_are_not_finite_are_named_and_change_nothing(use: Any, pipe: Any, tmp_path: Path) -> None:
    """The stored numbers are finite, their product is not; another layer of the file is in order."""
    content = {"conv_in.diff": torch.ones_like(pipe.unet.conv_in.weight)}
    content |= {f"{Q}.{name}": torch.full(shape, 1e30) for name, shape in LOHA.items()}
    save_file({f"unet.{name}": tensor for name, tensor in content.items()}, tmp_path / "a.safetensors")
    before = {name: tensor.clone() for name, tensor in pipe.unet.state_dict().items()}
    with pytest.raises(UserError, match=f"{re.escape(Q)} by numbers that are not finite"):
        use(pipe, adapters.read_lora(tmp_path / "a.safetensors"))
    after = pipe.unet.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_folders_that_hold_no_one_lora(pipe: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no LoRA"):
        adapters.read_lora(tmp_path)
    for name in ("a", "b"):
        save_file(random_lora(pipe.unet, re.escape(Q)), tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match=r"2 weight files \(a.safetensors, b.safetensors\)"):
        adapters.read_lora(tmp_path)
    (tmp_path / "a.safetensors").unlink()
    assert adapters.read_lora(tmp_path).kind == "diffusers"
    for name in ("x", "y"):
        shutil.copytree(make_peft(pipe, tmp_path / "swift" / name)[0], tmp_path / "two" / name)
    with pytest.raises(UserError, match=r"several adapters \(x, y\)"):
        adapters.read_lora(tmp_path / "two")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"peft_type": "HRA"}', "of the kind HRA, which can't be loaded: LORA, LOHA, LOKR, IA3, OFT, BOFT can"),
        ('{"peft_type": "LORA", "init_lora_weights": "pissa_niter_4"}', "changes the base model"),
        ('{"peft_type": "LORA", "use_rslora": "no"}', "use_rslora is 'no'; give true or false"),
        ('{"peft_type": "LORA", "use_rslora": {"a": 1}}', "use_rslora is .*; give true or false"),
        ('{"peft_type": "LORA", "use_dora": true}', "says use_dora, and the file has no magnitudes"),
        ('{"peft_type": "LORA", "lora_bias": true}', "trained with lora_bias, biases of the matrices"),
        ('{"peft_type": "LORA", "modules_to_save": ["conv_in"]}', "modules_to_save, whole layers"),
        ("[]", "holds no JSON object"),
        ("{", "can't be read as JSON"),
    ],
)
def test_peft_configurations_that_are_refused(config: str, message: str, pipe: Any, tmp_path: Path) -> None:
    folder, _ = make_peft(pipe, tmp_path)
    (folder / "adapter_config.json").write_text(config)
    with pytest.raises(UserError, match=message):
        adapters.read_lora(folder)


@pytest.mark.parametrize(
    "content",
    [
        {"lora_down.weight": torch.ones(4, WIDTH), "lora_up.weight": torch.ones(WIDTH, 4), "alpha": torch.tensor(0.0)},
        {"lora_down.weight": torch.ones(4, WIDTH), "lora_up.weight": torch.zeros(WIDTH, 4)},
        {"lokr_w1": torch.ones(8, 8), "lokr_w2_a": torch.ones(16, 2), "lokr_w2_b": torch.ones(2, 16), "alpha": 0},
    ],
    ids=["alpha", "not trained", "another kind"],
)
def test_a_lora_that_changes_nothing_is_warned_of(content: dict[str, Any], tmp_path: Path) -> None:
    flat = f"lora_unet_{Q.replace('.', '_')}"
    tensors = {f"{flat}.{name}": torch.as_tensor(tensor).float() for name, tensor in content.items()}
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=r"a\.safetensors changes nothing"):
        adapters.read_lora(tmp_path / "a.safetensors")


def test_nothing_is_overwritten(pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lora = adapters.LoraFile("PEFT", random_lora(pipe.unet, re.escape(Q)))
    file = adapters.write_lora(lora, tmp_path / "a.safetensors", "kohya")
    content = file.read_bytes()
    for form in ("kohya", "diffusers"):
        with pytest.raises(UserError, match="exists already"):
            adapters.write_lora(lora, file, form)
    folder = adapters.write_lora(lora, tmp_path / "peft", "peft")
    with pytest.raises(UserError, match="exists already"):
        adapters.write_lora(lora, folder, "peft")
    assert adapters.write_lora(lora, tmp_path / "peft", "diffusers").name == "pytorch_lora_weights.safetensors"
    embedding = adapters.Embedding(CAT, torch.ones(1, 256))
    with pytest.raises(UserError, match="exists already"):
        adapters.write_embedding(embedding, file, "diffusers")
    assert file.read_bytes() == content
    with pytest.raises(UserError, match="does not end in"):
        adapters.write_lora(lora, tmp_path / "b", "kohya")
    with pytest.raises(UserError, match="is a folder"):
        adapters.write_lora(lora, tmp_path / "b.safetensors", "peft")
    with pytest.raises(UserError, match="valid are 'diffusers', 'peft', 'kohya'"):
        adapters.write_lora(lora, tmp_path / "b", "onnx")

    def full_disk(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("safetensors.torch.save_file", full_disk)
    listed = sorted(tmp_path.rglob("*"))
    for form, name in (("kohya", "c.safetensors"), ("peft", "c")):
        with pytest.raises(UserError, match=r"can't be written \(no space left\)"):
            adapters.write_lora(lora, tmp_path / name, form)
    assert sorted(tmp_path.rglob("*")) == listed
