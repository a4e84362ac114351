"""The snippets of the article that announced these models (Alibaba PAI, 2023), as printed but for id and device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pai_modelscope
from pai_modelscope.evaluation import Judge
from pai_modelscope.evaluation.metrics import ranks
from pai_modelscope.evaluation.pictures import open_pictures
from tests.adapter_files import make_checkpoint

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
    assert place_of("日出", picture) < 30  # of 3,704 names


def test_image_to_image(here: Path) -> None:
    start = Image.new("RGB", (256, 256), "white")
    start.paste((230, 60, 60), (64, 64, 192, 192))
    torch.manual_seed(0)
    exec(printed(IMAGE_TO_IMAGE, **{"input text": "房子,扁平插画风格"}), {"init_image": start})
    picture = Image.open(here / "result.png").convert("RGB")
    assert place_of("房", picture) < 30


def test_the_lora_of_a_checkpoint_by_the_line_that_the_readme_gives(here: Path) -> None:
    """diffusers removed what the article's line needs; ours takes its place."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(MINI)
    (here / "made").mkdir()
    file = make_checkpoint(pipe, here / "made")[0] / "checkpoint-20/pytorch_model.bin"
    line = "pipe.unet.load_attn_procs(torch.load(lora_path))"
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    ours = "load_lora(pipe, read_lora(lora_path), 'poem')"
    assert ours in readme
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
