"""What a run tells: trackers, validation pictures, run.json, the card; and which checkpoints it will go on from."""

import json
import random
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pai_modelscope.config import TrainingConfig
from pai_modelscope.errors import UserError
from pai_modelscope.training import CardFacts, PictureValidation
from pai_modelscope.training.losses import Meter
from pai_modelscope.training.run_folder import git_state
from pai_modelscope.training.validation import CAPTION, grid
from tests.support.training_runs import Regression, Table, run, same, steps_saved
from tests.support.two_processes import fine_tune


class Numbers:
    """Validates with the first weight, after drawing from every generator and changing the mode."""

    def __init__(self):
        self.steps, self.weights = [], []

    def validate(self, method, step):
        random.random(), np.random.rand(), torch.randn(3)
        method.eval()
        self.steps.append(step)
        self.weights.append(float(method.layer.weight[0, 0].detach()))
        return {"weight": self.weights[-1]}


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_validation_runs_at_its_steps_and_leaves_no_trace(tmp_path):
    plain, _, _ = run(tmp_path / "plain", noise=0.3)
    drawn = random.random(), np.random.rand(), float(torch.rand(()))
    seen = Numbers()
    validated, _, _ = run(tmp_path / "seen", noise=0.3, validation=seen, validation_steps=5)
    assert seen.steps == [0, 5, 10, 12]
    assert same(plain, validated)
    assert drawn == (random.random(), np.random.rand(), float(torch.rand(())))
    logged = {row["step"]: row["validation/weight"] for row in rows(tmp_path / "seen") if "validation/weight" in row}
    assert logged == dict(zip(seen.steps, seen.weights, strict=True))


def test_validation_sees_the_average_which_goes_out_again(tmp_path):
    plain, _, _ = run(tmp_path / "plain", ema_decay=0.9)
    seen = Numbers()
    averaged, _, _ = run(tmp_path / "seen", ema_decay=0.9, validation=seen, validation_steps=5)
    assert seen.weights[-1] == float(averaged["weight"][0, 0])  # the result is the average, too
    assert same(plain, averaged)


def test_modes_of_modules_come_back(tmp_path):
    torch.manual_seed(7)
    method = Regression()
    method.frozen.eval()
    run(tmp_path, method=method, validation=Numbers(), validation_steps=4)
    assert method.layer.training and not method.frozen.training


def test_a_grid_is_saved_and_sent(tmp_path):
    class Pictures:
        def validate(self, method, step):
            pictures = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
            for picture in pictures:
                picture.info[CAPTION] = "熊猫"
            return pictures

    run(tmp_path, validation=Pictures(), validation_steps=6, report_to="tensorboard")
    files = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert files == ["step-000000.png", "step-000006.png", "step-000012.png"]
    with Image.open(tmp_path / "samples/step-000012.png") as page:
        assert page.size == grid(Pictures().validate(None, 0)).size and page.width < 3 * 40  # two columns
        assert {(255, 0, 0), (0, 128, 0), (0, 0, 255)} <= {colour for _, colour in page.getcolors(9999)}
    events = tensorboard(tmp_path)
    assert [event.step for event in events.Images("validation")] == [0, 6, 12]


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "logs/pai_modelscope"))
    events.Reload()
    return events


def test_tensorboard_gets_what_the_log_has(tmp_path):
    run(tmp_path, report_to="tensorboard", logging_steps=3)
    events = tensorboard(tmp_path)
    assert {"loss", "lr", "grad_norm", "images_per_second"} <= set(events.Tags()["scalars"])
    sent = [(event.step, event.value) for event in events.Scalars("loss")]
    assert sent == [(row["step"], pytest.approx(row["loss"], rel=1e-6)) for row in rows(tmp_path)]


def test_a_tracker_that_is_missing_says_how_to_install_it(tmp_path):
    with pytest.raises(UserError, match="pip install swanlab"):
        run(tmp_path, report_to="swanlab")
    assert run(tmp_path, report_to="all")[1]["finished"]


