"""Adapters that are no plain LoRA, against the packages that own their formulas: LyCORIS and PEFT."""

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from safetensors.torch import load_file, save_file

from pai_modelscope import adapters
from pai_modelscope.errors import UserError
from tests.support.adapter_files import CONV, Q, drawn_with, same, same_state, unet_output

NORM, GROUP = "down_blocks.1.attentions.0.transformer_blocks.0.norm1", "down_blocks.0.resnets.0.norm1"
POINT = "down_blocks.1.attentions.0.proj_in"  # a convolution of one pixel
UPPER = "up_blocks.0.resnets.0.conv1"  # of more channels in than out

# Each: LyCORIS' class, its options, the layer.
KINDS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "LoCon": (LoConModule, {}, Q),
    "LoCon, convolution": (LoConModule, {}, CONV),
    "LoCon, Tucker": (LoConModule, {"use_tucker": True}, CONV),
    "LoCon, rsLoRA": (LoConModule, {"rs_lora": True}, Q),
    "LoHa": (LohaModule, {}, Q),
    "LoHa, convolution": (LohaModule, {}, CONV),
    "LoHa, one pixel": (LohaModule, {}, POINT),
    "LoHa, Tucker": (LohaModule, {"use_tucker": True}, CONV),
    "LoKr": (LokrModule, {"factor": 8}, Q),
    "LoKr, both products": (LokrModule, {"factor": 8, "decompose_both": True, "lora_dim": 2}, Q),
    "LoKr, neither a product": (LokrModule, {"factor": 8, "full_matrix": True}, Q),
    "LoKr, convolution": (LokrModule, {"factor": 4}, CONV),
    "LoKr, Tucker": (LokrModule, {"factor": 4, "use_tucker": True}, CONV),
    "LoKr, more in than out": (LokrModule, {"factor": 4}, UPPER),
    "GLoRA": (GLoRAModule, {}, Q),
    "GLoRA, convolution": (GLoRAModule, {}, CONV),
    "full": (FullModule, {}, Q),
    "full, with a bias": (FullModule, {}, CONV),
    "IA3": (IA3Module, {}, Q),
    "IA3, inputs": (IA3Module, {"train_on_input": True}, Q),
    "IA3, convolution": (IA3Module, {}, CONV),
    "IA3, a convolution's inputs": (IA3Module, {"train_on_input": True}, UPPER),
    "OFT": (DiagOFTModule, {"lora_dim": 8}, Q),
    "OFT, convolution": (DiagOFTModule, {"lora_dim": 8}, CONV),
    "OFT, held back": (DiagOFTModule, {"lora_dim": 8, "constraint": 0.001}, Q),
    "OFT, rescaled": (DiagOFTModule, {"lora_dim": 8, "rescaled": True}, Q),
    "BOFT": (ButterflyOFTModule, {"lora_dim": 8}, Q),
    "BOFT, rescaled convolution": (ButterflyOFTModule, {"lora_dim": 8, "rescaled": True}, CONV),
    "norm": (NormModule, {}, NORM),
    "norm of groups": (NormModule, {}, GROUP),
    "DoRA": (LoConModule, {"weight_decompose": True}, Q),
    "DoRA, convolution": (LoConModule, {"weight_decompose": True}, CONV),
    "DoRA of inputs": (LoConModule, {"weight_decompose": True, "wd_on_out": False}, Q),
    "DoRA of inputs, convolution": (LoConModule, {"weight_decompose": True, "wd_on_out": False}, UPPER),
    "DoRA of LoHa": (LohaModule, {"weight_decompose": True}, Q),
    "DoRA of LoKr, inputs": (LokrModule, {"factor": 8, "weight_decompose": True, "wd_on_out": False}, Q),
}
every_kind = pytest.mark.parametrize("name", KINDS)
# Their own weight between 0 and 1 bends; ours is a straight line, as the WebUI's.
BENDING = ("BOFT", "DoRA", "OFT, rescaled", "full")  # full can't be asked twice


def lycoris(name: str, layer: torch.nn.Module) -> Any:
    """LyCORIS' module for a layer, as if trained."""
    cls, options, _ = KINDS[name]
    random = torch.Generator().manual_seed(len(name))
    module = cls("x", layer, **{"lora_dim": 4, "alpha": 3, **options})
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            noise = 0.1 * torch.randn(parameter.shape, generator=random)
            grown = key in ("dora_scale", "rescale")
            parameter.copy_(parameter * (1 + noise) if grown else noise)
    return module.eval()


