"""The snippets of the article that announced these models (Alibaba PAI, 2023), as printed but for id and device."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pai_modelscope
from pai_modelscope.adapters import read_lora
from pai_modelscope.evaluation import Judge
from pai_modelscope.evaluation.clip import ChineseClip
from pai_modelscope.evaluation.metrics import ranks
from pai_modelscope.evaluation.pictures import open_pictures
from pai_modelscope.sampling import Sampler
from tests.support.adapter_files import make_checkpoint

MINI = str(pai_modelscope.model_dir("pai-diffusion-mini-zh"))

DIFFUSERS = """
from diffusers import StableDiffusionPipeline

model_id = "alibaba-pai/pai-diffusion-artist-large-zh"
pipe = StableDiffusionPipeline.from_pretrained(model_id)
pipe = pipe.to("cuda")

prompt = "雾蒙蒙的日出在湖面上"
image = pipe(prompt).images[0]
image.save("result.png")
"""
MODELSCOPE = """
from modelscope.pipelines import pipeline
import cv2

p = pipeline('text-to-image-synthesis', 'PAI/pai-diffusion-artist-large-zh', model_revision='v1.0.0')
result = p({'text': '雾蒙蒙的日出在湖面上'})
image = result["output_imgs"][0]
cv2.imwrite("image.png", image)
"""
IMAGE_TO_IMAGE = """
from diffusers import StableDiffusionImg2ImgPipeline

pipe = StableDiffusionImg2ImgPipeline.from_pretrained("model_name").to("cuda")
image = pipe(prompt="input text", image=init_image, strength=0.75, guidance_scale=7.5).images[0]
image.save("result.png")
"""
LORA = """
from diffusers import StableDiffusionPipeline

model_id = "model_name"
lora_path = "model_path/checkpoint-xxx/pytorch_model.bin"
pipe = StableDiffusionPipeline.from_pretrained(model_id)
pipe.unet.load_attn_procs(torch.load(lora_path))
pipe.to("cuda")
image = pipe("input text").images[0]
image.save("result.png")
"""
IDS = ("alibaba-pai/pai-diffusion-artist-large-zh", "PAI/pai-diffusion-artist-large-zh", "model_name")

TRAIN_LORA = """
accelerate launch train_text_to_image_lora.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$TRAIN_DIR \\
  --resolution=512 --center_crop --random_flip \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=15000 \\
  --learning_rate=1e-04 \\
  --max_grad_norm=1 \\
  --lr_scheduler="cosine" --lr_warmup_steps=0 \\
  --output_dir=$OUTPUT_DIR
"""
TRAIN_WORD = """
accelerate launch textual_inversion.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --train_data_dir=$TRAIN_DIR \\
  --learnable_property="object" \\
  --placeholder_token="<小奶猫>" --initializer_token="猫" \\
  --resolution=512 \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=100 \\
  --learning_rate=5.0e-04 --scale_lr \\
  --lr_scheduler="constant" \\
  --lr_warmup_steps=0 \\
  --output_dir=$OUTPUT_DIR
