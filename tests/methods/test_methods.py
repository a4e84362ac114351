"""Full fine-tuning on the shipped model: what learns, what stays, and what is saved."""

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import BertTokenizer, CLIPTextModel

import pai_modelscope
from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import ControlNetTraining, FullFineTuning
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train

DDIM = DDIMScheduler.from_pretrained(pai_modelscope.model_dir("pai-diffusion-mini-zh") / "scheduler")


@pytest.fixture
def parts():
    folder = pai_modelscope.model_dir("pai-diffusion-mini-zh")
    tokenizer = BertTokenizer.from_pretrained(folder / "tokenizer")
    method = FullFineTuning(
        UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32),
        CLIPTextModel.from_pretrained(folder / "text_encoder"),
        DDIM,
        chunk_ids(tokenizer, [""])[0, 0],
    )
    return method, tokenizer


class TwoLatents:
    lengths, cycle = (2,), (0,)

    def __init__(self, tokenizer):
        self.ids = chunk_ids(tokenizer, ["猫", "狗,扁平插画风格"])
        self.latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def batch(self, bucket, indices, device, keys):
        return {"latents": self.latents[indices].to(device), "ids": self.ids[indices].to(device)}


def test_only_the_unet_learns_and_what_is_saved_opens(parts, tmp_path):
    method, tokenizer = parts
    text_before = {k: v.clone() for k, v in method.text_encoder.state_dict().items()}
    unet_before = {k: v.clone() for k, v in method.unet.state_dict().items()}
    config = TrainingConfig(output_dir=str(tmp_path), max_train_steps=2, train_batch_size=2, logging_steps=1)
    train(method, TwoLatents(tokenizer), config)
    assert all(torch.equal(v, text_before[k]) for k, v in method.text_encoder.state_dict().items())
    saved = UNet2DConditionModel.from_pretrained(tmp_path / "result/unet").state_dict()
    assert all(torch.equal(v, saved[k]) for k, v in method.unet.state_dict().items())
    assert any(not torch.equal(v, unet_before[k]) for k, v in saved.items())


def test_training_reads_text_as_inference_does(parts):
    """The states of a batch are those of StableDiffusionPipeline.encode_prompt."""
    from diffusers import StableDiffusionPipeline

    method, tokenizer = parts
    method.caption_dropout = 0.0
    pipe = StableDiffusionPipeline.from_pretrained(pai_modelscope.model_dir("pai-diffusion-mini-zh"))
    expected, empty = pipe.encode_prompt("戴眼镜的猫", "cpu", 1, True, "")
    assert torch.equal(method.states(chunk_ids(tokenizer, ["戴眼镜的猫"]), torch.tensor([0])), expected)
    method.caption_dropout = 1.0
    assert torch.equal(method.states(chunk_ids(tokenizer, ["戴眼镜的猫"]), torch.tensor([0])), empty)


def test_a_trained_model_predicts_v_better_than_zero(parts):
    """The loss of the shipped weights on a real picture: 1 would be a prediction of nothing at all."""
    from diffusers import AutoencoderKL

    from pai_modelscope.data import open_dataset

    method, tokenizer = parts
    method.caption_dropout = 0.0
    row = open_dataset("base")[0]
    vae = AutoencoderKL.from_pretrained(pai_modelscope.model_dir("pai-diffusion-mini-zh") / "vae")
    pixels = torch.tensor(list(row["image"].convert("RGB").tobytes())).view(1, 256, 256, 3).permute(0, 3, 1, 2)
    with torch.no_grad():
        latents = vae.encode(pixels / 127.5 - 1).latent_dist.mean * vae.config.scaling_factor
        batch = {"latents": latents.repeat(8, 1, 1, 1), "ids": chunk_ids(tokenizer, [row["text"]] * 8)}
        batch["keys"] = torch.arange(8)
        loss = float(method(batch)["loss"])
    assert loss < 0.4


class TwoControlled(TwoLatents):
    def batch(self, bucket, indices, device, keys):
        control = torch.zeros(2, 3, 64, 64)
        control[1, :, 20:40] = 1
        return {**super().batch(bucket, indices, device, keys), "control": control[indices].to(device)}


