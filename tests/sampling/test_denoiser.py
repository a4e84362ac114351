"""The denoiser in the network's place: what a backend is asked, and prompts that change, alternate or are composed.

Pictures are compared with plain diffusers, whose conditioning is exchanged by hand.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.acceleration import EagerBackend
from pai_modelscope.families import Inputs, NetworkControl
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.sampling import LoadedModel
from pai_modelscope.sampling.denoiser import rescaled
from pai_modelscope.sampling.schedulers import build_scheduler
from tests.sampling.test_loras import lora_file
from tests.support.controlnets import save_steering_controlnet

MINI = model_dir("pai-diffusion-mini-zh")
STEPS = 5
QUICK = {"num_inference_steps": STEPS, "height": 64, "width": 64, "seed": 1, "guidance_rescale": 0.0}


class CountingBackend(EagerBackend):
    """Notes the rows of each call, and whether ControlNets add to it."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.calls: list[tuple[int, bool]] = []
        self.adapters: list[dict[str, float]] = []

    def predict(self, sample: torch.Tensor, timestep: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        controlled = "mid_block_additional_residual" in inputs
        assert len(inputs["encoder_hidden_states"]) == len(sample)
        self.calls.append((len(sample), controlled))
        return super().predict(sample, timestep, inputs)

    def use_adapters(self, weights: Mapping[str, float]) -> None:
        self.adapters.append(dict(weights))
        super().use_adapters(weights)


def counted(sampler: Sampler, texts: Any, **options: Any) -> list[tuple[int, bool]]:
    """The calls that a counting backend, plugged into a sampler of the same networks, sees."""
    backend = CountingBackend(sampler.pipe.unet)
    model = LoadedModel(sampler.pipe, backend=backend)
    plugged = Sampler(model, recommended=sampler.recommended, base=sampler.base)
    plugged(texts, **{**QUICK, **options})
    return backend.calls


def array(picture: Any) -> np.ndarray:
    return np.asarray(getattr(picture, "image", picture))


@pytest.fixture(scope="module")
def art() -> Image.Image:
    picture = Image.new("RGB", (64, 64), "lightblue")
    picture.paste("red", (16, 16, 48, 48))
    return picture


@pytest.fixture(scope="module")
def mask() -> Image.Image:
    hole = Image.new("L", (64, 64))
    hole.paste(255, (16, 16, 48, 48))
    return hole


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ControlNet that steers: its zero convolutions are no longer zero."""
    return save_steering_controlnet(MINI / "unet", tmp_path_factory.mktemp("controlnet"))


@pytest.fixture(scope="module")
def plain() -> StableDiffusionPipeline:
    """The shipped model in plain diffusers, laid out as the sampler lays it out: another layout rounds otherwise."""
    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae):
        part.to(memory_format=torch.channels_last)
    return pipe


def states(pipe: StableDiffusionPipeline, text: str) -> torch.Tensor:
    with torch.no_grad():
        return pipe.encode_prompt(text, "cpu", 1, False)[0]


def switched(pipe: StableDiffusionPipeline, texts: list[str], negatives: list[str], **options: Any) -> np.ndarray:
    """What plain diffusers draws of a text and a negative text for each step, exchanged after the step before."""
    pairs = [torch.cat([states(pipe, n), states(pipe, t)]) for t, n in zip(texts, negatives, strict=True)]

    def exchange(_: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"prompt_embeds": pairs[step + 1]} if step + 1 < len(pairs) else {}

    drawn = pipe(
        prompt_embeds=states(pipe, texts[0]),
        negative_prompt_embeds=states(pipe, negatives[0]),
        generator=torch.Generator().manual_seed(1),
        callback_on_step_end=exchange,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
        num_inference_steps=len(texts),
        height=64,
        width=64,
        guidance_scale=5.0,
        **options,
    )
    return array(drawn.images[0])


# What a backend is asked


def test_a_backend_sees_two_rows_a_picture_and_step(sampler):
    assert counted(sampler, "熊猫") == [(2, False)] * STEPS
    assert counted(sampler, "熊猫", guidance_scale=1.0) == [(1, False)] * STEPS
    assert counted(sampler, ["熊猫", "狗", "鸟"], batch_size=3) == [(6, False)] * STEPS
    assert counted(sampler, ["熊猫", "狗", "鸟"]) == [(2, False)] * STEPS * 3


def test_image_to_image_takes_a_share_of_the_steps(sampler, art, mask):
    assert counted(sampler, "熊猫", image=art, strength=0.6) == [(2, False)] * 3
    assert counted(sampler, "熊猫", image=art, strength=0.6, guidance_scale=1.0) == [(1, False)] * 3
    assert counted(sampler, "熊猫", image=art, mask=mask, strength=1.0) == [(2, False)] * STEPS
    assert counted(sampler, "熊猫", upscale=2, upscaler="hires", upscale_strength=0.4) == [(2, False)] * (STEPS + 2)


def test_some_schedulers_evaluate_more_often_than_they_step(sampler):
    assert counted(sampler, "熊猫", scheduler="Heun") == [(2, False)] * (2 * STEPS - 2)  # not in the first step
    assert counted(sampler, "熊猫", scheduler="DPM2") == [(2, False)] * (2 * STEPS - 1)
    assert counted(sampler, "熊猫", scheduler="PNDM") == [(2, False)] * (STEPS + 1)


def test_a_network_of_nine_channels_is_given_mask_and_masked_image(sampler, art, mask):
    wide = nine_channels(sampler.pipe.unet)
    pipe = type(sampler.pipe)(**{**sampler.pipe.components, "unet": wide}, requires_safety_checker=False)
    backend = CountingBackend(wide)
    painted = Sampler(LoadedModel(pipe, backend=backend))("熊猫", image=art, mask=mask, **QUICK)[0]
    assert backend.calls == [(2, False)] * STEPS
    assert not np.array_equal(array(painted), array(art))


def nine_channels(unet: Any) -> Any:
    wide: Any = UNet2DConditionModel.from_config({**unet.config, "in_channels": 9})
    state = unet.state_dict()
    state["conv_in.weight"] = torch.cat(
        [state["conv_in.weight"], torch.zeros(len(state["conv_in.weight"]), 5, 3, 3)], 1
    )
    wide.load_state_dict(state)
    return wide.eval()


@pytest.mark.parametrize(
    ("share", "controlled"),
    [
        ({}, [True] * 5),
        ({"start": 0.5}, [False, False, False, True, True]),
        ({"end": 0.5}, [True, True, False, False, False]),
        ({"start": 0.2, "end": 0.6}, [False, True, True, False, False]),
    ],
)
def test_controlnets_take_part_from_start_to_end(sampler, art, net, share, controlled):
    control = {"canny": {"image": art, "model": net, **share}}
    assert counted(sampler, "熊猫", control=control) == [(2, active) for active in controlled]
    assert counted(sampler, "熊猫", control=control, guidance_scale=1.0) == [(1, active) for active in controlled]


def test_controlnets_join_every_task(sampler, art, mask, net):
    control = {"canny": {"image": art, "model": net}}
    assert counted(sampler, "熊猫", control=control, image=art, strength=0.6) == [(2, True)] * 3
    assert counted(sampler, "熊猫", control=control, image=art, mask=mask, strength=1.0) == [(2, True)] * STEPS
    assert counted(sampler, ["熊猫", "狗"], control=control, batch_size=2) == [(4, True)] * STEPS


def test_rows_that_and_joins_are_rows_of_a_call(sampler, art, net):
    assert counted(sampler, "熊猫 AND 雪地 :0.5 AND 蓝色 :-0.3") == [(4, False)] * STEPS
    assert counted(sampler, ["熊猫 AND 雪地", "狗", "鸟 AND 海"], batch_size=2) == [
        *[(6, False)] * STEPS,  # 熊猫 and 鸟 share a batch
        *[(2, False)] * STEPS,
    ]
    assert counted(sampler, "熊猫 AND 雪地", guidance_scale=1.0) == [(3, False)] * STEPS
    control = {"canny": {"image": art, "model": net}}
    assert counted(sampler, "熊猫 AND 雪地", control=control) == [(3, True)] * STEPS
    assert counted(sampler, "[熊猫:老虎:0.5] AND [a|b]") == [(3, False)] * STEPS


def test_a_network_that_embeds_guidance_is_told_the_scale_by_its_pipeline(sampler):
    """As LCM's does: no unconditional rows, and another scale is another picture."""
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel.from_config({**sampler.pipe.unet.config, "time_cond_proj_dim": 8})
    unet.load_state_dict(sampler.pipe.unet.state_dict(), strict=False)
    unet.eval()
    parts = {**sampler.pipe.components, "unet": unet}
    pipe: Any = type(sampler.pipe)(**parts, requires_safety_checker=False)
    backend = CountingBackend(unet)
    lcm = Sampler(LoadedModel(pipe, backend=backend), recommended={"scheduler": "LCM"})
    drawn = [array(lcm("熊猫", **{**QUICK, "guidance_rescale": 0.7}, guidance_scale=s)[0]) for s in (2.0, 8.0)]
    assert backend.calls == [(1, False)] * STEPS * 2 and not np.array_equal(*drawn)
    pipe.scheduler = build_scheduler("LCM", pipe.scheduler)
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": STEPS, "height": 64, "width": 64, "guidance_scale": 8.0}
    expected = pipe("熊猫", generator=[torch.Generator().manual_seed(1)], **options).images[0]
    assert np.array_equal(array(expected), drawn[1])


def test_adapters_are_the_backend_s(pipe, tmp_path: Path):
    backend = CountingBackend(pipe.unet)
    plugged = Sampler(LoadedModel(pipe, backend=backend))
    file = lora_file(tmp_path, "ink", 1)
    bare, inked, again = (array(plugged("熊猫", loras=loras, **QUICK)[0]) for loras in ({}, {file: 0.5}, {}))
    assert not np.array_equal(bare, inked) and np.array_equal(bare, again)
    on, off = backend.adapters
    assert list(on.values()) == [0.5] and off == {}


def test_an_unconditional_row_is_drawn_for_each_picture(sampler):
    """Pictures of one batch with different prompts, negative prompts and compositions are those drawn alone."""
    texts = [
        {"text": "熊猫 AND 雪地 :0.6", "negative_prompt": "蓝色"},
        {"text": "[狗:猫:0.4] AND 太阳", "negative_prompt": "[红色:绿色:0.4]"},
    ]
    together = sampler(texts, batch_size=2, **QUICK)
    for picture, text in zip(together, texts, strict=True):
        options = {**QUICK, **text, "seed": picture.seed, "batch_size": 2, "batch_pos": picture.index}
        assert np.array_equal(array(sampler(options.pop("text"), **options)[0]), array(picture))


def test_no_hook_is_set_anywhere():
    package = Path(__file__).parents[2] / "pai_modelscope"
    assert not [path for path in package.rglob("*.py") if "register_forward" in path.read_text(encoding="utf-8")]


# Prompts that change


@pytest.mark.parametrize(
    ("prompt", "negative", "texts", "negatives"),
    [
        ("[熊猫:老虎:0.5]", "", ["熊猫"] * 5 + ["老虎"] * 5, [""] * 10),
        ("[熊猫:老虎:3]在雪地", "蓝色", ["熊猫在雪地"] * 3 + ["老虎在雪地"] * 7, ["蓝色"] * 10),
        ("雪地[熊猫::0.3]", "[红色:蓝色:0.8]", ["雪地熊猫"] * 3 + ["雪地"] * 7, ["红色"] * 8 + ["蓝色"] * 2),
        ("[熊猫|老虎]", "", ["熊猫", "老虎"] * 5, [""] * 10),
    ],
)
def test_a_changing_prompt_is_plain_diffusers_with_conditioning_exchanged(
    sampler, plain, prompt, negative, texts, negatives
):
    options = {**QUICK, "num_inference_steps": 10, "guidance_scale": 5.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        (got,) = sampler(prompt, negative_prompt=negative, **options)
    assert np.array_equal(array(got), switched(plain, texts, negatives))
    assert not np.array_equal(array(got), array(sampler("熊猫", negative_prompt=negative, **options)[0]))


def test_rescale_reaches_a_changing_prompt(sampler, plain):
    options = {**QUICK, "num_inference_steps": 4, "guidance_scale": 5.0, "guidance_rescale": 0.7}
    expected = switched(plain, ["熊猫"] * 2 + ["老虎"] * 2, [""] * 4, guidance_rescale=0.7)
    assert np.array_equal(array(sampler("[熊猫:老虎:0.5]", **options)[0]), expected)


# Heun and DPM2 both evaluate twice a step.
@pytest.mark.parametrize("scheduler", ["Heun", "PNDM", pytest.param("DPM2", marks=pytest.mark.slow)])
def test_steps_count_whatever_the_scheduler_evaluates(sampler, scheduler):
    """A change after the last step is none, one before the last is one; both by number and by share."""
    options = {**QUICK, "scheduler": scheduler}
    whole, last = (array(sampler(f"[熊猫:老虎:{when}]", **options)[0]) for when in (5, 4))
    assert np.array_equal(whole, array(sampler("熊猫", **options)[0])) and not np.array_equal(whole, last)
    assert np.array_equal(last, array(sampler("[熊猫:老虎:0.8]", **options)[0]))
    assert np.array_equal(array(sampler("[熊猫:老虎:0]", **options)[0]), array(sampler("老虎", **options)[0]))


def test_shares_are_of_the_steps_that_are_taken(sampler, art):
    """From an initial image at strength 0.4, two of five."""
    options = {**QUICK, "image": art, "strength": 0.4}
    bear, half, tiger = (array(sampler(text, **options)[0]) for text in ("熊猫", "[熊猫:老虎:0.5]", "老虎"))
    assert not np.array_equal(bear, half) and not np.array_equal(half, tiger)
    assert np.array_equal(half, array(sampler("[熊猫:老虎:1]", **options)[0]))


def test_a_pass_over_the_picture_counts_on(sampler):
    options = {**QUICK, "upscale": 2, "upscaler": "hires", "upscale_strength": 0.4}  # two steps more
    bear = array(sampler("熊猫", **options)[0])
    assert np.array_equal(array(sampler("[熊猫:老虎:7]", **options)[0]), bear)
    assert np.array_equal(array(sampler("[熊猫:老虎:2.0]", **options)[0]), bear)
    late = array(sampler("[熊猫:老虎:6]", **options)[0])
    assert not np.array_equal(late, bear) and np.array_equal(late, array(sampler("[熊猫:老虎:1.5]", **options)[0]))


def test_texts_of_all_lengths_share_a_picture(sampler):
    """The longer needs two chunks; so that its states fit, the shorter has an empty one."""
    long = "好" * 40
    (got,) = sampler(f"[熊猫:{long}:0.4]", **QUICK)
    (other,) = sampler(f"[熊猫:{long}:0.6]", **QUICK)
    assert not np.array_equal(array(got), array(other))
    pictures = sampler([f"[熊猫:{long}:0.4]", "狗"], batch_size=2, **QUICK)
    assert [picture.seed for picture in pictures] == [1, 2]


@pytest.mark.parametrize(
    "prompt",
    ["[熊猫:老虎:0.5]", "[熊猫|老虎],雪地", "熊猫 AND 雪地 :0.6", "[(熊猫:1.2):\\[老虎\\]:2] AND [a|b] :1.5"],
)
def test_such_prompts_are_made_again_from_their_infotext(sampler, prompt, tmp_path):
    options = {"loras": {lora_file(tmp_path, f"ink{len(prompt)}", 1): 0.4}} if "雪地" in prompt else {}
    (picture,) = sampler(prompt, negative_prompt="[红色:蓝色:0.5]", **QUICK, **options)
    again = parse_infotext(picture.infotext)
    again.pop("model", None)
    (twin,) = sampler(again.pop("text"), **again)
    assert np.array_equal(array(picture), array(twin)) and twin.infotext == picture.infotext
    assert picture.prompt == prompt and picture.infotext.startswith(prompt)


# Composition


def test_and_is_the_weighted_sum_of_differences(sampler, plain):
    scheduler, unet = plain.scheduler, plain.unet
    rows = [states(plain, text) for text in ("蓝色", "熊猫", "雪地", "太阳")]
    scheduler.set_timesteps(STEPS)
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        with torch.no_grad():
            inputs = scheduler.scale_model_input(sample, timestep).repeat(4, 1, 1, 1)
            u, bear, snow, sun = unet(inputs, timestep, torch.cat(rows)).sample.split(1)
        guided = u + 5.0 * ((bear - u) + 0.7 * (snow - u) - 0.4 * (sun - u))
        sample = scheduler.step(guided, timestep, sample).prev_sample
    with torch.no_grad():
        expected = plain.image_processor.postprocess(plain.vae.decode(sample / plain.vae.config.scaling_factor).sample)
    options = {**QUICK, "guidance_scale": 5.0, "negative_prompt": "蓝色"}
    (got,) = sampler("熊猫 AND 雪地 :0.7 AND 太阳:-0.4", **options)
    assert np.array_equal(array(got), array(expected[0]))


def test_a_text_joined_to_itself_by_halves_is_that_text(sampler):
    once = array(sampler("熊猫", **QUICK)[0]).astype(int)
    halves = array(sampler("熊猫 :0.5 AND 熊猫 :0.5", **QUICK)[0]).astype(int)
    assert np.abs(once - halves).max() <= 2
    off = array(sampler("熊猫 AND 雪地 :0", **QUICK)[0]).astype(int)
    assert np.abs(once - off).max() <= 2


def test_without_guidance_and_is_relative_to_the_negative_prompt(sampler):
    options = {**QUICK, "guidance_scale": 1.0}
    once = array(sampler("熊猫", **options)[0]).astype(int)
    halves = array(sampler("熊猫 :0.5 AND 熊猫 :0.5", **options)[0]).astype(int)
    assert np.abs(once - halves).max() <= 2


def test_rescale_takes_the_deviation_of_the_composition():
    generator = torch.Generator().manual_seed(0)
    conditional, guided = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    full = rescaled(3 * guided, conditional, 1.0)
    assert torch.allclose(full.std((1, 2, 3)), conditional.std((1, 2, 3)))
    assert torch.equal(rescaled(guided, conditional, 0.0), guided)


def test_what_is_too_much_is_refused_before_anything_is_drawn(sampler):
    for prompt, message in (
        ("猫 AND " * 40 + "狗", "joins 41 texts by AND"),
        ("[猫:狗:0.5] AND " + "(" * 65, "more than 64 brackets"),
        (["狗", "猫 AND 狗 :" + "9" * 400], "text 2: .*the weight inf"),
        (
            "".join(f"[好:{step}]" for step in range(9)) + "好" * 30 * 120,
            r"becomes 10 texts over its steps, of 121 chunks",
        ),
    ):
        with pytest.raises(UserError, match=message):
            sampler(prompt, **{**QUICK, "num_inference_steps": 10})


def test_unknown_characters_of_a_changing_prompt_are_warned_of_once(sampler):
    with pytest.warns(UserWarning, match="vocabulary lacks") as caught:
        sampler("[熊猫:老虎:0.5]ꙮ", **QUICK)
    assert len([one for one in caught if "vocabulary lacks" in str(one.message)]) == 1


# The parts


def test_guess_mode_leaves_unconditional_rows_alone(sampler, net):
    """As diffusers' pipelines have it where a ControlNet pools its picture's features."""
    from diffusers import StableDiffusionControlNetPipeline

    network: Any = ControlNetModel.from_pretrained(net)
    network.register_to_config(global_pool_conditions=True)
    network.to(memory_format=torch.channels_last)
    pipe: Any = StableDiffusionControlNetPipeline(
        **sampler.pipe.components, controlnet=[network], requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    edges = Image.new("RGB", (64, 64))
    edges.paste("white", (20, 20, 40, 40))
    options = {"num_inference_steps": STEPS, "height": 64, "width": 64, "guidance_scale": 5.0}
    generator = torch.Generator().manual_seed(1)
    scales = {"controlnet_conditioning_scale": [0.7]}
    expected = pipe("熊猫", image=[edges], generator=generator, **options, **scales).images[0]
    other = Sampler(sampler.pipe)
    other.add_controlnet(network, "shape")
    control = {"shape": {"image": edges, "annotate": False, "scale": 0.7}}
    assert np.array_equal(array(other("熊猫", control=control, **{**QUICK, "guidance_scale": 5.0})[0]), array(expected))


@pytest.mark.parametrize(("start", "end", "active"), [(0.0, 1.0, "1111"), (0.5, 1.0, "0011"), (0.0, 0.6, "1100")])
def test_a_control_is_active_where_the_whole_evaluation_is_within(start, end, active):
    control = NetworkControl(None, torch.zeros(1, 3, 8, 8), 1.0, start, end)
    assert "".join(str(int(control.active(evaluation, 4))) for evaluation in range(4)) == active
