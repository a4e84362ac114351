"""LoRAs and embeddings in use: in the call and in the prompt, switched, made again, refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, UserError, model_dir
from pai_modelscope.adapters import read_embedding
from pai_modelscope.adapters.lora_metadata import made_for_lcm
from pai_modelscope.images.infotext import parse_infotext
from pai_modelscope.methods import save_pipeline
from pai_modelscope.text.prompt_tags import split_loras
from tests.support.command_line import generate, names
from tests.support.command_line import pixels as file_pixels

MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "height": 64, "width": 64, "guidance_rescale": 0.0, "guidance_scale": 5.0}


def lora_file(folder: Path, name: str, seed: int) -> str:
    """A LoRA of the shipped UNet, written by diffusers, that does change pictures."""
    unet = UNet2DConditionModel.from_pretrained(MINI / "unet")
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    generator = torch.Generator().manual_seed(seed)
    for key, weight in unet.named_parameters():
        if "lora_" in key:
            weight.data = 0.2 * torch.randn(weight.shape, generator=generator)
    StableDiffusionPipeline.save_lora_weights(
        folder, get_peft_model_state_dict(unet), weight_name=f"{name}.safetensors"
    )
    return str(folder / f"{name}.safetensors")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("loras")
    return {name: lora_file(folder, name, seed) for seed, name in enumerate(("poem", "ink"))}


@pytest.fixture
def sampler() -> Sampler:
    return Sampler.from_pretrained(MINI, device="cpu")


def drawn(sampler: Sampler, text: str, **options) -> np.ndarray:
    return np.asarray(sampler(text, seed=3, **QUICK, **options)[0].image)


def test_tags_are_read_and_taken_out():
    assert split_loras("一首诗,<lora:poem:0.4>,水墨") == ("一首诗,水墨", {"poem": 0.4})
    assert split_loras("<lora:a> 猫 <lora:b:-0.5>") == ("猫", {"a": 1.0, "b": -0.5})
    assert split_loras("(猫:1.2) < 狗") == ("(猫:1.2) < 狗", {})
    for bad, message in (("<lora:a:big>", "no weight that is a number"), ("<lora:a><lora:a:1>", "named twice")):
        with pytest.raises(UserError, match=message):
            split_loras(bad)


def test_a_lora_draws_what_it_draws_in_plain_diffusers(sampler, files):
    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae):
        part.to(memory_format=torch.channels_last)
    pipe.load_lora_weights(files["poem"], adapter_name="poem")
    pipe.set_adapters(["poem"], [0.5])
    expected = pipe("熊猫", generator=torch.Generator().manual_seed(3), **QUICK).images[0]
    assert np.array_equal(drawn(sampler, "熊猫", loras={files["poem"]: 0.5}), np.asarray(expected))


def test_call_and_tag_are_the_same_and_switching_leaves_nothing_behind(sampler, files):
    before = drawn(sampler, "熊猫")
    assert sampler.add_lora(files["poem"]) == "poem" and np.array_equal(drawn(sampler, "熊猫"), before)
    tagged = drawn(sampler, "熊猫 <lora:poem:0.5>")
    assert not np.array_equal(tagged, before)
    for same in ({"loras": {files["poem"]: 0.5}}, {"loras": {"poem": 0.5}}):
        assert np.array_equal(drawn(sampler, "熊猫", **same), tagged)
    assert np.array_equal(drawn(sampler, "熊猫 <lora:poem:0>"), before)
    blend = drawn(sampler, "熊猫 <lora:poem:0.5>", loras={files["ink"]: 0.5})
    assert not np.array_equal(blend, tagged) and not np.array_equal(blend, drawn(sampler, "熊猫 <lora:ink:0.5>"))
    assert np.array_equal(drawn(sampler, "熊猫"), before)


def test_two_weights_of_one_lora_are_warned_of(sampler, files, recwarn):
    name = next(iter(files))
    tag = f"猫<lora:{Path(files[name]).stem}:0.5>"
    first = sampler(tag, loras={files[name]: 0.5}, seed=0, **QUICK)[0]
    sampler(tag, loras={files[name]: None}, seed=0, **QUICK)
    assert not [each for each in recwarn if "two weights" in str(each.message)]
    with pytest.warns(UserWarning, match="two weights, 0.5 in the prompt and 0.9 beside it: the prompt's counts"):
        assert sampler(tag, loras={files[name]: 0.9}, seed=0, **QUICK)[0].infotext == first.infotext


def test_one_call_may_hold_texts_with_and_without(sampler, files):
    sampler.add_lora(files["poem"])
    texts = ["熊猫", "熊猫 <lora:poem:0.5>", "熊猫"]
    images = [np.asarray(p.image) for p in sampler(texts, seed=[3, 3, 3], batch_size=2, **QUICK)]
    assert np.array_equal(images[0], images[2]) and not np.array_equal(images[0], images[1])


def test_the_infotext_names_file_and_weight(sampler, files):
    first = sampler("熊猫 <lora:poem:0.5>", loras={files["poem"]: None, files["ink"]: 0.25}, seed=3, **QUICK)[0]
    assert first.infotext.startswith("熊猫 <lora:poem:0.5> <lora:ink:0.25>\n")
    options = parse_infotext(first.infotext)
    options.pop("model")
    fresh = Sampler.from_pretrained(MINI, device="cpu")
    again = fresh(options.pop("text"), **options)[0]
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image)) and first.infotext == again.infotext


def test_a_changed_file_is_noticed(sampler, tmp_path: Path):
    file = lora_file(tmp_path, "mine", 1)
    options = parse_infotext(sampler("熊猫", loras={file: 0.5}, seed=3, **QUICK)[0].infotext)
    lora_file(tmp_path, "mine", 2)
    options.pop("model")
    with pytest.raises(UserError, match=r"mine\.safetensors is not the LoRA any more"):
        Sampler.from_pretrained(MINI, device="cpu")(options.pop("text"), **options)


def test_what_cannot_be_used_is_said_and_changes_nothing(sampler, files, tmp_path: Path):
    before, state = drawn(sampler, "熊猫"), {k: v.clone() for k, v in sampler.pipe.unet.state_dict().items()}
    wide = {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": torch.zeros(4, 2048)}
    wide |= {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight": torch.zeros(128, 4)}
    save_file(wide, tmp_path / "xl.safetensors")
    for text, options, message in (
        ("熊猫 <lora:nobody:1>", {}, "names the LoRA 'nobody', none is loaded"),
        ("熊猫", {"loras": {str(tmp_path / "xl.safetensors"): 1.0}}, "SDXL"),
        ("熊猫", {"loras": {files["poem"]: "much"}}, "the weight of the LoRA 'poem' is 'much'"),
        ("熊猫", {"loras": [files["poem"]]}, "loras is list"),
        ("熊猫", {"loras": {str(tmp_path / "none.safetensors"): 1.0}}, "none"),
    ):
        with pytest.raises(UserError, match=message):
            drawn(sampler, text, **options)
    assert np.array_equal(drawn(sampler, "熊猫"), before)
    assert state.keys() == sampler.pipe.unet.state_dict().keys()


def test_two_files_of_one_name_are_not_taken_for_each_other(sampler, files, tmp_path: Path):
    twin = lora_file(tmp_path, "poem", 5)
    drawn(sampler, "熊猫", loras={files["poem"]: 0.5})
    for given in ({twin: 0.5}, {files["poem"]: 0.5, twin: 0.5}):
        with pytest.raises(UserError, match="two LoRAs are called 'poem'"):
            drawn(sampler, "熊猫", loras=given)
    assert sampler.add_lora(twin, "other") == "other"
    assert not np.array_equal(drawn(sampler, "熊猫 <lora:other:0.5>"), drawn(sampler, "熊猫 <lora:poem:0.5>"))


def test_every_vector_of_an_embedding_reaches_the_encoder(sampler, tmp_path: Path, monkeypatch):
    """`<小奶猫>` of three vectors, beside weights: three new ids in one chunk, here and in a model saved with them."""
    save_file({"<小奶猫>": 0.1 * torch.randn(3, 256)}, tmp_path / "learned_embeds.safetensors")
    assert sampler.add_embedding(tmp_path / "learned_embeds.safetensors") == "<小奶猫>"
    save_pipeline(MINI, read_embedding(tmp_path / "learned_embeds.safetensors"), tmp_path / "saved")
    for pipe in (sampler, Sampler.from_pretrained(tmp_path / "saved", device="cpu")):
        seen = []
        original = pipe.pipe.text_encoder.forward

        def watched(ids, *args, original=original, seen=seen, **kwargs):
            seen.append(ids)
            return original(ids, *args, **kwargs)

        monkeypatch.setattr(pipe.pipe.text_encoder, "forward", watched)
        drawn(pipe, "一只(<小奶猫>:1.3),蓝色背景")
        new = pipe.tokenizer.convert_tokens_to_ids(["<小奶猫>", "<小奶猫>_1", "<小奶猫>_2"])
        assert any(set(new) <= set(ids.flatten().tolist()) for ids in seen)


def test_the_command_line_loads_and_repeats(tmp_path: Path, files):
    flags = ["--lora", files["poem"], "--lora", f"{files['ink']}=0.3", "--steps", "2", "--size", "64", "--seed", "1"]
    assert generate("熊猫 <lora:poem:0.5>", *flags, "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--output", tmp_path / "b") == 0
    assert np.array_equal(file_pixels(first), file_pixels(tmp_path / "b" / names(tmp_path / "b")[0]))


def test_the_command_line_looks_at_and_converts_files(tmp_path: Path, files, sampler, capsys):
    from pai_modelscope.cli import main

    assert main(["adapter", "inspect", files["poem"]]) == 0
    shown = capsys.readouterr().out
    assert "type: LoRA" in shown and "ranks: 4" in shown and "mini model" in shown
    kohya = tmp_path / "poem.safetensors"
    assert main(["adapter", "convert", files["poem"], str(kohya), "--to", "kohya"]) == 0
    assert main(["adapter", "inspect", str(kohya), "--json"]) == 0
    assert '"kind": "kohya"' in capsys.readouterr().out
    assert np.array_equal(
        drawn(sampler, "熊猫", loras={str(kohya): 0.5}),
        drawn(Sampler.from_pretrained(MINI, device="cpu"), "熊猫", loras={files["poem"]: 0.5}),
    )
    assert main(["adapter", "convert", files["poem"], str(kohya), "--to", "kohya"]) == 2  # never overwritten
    assert main(["adapter", "convert", files["poem"], str(tmp_path / "a"), "--to", "webui"]) == 2
    assert main(["adapter", "inspect", str(tmp_path / "none.safetensors")]) == 2
    save_file({"<小奶猫>": torch.zeros(2, 256)}, tmp_path / "learned_embeds.safetensors")
    assert main(["adapter", "inspect", str(tmp_path / "learned_embeds.safetensors")]) == 0
    assert "trigger words: <小奶猫>" in capsys.readouterr().out
    webui = tmp_path / "kitten.safetensors"
    assert main(["adapter", "convert", str(tmp_path / "learned_embeds.safetensors"), str(webui), "--to", "webui"]) == 0
    assert sampler.add_embedding(webui, "<小奶猫>") == "<小奶猫>"


def test_an_embedding_is_in_the_picture_and_repeated(tmp_path: Path):
    file = tmp_path / "learned_embeds.safetensors"
    save_file({"<小奶猫>": 0.1 * torch.randn(2, 256)}, file)
    flags = ["--embedding", file, "--steps", "2", "--size", "64", "--seed", "1"]
    assert generate("<小奶猫>", *flags, "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--output", tmp_path / "b") == 0
    assert np.array_equal(file_pixels(first), file_pixels(tmp_path / "b" / names(tmp_path / "b")[0]))
    save_file({"<小奶猫>": torch.zeros(2, 256)}, file)
    assert generate("--like", first, "--output", tmp_path / "c") == 2


def test_embeddings_are_learned_once_and_refused_where_they_do_not_fit(sampler, tmp_path: Path):
    file, wide = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"<小奶猫>": 0.1 * torch.randn(1, 256)}, file)
    save_file({"<大狗>": torch.zeros(1, 768)}, wide)
    first = drawn(sampler, "<小奶猫>", embeddings=str(file))
    assert sampler.add_embedding(file) == "<小奶猫>"
    size = len(sampler.tokenizer)
    assert np.array_equal(drawn(sampler, "<小奶猫>", embeddings=[file]), first) and len(sampler.tokenizer) == size
    for given, message in ((wide, "768"), (tmp_path / "none.bin", "none.bin can't be read"), (5, "embeddings is int")):
        with pytest.raises(UserError, match=message):
            drawn(sampler, "熊猫", embeddings=given)
    assert len(sampler.tokenizer) == size == len(sampler.pipe.tokenizer) + 1


LCM = {"scheduler": "LCM", "num_inference_steps": 4, "guidance_scale": 1.0}


def test_the_lcm_scheduler_draws_with_a_lora_made_for_it(sampler, files, tmp_path: Path):
    """Named in the call or in the prompt, switched on, by its own text; what it draws is neither's alone."""
    fast = lora_file(tmp_path, "lcm-mini", 3)
    quick = {**QUICK, **LCM, "seed": 3}
    refused = "scheduler 'LCM' needs a model or LoRA distilled for it.*it is known by 'lcm' in its name"
    for text, loras in (
        ("熊猫", None),
        ("熊猫", {files["poem"]: 1}),
        ("熊猫", {fast: 0}),
        ("熊猫 <lora:lcm-mini:0>", {fast: 1}),
    ):
        with pytest.raises(UserError, match=refused):
            sampler.stream(text, loras=loras, **quick)
    first = sampler("熊猫", loras={fast: 1.0}, **quick)[0]
    assert parse_infotext(first.infotext)["scheduler"] == "LCM"
    assert np.array_equal(np.asarray(sampler("熊猫 <lora:lcm-mini>", **quick)[0].image), np.asarray(first.image))
    assert not np.array_equal(drawn(sampler, "熊猫", loras={fast: 1.0}), np.asarray(first.image))
    with pytest.raises(UserError, match=f"text 2: {refused}"):
        sampler.stream(["熊猫 <lora:lcm-mini>", "熊猫"], **quick)
    assert sampler.add_lora(files["ink"], "my-LCM") == "my-LCM"  # a user who knows better may say so
    assert sampler("熊猫 <lora:my-LCM>", **quick)[0].image.size == (64, 64)


