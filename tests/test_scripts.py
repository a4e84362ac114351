"""The training commands that diffusers' users know: each answers --help, trains, and writes what diffusers opens.

The two that PAI-Diffusion's article calls run in tests/pipelines/test_article.py.
"""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import pai_modelscope

SCRIPTS = Path(__file__).parents[1] / "scripts"
NAMES = ["textual_inversion", "train_controlnet", "train_dreambooth", "train_text_to_image", "train_text_to_image_lora"]
MINI = "pai-diffusion-mini-zh"
SHORT = ["--resolution=64", "--train_batch_size=1", "--max_train_steps=2", "--lr_warmup_steps=0"]


def test_all_five_are_there() -> None:
    assert sorted(path.stem for path in SCRIPTS.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str) -> None:
    done = subprocess.run([sys.executable, SCRIPTS / f"{name}.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--pretrained_model_name_or_path" in done.stdout, done.stderr


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures with a caption and, as `conditioning_image`, a picture to follow."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pictures"
    folder.mkdir()
    rows = []
    for number, row in enumerate(pai_modelscope.open_dataset("style", size=64).select(range(2))):
        row["image"].save(folder / f"{number}.png")
        row["image"].convert("L").convert("RGB").save(folder / f"{number}-edges.png")
        rows.append({"file_name": f"{number}.png", "text": "一只猫", "conditioning_image": f"{number}-edges.png"})
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, name: str, *flags: str) -> int:
    """The script's exit status, in this process."""
    arguments = [f"--pretrained_model_name_or_path={MINI}", "--output_dir=saved", *SHORT, *flags]
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return int(stopped.value.code or 0)


def test_text_to_image(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    assert run(monkeypatch, "train_text_to_image", "--train_data_dir=pictures", "--random_flip") == 0
    unet = StableDiffusionPipeline.from_pretrained("saved").unet.state_dict()
    before = StableDiffusionPipeline.from_pretrained(pai_modelscope.model_dir(MINI)).unet.state_dict()
    assert unet.keys() == before.keys()
    assert any((unet[name] != before[name]).any() for name in unet)


def test_dreambooth(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    flags = ["--instance_data_dir=pictures", "--instance_prompt=一只糯糯猫", "--class_data_dir=classes"]
    flags += ["--with_prior_preservation", "--class_prompt=一只猫", "--num_class_images=1"]
    assert run(monkeypatch, "train_dreambooth", *flags) == 0
    assert len(list(Path("classes").rglob("*.png"))) == 1
    assert StableDiffusionPipeline.from_pretrained("saved").unet.config.cross_attention_dim


def test_controlnet(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import ControlNetModel

    flags = ["--train_data_dir=pictures", "--proportion_empty_prompts=0.5"]
    assert run(monkeypatch, "train_controlnet", *flags) == 0
    assert json.loads(Path("saved/run.json").read_text("utf-8"))["options"]["caption_dropout"] == 0.5
    net = ControlNetModel.from_pretrained("saved", subfolder="controlnet")
    assert any(weight.abs().max() > 0 for name, weight in net.named_parameters() if "controlnet_mid_block" in name)
