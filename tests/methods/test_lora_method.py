"""LoRA training on the shipped model: what learns, what stays, and what its files draw."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from pai_modelscope import adapters
from pai_modelscope.adapters.lora_io.file import modules
from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.methods import FullFineTuning, LoraTraining
from pai_modelscope.sampling import Sampler
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from pai_modelscope.training.optimizers import build_optimizer
from tests.support.adapter_files import MODEL, Q, drawn_with, outputs, same, same_state

DDIM = DDIMScheduler.from_pretrained(MODEL / "scheduler")
CPU = torch.device("cpu")


class TwoLatents:
    lengths, cycle = (2,), (0,)

    def __init__(self, tokenizer: Any):
        self.ids = chunk_ids(tokenizer, ["猫", "狗,扁平插画风格"])
        self.latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def batch(self, bucket, indices, device, keys):
        return {"latents": self.latents[indices].to(device), "ids": self.ids[indices].to(device)}


def lora_of(pipe: Any, kind: Any = LoraTraining, **options: Any) -> Any:
    empty = chunk_ids(pipe.tokenizer, [""])[0, 0]
    return kind(pipe.unet, pipe.text_encoder, DDIM, empty, **{"caption_dropout": 0.0, **options})


def learn(method: Any, pipe: Any, folder: Path, steps: int = 3, **options: Any) -> dict[str, Any]:
    settings = {"train_batch_size": 2, "learning_rate": 1e-3, "logging_steps": 1, **options}
    config = TrainingConfig(output_dir=str(folder), max_train_steps=steps, **settings)
    return train(method, TwoLatents(pipe.tokenizer), config)


def trained_names(method: Any) -> set[str]:
    return {name.rpartition(".lora_")[0] for name, value in method.named_parameters() if value.requires_grad}


def stored(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The model's own tensors, by the names that they have without LoRAs."""
    return {name.replace(".base_layer.", "."): value for name, value in state.items() if ".lora_" not in name}


KINDS = {
    "attention": {"rank": 4},
    "other alpha": {"rank": 4, "alpha": 2.0},
    "DoRA": {"rank": 2, "use_dora": True},
    "convolutions and text": {"rank": 2, "targets": "conv", "text_rank": 3, "text_alpha": 6.0},
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_lora_learns_and_its_files_draw_what_was_trained(kind, pipe, shipped, tmp_path):
    before = {part: copy.deepcopy(getattr(pipe, part).state_dict()) for part in ("unet", "text_encoder")}
    method = lora_of(pipe, name="水墨", base_model="mini", resolution=64, trigger_words=["水墨", "写意"], **KINDS[kind])
    start = outputs(pipe)
    torch.testing.assert_close(start, outputs(shipped))  # nothing is added before the first step
    learn(method, pipe, tmp_path)
    for part, state in before.items():
        assert same_state(stored(getattr(pipe, part).state_dict()), state)
    trained = outputs(pipe)
    assert not torch.allclose(trained[0], start[0], atol=1e-4)
    assert torch.equal(trained[1], start[1]) is ("text" not in kind)
    for name in ("pytorch_lora_weights.safetensors", "水墨.safetensors", ""):
        lora = adapters.read_lora(tmp_path / "result" / name)
        assert same_state(lora.unet, method.lora().unet) and lora.trigger_words == ["水墨", "写意"]
        assert lora.alphas == method.lora().alphas and lora.metadata["base_model"] == "mini"
        assert lora.metadata["modelspec.resolution"] == "64x64" and lora.metadata["rank"] in ("2", "4", "2, 3")
        plain = copy.deepcopy(shipped)
        torch.testing.assert_close(drawn_with(plain, lora), trained, rtol=1e-4, atol=1e-5)
        adapters.merge_lora(plain, lora)
        torch.testing.assert_close(outputs(plain), trained, rtol=1e-4, atol=2e-5)


def test_diffusers_itself_opens_the_result(pipe, shipped, tmp_path):
    method = lora_of(pipe, rank=4, alpha=8.0, text_rank=2)
    learn(method, pipe, tmp_path)
    plain = copy.deepcopy(shipped)
    plain.load_lora_weights(tmp_path / "result")
    torch.testing.assert_close(outputs(plain), outputs(pipe), rtol=1e-4, atol=1e-5)
    plain.unload_lora_weights()
    assert same(outputs(plain), outputs(shipped))


def test_the_sampler_draws_another_picture_with_it(pipe, tmp_path):
    learn(lora_of(pipe, rank=4), pipe, tmp_path, learning_rate=0.01)
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    options = {"seed": 0, "num_inference_steps": 2, "height": 64, "width": 64}
    plain, tuned = (sampler("猫", loras=loras, **options)[0].image for loras in (None, {str(tmp_path / "result"): 1.0}))
    assert plain.tobytes() != tuned.tobytes()


@pytest.mark.slow
def test_the_loss_falls_on_two_pictures(pipe, tmp_path):
    """Over the same noise and timesteps, before and after."""
    method = lora_of(pipe, rank=16)
    source, keys = TwoLatents(pipe.tokenizer), torch.arange(8)
    batch = source.batch(0, torch.tensor([0, 1] * 4), CPU, keys) | {"keys": keys}
    before = method(batch)["loss"].item()
    learn(method, pipe, tmp_path, steps=25, learning_rate=5e-3)
    assert method(batch)["loss"].item() < 0.9 * before


@pytest.mark.parametrize("options", [{"rank": 4}, {"rank": 2, "use_dora": True, "text_rank": 2}], ids=str)
def test_resumed_equals_uninterrupted_and_checkpoints_are_small(options, pipe, shipped, tmp_path):
    """Bit for bit; a checkpoint holds the LoRA and its optimizer, not the model a second time."""
    results = []
    for folder, limits in (("whole", (0,)), ("parts", (1e-9, 0))):
        for limit in limits:
            fresh = copy.deepcopy(shipped)
            method = lora_of(fresh, **options)
            more = {"max_train_seconds": limit, "resume_from_checkpoint": "latest"}
            done = learn(method, fresh, tmp_path / folder, steps=4, **more)
            assert done["finished"] is (limit == 0)
        results.append(adapters.read_lora(tmp_path / folder / "result"))
    for part in ("unet", "text_encoder"):
        assert same_state(*(getattr(result, part) for result in results))
    size = sum(value.nbytes for value in method.trainable())
    (checkpoint,) = (tmp_path / "parts").glob("checkpoint-*")
    whole = sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file())
    assert whole < 3 * size + 300_000  # AdamW remembers two numbers for each


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("attention", r".*attn[12]\.(to_q|to_k|to_v|to_out\.0)"),
        ("all-linear", None),
        ("conv", ".*"),
        (["to_k", "to_v"], r".*\.to_[kv]"),
        ([r"down_blocks\..*to_q", "conv_in"], r"down_blocks.*to_q|conv_in"),
    ],
    ids=str,
)
def test_targets_are_the_layers_named(targets, expected, pipe):
    kinds = torch.nn.Linear if expected is None else torch.nn.Linear | torch.nn.Conv2d
    layers = {name for name, module in pipe.unet.named_modules() if isinstance(module, kinds)}
    layers = {f"unet.{name}" for name in layers if re.fullmatch(expected or ".*", name)}
    assert trained_names(lora_of(pipe, rank=2, targets=targets)) == layers and len(layers) > 1


