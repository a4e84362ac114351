"""Mixed precision: what is only read lies in fewer bits, what learns and what is written does not."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pai_modelscope.errors import UserError
from pai_modelscope.sampling import Sampler
from pai_modelscope.training.eval_set import held_out_loss
from pai_modelscope.training.lock import claimed
from pai_modelscope.training.options import resolve_options
from pai_modelscope.training.run import TrainingRun, run

TINY = {
    "resolution": 64,
    "max_train_steps": 1,
    "train_batch_size": 2,
    "max_train_samples": 2,
    "learning_rate": 0.01,
    "train_data_dir": "shipped:style",
    "mixed_precision": "bf16",
}
WORD = {"placeholder_token": "<小奶猫>", "initializer_token": "小猫"}
OTHERS = {"lora": {"rank": 2, "text_rank": 2}, "textual-inversion": WORD, "controlnet": {"annotator": "canny"}}


@pytest.mark.parametrize("method", OTHERS)
def test_what_is_only_read_is_light_and_the_rest_is_not(method, tmp_path):
    made = TrainingRun(resolve_options(method, {**TINY, **OTHERS[method], "output_dir": str(tmp_path)})).method
    kinds = {learns: {p.dtype for p in made.parameters() if p.requires_grad == learns} for learns in (True, False)}
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}
    assert made.alphas_cumprod.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "light"), [({"train": "attention"}, {"text_encoder"}), ({"train_text_encoder": True}, set())]
)
def test_what_is_written_keeps_its_digits(options, light, tmp_path):
    made = TrainingRun(resolve_options("full", {**TINY, **options, "output_dir": str(tmp_path)})).method
    found = {name.split(".")[0] for name, p in made.named_parameters() if p.dtype == torch.bfloat16}
    assert found == light


@pytest.mark.slow
def test_a_run_in_bf16_resumes_and_opens_and_one_in_float32_may_follow(tmp_path, sampler):
    """Another precision in the same process is another run, where accelerate itself would refuse it; but one that was
    prepared before it has lost its own."""
    folder = str(tmp_path / "run")
    run(
        "lora", {**TINY, "output_dir": folder, "rank": 2, "validation_prompts": ["猫"], "validation_inference_steps": 1}
    )
    early = TrainingRun(resolve_options("lora", {**TINY, "output_dir": str(tmp_path / "early")}))
    more = {"max_train_steps": 2, "resume_from_checkpoint": "latest"}
    done = run("lora", {**TINY, **more, "output_dir": folder, "rank": 2, "mixed_precision": "no"})
    assert (done["step"], done["finished"]) == (2, True)
    with (
        claimed(tmp_path / "early", early.accelerator) as claimed_folder,
        pytest.raises(UserError, match="prepared for mixed_precision 'bf16'"),
    ):
        early.train(claimed_folder)
    file = tmp_path / "run/result/run.safetensors"
    assert {value.dtype for name, value in load_file(file).items() if "lora_" in name} == {torch.float32}
    small = {"height": 64, "width": 64, "num_inference_steps": 2, "seed": 1}
    with_lora = Sampler.from_pretrained(tmp_path / "run/result", device="cpu")("猫", **small)[0].image
    assert not np.array_equal(np.asarray(with_lora), np.asarray(sampler("猫", **small)[0].image))


def test_the_loss_is_nearly_that_of_float32(tmp_path):
    def loss(precision: str) -> float:
        ready = TrainingRun(
            resolve_options("lora", {**TINY, "output_dir": str(tmp_path), "mixed_precision": precision})
        )
        return held_out_loss(ready.method, ready.source, ready.accelerator, rounds=4)["loss"]

    exact, light = loss("no"), loss("bf16")
    assert light != exact and light == pytest.approx(exact, rel=0.02)