def test_a_lora_for_lcm_is_known_by_name_and_by_what_its_file_says(files, tmp_path: Path):
    for source in (
        "latent-consistency/lcm-lora-sdv1-5",
        "LCM_LoRA_v1.safetensors",
        "lcm-lora/pytorch_lora_weights.bin",
    ):
        assert made_for_lcm(source)
    assert not made_for_lcm("poem") and not made_for_lcm("lcm-tries/poem.safetensors") and made_for_lcm("poem", "lcm")
    assert not made_for_lcm(files["poem"])
    folder = tmp_path / "style"
    folder.mkdir()
    for key, value, made in (
        ("modelspec.title", "Latent Consistency LoRA", True),
        ("ss_training_comment", "distilled for LCM", True),
        ("ss_tag_frequency", '{"lcm": 3}', False),
    ):
        save_file(load_file(files["poem"]), folder / "fast.safetensors", {key: value})
        assert made_for_lcm(folder / "fast.safetensors") is made
        assert made_for_lcm(folder) is made  # the folder that holds it
    (folder / "fast.safetensors").write_bytes(b"no weights")
    assert not made_for_lcm(folder / "fast.safetensors")


def test_the_command_line_draws_by_lcm_and_repeats(tmp_path: Path, capsys):
    flags = ["--scheduler", "lcm", "--steps", "4", "--guidance-scale", "1", "--size", "64", "--seed", "1"]
    assert generate("熊猫", "--lora", lora_file(tmp_path, "lcm", 3), *flags, "--output", tmp_path / "a") == 0
    first = tmp_path / "a" / names(tmp_path / "a")[0]
    assert generate("--like", first, "--output", tmp_path / "b") == 0
    assert np.array_equal(file_pixels(first), file_pixels(tmp_path / "b" / names(tmp_path / "b")[0]))
    capsys.readouterr()
    assert generate("熊猫", "--lora", lora_file(tmp_path, "poem", 3), *flags, "--output", tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "distilled for it" in error and error.count("\n") == 1