def file_of(name: str, pipe: Any, folder: Path) -> tuple[Path, Any]:
    """A file of one module, as LyCORIS saves it for the WebUI, and the module."""
    place = KINDS[name][2]
    module = lycoris(name, copy.deepcopy(pipe.unet.get_submodule(place)))
    saved = module.state_dict()
    if isinstance(module, FullModule):  # which saves the difference from the layer only once it has taken it over
        parameters = {"diff": module.weight, "diff_b": module.bias}
        saved = {key: p.detach() for key, p in parameters.items() if p is not None}
    state = {f"lora_unet_{place.replace('.', '_')}.{key}": tensor for key, tensor in saved.items()}
    save_file({key: tensor.contiguous().clone() for key, tensor in state.items()}, folder / "a.safetensors")
    return folder / "a.safetensors", module


def given_by(layer: Any) -> torch.Tensor:
    """What a layer makes of the same random input."""
    random = torch.Generator().manual_seed(9)
    base = getattr(layer, "base_layer", layer)
    if isinstance(base, torch.nn.Conv2d):
        shape = (2, base.in_channels, 6, 6)
    elif isinstance(base, torch.nn.GroupNorm):
        shape = (2, base.num_channels, 6, 6)
    else:
        shape = (5, base.in_features if isinstance(base, torch.nn.Linear) else base.normalized_shape[0])
    with torch.no_grad():
        return layer(torch.randn(shape, generator=random))


@torch.no_grad()
def expected(module: Any, weight: float) -> torch.Tensor:
    """By LyCORIS itself: the layer that its module has taken over."""
    layer = module.org_module[0]
    module.multiplier = weight
    module.apply_to()
    result = given_by(layer)
    module.restore()
    return result


