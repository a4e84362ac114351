"""Control adapters of low rank: written, read, expanded over a UNet; and the one that ships, which must steer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.adapters import load_lora, read_lora
from pai_modelscope.adapters.control import FILE, attach_control_lora, read_control_lora, write_control_lora
from pai_modelscope.data import open_dataset
from pai_modelscope.evaluation.metrics import edge_agreement
from pai_modelscope.families import STABLE_DIFFUSION
from pai_modelscope.families.single_file import from_single_file, to_single_file
from pai_modelscope.images.annotators import annotate
from tests.support.adapter_files import make_diffusers
from tests.support.command_line import generate, names

MINI = model_dir("pai-diffusion-mini-zh")
CANNY = model_dir("pai-diffusion-mini-zh-controlnet-canny")
QUICK = {"num_inference_steps": 3, "height": 64, "width": 64}


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(MINI / "unet", torch_dtype=torch.float32)


@pytest.fixture
def trained(unet: UNet2DConditionModel) -> ControlNetModel:
    """As after some training: no matrix is zero any more."""
    net = ControlNetModel.from_unet(unet)
    attach_control_lora(net, 3)
    torch.manual_seed(0)
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.data += (0.05 * torch.randn_like(parameter)).half().float()
            parameter.data = parameter.data.half().float()  # what a file keeps
    return net


def outputs(net: ControlNetModel) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    noise, states = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 32, 256, generator=generator)
    edges = torch.rand(1, 3, 64, 64, generator=generator)
    with torch.no_grad():
        down, middle = net(noise, torch.tensor([500]), states, edges, return_dict=False)
    return [*down, middle]


def test_what_is_read_steers_as_what_was_trained(trained, unet, tmp_path):
    write_control_lora(trained, tmp_path / "net")
    whole = read_control_lora(tmp_path / "net", unet)
    assert names(tmp_path / "net") == ["config.json", FILE] and not any("lora" in n for n in whole.state_dict())
    for before, after in zip(outputs(trained), outputs(whole), strict=True):
        assert before.abs().max() > 0.01 and torch.allclose(before, after, atol=1e-4)
    plain = outputs(ControlNetModel.from_unet(unet))
    assert all(part.abs().max() == 0 for part in plain)


def test_only_matrices_and_the_parts_that_no_unet_has_train_and_are_kept(trained, unet, tmp_path):
    learning = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    assert learning and all(name.startswith("controlnet_") or ".lora_" in name for name in learning)
    assert not any(name.startswith("controlnet_") and "lora" in name for name, _ in trained.named_parameters())
    write_control_lora(trained, tmp_path / "net")
    kept = load_file(tmp_path / "net" / FILE)
    assert len(kept) == len(learning) and {tensor.dtype for tensor in kept.values()} == {torch.float16}


def test_loras_in_the_unet_leave_the_controlnet_alone(sampler, tmp_path):
    before = STABLE_DIFFUSION.open_controlnet(CANNY, sampler.pipe).state_dict()
    other = Sampler.from_pretrained(MINI, device="cpu").pipe
    load_lora(other, read_lora(make_diffusers(sampler.pipe, tmp_path)[0]), "ink")
    after = STABLE_DIFFUSION.open_controlnet(CANNY, other).state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def damaged(tmp_path: Path, change) -> Path:
    folder = tmp_path / "damaged"
    shutil.copytree(CANNY, folder)
    tensors = load_file(folder / FILE)
    change(tensors)
    save_file(tensors, folder / FILE)
    return folder


def test_an_adapter_for_another_model_or_with_a_part_missing_is_refused(sampler, tmp_path):
    name = "conv_in.lora_A.weight"
    wide = damaged(tmp_path / "a", lambda tensors: tensors.update({name: torch.zeros(len(tensors[name]), 9, 3, 3)}))
    lost = damaged(tmp_path / "b", lambda tensors: tensors.pop("controlnet_mid_block.weight"))
    half = damaged(tmp_path / "c", lambda tensors: tensors.pop("conv_in.lora_B.weight"))
    odd = damaged(tmp_path / "d", lambda tensors: tensors.update({"mid_block.odd": torch.zeros(1)}))
    for folder in (wide, lost, half, odd):
        with pytest.raises(UserError, match=r"is for another model: .*(conv_in|controlnet_mid_block|odd)"):
            STABLE_DIFFUSION.open_controlnet(folder, sampler.pipe)
    cut = tmp_path / "cut"
    shutil.copytree(CANNY, cut)
    (cut / FILE).write_bytes((CANNY / FILE).read_bytes()[:1000])
    with pytest.raises(UserError, match="cut short"):
        STABLE_DIFFUSION.open_controlnet(cut, sampler.pipe)


def test_as_a_single_file_and_back_it_is_a_whole_controlnet_for_everyone(sampler, tmp_path):
    folder = from_single_file(
        to_single_file("pai-diffusion-mini-zh-controlnet-canny", tmp_path / "canny.safetensors"), tmp_path / "canny"
    )
    whole, ours = ControlNetModel.from_pretrained(folder), STABLE_DIFFUSION.open_controlnet(CANNY, sampler.pipe)
    state = ours.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in whole.state_dict().items())
    shutil.copytree(CANNY, tmp_path / "mine")
    with pytest.raises(UserError, match="give --base"):
        to_single_file(tmp_path / "mine", tmp_path / "mine.safetensors")
    made = to_single_file(tmp_path / "mine", tmp_path / "mine.safetensors", base=MINI)
    assert all(torch.equal(t, load_file(made)[n]) for n, t in load_file(tmp_path / "canny.safetensors").items())


def test_the_shipped_controlnet_draws_as_in_plain_diffusers(sampler):
    art = open_dataset("control_test", size=64)[0]["image"].convert("RGB")
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        MINI,
        controlnet=STABLE_DIFFUSION.open_controlnet(CANNY, sampler.pipe),
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae):
        part.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(3)
    options = {"num_inference_steps": 3, "guidance_scale": 5.0}
    expected = pipe("飞机", image=annotate("canny", art), height=64, width=64, generator=generator, **options).images[0]
    got = sampler("飞机", control={"canny": art}, seed=3, guidance_rescale=0.0, guidance_scale=5.0, **QUICK)[0].image
    assert np.array_equal(np.asarray(expected), np.asarray(got))


@pytest.mark.slow
def test_edges_are_followed_twice_as_well_as_without_control(sampler):
    """The promise of the shipped ControlNet, on held-out drawings: 0.73 against 0.32 over sixteen."""
    rows = open_dataset("control_test", size=256, background="白色").select(range(0, 160, 40))
    agreement: dict[str, list[float]] = {"with": [], "without": []}
    for row in rows:
        art, text = row["image"].convert("RGB"), f"{row['name']},{row['style']}"
        for key, control in (("with", {"canny": art}), ("without", None)):
            picture = sampler(text, seed=7, num_inference_steps=12, control=control)[0].image
            agreement[key].append(edge_agreement(annotate("canny", art), picture))
    held, free = (sum(each) / len(each) for each in agreement.values())
    assert held > 0.6 and held >= 1.8 * free, (held, free)


def test_edge_agreement_is_f1_with_a_tolerance():
    blank = Image.new("RGB", (64, 64), "white")
    square, moved, far = blank.copy(), blank.copy(), blank.copy()
    square.paste("black", (20, 20, 40, 40))
    moved.paste("black", (21, 20, 41, 40))
    far.paste("black", (26, 26, 46, 46))
    edges = annotate("canny", square)
    assert edge_agreement(edges, square) == edge_agreement(edges, moved) == 1
    assert edge_agreement(edges, moved, tolerance=0) < 0.7 and edge_agreement(edges, far) < 0.5
    assert edge_agreement(edges, blank) == 0 and edge_agreement(annotate("canny", blank), blank) == 1


def test_on_the_command_line_the_zoo_knows_it(tmp_path):
    open_dataset("control_test", size=256)[3]["image"].convert("RGB").save(tmp_path / "art.png")
    picture = ("猪头,现代扁平风格", "--control", f"canny={tmp_path / 'art.png'}", "--steps", "2", "--seed", "1")
    assert generate(*picture, "--size", "64", "--output", str(tmp_path / "a")) == 0
    made = next((tmp_path / "a").glob("*.png"))
    assert "pai-diffusion-mini-zh-controlnet-canny" in Image.open(made).text["parameters"]
    assert generate("--like", str(made), "--output", str(tmp_path / "b")) == 0
    again = next((tmp_path / "b").glob("*.png"))
    assert np.array_equal(np.asarray(Image.open(made)), np.asarray(Image.open(again)))


def test_the_table_compares_controlled_with_uncontrolled():
    from pai_modelscope.evaluation.report import ratio
    from recipes.mini.evaluate import judged

    rows = [
        {"name": "controlled", "generated": {"edges": 0.8}, "of_uncontrolled": ratio({"edges": 0.8}, {"edges": 0.32})}
    ]
    assert "     reached  controlled edges (of_uncontrolled): 2.500, at least 2" in list(judged({"rows": rows}))
