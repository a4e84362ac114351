"""What every method leaves behind opens as a model: here, in ModelScope and, where it is whole, in plain diffusers."""

import json
from pathlib import Path

import numpy as np
import pytest
from diffusers import PNDMScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from pai_modelscope.adapters.result_manifest import Tuned, read_tuned, write_tuned
from pai_modelscope.data import open_dataset
from pai_modelscope.errors import UserError
from pai_modelscope.methods import DenoisingOptions
from pai_modelscope.methods.noise_schedule import schedule_of
from pai_modelscope.sampling import Sampler
from pai_modelscope.training.lock import claimed
from pai_modelscope.training.options import resolve_options
from pai_modelscope.training.run import TrainingRun, run
from pai_modelscope.training.validation_images import PictureValidation

TINY = {
    "resolution": 64,
    "max_train_steps": 2,
    "train_batch_size": 2,
    "max_train_samples": 4,
    "learning_rate": 0.02,
    "logging_steps": 1,
    "train_data_dir": "shipped:style",
}
SMALL = {"height": 64, "width": 64, "num_inference_steps": 2, "seed": 1}


def trained(method: str, folder: Path, **options: object) -> Path:
    assert run(method, {**TINY, "output_dir": str(folder), **options})["finished"]
    return folder / "result"


def pixels(sampler: Sampler, text: str, **options: object) -> np.ndarray:
    return np.asarray(sampler(text, **{**SMALL, **options})[0].image)


def test_a_lora_is_in_use_where_no_other_is_asked_for(tmp_path, sampler):
    result = trained("lora", tmp_path / "ink", rank=4)
    opened = Sampler.from_pretrained(result, device="cpu")
    picture = opened("猫", **SMALL)[0]
    by_hand = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
    by_hand.add_lora(result / "ink.safetensors")
    assert np.array_equal(np.asarray(picture.image), pixels(by_hand, "猫<lora:ink:1>"))
    assert np.array_equal(pixels(opened, "猫", loras={}), pixels(sampler, "猫"))
    assert not np.array_equal(np.asarray(picture.image), pixels(sampler, "猫"))
    assert "<lora:ink:1>" in picture.infotext and "Model: pai-diffusion-mini-zh" in picture.infotext


def test_an_embeddings_word_is_known(tmp_path, sampler):
    words = {"placeholder_token": "<小奶猫>", "initializer_token": "小猫", "num_vectors": 2}
    opened = Sampler.from_pretrained(trained("textual-inversion", tmp_path / "cat", **words), device="cpu")
    assert not np.array_equal(pixels(opened, "一只<小奶猫>"), pixels(sampler, "一只小猫"))
    assert np.array_equal(pixels(opened, "狗"), pixels(sampler, "狗"))


def test_an_embedding_with_its_whole_model_opens_in_diffusers(tmp_path):
    words = {"placeholder_token": "<小奶猫>", "initializer_token": "小猫", "save_as_full_pipeline": True}
    result = trained("textual-inversion", tmp_path / "cat", **words)
    pipe = StableDiffusionPipeline.from_pretrained(result)
    assert len(pipe.tokenizer.tokenize("<小奶猫>")) == 1
    assert json.loads((result / "configuration.json").read_text("utf-8"))["base_model"] == "pai-diffusion-mini-zh"
    Sampler.from_pretrained(result, device="cpu")


@pytest.mark.slow
def test_a_controlnet_steers_by_the_name_of_what_it_reads(tmp_path):
    opened = Sampler.from_pretrained(trained("controlnet", tmp_path / "net", annotator="canny", rank=4), device="cpu")
    edges = Image.new("RGB", (64, 64), "white")
    edges.paste("black", (16, 16, 48, 48))
    assert opened("猫", control={"canny": edges}, **SMALL)[0].image.size == (64, 64)
    paired = trained("controlnet", tmp_path / "pairs", train_data_dir="shipped:control", rank=4)
    assert read_tuned(paired).controlnets == {"control": str(paired / "controlnet")}
    assert Sampler.from_pretrained(paired, device="cpu")("猫", control={"control": edges}, **SMALL)