def test_a_controlnet_begins_as_no_control_and_alone_learns(parts, tmp_path):
    from diffusers import ControlNetModel

    full, tokenizer = parts
    method = ControlNetTraining(full.unet, full.text_encoder, DDIM, full.empty_ids, caption_dropout=0.0)
    batch = TwoControlled(tokenizer).batch(0, torch.tensor([0, 1]), torch.device("cpu"), torch.tensor([0, 1]))
    states, steps = method.states(batch["ids"], torch.tensor([0, 1])), torch.tensor([10, 500])
    with torch.no_grad():
        plain = method.unet(batch["latents"], steps, states, return_dict=False)[0]
        assert torch.equal(method.predict(batch["latents"], steps, states, batch), plain)
    before = {name: value.clone() for name, value in method.unet.state_dict().items()}
    config = TrainingConfig(
        output_dir=str(tmp_path), max_train_steps=3, train_batch_size=2, learning_rate=1e-3, logging_steps=1
    )
    train(method, TwoControlled(tokenizer), config)
    assert all(torch.equal(value, before[name]) for name, value in method.unet.state_dict().items())
    saved = ControlNetModel.from_pretrained(tmp_path / "result/controlnet")
    assert saved.controlnet_mid_block.weight.abs().max() > 0
    with torch.no_grad():
        turned = {**batch, "control": batch["control"].flip(0)}
        steered = [method.predict(batch["latents"], steps, states, each) for each in (batch, turned)]
    assert not torch.equal(*steered)


def changed(before, state):
    return {name for name, value in state.items() if not torch.equal(value, before[name])}


def test_attention_alone_learns_where_asked(parts, tmp_path):
    full, tokenizer = parts
    method = FullFineTuning(full.unet, full.text_encoder, DDIM, full.empty_ids, train="attention")
    before = {name: value.clone() for name, value in method.unet.state_dict().items()}
    config = TrainingConfig(output_dir=str(tmp_path), max_train_steps=1, train_batch_size=2, logging_steps=1)
    train(method, TwoLatents(tokenizer), config)
    attention = {name for name in before if ".attn1." in name or ".attn2." in name}
    assert changed(before, method.unet.state_dict()) == attention and 20 < len(attention) < len(before) / 2
    saved = UNet2DConditionModel.from_pretrained(tmp_path / "result/unet").state_dict()
    assert changed(saved, method.unet.state_dict()) == set()


def test_the_text_encoder_learns_where_asked_and_what_is_saved_opens_as_a_whole(parts, tmp_path):
    from diffusers import StableDiffusionPipeline

    full, tokenizer = parts
    assert "text_encoder" not in {part.name for part in saved_by(full, tmp_path / "without").iterdir()}
    method = FullFineTuning(full.unet, full.text_encoder, DDIM, full.empty_ids, train_text_encoder=True)
    before = {name: value.clone() for name, value in method.text_encoder.state_dict().items()}
    config = TrainingConfig(output_dir=str(tmp_path), max_train_steps=1, train_batch_size=2, logging_steps=1)
    train(method, TwoLatents(tokenizer), config)
    assert len(changed(before, method.text_encoder.state_dict())) > len(before) - 5
    result = {
        "unet": UNet2DConditionModel.from_pretrained(tmp_path / "result/unet"),
        "text_encoder": CLIPTextModel.from_pretrained(tmp_path / "result/text_encoder"),
    }
    pipe = StableDiffusionPipeline.from_pretrained(pai_modelscope.model_dir("pai-diffusion-mini-zh"), **result)
    method.caption_dropout = 0.0
    expected = method.states(chunk_ids(tokenizer, ["戴眼镜的猫"]), torch.tensor([0]))
    assert torch.equal(pipe.encode_prompt("戴眼镜的猫", "cpu", 1, False)[0], expected)


def saved_by(method, folder):
    method.save(folder)
    return folder


def test_a_controlnet_takes_the_options_of_all_methods_and_saves_its_adapter(parts, tmp_path):
    full, tokenizer = parts
    keys = torch.tensor([0, 1])
    batch = TwoControlled(tokenizer).batch(0, torch.tensor([0, 1]), torch.device("cpu"), keys) | {"keys": keys}
    losses = []
    for options in ({}, {"gradient_checkpointing": True}, {"snr_gamma": 1.0}, {"offset_noise": 0.2}):
        method = ControlNetTraining(full.unet, full.text_encoder, DDIM, full.empty_ids, rank=2, **options)
        losses.append(method(batch)["loss"].item())
        assert method.controlnet.is_gradient_checkpointing is options.get("gradient_checkpointing", False)
        full.unet.disable_gradient_checkpointing()
    assert losses[0] == losses[1] and len(set(losses)) == 3
    assert [file.name for file in saved_by(method, tmp_path).iterdir()] == ["controlnet"]