def test_the_log_holds_the_mean_of_all_batches_and_bands_by_their_counts():
    """Two batches: the loss is the mean of 1 and 3, the band 10 / 4, an empty band is left out, nan is not counted."""
    from accelerate import Accelerator

    meter, accelerator = Meter(), Accelerator()
    for loss, total, count, norm in ((1.0, 4.0, 1, float("nan")), (3.0, 6.0, 3, 2.0)):
        values = {"loss": loss, "low:sum": total, "low:count": count, "high:sum": 0.0, "high:count": 0, "norm": norm}
        meter.add({name: torch.tensor(value) for name, value in values.items()})
    assert meter.read(accelerator) == {"loss": 2.0, "low": 2.5, "norm": 2.0}
    assert meter.read(accelerator) == {}


def test_every_group_of_the_optimizer_logs_its_rate_and_scale_lr_scales_all(tmp_path):
    class Two(Regression):
        def param_groups(self):
            return [{"params": [self.layer.weight]}, {"params": [self.layer.bias], "lr": 0.001}]

    run(tmp_path, method=Two(), lr_scheduler="constant", scale_lr=True, gradient_accumulation_steps=2)
    first = rows(tmp_path)[0]
    assert (first["lr"], first["lr/1"]) == pytest.approx((0.05 * 16, 0.001 * 16))


def test_run_json_holds_what_repeats_the_run(tmp_path):
    run(tmp_path, max_train_seconds=1e-9)
    run(tmp_path)
    written = json.loads((tmp_path / "run.json").read_text())
    assert TrainingConfig(**written["config"]).max_train_seconds == 1e-9
    assert written["versions"]["torch"] == torch.__version__ and written["seed"] == 0 and written["world_size"] == 1
    assert written["method"] == "Regression" and "git" in written and written["command"] == sys.argv
    (resumed,) = written["resumed"]
    assert resumed["step"] == 1 and resumed["config"]["max_train_seconds"] == 0


def test_the_state_of_git(tmp_path):
    import subprocess

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    assert git_state(tmp_path) is None
    git("init")
    (tmp_path / "a").write_text("a")
    git("add", "a")
    git("commit", "-m", "a")
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40 and not state["dirty"]
    (tmp_path / "a").write_text("b")
    assert git_state(tmp_path)["dirty"]


def test_the_card_tells_what_is_known_and_no_more(tmp_path):
    from huggingface_hub import ModelCard

    facts = CardFacts("alibaba-pai/pai-diffusion-general-large-zh", "12 photographs of a cat", "apache-2.0", "print(1)")
    _, result, _ = run(tmp_path / "known", facts=facts)
    card = ModelCard.load(tmp_path / "known/result/README.md")
    assert (card.data.license, card.data.base_model) == (facts.licence, facts.base_model)
    for fact in (
        "Regression",
        facts.data,
        "print(1)",
        f"{result['loss']:.4f}",
        "12 steps of 8 samples",
        "| seed | 0 |",
        "| weights | float32 |",
    ):
        assert fact in card.text
    run(tmp_path / "unknown", max_train_seconds=1e-9)
    card = ModelCard.load(tmp_path / "unknown/result/README.md")
    assert card.data.license is None and "Unknown" in card.text
    assert "stopped before its 12 steps" in card.text


def test_the_card_of_any_base_model_is_yaml(tmp_path):
    """A folder's name may hold what YAML takes for its own."""
    from huggingface_hub import ModelCard

    base = "C:\\models: [猫] # 1"
    run(tmp_path, facts=CardFacts(base), max_train_steps=1)
    card = ModelCard.load(tmp_path / "result/README.md")
    assert (card.data.base_model, card.data.license, card.data.tags) == (base, None, ["pai_modelscope"])


def test_a_result_that_is_written_again_tells_the_loss_that_was_logged(tmp_path):
    """As after a run that was killed while it wrote its result."""
    _, first, _ = run(tmp_path, validation=Numbers(), validation_steps=12)
    _, again, rest = run(tmp_path)
    assert rest.seen == [] and again == first
    assert f"the last logged loss is {first['loss']:.4f}" in (tmp_path / "result/README.md").read_text()