@pytest.mark.slow
def test_full_is_a_whole_model_that_knows_where_it_comes_from(tmp_path, sampler):
    text = {"train_text_encoder": True, "text_encoder_lr": 1e-5}
    with pytest.raises(UserError, match="set rescale_betas_zero_snr to false too"):
        trained("full", tmp_path / "no", prediction_type="epsilon")
    result = trained("full", tmp_path / "mine", prediction_type="epsilon", rescale_betas_zero_snr=False, **text)
    pipe = StableDiffusionPipeline.from_pretrained(result, safety_checker=None)
    assert pipe.scheduler.config.prediction_type == "epsilon"
    opened = Sampler.from_pretrained(result, device="cpu")
    assert opened.name == "mine" and opened.recommended == sampler.recommended
    edges = Image.new("RGB", (64, 64), "white")
    assert opened("猫", control={"canny": edges}, **SMALL)  # the zoo's ControlNet of the model it was trained from
    assert not np.array_equal(pixels(opened, "猫"), pixels(sampler, "猫"))
    again = run("full", {**TINY, "output_dir": str(tmp_path / "on"), "pretrained_model_name_or_path": str(result)})
    assert again["finished"]


def test_a_run_goes_on_with_its_own_model_only(tmp_path):
    other = trained("full", tmp_path / "other")
    (tmp_path / "usual").touch()
    modes = {path.stat().st_mode for path in other.parent.rglob("*") if path.is_file()}
    assert modes == {(tmp_path / "usual").stat().st_mode}, "weights are for those to read who may read the other files"
    trained("lora", tmp_path / "ink", rank=2, max_train_steps=1)
    more = {"rank": 2, "resume_from_checkpoint": "latest", "pretrained_model_name_or_path": str(other)}
    with pytest.raises(UserError, match="open the model that it was made with"):
        trained("lora", tmp_path / "ink", **more)


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.slow
def test_dreambooth_draws_its_class_once(tmp_path, rank):
    photos = tmp_path / "photos"
    photos.mkdir()
    for i, row in enumerate(open_dataset("style", size=64).select(range(2))):
        row["image"].save(photos / f"{i}.png")
    words = {"instance_prompt": "一只糯糯猫", "class_prompt": "一只猫", "num_class_images": 3, "rank": rank}
    words |= {"class_data_dir": str(tmp_path / "class"), "train_data_dir": str(photos)}
    opened = Sampler.from_pretrained(trained("dreambooth", tmp_path / "a", **words), device="cpu")
    assert opened("一只糯糯猫", **SMALL)
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "class").rglob("*.png")}
    assert len(drawn) == 3
    trained("dreambooth", tmp_path / "b", **words)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "class").rglob("*.png")} == drawn


def test_dreambooth_says_where_nothing_learns_its_word(tmp_path, recwarn):
    words = {"instance_prompt": "一只糯糯猫", "train_data_dir": str(tmp_path / "set"), "rank": 2}
    folder = tmp_path / "set/3_白猫"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(folder / "a.png")
    with pytest.warns(UserWarning, match="No picture learns the instance_prompt '一只糯糯猫'.*such as '白猫'"):
        trained("dreambooth", tmp_path / "a", **words)
    recwarn.clear()
    (folder / "a.txt").write_text("一只糯糯猫", encoding="utf-8")
    trained("dreambooth", tmp_path / "b", **words)
    assert "No picture learns" not in " ".join(str(each.message) for each in recwarn)


def test_dreambooth_asks_for_its_word(tmp_path):
    with pytest.raises(UserError, match="instance_prompt must be given"):
        trained("dreambooth", tmp_path / "a")


@pytest.mark.slow
def test_a_control_adapter_learns_on(tmp_path):
    first = trained("controlnet", tmp_path / "a", annotator="canny", rank=4)
    more = {"annotator": "canny", "controlnet_model_name_or_path": str(first / "controlnet")}
    trained("controlnet", tmp_path / "b", rank=4, **more)
    whole = trained("controlnet", tmp_path / "c", **more)
    with pytest.raises(UserError, match="is a whole ControlNet, all of which must learn"):
        trained("controlnet", tmp_path / "d", rank=4, **{**more, "controlnet_model_name_or_path": whole / "controlnet"})
    with pytest.raises(UserError, match="of another model or rank"):
        trained("controlnet", tmp_path / "e", rank=2, **more)


def test_dreambooth_s_lora_is_of_the_layers_that_are_named(tmp_path):
    words = {"instance_prompt": "一只糯糯猫", "rank": 2}
    names = {
        targets: set(
            load_file(trained("dreambooth", tmp_path / targets, targets=targets, **words) / f"{targets}.safetensors")
        )
        for targets in ("attention", "all-linear")
    }
    assert names["attention"] < names["all-linear"] and any("_ff_" in name for name in names["all-linear"])