def test_dora_s_convolutions_lie_as_peft_takes_them(pipe):
    method = lora_of(pipe, targets=["conv1"], rank=2, use_dora=True)
    noisy, states = torch.randn(1, 4, 8, 8), torch.randn(1, 32, pipe.text_encoder.config.hidden_size)
    assert LoraTraining.channels_last and not method.channels_last
    assert method.predict(noisy, torch.tensor([5]), states, {}).isfinite().all()
    with pytest.raises(RuntimeError, match="view size"):
        method.to(memory_format=torch.channels_last).predict(noisy, torch.tensor([5]), states, {})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("kind", [LoraTraining, FullFineTuning])
def test_the_text_encoder_learns_at_its_own_rate(kind, optimizer, pipe, tmp_path):
    own = {"text_rank": 2} if kind is LoraTraining else {"train_text_encoder": True}
    method = lora_of(pipe, kind, text_encoder_lr=1e-5, **own)
    config = TrainingConfig(output_dir=str(tmp_path), max_train_steps=1, learning_rate=1e-3, optimizer=optimizer)
    groups = build_optimizer(method, config, CPU).param_groups
    text = {id(p) for p in method.text_encoder.parameters() if p.requires_grad}
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert text and rates == {id(p): 1e-5 if id(p) in text else 1e-3 for p in method.trainable()}
    assert len(lora_of(copy.deepcopy(pipe), FullFineTuning).param_groups()) == 1


def test_the_first_matrices_follow_from_the_seed_alone(pipe, shipped):
    pipes = [pipe, *(copy.deepcopy(shipped) for _ in range(2))]
    states = []
    for seed, one in zip((1, 1, 2), pipes, strict=True):
        torch.manual_seed(len(states))
        states.append(lora_of(one, rank=2, seed=seed).lora().unet)
    assert same_state(*states[:2]) and not same_state(*states[1:])


def test_the_article_s_file_holds_the_same_lora(pipe, tmp_path):
    """Names of 2023, which knew no alpha: the product of the matrices must have it."""
    method = lora_of(pipe, rank=4, alpha=2.0, legacy=True)
    learn(method, pipe, tmp_path)
    file = tmp_path / "result" / "pytorch_model.bin"
    state = torch.load(file, weights_only=True)
    words = Q.replace("to_q", "processor.to_q_lora")
    assert {f"{words}.down.weight", f"{words}.up.weight"} <= state.keys()
    assert len(state) == len(modules(method.lora().unet)) * 2 and all(".processor.to_" in name for name in state)
    lora = adapters.read_lora(file)
    torch.testing.assert_close(lora.unet[f"{Q}.lora_B.weight"], method.lora().unet[f"{Q}.lora_B.weight"] / 2)


def test_values_that_cannot_work_are_refused(pipe):
    for options, message in (
        ({"targets": "everything"}, "'attention', 'all-linear', 'conv'"),
        ({"targets": ["to_w"]}, "'to_w', but no layer"),
        ({"targets": ["to_("]}, "neither a name nor a pattern"),
        ({"targets": []}, "empty"),
        ({"rank": 0}, "rank is 0"),
        ({"alpha": -1.0}, "alpha is -1"),
        ({"name": "a/b"}, "name is 'a/b'"),
        ({"legacy": True, "use_dora": True}, "attention alone"),
    ):
        with pytest.raises(UserError, match=message.replace("(", r"\(")):
            lora_of(pipe, **options)