def apart(a, b):
    """The largest difference of two pictures, of 255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


def test_pictures_are_drawn_with_the_networks_that_train(tmp_path):
    """The shipped sampler draws the same picture from the weights that were saved, and another one before training."""
    from pai_modelscope.sampling import Sampler

    prompts, options = ["熊猫"], {"num_inference_steps": 2, "height": 64, "width": 64}
    validation = PictureValidation("pai-diffusion-mini-zh", prompts, seed=5, **options)
    drawn = []
    validate = validation.validate
    validation.validate = lambda method, step: drawn.append(validate(method, step)) or drawn[-1]
    fine_tune(tmp_path, 4, validation=validation, validation_steps=4, learning_rate=1e-3)
    sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
    before = sampler("熊猫", seed=5, **options)[0].image
    assert (
        apart(before, drawn[0][0]) <= 2 and drawn[0][0].info[CAPTION] == "熊猫"
    )  # its text tower is in half precision
    trained = load_file(tmp_path / "result/unet/diffusion_pytorch_model.safetensors")
    sampler.pipe.unet.load_state_dict(trained)
    after = sampler("熊猫", seed=5, **options)[0].image
    assert apart(after, drawn[1][0]) <= 2 and apart(after, before) > 20
    checkpoint = load_file(tmp_path / "checkpoint-4/trained.safetensors")
    assert {name.removeprefix("unet.") for name in checkpoint} == trained.keys()  # no text tower, no VAE


class Wide(Regression):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1, bias=False)


class Other(Regression):
    pass


class Fewer(Table):
    lengths = (60,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": Other()}, ["method was Regression and is now Other"]),
        ({"method": Wide()}, ["the model", "2 tensors", "1 tensors"]),
        ({"seed": 3}, ["seed was 0 and is now 3", "set seed to 0"]),
        ({"train_batch_size": 4}, ["samples of a step was 8 and is now 4"]),
        ({"table": Fewer()}, ["samples of each bucket was 64 in 1 and is now 60 in 1"]),
        ({"ema_decay": 0.9}, ["ema_decay was 0"]),
        ({"optimizer": "muon"}, ["set optimizer to adamw"]),
        ({"seed": 3, "method": Other()}, ["seed", "method"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_another_training_does_not_go_on_from_a_checkpoint(tmp_path, change, words):
    run(tmp_path, max_train_seconds=1e-9)
    with pytest.raises(UserError) as error:
        run(tmp_path, **change)
    assert all(word in str(error.value) for word in words) and "checkpoint-1" in str(error.value)
    assert run(tmp_path)[1]["finished"]


def test_the_largest_seed_is_one_for_other_numbers_of_processes_too(tmp_path):
    """Each process and each such begin has a seed of its own, counted up from the run's."""
    run(tmp_path, seed=2**32 - 1, max_train_steps=2)
    file = tmp_path / "checkpoint-2/training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"world_size": 2}))
    assert run(tmp_path, seed=2**32 - 1)[1]["finished"]


def test_the_same_step_may_be_cut_otherwise(tmp_path):
    run(tmp_path, max_train_seconds=1e-9)
    assert run(tmp_path, train_batch_size=2, gradient_accumulation_steps=4)[1]["finished"]


def test_where_a_run_begins(tmp_path):
    whole, _, _ = run(tmp_path / "a", noise=0.3, checkpointing_steps=4, checkpoints_total_limit=2)
    assert steps_saved(tmp_path / "a") == [8, 12]
    with pytest.raises(UserError, match=r"already holds checkpoint-12.*latest"):
        run(tmp_path / "a", resume_from_checkpoint=None)
    with pytest.raises(UserError, match=r"does not exist; .*checkpoint-8, checkpoint-12"):
        run(tmp_path / "a", resume_from_checkpoint="checkpoint-4")
    with pytest.raises(UserError, match="later checkpoints than checkpoint-8: checkpoint-12"):
        run(tmp_path / "a", resume_from_checkpoint="checkpoint-8")
    with pytest.raises(UserError, match=r"training\.json is missing"):
        (tmp_path / "checkpoint-3").mkdir()
        run(tmp_path / "b", resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    again, _, rest = run(tmp_path / "c", noise=0.3, resume_from_checkpoint=str(tmp_path / "a/checkpoint-8"))
    assert len(rest.seen) == 4 and same(whole, again)
    run(tmp_path / "d", resume_from_checkpoint=None, checkpointing_steps=4, checkpoints_total_limit=0)
    assert steps_saved(tmp_path / "d") == [4, 8, 12]