@pytest.mark.slow
def test_validation_pictures_show_what_learns(tmp_path):
    edges = tmp_path / "edges.png"
    Image.new("RGB", (64, 64), "white").save(edges)
    told = {"validation_prompts": ["猫", "狗"], "validation_images": [str(edges)], "validation_inference_steps": 1}
    trained("controlnet", tmp_path / "net", annotator="canny", rank=2, **told)
    assert sorted(path.name for path in (tmp_path / "net/samples").iterdir()) == ["step-000000.png", "step-000002.png"]
    words = {"placeholder_token": "<小奶猫>", "initializer_token": "小猫", "learning_rate": 1.0}
    trained("textual-inversion", tmp_path / "cat", **words, validation_prompts=["<小奶猫>"])
    before, after = (np.asarray(Image.open(path)) for path in sorted((tmp_path / "cat/samples").iterdir()))
    assert not np.array_equal(before, after)


def test_validation_pictures_are_drawn_by_the_schedule_that_is_learned(tmp_path):
    told = {**TINY, "prediction_type": "epsilon", "rescale_betas_zero_snr": False, "output_dir": str(tmp_path / "run")}
    made = TrainingRun(resolve_options("full", told))
    with claimed(tmp_path / "run", made.accelerator) as folder:
        made.train(folder)
    opened = Sampler.from_pretrained(tmp_path / "run/result", device="cpu")
    shown = PictureValidation(made.folder, ["猫"], **SMALL).validate(made.method, 2)[0]
    assert np.array_equal(np.asarray(shown), pixels(opened, "猫"))


@pytest.mark.parametrize(
    ("method", "own"),
    [("lora", {"rank": 4}), ("dreambooth", {"rank": 4, "instance_prompt": "一只糯糯猫"}), ("controlnet", {})],
)
def test_a_schedule_that_the_result_can_t_bring_along_is_refused(tmp_path, method, own):
    told = {"prediction_type": "epsilon", "rescale_betas_zero_snr": False, **own}
    with pytest.raises(UserError, match="and rescale_betas_zero_snr False is not the model's own"):
        trained(method, tmp_path / "run", **told)
    told = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}  # the model's own
    TrainingRun(resolve_options("lora", {**TINY, "output_dir": str(tmp_path / "own"), **told}))


def test_a_schedule_that_can_t_be_learned_is_refused():
    scheduler = PNDMScheduler(prediction_type="v_prediction")
    with pytest.raises(UserError, match="PNDMScheduler can't do"):
        schedule_of(scheduler, DenoisingOptions(rescale_betas_zero_snr=True), writes_model=True)
    with pytest.raises(UserError, match="prediction_type is 'sample'; valid are 'epsilon', 'v_prediction'"):
        schedule_of(scheduler, DenoisingOptions(prediction_type="sample"), writes_model=True)


def test_replay_shows_both_sets(tmp_path):
    result = trained("lora", tmp_path / "run", replay_data_dir="shipped:base", replay_share=0.75, max_train_steps=1)
    assert "pictures of shipped:style" in (result / "README.md").read_text("utf-8")
    known = open_dataset("known", size=64).select(range(2))
    trained("lora", tmp_path / "rows", replay_data_dir=known, max_train_steps=1)
    with pytest.raises(UserError, match="replay_share is 1"):
        trained("lora", tmp_path / "no", replay_data_dir="shipped:base", replay_share=1)


def test_files_that_a_result_names_must_lie_in_it(tmp_path):
    write_tuned(tmp_path, Tuned("pai-diffusion-mini-zh", loras={"../ink.safetensors": 1.0}))
    (tmp_path.parent / "ink.safetensors").touch()
    with pytest.raises(UserError, match="not in that folder"):
        read_tuned(tmp_path)
    assert read_tuned(tmp_path.parent) is None


def test_a_run_begins_anew_where_it_is_told_to(tmp_path):
    first = trained("lora", tmp_path / "ink", rank=2, validation_prompts=["猫"], validation_inference_steps=1)
    before = (first / "ink.safetensors").read_bytes()
    with pytest.raises(UserError, match="overwrite_output_dir"):
        trained("lora", tmp_path / "ink", rank=2)
    again = trained("lora", tmp_path / "ink", rank=2, overwrite_output_dir=True, max_train_steps=1)
    assert (again / "ink.safetensors").read_bytes() != before
    assert [path.name for path in (tmp_path / "ink").glob("checkpoint-*")] == ["checkpoint-1"]
    assert not (tmp_path / "ink/samples").exists()