"""
SCRIPTS = Path(__file__).parents[2] / "scripts"


def printed(snippet: str, **changes: str) -> str:
    """The snippet for this machine: our model for theirs, the CPU for the GPU."""
    for model in IDS:
        snippet = snippet.replace(model, MINI)
    for old, new in {'"cuda"': '"cpu"', **changes}.items():
        assert old in snippet or old == '"cuda"'
        snippet = snippet.replace(old, new)
    return snippet


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def place_of(name: str, picture: Image.Image) -> int:
    """How many names the judge finds fitter for the picture than the best of those that contain `name`."""
    names = open_pictures("shipped").names
    judge = Judge.load(Path(pai_modelscope.__file__).parent / "assets/judge")
    right = {place for place, each in enumerate(names) if name in each}
    return int(ranks(judge.images([picture]), judge.texts(names), [right])[0])


@pytest.mark.parametrize(("snippet", "file"), [(DIFFUSERS, "result.png"), (MODELSCOPE, "image.png")])
def test_inference(here: Path, snippet: str, file: str) -> None:
    torch.manual_seed(0)
    exec(printed(snippet), {})
    picture = Image.open(here / file).convert("RGB")
    assert picture.size == (256, 256)
    texts = [
        "日出在湖面上",
        "夜晚的城市",
        "下雪的山村",
        "沙漠里的骆驼",
        "月光下的竹林",
        "熊猫",
        "短发女孩头像",
        "红色汽车",
    ]
    clip = ChineseClip.load()
    assert (clip.images([picture]) @ clip.texts(texts).T).argmax() == 0


@pytest.mark.slow
def test_image_to_image(here: Path) -> None:
    start = Image.new("RGB", (256, 256), "white")
    start.paste((230, 60, 60), (64, 64, 192, 192))
    torch.manual_seed(0)
    exec(printed(IMAGE_TO_IMAGE, **{"input text": "房子,扁平插画风格"}), {"init_image": start})
    picture = Image.open(here / "result.png").convert("RGB")
    assert place_of("房", picture) < 30


@pytest.mark.slow
def test_the_lora_of_a_checkpoint_by_the_line_that_the_guide_gives(here: Path) -> None:
    """diffusers removed what the article's line needs; ours takes its place."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    (here / "made").mkdir()
    file = make_checkpoint(pipe, here / "made")[0] / "checkpoint-20/pytorch_model.bin"
    line = "pipe.unet.load_attn_procs(torch.load(lora_path))"
    guide = (Path(__file__).parents[2] / "docs/en/adapters.md").read_text("utf-8")
    ours = "load_lora(pipe, read_lora(lora_path), 'poem')"
    assert ours in guide
    changes = {
        "model_path/checkpoint-xxx/pytorch_model.bin": str(file),
        '"input text"': '"熊猫", num_inference_steps=4',
    }
    with pytest.raises(ValueError, match="format"):
        exec(printed(LORA, **changes), {"torch": torch})
    names = {"torch": torch}
    exec("from pai_modelscope.adapters import load_lora, read_lora", names)
    torch.manual_seed(0)
    exec(printed(LORA, **changes, **{line: ours}), names)
    torch.manual_seed(0)
    plain = pipe("熊猫", num_inference_steps=4).images[0]
    assert not np.array_equal(np.asarray(plain), np.asarray(Image.open(here / "result.png")))


def typed(command: str, here: Path) -> None:
    """The command in a shell beside the scripts, at two small steps."""
    for script in SCRIPTS.glob("*.py"):
        shutil.copy(script, here)
    short = re.sub("max_train_steps=[0-9]+", "max_train_steps=2", command).replace("resolution=512", "resolution=64")
    folders = {"MODEL_NAME": "pai-diffusion-mini-zh", "TRAIN_DIR": "pictures", "OUTPUT_DIR": "saved"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(short, shell=True, cwd=here, env={**os.environ, **folders, "PATH": path}, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()


@pytest.fixture
def pictures(here: Path) -> Path:
    (here / "pictures").mkdir()
    for i, row in enumerate(pai_modelscope.open_dataset("style", size=64).select(range(4))):
        row["image"].save(here / f"pictures/{i}.png")
    return here / "pictures"


def test_the_command_that_trains_a_lora(here: Path, pictures: Path) -> None:
    from diffusers import StableDiffusionPipeline

    for path in list(pictures.iterdir()):
        path.with_suffix(".txt").write_text("一只猫,扁平插画风格", encoding="utf-8")
    typed(TRAIN_LORA, here)
    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    pipe.load_lora_weights(here / "saved")
    assert pipe.get_active_adapters() == ["default_0"]
    of_2023 = read_lora(here / "saved/checkpoint-2/pytorch_model.bin")
    today = read_lora(here / "saved/pytorch_lora_weights.safetensors")
    assert set(of_2023.ranks.values()) == set(today.ranks.values()) == {4} and of_2023.unet.keys() == today.unet.keys()
    assert Sampler.from_pretrained(here / "saved", device="cpu").recommended["loras"]


@pytest.mark.slow
def test_the_command_that_trains_a_word(here: Path, pictures: Path) -> None:
    typed(TRAIN_WORD, here)
    opened = """
from diffusers import StableDiffusionPipeline

model_path = "path_to_save_model"
pipe = StableDiffusionPipeline.from_pretrained(model_path).to("cuda")
image = pipe("input text").images[0]
image.save("result.png")
"""
    changes = {"path_to_save_model": "saved", '"input text"': '"一只<小奶猫>", num_inference_steps=2'}
    names: dict[str, object] = {}
    exec(printed(opened, **changes), names)
    pipe = names["pipe"]
    assert "<小奶猫>" in pipe.tokenizer.tokenize("一只<小奶猫>")  # type: ignore[attr-defined]
    assert Image.open(here / "result.png").size == (256, 256)