@every_kind
def test_every_kind_of_lycoris_is_what_lycoris_makes_of_it(name: str, pipe: Any, tmp_path: Path) -> None:
    place = KINDS[name][2]
    file, module = file_of(name, pipe, tmp_path)
    plain, whole = given_by(pipe.unet.get_submodule(place)), expected(module, 1.0)
    assert (whole - plain).abs().max() > 1e-3
    lora = adapters.read_lora(file)
    before = copy.deepcopy(pipe.unet.state_dict())
    adapters.load_lora(pipe, lora, "a")
    layer = pipe.unet.get_submodule(place)
    torch.testing.assert_close(given_by(layer), whole, rtol=1e-4, atol=1e-4)
    adapters.set_loras(pipe, {"a": 0.25})
    line = plain + 0.25 * (whole - plain)  # of what a layer gives, which is linear in its weights
    if not name.startswith(BENDING):
        torch.testing.assert_close(expected(module, 0.25), line, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(given_by(layer), line, rtol=1e-4, atol=1e-4)
    adapters.set_loras(pipe, {})
    assert all(
        torch.equal(tensor, before[key.replace(".base_layer", "")])
        for key, tensor in pipe.unet.state_dict().items()
        if "lora_" not in key
    )
    adapters.unload_lora(pipe, "a")
    assert same_state(pipe.unet.state_dict(), before)
    adapters.merge_lora(pipe, lora, 0)
    assert same_state(pipe.unet.state_dict(), before)
    adapters.merge_lora(pipe, lora, 1)
    torch.testing.assert_close(given_by(pipe.unet.get_submodule(place)), whole, rtol=1e-4, atol=1e-4)
    changed = {key for key, tensor in pipe.unet.state_dict().items() if not torch.equal(tensor, before[key])}
    assert changed and changed <= {f"{place}.weight", f"{place}.bias"}


@every_kind
@pytest.mark.filterwarnings("ignore:.*holds DoRA")
def test_every_kind_survives_kohyas_form(name: str, pipe: Any, tmp_path: Path) -> None:
    """And the other forms hold it, or say that they can't."""
    file, module = file_of(name, pipe, tmp_path)
    lora = adapters.read_lora(file)
    again = adapters.read_lora(adapters.write_lora(lora, tmp_path / "b.safetensors", "kohya"))
    assert same(drawn_with(pipe, again), drawn_with(pipe, lora)) and again.kinds == lora.kinds
    assert load_file(tmp_path / "b.safetensors").keys() == load_file(file).keys() | (
        {key.replace("lora_down.weight", "alpha") for key in load_file(file) if "lora_down" in key}
    ) or name.startswith("LoKr, neither")
    for form in ("diffusers", "peft"):
        if lora.changes:
            with pytest.raises(UserError, match=f"The form '{form}' can't hold"):
                adapters.write_lora(lora, tmp_path / form, form)
            assert not (tmp_path / form).exists()
        else:
            written = adapters.read_lora(adapters.write_lora(lora, tmp_path / form, form))
            assert same(drawn_with(pipe, written), drawn_with(pipe, lora))
    assert module is not None


# PEFT's own kinds.

WIDE = r".*attn[12]\.to_(q|k|v)|.*resnets\.0\.conv1"
PEFTS: dict[str, Any] = {
    "LoHa": lambda: peft.LoHaConfig(r=3, alpha=5, target_modules=WIDE, init_weights=False, alpha_pattern={"conv1": 2}),
    "LoHa, effective": lambda: peft.LoHaConfig(
        r=3, alpha=5, target_modules=WIDE, init_weights=False, use_effective_conv2d=True, rank_pattern={"to_q": 2}
    ),
    "LoKr": lambda: peft.LoKrConfig(r=3, alpha=5, target_modules=WIDE, init_weights=False, rank_pattern={"to_q": 2}),
    "LoKr, neither a product": lambda: peft.LoKrConfig(r=64, alpha=32, target_modules=WIDE, init_weights=False),
    "LoKr, effective": lambda: peft.LoKrConfig(
        r=3, alpha=5, target_modules=WIDE, init_weights=False, use_effective_conv2d=True, decompose_both=True
    ),
    "IA3": lambda: peft.IA3Config(target_modules=WIDE, feedforward_modules=[], init_ia3_weights=False),
    "IA3, inputs": lambda: peft.IA3Config(
        target_modules=["to_q", "conv1"], feedforward_modules=["to_q", "conv1"], init_ia3_weights=False
    ),
    "OFT": lambda: peft.OFTConfig(oft_block_size=8, r=0, target_modules=WIDE, init_weights=False),
    "OFT, exact": lambda: peft.OFTConfig(
        oft_block_size=8, r=0, target_modules=WIDE, init_weights=False, use_cayley_neumann=False, block_share=True
    ),
    "OFT, held back": lambda: peft.OFTConfig(
        oft_block_size=8, r=0, target_modules=WIDE, init_weights=False, coft=True, eps=0.1, num_cayley_neumann_terms=3
    ),
    "BOFT": lambda: peft.BOFTConfig(boft_block_size=8, target_modules=WIDE, init_weights=False),
}


@pytest.mark.parametrize("name", PEFTS)
@pytest.mark.filterwarnings("ignore::UserWarning:peft")
def test_every_kind_of_peft_is_what_peft_makes_of_it(name: str, pipe: Any, tmp_path: Path) -> None:
    torch.manual_seed(4)
    plain = unet_output(pipe.unet)
    tuned = peft.get_peft_model(copy.deepcopy(pipe.unet), PEFTS[name]())
    for key, parameter in tuned.named_parameters():
        if "ia3" in key:
            parameter.data = 1 + 0.1 * parameter.data
    tuned.save_pretrained(tmp_path / "a")
    lora = adapters.read_lora(tmp_path / "a")
    assert lora.kind == "PEFT" and set(lora.kinds) == {name.partition(",")[0] + " of PEFT" * ("OFT" in name)}
    before = copy.deepcopy(pipe.unet.state_dict())
    drawn = drawn_with(pipe, lora)[0]
    assert (drawn - plain).abs().max() > 1e-2
    # Merged by PEFT: its OFT can't run a convolution over so small a picture.
    torch.testing.assert_close(drawn, unet_output(tuned.merge_and_unload().eval()), rtol=1e-3, atol=1e-3)
    assert same_state(pipe.unet.state_dict(), before)
    if "OFT" in name or name == "IA3":
        with pytest.raises(UserError, match="kohya's form can't hold"):
            adapters.write_lora(lora, tmp_path / "b.safetensors", "kohya")
    else:
        again = adapters.read_lora(adapters.write_lora(lora, tmp_path / "b.safetensors", "kohya"))
        torch.testing.assert_close(drawn_with(pipe, again)[0], drawn, rtol=1e-4, atol=1e-4)
