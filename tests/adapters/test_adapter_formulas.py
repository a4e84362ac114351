"""Formulas of adapters by hand, and several adapters on one layer."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.boft.layer import BOFTLayer
from safetensors.torch import save_file

from pai_modelscope import adapters
from pai_modelscope.adapters.kinds import Change
from pai_modelscope.errors import UserError
from tests.adapters.test_adapter_kinds import file_of, given_by
from tests.support.adapter_files import WIDTH, Q, same_state


def test_several_stages_of_pefts_boft() -> None:
    """PEFT makes them with a compiler for CUDA alone; its matrices of permutations, written out, are the reference."""
    layer: Any = BOFTLayer
    stages, blocks, size, out = 3, 8, 4, 5
    random = torch.Generator().manual_seed(0)
    turns = 0.3 * torch.randn(stages, blocks, size, size, generator=random)
    weight, scales = torch.randn(out, blocks * size, generator=random), torch.rand(out, 1, generator=random)
    whole = torch.eye(blocks * size)
    for stage in range(stages):
        order = layer.block_butterfly_perm(None, blocks * size, blocks // 2**stage, size // 2, stages - 1)
        permutation = layer.perm2mat(None, order)
        diagonal = torch.block_diag(*layer.cayley_batch(None, turns[stage]))
        whole = permutation @ diagonal @ permutation.T @ whole
    expected = (whole @ weight.T).T * scales
    delta, _ = Change("BOFT of PEFT", {"boft_R": turns, "boft_s": scales}).delta(weight, None)
    assert delta is not None
    torch.testing.assert_close(weight + delta, expected, rtol=1e-4, atol=1e-5)


def test_glora_as_lycoris_wrote_it_until_version_3(pipe: Any, tmp_path: Path) -> None:
    """The other factor of each pair read the input: W + W a2 a1 + b2 b1."""
    name = "up_blocks.0.attentions.0.transformer_blocks.0.ff.net.2"
    weight = pipe.unet.get_submodule(name).weight.clone()
    random = torch.Generator().manual_seed(0)
    out, inner = weight.shape
    shapes = {"a1": (4, inner), "a2": (inner, 4), "b1": (4, inner), "b2": (out, 4)}
    state = {key: 0.1 * torch.randn(shape, generator=random) for key, shape in shapes.items()}
    flat = "lora_unet_" + name.replace(".", "_")
    save_file(
        {f"{flat}.{key}.weight": t for key, t in state.items()} | {f"{flat}.alpha": torch.tensor(2.0)},
        tmp_path / "a.safetensors",
    )
    adapters.merge_lora(pipe, adapters.read_lora(tmp_path / "a.safetensors"))
    wanted = weight + 2 / 4 * (weight @ state["a2"] @ state["a1"] + state["b2"] @ state["b1"])
    torch.testing.assert_close(pipe.unet.get_submodule(name).weight, wanted, rtol=1e-4, atol=1e-4)


def test_numbers_that_scale_and_sparse_remainders(pipe: Any, tmp_path: Path) -> None:
    """`scale` goes before alpha, `scalar` multiplies, and a remainder is added before both, as the WebUI reads them."""
    flat, layer = "lora_unet_" + Q.replace(".", "_"), pipe.unet.get_submodule(Q)
    weight = layer.weight.clone()
    down, up = torch.ones(4, WIDTH), torch.full((WIDTH, 4), 0.01)
    state = {f"{flat}.lora_down.weight": down, f"{flat}.lora_up.weight": up, f"{flat}.alpha": torch.tensor(2.0)}
    state |= {f"{flat}.scale": torch.tensor(3.0), f"{flat}.scalar": torch.tensor(0.5)}
    save_file(state, tmp_path / "a.safetensors")
    adapters.merge_lora(pipe, adapters.read_lora(tmp_path / "a.safetensors"))
    torch.testing.assert_close(layer.weight, weight + 1.5 * (up @ down))
    layer.weight.copy_(weight)
    remainder = {"indices": torch.tensor([[0, WIDTH - 1], [5, 6]]), "values": torch.tensor([1.0, 2.0])}
    state |= {f"{flat}.bias_{key}": t for key, t in remainder.items()}
    state |= {f"{flat}.bias_size": torch.tensor([WIDTH, WIDTH])}
    save_file(state, tmp_path / "b.safetensors")
    adapters.merge_lora(pipe, adapters.read_lora(tmp_path / "b.safetensors"))
    wanted = weight + 1.5 * (up @ down)
    wanted[0, 5] += 1.5
    wanted[WIDTH - 1, 6] += 3.0
    torch.testing.assert_close(layer.weight, wanted)
    save_file(state | {f"{flat}.bias_indices": torch.tensor([[0, WIDTH], [5, 6]])}, tmp_path / "c.safetensors")
    with pytest.raises(UserError, match="does not fit the model"):
        adapters.merge_lora(pipe, adapters.read_lora(tmp_path / "c.safetensors"))


def test_several_at_once_are_of_the_models_own_weights(pipe: Any, tmp_path: Path) -> None:
    """LoHa, OFT and a LoRA on one layer: the sum of what each alone adds, in any order, and nothing is left behind."""
    before = copy.deepcopy(pipe.unet.state_dict())
    layer = pipe.unet.get_submodule(Q)
    plain, weights = given_by(layer), {"LoHa": 0.5, "OFT": 0.25, "LoCon": -0.75}
    files = {}
    for name in weights:
        (tmp_path / name).mkdir()
        files[name], _ = file_of(name, pipe, tmp_path / name)
    alone = {}
    for name, file in files.items():
        adapters.load_lora(pipe, adapters.read_lora(file), name)
        adapters.set_loras(pipe, {name: weights[name]})
        alone[name] = given_by(pipe.unet.get_submodule(Q)) - plain
    for order in (list(weights), list(weights)[::-1]):
        adapters.set_loras(pipe, {name: weights[name] for name in order})
        torch.testing.assert_close(
            given_by(pipe.unet.get_submodule(Q)), plain + sum(alone.values()), rtol=1e-4, atol=1e-4
        )
    assert adapters.loaded_loras(pipe) == list(weights)
    adapters.merge_lora(pipe, adapters.read_lora(files["LoHa"]), 1)  # while others are on
    for name in ("OFT", "LoHa", "LoCon"):
        adapters.unload_lora(pipe, name)
    merged = copy.deepcopy(pipe.unet.state_dict())
    pipe.unet.load_state_dict(before)
    adapters.merge_lora(pipe, adapters.read_lora(files["LoHa"]), 1)
    assert same_state(pipe.unet.state_dict(), merged) and not hasattr(pipe.unet, "weight_changes")
